//! Decides whether an answer is believed, by the rules of the vendor's Python SDK.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hyper::header::{AUTHORIZATION, HeaderMap};
use jiff::Timestamp;
use md5::{Digest, Md5};
use prost::Message;

use super::error::ServiceError;
use super::transport::Answer;
use crate::signature::{SIGNED_PREFIX, SignedHeader, SigningKey};
use crate::table;

/// The most seconds that the clocks of server and client may differ.
const CLOCKS_DIFFER_S_MAX: i64 = 15 * 60;

/// The header that every answer of a Tablestore has, including refusals.
const REQUEST_ID: &str = "x-ots-requestid";

/// The code of a refusal that cannot be signed, because the server does not know who asks.
const AUTH_FAILED: &str = "OTSAuthFailed";

/// Why an answer is not the one that was asked for.
#[derive(Debug)]
pub(super) enum Wrong {
    /// The answer is not believed, for this reason.
    Untrusted(String),
    /// The answer is a refusal.
    Refused(ServiceError),
    /// The clocks differ too much. Holds the time by the server's.
    Clocks(String),
}

/// The prefix of the paths of the tunnel service. The vendor's own SDKs demand no more of its
/// answers than the request's id, so it is not known whether the service signs them. Headers that
/// it leaves out are not missed; those that it sends must be right.
const TUNNELS: &str = "/tunnel/";

/// Checks digest, date and signature. Returns the request's id.
///
/// # Errors
/// Returns [`Wrong`] if the answer is a refusal or is not believed.
pub(super) fn verify(path: &str, answer: &Answer, key: &SigningKey, now: Timestamp) -> Result<String, Wrong> {
    let is_success = (200..300).contains(&answer.status);
    let request_id = header(&answer.headers, REQUEST_ID).unwrap_or_default();
    if request_id.is_empty() && !is_success {
        return Err(Wrong::Refused(ServiceError {
            code: String::new(),
            message: "this is no answer of a Tablestore; is the endpoint right?".to_owned(),
            status: answer.status,
            request_id: String::new(),
        }));
    }
    let refusal = (!is_success).then(|| refusal(answer, request_id));
    if let Some(refusal) = refusal.as_ref().filter(|refusal| refusal.code == AUTH_FAILED) {
        // A server whose clock differs refuses every call, whatever the key.
        if let Err(clocks @ Wrong::Clocks(_)) = check_date(&answer.headers, now) {
            return Err(clocks);
        }
        return Err(Wrong::Refused(refusal.clone()));
    }
    let is_tunnel = path.starts_with(TUNNELS);
    let wanted: &[&str] = match (is_success, is_tunnel) {
        (true, false) => &[REQUEST_ID, "x-ots-date", "x-ots-contentmd5", "x-ots-contenttype"],
        (true, true) => &[REQUEST_ID],
        (false, false) => &["x-ots-date"],
        (false, true) => &[],
    };
    for name in wanted {
        if header(&answer.headers, name).is_none() {
            return Err(Wrong::Untrusted(format!("it has no header {name}")));
        }
    }
    check_digest(answer)?;
    check_date(&answer.headers, now)?;
    check_signature(path, answer, key, is_success && !is_tunnel)?;
    match refusal {
        Some(refusal) => Err(Wrong::Refused(refusal)),
        None => Ok(request_id.to_owned()),
    }
}

/// Decodes the refusal in a body.
fn refusal(answer: &Answer, request_id: &str) -> ServiceError {
    let table::Error { code, message } = table::Error::decode(answer.body.clone()).unwrap_or_default();
    ServiceError {
        code,
        message: message.unwrap_or_default(),
        status: answer.status,
        request_id: request_id.to_owned(),
    }
}

fn check_digest(answer: &Answer) -> Result<(), Wrong> {
    match header(&answer.headers, "x-ots-contentmd5") {
        Some(digest) if digest != BASE64.encode(Md5::digest(&answer.body)) => {
            Err(Wrong::Untrusted("its body does not match its digest".to_owned()))
        }
        _ => Ok(()),
    }
}

fn check_date(headers: &HeaderMap, now: Timestamp) -> Result<(), Wrong> {
    let Some(date) = header(headers, "x-ots-date") else { return Ok(()) };
    let Ok(at) = date.parse::<Timestamp>() else {
        return Err(Wrong::Untrusted(format!("its x-ots-date {date:?} is not a date")));
    };
    if at.duration_since(now).as_secs().abs() > CLOCKS_DIFFER_S_MAX {
        return Err(Wrong::Clocks(date.to_owned()));
    }
    Ok(())
}

/// Checks the signature. With `is_wanted` there must be one, otherwise there may be.
fn check_signature(path: &str, answer: &Answer, key: &SigningKey, is_wanted: bool) -> Result<(), Wrong> {
    let wrong = |reason: &str| Err(Wrong::Untrusted(reason.to_owned()));
    let Some(authorization) = header(&answer.headers, AUTHORIZATION.as_str()) else {
        return if is_wanted { wrong("it is not signed") } else { Ok(()) };
    };
    let Some((_, signature)) = authorization.strip_prefix("OTS ").and_then(|pair| pair.split_once(':'))
    else {
        return wrong("its signature is malformed");
    };
    let mut signed = Vec::new();
    for (name, value) in &answer.headers {
        if name.as_str().starts_with(SIGNED_PREFIX) {
            let Ok(value) = value.to_str() else { return wrong("one of its headers is not ASCII") };
            signed.push(SignedHeader { name: name.as_str(), value: value.trim() });
        }
    }
    match key.verify_response(path, &mut signed, signature) {
        true => Ok(()),
        false => wrong("its signature is not by this access key"),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}
