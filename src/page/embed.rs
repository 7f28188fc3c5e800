//! Lets the pages of some other origins show this page in a frame, and read its answers.
//!
//! A browser lets no page do that by itself. Of the origins that the user names, the policy of each
//! answer allows frames, and their requests get the headers that let their pages read the answer.

use std::net::Ipv6Addr;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Response, StatusCode};

use super::answer::{Body, JSON, answer, whole};

/// The origin of a page: its scheme, host and port, spelled as browsers spell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Returns the origin that a text spells, such as `https://grafana.example:3000`. `None` if it
    /// is not `http` or `https`, a host, and maybe a port.
    pub fn parse(text: &str) -> Option<Origin> {
        let text = text.to_ascii_lowercase();
        let (scheme, rest) = text.split_once("://")?;
        let usual = match scheme {
            "http" => "80",
            "https" => "443",
            _ => return None,
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (rest, None),
        };
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(is_name),
        };
        let is_port =
            |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
        match port {
            _ if !is_host => None,
            Some(port) if !is_port(port) => None,
            Some(port) if port != usual => Some(Origin(format!("{scheme}://{host}:{port}"))),
            _ => Some(Origin(format!("{scheme}://{host}"))),
        }
    }
}

/// The origins whose pages may show this page and read its answers.
pub(super) struct Embedding {
    origins: Vec<Origin>,
    /// The policy that each answer has, with who may show it in a frame.
    policy: HeaderValue,
}

impl Embedding {
    pub(super) fn new(origins: Vec<Origin>) -> Embedding {
        let ancestors: Vec<&str> = origins.iter().map(|Origin(origin)| &**origin).collect();
        let ancestors = if ancestors.is_empty() { "'none'".to_owned() } else { ancestors.join(" ") };
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}"
        );
        // The characters of an origin are those of a header.
        let policy =
            HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        Embedding { origins, policy }
    }

    /// Returns the origin of a request, if its pages may read answers.
    fn origin<'a>(&self, request: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = request.get(header::ORIGIN)?;
        self.origins.iter().any(|Origin(allowed)| origin.as_bytes() == allowed.as_bytes()).then_some(origin)
    }

    /// Returns the answer to the question of a browser whether a page may send a request that it
    /// would not send on its own; `None` if this is no such question of an origin that may.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<Response<Body>> {
        self.origin(request)?;
        if method != Method::OPTIONS || !request.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut response = answer(StatusCode::NO_CONTENT, JSON, whole(Vec::new()));
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        Some(response)
    }

    /// Adds to an answer who may show it in a frame, and whether the page that asked may read it.
    pub(super) fn allow(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        answer.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        if self.origins.is_empty() {
            return;
        }
        answer.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = self.origin(request) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_spelled_as_browsers_spell_them() {
        for (text, expected) in [
            ("https://grafana.example", Some("https://grafana.example")),
            ("HTTPS://Grafana.Example:443", Some("https://grafana.example")),
            ("http://127.0.0.1:3000", Some("http://127.0.0.1:3000")),
            ("http://[::1]:3000", Some("http://[::1]:3000")),
            ("http://[::1]", Some("http://[::1]")),
            ("http://shop.example:80", Some("http://shop.example")),
            ("https://shop.example:80", Some("https://shop.example:80")),
            ("https://grafana.example/", None),
            ("https://grafana.example/d/1", None),
            ("https://*.example", None),
            ("https://a b", None),
            ("https://", None),
            ("https://shop.example:", None),
            ("https://shop.example:65536", None),
            ("ftp://shop.example", None),
            ("shop.example", None),
            ("null", None),
            ("*", None),
        ] {
            assert_eq!(Origin::parse(text), expected.map(|origin| Origin(origin.to_owned())), "{text}");
        }
    }
}
