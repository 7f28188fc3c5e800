//! Checks everything that the head of a request can tell, before a byte of its body is read.

use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::Service;
use super::date::{DATE_SKEW_S_MAX, parse_date};
use super::error::Refusal;
use super::operation::Operation;
use crate::signature::{SIGNATURE_HEADER, SIGNATURE_V4_HEADER, SIGNED_PREFIX, SignedHeader, SigningKey};

/// The versions of the interface: that of the table operations, and one that a client names for
/// tunnels.
const API_VERSIONS: [&str; 2] = ["2015-12-31", "2018-04-01"];
/// The only compression that is supported.
const DEFLATE: &str = "deflate";

/// The contents of a request's head that was found right.
#[derive(Debug)]
pub(super) struct Caller {
    /// The operation that it asks for.
    pub(super) operation: Operation,
    /// The digest of its body, in base64.
    pub(super) body_md5: String,
    /// The number of bytes of the inflated body; `None` if the body is not deflated.
    pub(super) inflated_bytes: Option<usize>,
}

/// The result of checking a head.
#[derive(Debug)]
pub(super) struct Checked {
    /// The contents of the head, or why the request is refused.
    pub(super) caller: Result<Caller, Refusal>,
    /// The key that the request was signed with. It also signs the answer; `None` if the signature
    /// is wrong.
    pub(super) key: Option<SigningKey>,
    /// Whether the answer may be deflated.
    pub(super) deflate_answer: bool,
}

/// Returns the path as callers sign it. One client sends two slashes in front if its endpoint ends
/// in one.
pub(super) fn signed_path(path: &str) -> &str {
    let name = path.trim_start_matches('/');
    path.get(path.len() - name.len().min(path.len() - 1) - 1..).unwrap_or(path)
}

impl Service {
    /// Checks the head of a request.
    pub(super) fn check(&self, head: &Parts) -> Checked {
        let headers = match Headers::of(&head.headers) {
            Ok(headers) => headers,
            Err(refusal) => return Checked { caller: Err(refusal), key: None, deflate_answer: false },
        };
        // The key is found first, so that all other refusals can be signed too.
        let signed = self.signing_key(head.uri.path(), &headers);
        Checked {
            key: signed.as_ref().ok().cloned(),
            caller: self.check_headers(head, &headers, signed),
            deflate_answer: headers.find("x-ots-response-compress-type") == Some(DEFLATE),
        }
    }

    fn check_headers(
        &self,
        head: &Parts,
        headers: &Headers<'_>,
        signed: Result<SigningKey, Refusal>,
    ) -> Result<Caller, Refusal> {
        if head.method != Method::POST {
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "OTSMethodNotAllowed",
                "Only POST method for requests is supported.",
            ));
        }
        let date = headers.get("x-ots-date")?;
        let version = headers.get("x-ots-apiversion")?;
        let key_id = headers.get("x-ots-accesskeyid")?;
        let instance = headers.get("x-ots-instancename")?;
        let body_md5 = headers.get("x-ots-contentmd5")?;
        headers.get(headers.signature_header())?;

        let at_s =
            parse_date(date).ok_or_else(|| Refusal::invalid(format!("Invalid date format: {date}.")))?;
        if (self.now_us() / 1_000_000).abs_diff(at_s) > DATE_SKEW_S_MAX.unsigned_abs() {
            return Err(Refusal::not_authentic(format!(
                "Mismatch between system time and x-ots-date: {date}."
            )));
        }
        if !API_VERSIONS.contains(&version) {
            return Err(Refusal::invalid(format!("Unsupported x-ots-apiversion: {version}.")));
        }
        if key_id != self.key_id {
            return Err(Refusal::not_authentic("The AccessKeyID does not exist."));
        }
        if instance != self.instance {
            return Err(Refusal::not_authentic("The instance is not found."));
        }
        signed?;
        if head.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Refusal::invalid("A query string is not supported."));
        }
        let inflated_bytes = inflated_bytes(headers)?;
        let name = signed_path(head.uri.path());
        let operation =
            Operation::find(name).ok_or_else(|| Refusal::unsupported(name.trim_start_matches('/')))?;
        Ok(Caller { operation, body_md5: body_md5.to_owned(), inflated_bytes })
    }

    /// Returns the key that a request is signed with. Refuses the request if the signature is
    /// wrong.
    fn signing_key(&self, path: &str, headers: &Headers<'_>) -> Result<SigningKey, Refusal> {
        if headers.find("x-ots-accesskeyid") != Some(&self.key_id) {
            return Err(Refusal::not_authentic("The AccessKeyID does not exist."));
        }
        let name = headers.signature_header();
        let key = match name {
            SIGNATURE_HEADER => SigningKey::Secret(self.secret.clone()),
            _ => {
                let date = headers.get("x-ots-signdate")?;
                let region = headers.get("x-ots-signregion")?;
                if date.len() != "20261122".len() || !date.bytes().all(|digit| digit.is_ascii_digit()) {
                    return Err(Refusal::invalid(format!("Invalid date format: {date}.")));
                }
                self.derived_keys.get(&self.secret, date, region)
            }
        };
        let signature = headers.get(name)?;
        if key.verify_request(signed_path(path), &mut headers.signed(), signature) {
            Ok(key)
        } else {
            Err(Refusal::not_authentic("Signature mismatch."))
        }
    }
}

