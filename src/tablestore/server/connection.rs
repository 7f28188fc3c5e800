//! Accepts connections up to a limit, serves them, and ends them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};

use super::{Service, ServiceConfig};
use connections::{self, Bounds, Entrance, Guest, Standing, set_up};

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// The address that the connection comes from.
    pub(super) address: SocketAddr,
    /// What the caller has shown of itself.
    pub(super) standing: Standing,
}

/// A server of a store over HTTP.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Serves until `shutdown` is ready. Then answers the requests that are running and returns.
    ///
    /// Requests that wait for the disk or take long run on the runtime's blocking threads, all
    /// others on its workers.
    ///
    /// # Errors
    /// Returns an error if the listener can accept no more connections. An error of a connection
    /// ends only that connection.
    pub async fn serve(
        entrance: impl Into<Entrance>,
        config: ServiceConfig,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let service = Arc::new(Service::new(config));
        let bounds = Bounds {
            connections_max: service.limits.connections_max,
            shutdown_time_max: service.limits.shutdown_time_max,
        };
        connections::serve(entrance.into(), bounds, shutdown, move |guest| {
            serve_connection(guest, service.clone())
        })
        .await
    }
}

/// Serves one connection until either side ends it.
async fn serve_connection(guest: Guest, service: Arc<Service>) {
    let Guest { stream, peer, standing, mut ending } = guest;
    let limits = &service.limits;
    if set_up(&stream, limits.answer_unread_time_max).is_err() {
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_read_time_max)
        .max_header_size(HEAD_BYTES_MAX);
    let shared = service.clone();
    let peer = Peer { address: peer, standing };
    let answer = service_fn(move |request| answer(shared.clone(), peer.clone(), request));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = ending.changed() => None,
    };
    // These errors are the caller's: bytes that are not HTTP, a head that does not arrive, a
    // connection that is cut.
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Answers one request.
async fn answer(
    service: Arc<Service>,
    peer: Peer,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    match service.plain_answer(&head, &peer) {
        Some(answer) => Ok(answer),
        None => Ok(service.handle(head, body, &peer.standing).await),
    }
}
