//! Makes one call: encodes, signs, sends, verifies and decodes it, and tries again when the retry
//! policy says so.

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use jiff::Timestamp;
use md5::{Digest, Md5};
use prost::Message;

use super::Client;
use super::error::ClientError;
use super::retry::{Access, CallFailure, RetryPolicy};
use super::transport::TransportError;
use super::verify;
use crate::signature::{SignedHeader, SigningKey};

/// The version of the protocol that the client speaks.
const API_VERSION: &str = "2015-12-31";

/// An operation of the protocol.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// The path of the operation, such as `/GetRow`.
    pub path: &'static str,
    /// What the operation does to data, and so whether it may be sent twice.
    pub access: Access,
}

impl Operation {
    /// Creates an operation that changes nothing.
    pub const fn read(path: &'static str) -> Operation {
        Operation { path, access: Access::Read }
    }

    /// Creates an operation that changes something.
    pub const fn write(path: &'static str) -> Operation {
        Operation { path, access: Access::Write }
    }

    /// Returns the operation's name in messages, which is its path without the slash.
    pub(super) fn name(&self) -> &'static str {
        self.path.strip_prefix('/').unwrap_or(self.path)
    }
}

/// An answer that was verified.
#[derive(Clone, Debug)]
pub struct Called<A> {
    /// The decoded answer.
    pub answer: A,
    /// The id by which the server's logs name the request.
    pub request_id: String,
}

/// A counter of tries that says when the next one is due.
pub(super) struct Retries<'a> {
    policy: &'a RetryPolicy,
    access: Access,
    started: Instant,
    tries: u32,
}

impl<'a> Retries<'a> {
    /// Starts a call for which no try was made yet.
    pub(super) fn new(policy: &'a RetryPolicy, access: Access) -> Retries<'a> {
        Retries { policy, access, started: Instant::now(), tries: 0 }
    }

    /// Waits until the next try is due after this failure. Returns false if there is to be none.
    pub(super) async fn wait(&mut self, failure: CallFailure<'_>) -> bool {
        self.tries = self.tries.saturating_add(1);
        // If no random number can be had, the delay is in the middle of its range.
        let random = getrandom::u64().map_or(0.5, |random| (random >> 11) as f64 / (1_u64 << 53) as f64);
        match self.policy.delay(self.access, failure, self.tries, self.started.elapsed(), random) {
            Some(delay) => tokio::time::sleep(delay).await,
            None => return false,
        }
        true
    }
}

impl Client {
    /// Calls an operation.
    ///
    /// # Errors
    /// Returns [`ClientError`], after the retries that the failure allows.
    pub async fn call<A: Message + Default>(
        &self,
        operation: Operation,
        request: &impl Message,
    ) -> Result<Called<A>, ClientError> {
        let body = Bytes::from(request.encode_to_vec());
        let digest = BASE64.encode(Md5::digest(&body));
        let mut retries = Retries::new(&self.inner.config.retry, operation.access);
        loop {
            let error = match self.call_once(operation, &body, &digest).await {
                Ok(called) => return Ok(called),
                Err(error) => error,
            };
            match error.failure() {
                Some(failure) if retries.wait(failure).await => {}
                _ => return Err(error),
            }
        }
    }

    /// Sends a body once, with a fresh date and signature.
    async fn call_once<A: Message + Default>(
        &self,
        operation: Operation,
        body: &Bytes,
        digest: &str,
    ) -> Result<Called<A>, ClientError> {
        let key = self.key(Timestamp::now());
        let headers = self.signed_headers(operation, digest, &key)?;
        let endpoint = || self.endpoint().to_owned();
        let answer = match self.inner.transport.post(operation.path, &headers, body.clone()).await {
            Ok(answer) => answer,
            Err(TransportError::NotSent(cause)) => {
                return Err(ClientError::NotSent { endpoint: endpoint(), cause });
            }
            Err(TransportError::Lost(cause)) => {
                let Operation { access, .. } = operation;
                return Err(ClientError::Lost {
                    operation: operation.name(),
                    access,
                    endpoint: endpoint(),
                    cause,
                });
            }
        };
        let untrusted = |reason: String| ClientError::Untrusted {
            operation: operation.name(),
            endpoint: endpoint(),
            reason,
        };
        let now = Timestamp::now();
        let verified = verify::verify(operation.path, &answer, &key.key, now);
        let request_id = verified.map_err(|wrong| match wrong {
            verify::Wrong::Refused(error) => ClientError::Refused { operation: operation.name(), error },
            verify::Wrong::Untrusted(reason) => untrusted(reason),
            verify::Wrong::Clocks(there) => {
                let here = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                ClientError::Clocks { endpoint: endpoint(), there, here }
            }
        })?;
        let answer =
            A::decode(answer.body).map_err(|error| untrusted(format!("its body is malformed: {error}")))?;
        Ok(Called { answer, request_id })
    }

    /// Returns the key that signs at this time.
    fn key(&self, now: Timestamp) -> DatedKey {
        let config = &self.inner.config;
        let day = now.strftime("%Y%m%d").to_string();
        let key = match &config.region {
            Some(region) => self.inner.derived_keys.get(&config.secret, &day, region),
            None => SigningKey::Secret(config.secret.as_str().into()),
        };
        DatedKey { key, now, day }
    }

    /// Returns all headers of the protocol, including the signature.
    fn signed_headers(
        &self,
        operation: Operation,
        digest: &str,
        key: &DatedKey,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ClientError> {
        let config = &self.inner.config;
        let date = key.now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let mut signed = vec![
            SignedHeader { name: "x-ots-date", value: &date },
            SignedHeader { name: "x-ots-apiversion", value: API_VERSION },
            SignedHeader { name: "x-ots-accesskeyid", value: &config.key_id },
            SignedHeader { name: "x-ots-instancename", value: &config.instance },
            SignedHeader { name: "x-ots-contentmd5", value: digest },
        ];
        if let Some(region) = &config.region {
            signed.push(SignedHeader { name: "x-ots-signdate", value: &key.day });
            signed.push(SignedHeader { name: "x-ots-signregion", value: region });
        }
        let signature = key.key.sign_request(operation.path, &mut signed);
        signed.push(SignedHeader { name: key.key.request_header(), value: &signature });
        let header = |header: &SignedHeader<'_>| {
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let value = HeaderValue::from_str(header.value);
            match (name, value) {
                (Ok(name), Ok(value)) => Ok((name, value)),
                _ => Err(ClientError::Config(format!(
                    "the header {} cannot hold {:?}",
                    header.name, header.value
                ))),
            }
        };
        signed.iter().map(header).collect()
    }
}

/// A key, and the time at which it signs.
struct DatedKey {
    key: SigningKey,
    now: Timestamp,
    /// The day as `YYYYMMDD`, in UTC.
    day: String,
}
