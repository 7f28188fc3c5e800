//! Answers requests: checks whom a request is for, and what it asks.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Notify;

use super::answer::{Body, refusal};
use super::{Page, Visit, assets, gate};

impl Page {
    /// Answers a request. `hang_up` cuts its connection.
    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        hang_up: Arc<Notify>,
        visit: &Visit,
    ) -> Response<Body> {
        let mut response = self.respond(&mut request, hang_up, visit).await;
        self.embedding.allow(request.headers(), response.headers_mut());
        gate::allow_form(&mut response);
        response
    }

    /// Answers a request, without the headers that depend on the answer or on who may embed the
    /// page.
    async fn respond(
        &self,
        request: &mut Request<Incoming>,
        hang_up: Arc<Notify>,
        visit: &Visit,
    ) -> Response<Body> {
        if !is_for_us(request.headers(), &self.config.hosts) {
            let sentence = "this page is served to localhost and IP addresses only, and to names that --page-host allows";
            return refusal(StatusCode::FORBIDDEN, sentence);
        }
        if let Some(allowed) = self.embedding.preflight(request.method(), request.headers()) {
            return allowed;
        }
        if let Some(answer) = self.gate(request, visit).await {
            return answer;
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "the page is read-only: GET and HEAD");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        visit.standing.is_reader();
        // For HEAD, the server leaves the body out.
        let uri = request.uri();
        match (uri.path().strip_prefix("/api/"), assets::find(uri.path())) {
            (Some("stream"), _) => self.stream(request.headers(), uri.query(), hang_up),
            (Some(name), _) => self.api(name, uri.query(), hang_up).await,
            (None, Some(asset)) => asset.answer(request.headers()),
            (None, None) => refusal(StatusCode::NOT_FOUND, "there is nothing at this address"),
        }
    }
}

/// Returns whether a request names this machine: by an IP address, which no name server can
/// redirect, or by a name that is allowed. Without this check, the page of another site could make
/// its own name lead here, and read the results.
fn is_for_us(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut named = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    if host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let is_bracketed = |name: &str| {
        name.strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .is_some_and(|ip| ip.parse::<IpAddr>().is_ok())
    };
    name == "localhost" || is_bracketed(&name) || hosts.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_served() {
        let hosts = ["shop.example".to_owned()];
        for (host, expected) in [
            ("localhost", true),
            ("LocalHost:8088", true),
            ("127.0.0.1:8088", true),
            ("127.0.0.1", true),
            ("192.168.1.5:8088", true),
            ("[::1]:8088", true),
            ("[::1]", true),
            ("shop.example", true),
            ("Shop.Example:80", true),
            ("evil.example", false),
            ("evil.example:8088", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:8088:9", false),
            ("[evil]", false),
            ("", false),
            (":8088", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            assert_eq!(is_for_us(&headers, &hosts), expected, "{host:?}");
        }
        assert!(!is_for_us(&HeaderMap::new(), &hosts));
        let mut two = HeaderMap::new();
        two.append(header::HOST, HeaderValue::from_static("localhost"));
        two.append(header::HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_for_us(&two, &hosts));
    }
}
