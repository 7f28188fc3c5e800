//! Connections: accepted, bounded, served, and ended.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::io::Errno;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Service, ServiceConfig};

/// Pause after a connection could not be accepted, for lack of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What is said to a connection that is one too many.
const TOO_MANY_CONNECTIONS: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 21\r\n\r\n\
    too many connections\n";

/// Serves a store over HTTP.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Serves until `shutdown` is ready, then ends once the requests that are there by then are answered.
    ///
    /// Requests that wait for the disk or take long run on the runtime's blocking threads, all others on its workers.
    ///
    /// # Errors
    /// The listener can accept no more connections. Errors of connections end only them.
    pub async fn serve(
        listener: TcpListener,
        config: ServiceConfig,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        let service = Arc::new(Service::new(config));
        let limits = service.limits.clone();
        let places = Arc::new(Semaphore::new(limits.connections_max));
        let (end, ending) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut shutdown = pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(_) = connections.join_next() => continue,
                () = &mut shutdown => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) if passes(&error) => {
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (service, ending) = (service.clone(), ending.clone());
                    connections.spawn(async move {
                        serve_connection(stream, service, ending).await;
                        drop(place);
                    });
                }
                Err(_) => refuse(stream),
            }
        }
        drop(listener);
        drop(end);
        // What is not done by then is not going to be.
        let _ = timeout(limits.shutdown_time_max, async { while connections.join_next().await.is_some() {} })
            .await;
        connections.shutdown().await;
        Ok(())
    }
}

/// Whether an error is of one connection, or of a lack of means that others may give back.
fn passes(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, OutOfMemory};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | OutOfMemory)
        || matches!(
            Errno::from_io_error(error),
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::PROTO)
        )
}

/// Serves one connection until either side ends it.
async fn serve_connection(stream: TcpStream, service: Arc<Service>, mut ending: watch::Receiver<()>) {
    let limits = &service.limits;
    if set_up(&stream, limits.answer_unread_time_max).is_err() {
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_read_time_max)
        .max_header_size(HEAD_BYTES_MAX);
    let shared = service.clone();
    let answer = service_fn(move |request| answer(shared.clone(), request));
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        _ = ending.changed() => None,
    };
    // Errors are the caller's: bytes that are no HTTP, heads that do not come, connections that are cut.
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// Sends at once what is to be sent, and gives up on a caller that does not read.
fn set_up(stream: &TcpStream, unread: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(unread))?;
    #[cfg(not(target_os = "linux"))]
    let _ = unread;
    Ok(())
}

/// Answers one request.
async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    match service.plain_answer(&head) {
        Some(answer) => Ok(answer),
        None => Ok(service.handle(head, body).await),
    }
}

/// Ends a connection that is one too many, and says why.
fn refuse(stream: TcpStream) {
    tokio::spawn(async move {
        let mut stream = stream;
        // It is gone either way.
        let _ = timeout(ACCEPT_PAUSE, stream.write_all(TOO_MANY_CONNECTIONS)).await;
    });
}
