//! Answers: their headers, and bodies that are there at once or come in parts.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// What every answer says to browsers: nothing is loaded from elsewhere, no script or style but the page's own files
/// takes part, and nobody frames it.
const SAFETY: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// A body.
#[derive(Debug)]
pub(super) enum Body {
    /// All of it; none once it was taken.
    Whole(Option<Bytes>),
    /// Parts as they come.
    Parts(mpsc::Receiver<Bytes>),
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = match &mut *self {
            Body::Whole(bytes) => Poll::Ready(bytes.take()),
            Body::Parts(parts) => parts.poll_recv(context),
        };
        part.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Body::Parts(_) => SizeHint::default(),
        }
    }
}

/// Gives parts to a body, and hangs up on a reader that does not take them.
#[derive(Debug)]
pub(super) struct Parts {
    sender: mpsc::Sender<Bytes>,
    hang_up: Arc<Notify>,
    unread_time_max: Duration,
}

impl Parts {
    /// Such a body. One part waits at most.
    pub(super) fn new(hang_up: Arc<Notify>, unread_time_max: Duration) -> (Parts, Body) {
        let (sender, receiver) = mpsc::channel(1);
        (Parts { sender, hang_up, unread_time_max }, Body::Parts(receiver))
    }

    /// Gives a part; false if the reader is gone, or is now for not having read.
    pub(super) async fn give(&self, part: Bytes) -> bool {
        match timeout(self.unread_time_max, self.sender.send(part)).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                self.cut();
                false
            }
        }
    }

    /// Cuts the connection in the middle of the body, so that nobody takes what came for all of it.
    pub(super) fn cut(&self) {
        self.hang_up.notify_one();
    }

    /// Ready once the reader is gone.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }
}

/// An answer of this type.
pub(super) fn answer(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in SAFETY {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// A refusal, as a sentence.
pub(super) fn refusal(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut body = serde_json::json!({ "error": sentence }).to_string().into_bytes();
    body.push(b'\n');
    answer(status, JSON, whole(body))
}

/// Media type of JSON.
pub(super) const JSON: &str = "application/json";

/// A body that is there at once.
pub(super) fn whole(bytes: Vec<u8>) -> Body {
    Body::Whole(Some(Bytes::from(bytes)))
}

/// Media type of CSV.
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// A file of CSV.
pub(super) fn csv(name: &str, body: Body) -> Response<Body> {
    let mut response = answer(StatusCode::OK, CSV, body);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
