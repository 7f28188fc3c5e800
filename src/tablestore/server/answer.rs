//! Builds answers: the digest of the body, the headers that every client expects, and the
//! signature.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONNECTION, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use md5::{Digest, Md5};

use super::Service;
use super::date::format_date;
use super::error::Refusal;
use super::memory::Share;
use crate::signature::{SignedHeader, SigningKey};

/// The fewest bytes of an answer that is deflated.
const DEFLATE_BYTES_MIN: usize = 1_024;

/// What an operation answers with.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// The body of the answer.
    pub(super) body: Vec<u8>,
    /// The refusals of single rows, which are in the body too.
    pub(super) rows_refused: Vec<Refusal>,
}

impl From<Vec<u8>> for Built {
    fn from(body: Vec<u8>) -> Built {
        Built { body, rows_refused: Vec::new() }
    }
}

/// The body of an answer, which keeps its share of the memory for answers until it is sent.
#[derive(Debug)]
pub(super) struct Reply {
    body: Vec<u8>,
    rows_refused: Vec<Refusal>,
    _share: Option<Share>,
}

impl Reply {
    pub(super) fn new(built: Built, share: Option<Share>) -> Reply {
        Reply { body: built.body, rows_refused: built.rows_refused, _share: share }
    }
}

impl AsRef<[u8]> for Reply {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Returns the digest of a body in base64, as headers carry it.
pub(super) fn md5_base64(body: &[u8]) -> String {
    BASE64.encode(Md5::digest(body))
}

/// A maker of request ids. A random half makes them unique among all processes.
#[derive(Debug)]
pub(super) struct RequestIds {
    random: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> RequestIds {
        // The ids are only for logs, so zeros are good enough if the system has no randomness.
        let random = getrandom::u64().unwrap_or_default();
        RequestIds { random, next: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        let (number, random) = (self.next.fetch_add(1, Ordering::Relaxed), self.random);
        format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            random >> 32,
            (random >> 16) & 0xffff,
            random & 0xffff,
            number >> 48,
            number & 0xffff_ffff_ffff
        )
    }
}

impl Service {
    /// Builds the answer to a request of `path`, signed if there is a `key`.
    pub(super) fn answer(
        &self,
        path: &str,
        result: Result<Reply, Refusal>,
        key: Option<&SigningKey>,
        deflate: bool,
    ) -> Response<Full<Bytes>> {
        let (request_id, now_us) = (self.request_ids.next(), self.now_us());
        // Strangers must not push the refusals of others out of the log.
        if key.is_some() {
            let refusals = match &result {
                Ok(reply) => reply.rows_refused.as_slice(),
                Err(refusal) => std::slice::from_ref(refusal),
            };
            self.refusal_log.add(&request_id, path, now_us, refusals.iter());
        }
        let (status, mut reply) = match result {
            Ok(reply) => (StatusCode::OK, reply),
            Err(refusal) => (refusal.status, Reply::new(refusal.encode().into(), None)),
        };
        let body = &mut reply.body;
        let mut headers = vec![
            ("x-ots-contentmd5", md5_base64(body)),
            ("x-ots-contenttype", "protocol buffer".to_owned()),
            ("x-ots-date", format_date(now_us)),
            ("x-ots-requestid", request_id),
        ];
        if deflate
            && body.len() >= DEFLATE_BYTES_MIN
            && let Ok(deflated) = deflated(body)
        {
            headers.push(("x-ots-response-compress-type", "deflate".to_owned()));
            headers.push(("x-ots-response-compress-size", body.len().to_string()));
            *body = deflated;
        }
        let authorization = key.map(|key| {
            let mut signed: Vec<SignedHeader<'_>> =
                headers.iter().map(|(name, value)| SignedHeader { name, value }).collect();
            format!("OTS {}:{}", self.key_id, key.sign_response(path, &mut signed))
        });
        let mut response = Response::new(Full::new(Bytes::from_owner(reply)));
        *response.status_mut() = status;
        for (name, value) in headers {
            set(&mut response, HeaderName::from_static(name), &value);
        }
        if let Some(authorization) = authorization {
            set(&mut response, AUTHORIZATION, &authorization);
        }
        response
    }
}

/// Adds the header that says that no more requests are read from the connection.
pub(super) fn close_after(response: &mut Response<Full<Bytes>>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    // All values are made here, in ASCII. The id of the key was checked when the service was
    // created.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn deflated(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