/// The headers of the protocol, by name in lower case.
struct Headers<'a>(Vec<SignedHeader<'a>>);

impl<'a> Headers<'a> {
    fn of(headers: &'a HeaderMap) -> Result<Headers<'a>, Refusal> {
        let ours = headers.iter().filter(|(name, _)| name.as_str().starts_with(SIGNED_PREFIX));
        let found = ours.map(|(name, value)| {
            let name = name.as_str();
            let value = std::str::from_utf8(value.as_bytes())
                .map_err(|_| Refusal::invalid(format!("Invalid header: {name}.")))?;
            Ok::<_, Refusal>(SignedHeader { name, value: value.trim() })
        });
        let found: Vec<SignedHeader<'a>> = found.collect::<Result<_, _>>()?;
        for (place, header) in found.iter().enumerate() {
            if found.iter().take(place).any(|other| other.name == header.name) {
                return Err(Refusal::invalid(format!("Duplicated header: {}.", header.name)));
            }
        }
        Ok(Headers(found))
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|header| header.name == name).map(|header| header.value)
    }

    fn get(&self, name: &str) -> Result<&'a str, Refusal> {
        self.find(name).ok_or_else(|| Refusal::invalid(format!("Missing header: {name}.")))
    }

    fn signature_header(&self) -> &'static str {
        match self.find(SIGNATURE_V4_HEADER) {
            Some(_) => SIGNATURE_V4_HEADER,
            None => SIGNATURE_HEADER,
        }
    }

    fn signed(&self) -> Vec<SignedHeader<'a>> {
        let signed = |name: &str| name != SIGNATURE_HEADER && name != SIGNATURE_V4_HEADER;
        self.0.iter().copied().filter(|header| signed(header.name)).collect()
    }
}

/// Returns the number of bytes that a deflated body claims to inflate to; `None` if it is not
/// deflated.
fn inflated_bytes(headers: &Headers<'_>) -> Result<Option<usize>, Refusal> {
    match headers.find("x-ots-request-compress-type") {
        None => Ok(None),
        Some(DEFLATE) => {
            let size = headers.get("x-ots-request-compress-size")?;
            let bytes = size.parse().map_err(|_| {
                Refusal::invalid(format!("Invalid header: x-ots-request-compress-size: {size}."))
            })?;
            Ok(Some(bytes))
        }
        Some(other) => Err(Refusal::invalid(format!("Unsupported x-ots-request-compress-type: {other}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::signed_path;

    #[test]
    fn leading_slashes_become_one() {
        for (path, signed) in [
            ("/ListTable", "/ListTable"),
            ("//ListTable", "/ListTable"),
            ("///tunnel/create", "/tunnel/create"),
            ("/a//b", "/a//b"),
            ("/", "/"),
            ("//", "/"),
            ("*", "*"),
        ] {
            assert_eq!(signed_path(path), signed, "{path}");
        }
    }
}
