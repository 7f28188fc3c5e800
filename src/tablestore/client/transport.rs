//! Sends one request and reads one whole answer over HTTP, plain or through TLS. Connections are
//! kept.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, ResponseFuture};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::config::Endpoint;
use super::error::ClientError;

/// The longest that one address may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest that an unused connection is kept. This is below the idle times of servers, so that
/// a request rarely meets a connection that the server is about to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes of an answer that is read: a page of rows, or a batch of large rows.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The program's name and version, as servers see it.
const USER_AGENT: &str = concat!("orderflow/", env!("CARGO_PKG_VERSION"));

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// The HTTP status.
    pub(super) status: u16,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Bytes,
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum TransportError {
    /// No connection could be made, for this reason.
    NotSent(String),
    /// The request may have reached the server, but then failed for this reason.
    Lost(String),
}

/// Connections to one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    base: String,
    connections: Connections,
    timeout: Duration,
}

#[derive(Clone, Debug)]
enum Connections {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Connections {
    fn request(&self, request: Request<Full<Bytes>>) -> ResponseFuture {
        match self {
            Connections::Plain(client) => client.request(request),
            Connections::Tls(client) => client.request(request),
        }
    }
}

impl Transport {
    /// Creates a transport that has not connected yet. Reads the machine's certificates if the
    /// endpoint uses TLS.
    ///
    /// # Errors
    /// Returns [`ClientError::Config`] if this machine has no certificates to check a server with.
    pub(super) fn new(endpoint: Endpoint, timeout: Duration) -> Result<Transport, ClientError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
        let connections = if endpoint.is_tls {
            tcp.enforce_http(false);
            let tls = HttpsConnectorBuilder::new().with_native_roots().map_err(|error| {
                ClientError::Config(format!("cannot check the certificate of {}: {error}", endpoint.base))
            })?;
            Connections::Tls(builder.build(tls.https_only().enable_http1().wrap_connector(tcp)))
        } else {
            Connections::Plain(builder.build(tcp))
        };
        Ok(Transport { base: endpoint.base, connections, timeout })
    }

    /// Returns the endpoint, for messages.
    pub(super) fn endpoint(&self) -> &str {
        &self.base
    }

    /// Posts a body to a path and waits for the whole answer.
    ///
    /// # Errors
    /// Returns [`TransportError`], which tells whether the server may have seen the request.
    pub(super) async fn post(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, TransportError> {
        let lost = |error: &dyn Error| TransportError::Lost(innermost(error));
        let uri: Uri = format!("{}{path}", self.base)
            .parse()
            .map_err(|error| TransportError::NotSent(format!("{path:?} is not a path: {error}")))?;
        let length = HeaderValue::from(body.len());
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let sent = request.headers_mut();
        sent.insert(hyper::header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        // The length is also sent with an empty body, for which hyper itself would not send it.
        sent.insert(hyper::header::CONTENT_LENGTH, length);
        sent.extend(headers.iter().cloned());
        let exchange = async {
            let answer =
                self.connections.request(request).await.map_err(|error| match error.is_connect() {
                    true => TransportError::NotSent(innermost(&error)),
                    false => lost(&error),
                })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| lost(&*error))?;
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: body.to_bytes() })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answered) => answered,
            Err(_) => {
                Err(TransportError::Lost(format!("nothing came within {} s", self.timeout.as_secs_f64())))
            }
        }
    }
}

/// Returns the root cause of an error. The layers that hyper adds hold no facts.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
