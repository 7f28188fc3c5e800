//! Answers: the body's digest, the headers that every client wants, and their signature.

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

/// Answers below this many bytes are not worth deflating.
const DEFLATE_BYTES_MIN: usize = 1_024;

/// An answer's body, with its share of the memory for them until it is sent.
#[derive(Debug)]
pub(super) struct Reply {
    body: Vec<u8>,
    _share: Option<Share>,
}

impl Reply {
    pub(super) fn new(body: Vec<u8>, share: Option<Share>) -> Reply {
        Reply { body, _share: share }
    }
}

impl AsRef<[u8]> for Reply {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}

/// Digest of a body, as headers have it.
pub(super) fn md5_base64(body: &[u8]) -> String {
    BASE64.encode(Md5::digest(body))
}

/// Makes ids of requests: unique among all processes, by a random half.
#[derive(Debug)]
pub(super) struct RequestIds {
    random: u64,
    next: AtomicU64,
}

impl RequestIds {
    pub(super) fn new() -> RequestIds {
        // Ids are for logs: where the system has no randomness, zeros will do.
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
    /// The answer to a request of `path`, signed if there is a `key` to do it with.
    pub(super) fn answer(
        &self,
        path: &str,
        result: Result<Reply, Refusal>,
        key: Option<&SigningKey>,
        deflate: bool,
    ) -> Response<Full<Bytes>> {
        let (status, mut reply) = match result {
            Ok(reply) => (StatusCode::OK, reply),
            Err(refusal) => (refusal.status, Reply::new(refusal.encode(), None)),
        };
        let body = &mut reply.body;
        let mut headers = vec![
            ("x-ots-contentmd5", md5_base64(body)),
            ("x-ots-contenttype", "protocol buffer".to_owned()),
            ("x-ots-date", format_date(self.now_us())),
            ("x-ots-requestid", self.request_ids.next()),
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

/// Says that no more requests are read from the connection.
pub(super) fn close_after(response: &mut Response<Full<Bytes>>) {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
}

fn set(response: &mut Response<Full<Bytes>>, name: HeaderName, value: &str) {
    // Values are our own, in ASCII; the key's id was checked when the service was made.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn deflated(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
