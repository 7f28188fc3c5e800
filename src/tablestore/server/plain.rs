//! Answers requests that need no signature, from anybody: GET and HEAD of `/metrics`, `/healthz`
//! and `/readyz`.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::Service;
use super::requests::RequestCount;

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
    pub(super) fn plain_answer(&self, head: &Parts) -> Option<Response<Full<Bytes>>> {
        if head.method != Method::GET && head.method != Method::HEAD {
            return None;
        }
        let refusal = || self.store.refusal();
        match head.uri.path() {
            "/metrics" => Some(plain(StatusCode::OK, METRICS_TYPE, self.vitals.metrics(&self.load()))),
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
