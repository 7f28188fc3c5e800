//! Runs a server that answers from a script and remembers its requests.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use md5::{Digest, Md5};
use prost::Message;
use tokio::net::TcpListener;

use super::{Client, ClientConfig, RetryPolicy};
use crate::signature::{SignedHeader, SigningKey};
use crate::table;

pub(super) const SECRET: &str = "secret";

/// What the server does with a request.
#[derive(Clone)]
pub(super) enum Reply {
    /// Answers with this body.
    Answer(Vec<u8>),
    /// Refuses, with a signed error.
    Refuse(u16, &'static str, &'static str),
    /// Refuses as a server whose clock says 2001.
    RefuseIn2001(u16, &'static str, &'static str),
    /// Answers with an empty body, and with headers that were changed before or after they were
    /// signed.
    Meddled { before: fn(&mut HeaderMap), after: fn(&mut HeaderMap) },
    /// Answers as a server that is no Tablestore.
    Foreign(u16, &'static str),
    /// Closes the connection.
    Close,
    /// Never answers.
    Silent,
}

impl Reply {
    pub(super) fn answer(message: &impl Message) -> Reply {
        Reply::Answer(message.encode_to_vec())
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Returns the key that a caller with the secret signs with, as the headers say.
    fn key(&self) -> SigningKey {
        match (self.header("x-ots-signdate"), self.header("x-ots-signregion")) {
            (Some(date), Some(region)) => SigningKey::derive(SECRET, date, region),
            _ => SigningKey::Secret(SECRET.into()),
        }
    }

    /// Returns whether digest and signature are right.
    pub(super) fn is_signed(&self) -> bool {
        let key = self.key();
        let (mut signed, mut signature) = (Vec::new(), "");
        for (name, value) in &self.headers {
            let (name, value) = (name.as_str(), value.to_str().unwrap());
            if name == key.request_header() {
                signature = value;
            } else if name.starts_with("x-ots-") {
                signed.push(SignedHeader { name, value });
            }
        }
        let digest = BASE64.encode(Md5::digest(&self.body));
        self.header("x-ots-contentmd5") == Some(&*digest)
            && key.verify_request(&self.path, &mut signed, signature)
    }
}

pub(super) struct FakeServer {
    pub(super) address: SocketAddr,
    script: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
}

impl FakeServer {
    /// Starts a server that sends these replies in order. After the last, it closes each
    /// connection.
    pub(super) async fn start(script: impl IntoIterator<Item = Reply>) -> FakeServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = FakeServer {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(script.into_iter().collect())),
            seen: Arc::default(),
            connections: Arc::default(),
        };
        let (script, seen, connections) =
            (server.script.clone(), server.seen.clone(), server.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), seen.clone());
                let service = service_fn(move |request| serve(request, script.clone(), seen.clone()));
                let http = hyper::server::conn::http1::Builder::new();
                // The connection ends with an error when the script says to close it.
                tokio::spawn(async move { http.serve_connection(TokioIo::new(stream), service).await });
            }
        });
        server
    }

    /// Returns a client of this server that does not wait long.
    pub(super) fn client(&self, region: Option<&str>) -> Client {
        let mut config =
            ClientConfig::new(&format!("http://{}", self.address), "instance", "id", SECRET, region);
        config.retry = quick();
        Client::new(config).unwrap()
    }

    /// Returns all requests so far.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns how many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Returns the number of replies that were not asked for.
    pub(super) fn left(&self) -> usize {
        self.script.lock().unwrap().len()
    }
}

/// Returns a policy with tiny delays and long patience.
pub(super) fn quick() -> RetryPolicy {
    RetryPolicy {
        patience: Duration::from_secs(60),
        connect_patience: Duration::from_millis(20),
        not_ready_patience: Duration::from_secs(60),
        first_delay: Duration::from_millis(1),
        delay_max: Duration::from_millis(2),
    }
}

async fn serve(
    request: Request<hyper::body::Incoming>,
    script: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
) -> Result<Response<Full<Bytes>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let asked = Seen { path: parts.uri.path().to_owned(), headers: parts.headers, body };
    seen.lock().unwrap().push(asked.clone());
    let reply = script.lock().unwrap().pop_front().unwrap_or(Reply::Close);
    let none: fn(&mut HeaderMap) = |_| {};
    Ok(match reply {
        Reply::Answer(body) => signed(&asked, 200, body, none, none),
        Reply::Refuse(status, code, message) => {
            let error = table::Error { code: code.to_owned(), message: Some(message.to_owned()) };
            signed(&asked, status, error.encode_to_vec(), none, none)
        }
        Reply::RefuseIn2001(status, code, message) => {
            let error = table::Error { code: code.to_owned(), message: Some(message.to_owned()) };
            signed(&asked, status, error.encode_to_vec(), of_2001, none)
        }
        Reply::Meddled { before, after } => signed(&asked, 200, Vec::new(), before, after),
        Reply::Foreign(status, body) => {
            let mut answer = Response::new(Full::from(body));
            *answer.status_mut() = status.try_into().unwrap();
            answer
        }
        Reply::Close => return Err(std::io::Error::other("as the script says")),
        Reply::Silent => {
            let silence: Infallible = std::future::pending().await;
            match silence {}
        }
    })
}

/// Sets the date of an answer to the start of 2001.
pub(super) fn of_2001(headers: &mut HeaderMap) {
    headers.insert("x-ots-date", HeaderValue::from_static("2001-01-01T00:00:00.000Z"));
}

fn signed(
    asked: &Seen,
    status: u16,
    body: Vec<u8>,
    before: fn(&mut HeaderMap),
    after: fn(&mut HeaderMap),
) -> Response<Full<Bytes>> {
    let mut headers = HeaderMap::new();
    let mut set = |name: &'static str, value: String| {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap());
    };
    set("x-ots-requestid", "request-1".to_owned());
    set("x-ots-date", Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string());
    set("x-ots-contenttype", "protocol buffer".to_owned());
    set("x-ots-contentmd5", BASE64.encode(Md5::digest(&body)));
    before(&mut headers);
    let mut covered: Vec<_> = headers
        .iter()
        .map(|(name, value)| SignedHeader { name: name.as_str(), value: value.to_str().unwrap() })
        .collect();
    let signature = asked.key().sign_response(&asked.path, &mut covered);
    headers.insert("authorization", format!("OTS id:{signature}").parse().unwrap());
    after(&mut headers);
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status.try_into().unwrap();
    *answer.headers_mut() = headers;
    answer
}
