//! Answers requests that need no signature: GET and HEAD of `/metrics`, `/healthz` and `/readyz`.
//!
//! Whatever watches a program from outside, such as a balancer or a supervisor, asks `/healthz` and
//! `/readyz` without any secret, so they are answered to everybody. Each tells a state in one line.
//! `/metrics` tells how much a shop sells, so it may ask for a token.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::Service;
use super::connection::Peer;
use super::requests::RequestCount;
use connections::Token;

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT_TYPE: &str = "text/plain; charset=utf-8";

/// What the program around the server reports about itself.
pub trait Vitals: Send + Sync {
    /// Returns all metrics, in Prometheus' text format. Must be quick, because it is called on a
    /// thread that serves connections.
    fn metrics(&self, load: &ServerLoad) -> String;

    /// Returns in one line why the program is not, or no longer, fully ready; `None` if it is. The
    /// store itself may be sound.
    fn unready(&self) -> Option<String>;
}

/// Who may read the metrics.
#[derive(Clone, Debug, Default)]
pub enum MetricsReaders {
    /// Everybody.
    #[default]
    All,
    /// Programs on this machine.
    ThisMachine,
    /// Who shows the token.
    Holders(Token),
}

impl MetricsReaders {
    /// Returns why a request for the metrics is refused: a status and a sentence.
    fn refusal(&self, headers: &HeaderMap, peer: &Peer) -> Option<(StatusCode, &'static str)> {
        match self {
            MetricsReaders::All => None,
            MetricsReaders::ThisMachine => refusal_to_others(peer.address),
            MetricsReaders::Holders(token) => {
                let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
                if token.is_shown(values(AUTHORIZATION), values(COOKIE)) {
                    peer.standing.is_known();
                    return None;
                }
                Some((
                    StatusCode::UNAUTHORIZED,
                    "the metrics ask for the token: send Authorization: Bearer and the token of --page-token-file\n",
                ))
            }
        }
    }
}

/// Returns why a caller from this address gets nothing that is for this machine only.
pub(super) fn refusal_to_others(address: SocketAddr) -> Option<(StatusCode, &'static str)> {
    let is_here = address.ip().to_canonical().is_loopback();
    let sentence =
        "the metrics are for this machine only: start with --page-token-file, or with --page-open\n";
    (!is_here).then_some((StatusCode::FORBIDDEN, sentence))
}

/// The numbers of a running server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerLoad {
    /// The requests that were answered since the start.
    pub requests: Vec<RequestCount>,
    /// The number of bytes that the bodies of requests take.
    pub bodies_bytes: usize,
    /// The number of bytes that answers with rows take.
    pub answers_bytes: usize,
}

impl Service {
    /// Returns the answer to a request that needs no signature; `None` for any other request.
    pub(super) fn plain_answer(&self, head: &Parts, peer: &Peer) -> Option<Response<Full<Bytes>>> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        let refusal = || self.store.refusal();
        match head.uri.path() {
            "/metrics" => Some(self.metrics(head, peer)),
            // What passes by itself is no reason to start the program again.
            "/healthz" => {
                Some(state("ok", refusal().filter(|refusal| !refusal.passes).map(|refusal| refusal.reason)))
            }
            "/readyz" => {
                let refused = refusal().map(|refusal| refusal.reason);
                Some(state("ready", refused.or_else(|| self.vitals.unready())))
            }
            _ => None,
        }
    }

    fn metrics(&self, head: &Parts, peer: &Peer) -> Response<Full<Bytes>> {
        let Some((status, sentence)) = self.metrics_readers.refusal(&head.headers, peer) else {
            return plain(StatusCode::OK, METRICS_TYPE, self.vitals.metrics(&self.load()));
        };
        let mut response = plain(status, TEXT_TYPE, sentence.to_owned());
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }

    fn load(&self) -> ServerLoad {
        ServerLoad {
            requests: self.requests.counts(),
            bodies_bytes: self.body_memory.bytes_taken(),
            answers_bytes: self.answer_memory.bytes_taken(),
        }
    }
}

/// Answers with `good`, or with the reason why the state is bad.
fn state(good: &str, reason: Option<String>) -> Response<Full<Bytes>> {
    match reason {
        None => plain(StatusCode::OK, TEXT_TYPE, format!("{good}\n")),
        Some(reason) => plain(StatusCode::SERVICE_UNAVAILABLE, TEXT_TYPE, format!("{reason}\n")),
    }
}

fn plain(status: StatusCode, content_type: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
