//! Lets readers in who show the token, where there is one: programs by a header, people by a form
//! that gives their browser a cookie.
//!
//! ```text
//!  GET  /   without the cookie   401, the form
//!  POST /   with the token       303 to the page, with the cookie; with another, the form again
//!  the rest without either       401, a sentence
//! ```
//!
//! The form sends the token in a body, because addresses are kept by browsers and logged on the
//! way. All addresses in here are relative and the cookie has no path of its own, so the page may
//! lie under a path of another server.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::answer::{Body, answer, refusal, whole};
use super::{Page, Visit};
use connections::Token;

/// The most bytes of the form as browsers send it.
const FORM_BYTES_MAX: usize = 4 << 10;

/// How long browsers keep the cookie, in seconds: as long as they are willing to, 400 days.
const COOKIE_AGE_S: u32 = 400 * 86_400;

/// The header by which a server in front says how the reader reached it.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

const HTML: &str = "text/html; charset=utf-8";

/// The style of the form. It is within the form, because the page's own is behind it.
const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;max-width:24rem;margin:20vh auto;padding:0 1rem;\
     color:#1a1a1a;background:#fff}input,button{font:inherit;padding:.4rem .6rem}\
     @media(prefers-color-scheme:dark){body{color:#eee;background:#111}}";

impl Page {
    /// Returns the answer to a request whose sender has to show the token first, or shows it with
    /// the form; `None` for a request that may be answered.
    pub(super) async fn gate(
        &self,
        request: &mut Request<Incoming>,
        visit: &Visit,
    ) -> Option<Response<Body>> {
        let token = self.config.token.as_ref()?;
        if request.method() == Method::POST && request.uri().path() == "/" {
            return Some(self.let_in(token, request, visit.is_encrypted).await);
        }
        if request.method() != Method::GET && request.method() != Method::HEAD {
            // It gets nothing to read.
            return None;
        }
        let headers = request.headers();
        let values = |name| headers.get_all(name).iter().map(HeaderValue::as_bytes);
        if token.is_shown(values(header::AUTHORIZATION), values(header::COOKIE)) {
            visit.standing.is_known();
            return None;
        }
        Some(match request.uri().path() {
            "/" => form(StatusCode::UNAUTHORIZED, ""),
            _ => asking(refusal(
                StatusCode::UNAUTHORIZED,
                "this page asks for its token: open it in a browser, or send Authorization: Bearer and the token",
            )),
        })
    }

    /// Answers the form.
    async fn let_in(
        &self,
        token: &Token,
        request: &mut Request<Incoming>,
        is_encrypted: bool,
    ) -> Response<Body> {
        let body = Limited::new(request.body_mut(), FORM_BYTES_MAX).collect();
        let Ok(Ok(body)) = timeout(self.config.limits.unread_time_max, body).await else {
            return form(StatusCode::BAD_REQUEST, "The token did not arrive.");
        };
        let body = body.to_bytes();
        let given = form_urlencoded::parse(&body).find(|(name, _)| name == "token");
        if !given.is_some_and(|(_, given)| token.is(given.trim().as_bytes())) {
            return form(StatusCode::UNAUTHORIZED, "That is not the token.");
        }
        let is_encrypted = is_encrypted || is_forwarded_encrypted(request.headers());
        let cookie =
            format!("{}; Max-Age={COOKIE_AGE_S}; HttpOnly; {}", token.cookie(), self.scope(is_encrypted));
        let to = match request.uri().query() {
            Some(query) => format!("./?{query}"),
            None => "./".to_owned(),
        };
        let mut response = answer(StatusCode::SEE_OTHER, HTML, whole(Vec::new()));
        for (name, value) in [(header::SET_COOKIE, cookie), (header::LOCATION, to)] {
            // Both are of visible ASCII: the token's cookie is, and so is every query of a request.
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

impl Page {
    /// Returns where browsers send the cookie. Nothing can be changed here, so links from elsewhere
    /// may lead to the page.
    fn scope(&self, is_encrypted: bool) -> &'static str {
        match (is_encrypted, self.config.embed.is_empty()) {
            (false, _) => "SameSite=Lax",
            // A browser that came to the page encrypted must not send the cookie in the clear later.
            (true, true) => "SameSite=Lax; Secure",
            // In frames of other sites too. Browsers keep such a cookie for that site's frames alone.
            (true, false) => "SameSite=None; Secure; Partitioned",
        }
    }
}

fn is_forwarded_encrypted(headers: &HeaderMap) -> bool {
    headers.get(FORWARDED_PROTO).is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The mark of an answer that is the form.
#[derive(Clone, Copy)]
struct Form;

/// Says in a header how a program shows the token.
fn asking(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Returns how a policy names the only style or script with this text.
fn digest_of(text: &str) -> String {
    format!("'sha256-{}'", BASE64.encode(Sha256::digest(text)))
}

/// Returns the form, with a sentence on what went wrong.
fn form(status: StatusCode, trouble: &str) -> Response<Body> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>orderflow</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>orderflow</h1>\n\
         <form method=\"post\">\n<p><label for=\"token\">The token of this page</label></p>\n\
         <p><input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required autofocus>\n\
         <button>Show</button></p>\n<p role=\"alert\">{trouble}</p>\n</form>\n</main>\n</body>\n</html>\n"
    );
    let mut response = asking(answer(status, HTML, whole(html.into_bytes())));
    response.extensions_mut().insert(Form);
    response
}

/// Allows the form, and no other answer, what the page does not need: to be sent, and its own style.
/// To be called once an answer has its policy.
pub(super) fn allow_form(response: &mut Response<Body>) {
    if response.extensions_mut().remove::<Form>().is_none() {
        return;
    }
    let policy = response.headers().get(header::CONTENT_SECURITY_POLICY);
    let policy = policy.and_then(|policy| policy.to_str().ok()).unwrap_or_default();
    let policy = policy
        .replace("form-action 'none'", "form-action 'self'")
        .replace("style-src 'self'", &format!("style-src {}", digest_of(STYLE)));
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
}
