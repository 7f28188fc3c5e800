//! HTTP, plain or through TLS: one request out, one whole answer in, over connections that are kept.

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

/// The longest that a connection is kept without use. Below the idle times of servers, so that
/// requests rarely meet a connection that the server is about to close.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read: a page of rows, or a batch of large rows.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// The program as servers see it.
const USER_AGENT: &str = concat!("orderflow/", env!("CARGO_PKG_VERSION"));

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// Its headers.
    pub(super) headers: HeaderMap,
    /// Its body.
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum TransportError {
    /// No connection came about.
    NotSent(String),
    /// The request may have reached the server.
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
    /// Connects to nothing yet. Reads the machine's certificates for an endpoint with TLS only.
    ///
    /// # Errors
    /// [`ClientError::Config`] where this machine has no certificates to check a server's by.
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

    /// The endpoint, for messages.
    pub(super) fn endpoint(&self) -> &str {
        &self.base
    }

    /// Posts a body to a path and waits for all of the answer.
    ///
    /// # Errors
    /// [`TransportError`], which tells whether the server may have seen the request.
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
        // Said also of an empty body: hyper itself would not.
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

/// What an error is at its root: hyper's own words add layers, not facts.
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
