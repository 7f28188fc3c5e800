//! Makes answers: their headers, and bodies that are whole or come in parts.

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

/// The headers of every answer that keep browsers safe, besides the policy of
/// [`Embedding`](super::embed::Embedding).
const SAFETY: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The body of an answer.
#[derive(Debug)]
pub(super) enum Body {
    /// A whole body; `None` once it was taken.
    Whole(Option<Bytes>),
    /// A body that comes in parts.
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

/// A sender that gives parts to a body, and hangs up on a reader that does not take them.
#[derive(Debug)]
pub(super) struct Parts {
    sender: mpsc::Sender<Bytes>,
    hang_up: Arc<Notify>,
    unread_time_max: Duration,
}

impl Parts {
    /// Creates a body that comes in parts, and its sender. At most one part is buffered; a reader
    /// that leaves a part unread for `unread_time_max` is disconnected through `hang_up`.
    pub(super) fn new(hang_up: Arc<Notify>, unread_time_max: Duration) -> (Parts, Body) {
        let (sender, receiver) = mpsc::channel(1);
        (Parts { sender, hang_up, unread_time_max }, Body::Parts(receiver))
    }

    /// Gives a part. Returns false if the reader is gone, or is disconnected now because it did not
    /// read.
    pub(super) async fn give(&self, part: Bytes) -> bool {
        match timeout(self.unread_time_max, self.sender.send(part)).await {
            Ok(sent) => sent.is_ok(),
            Err(_) => {
                self.cut();
                false
            }
        }
    }

    /// Cuts the connection in the middle of the body, so that no reader takes the parts so far for
    /// the whole.
    pub(super) fn cut(&self) {
        self.hang_up.notify_one();
    }

    /// Waits until the reader is gone.
    pub(super) async fn gone(&self) {
        self.sender.closed().await;
    }
}

/// Returns an answer with this status, media type and body, and with the headers that all answers
/// have.
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

/// Returns a refusal: a JSON object with the sentence as its `error`.
pub(super) fn refusal(status: StatusCode, sentence: &str) -> Response<Body> {
    let mut body = serde_json::json!({ "error": sentence }).to_string().into_bytes();
    body.push(b'\n');
    answer(status, JSON, whole(body))
}

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

/// Returns a whole body.
pub(super) fn whole(bytes: Vec<u8>) -> Body {
    Body::Whole(Some(Bytes::from(bytes)))
}

/// The media type of CSV.
const CSV: &str = "text/csv; charset=utf-8; header=present";

/// Returns a CSV file as an answer. Browsers store it under `name`.
pub(super) fn csv(name: &str, body: Body) -> Response<Body> {
    let mut response = answer(StatusCode::OK, CSV, body);
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}.csv\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    response
}
