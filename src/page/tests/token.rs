//! Tests a page that asks for a token.

use super::*;

/// What a request sends to be let in.
#[derive(Clone, Copy, Debug)]
enum Sends<'a> {
    Nothing,
    Header(&'a str),
    Form(&'a str),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_with_a_token_shows_nothing_to_who_has_none() {
    const TOKEN: &str = "token+of/16=chars";
    let token = Token::new(TOKEN).unwrap();
    let cookie = format!("cookie: {}", token.cookie());
    let shop = Shop::behind(Some(token), Layout::default(), PageLimits::default()).await;
    shop.fixture.write(vec![put("ann", "1", 1.0, 0)]);
    shop.settle(1).await;
    let ask = |line: &str, sends: Sends<'_>, more: &str| {
        let (header, body) = match sends {
            Sends::Nothing => (String::new(), ""),
            Sends::Header(header) => (format!("{header}\r\n"), ""),
            Sends::Form(form) => (format!("content-length: {}\r\n", form.len()), form),
        };
        shop.send(format!(
            "{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}{more}\r\n{body}"
        ))
    };
    let bearer = format!("authorization: Bearer {TOKEN}");
    let good = "token=token%2Bof%2F16%3Dchars";
    let long = format!("token={}", "x".repeat(5_000));
    for (line, sends, status) in [
        ("GET /", Sends::Nothing, 401),
        ("HEAD /", Sends::Nothing, 401),
        ("GET /?wall", Sends::Nothing, 401),
        ("GET /main.js", Sends::Nothing, 401),
        ("GET /api/total", Sends::Nothing, 401),
        ("GET /api/users.csv", Sends::Nothing, 401),
        ("GET /api/stream", Sends::Nothing, 401),
        ("GET /nowhere", Sends::Nothing, 401),
        ("GET /?token=token+of/16=chars", Sends::Nothing, 401),
        ("GET /", Sends::Header("authorization: Bearer another-of-16-chars"), 401),
        ("GET /api/total", Sends::Header("cookie: orderflow_00000000=1"), 401),
        ("GET /", Sends::Header(&bearer), 200),
        ("GET /main.js", Sends::Header(&cookie), 200),
        ("GET /api/total", Sends::Header(&bearer), 200),
        ("GET /api/total", Sends::Header(&cookie), 200),
        ("HEAD /api/stream", Sends::Header(&cookie), 200),
        ("GET /nowhere", Sends::Header(&cookie), 404),
        ("POST /", Sends::Form(good), 303),
        ("POST /", Sends::Form(&format!("{good}%0A")), 303),
        ("POST /", Sends::Form("token=another-of-16-chars"), 401),
        ("POST /", Sends::Form("token="), 401),
        ("POST /", Sends::Form(""), 401),
        ("POST /", Sends::Form(&long), 400),
        ("POST /api/total", Sends::Form(good), 405),
        ("DELETE /", Sends::Header(&cookie), 405),
        ("OPTIONS /api/total", Sends::Nothing, 405),
    ] {
        let (found, head, body) = ask(line, sends, "").await;
        let body = String::from_utf8_lossy(&body);
        assert_eq!(found, status, "{line} with {sends:?}: {body}");
        let tells = found != 200 && (body.contains(TOKEN) || body.contains("another"));
        assert!(!tells, "{line} with {sends:?}: {body}");
        assert_eq!(head.contains("set-cookie: "), status == 303, "{line} with {sends:?}: {head}");
        assert_eq!(head.contains("www-authenticate: Bearer"), found == 401 || found == 400, "{head}");
        // Nothing but this may be seen without the token.
        let is_form = body.contains("<form method=\"post\">") && head.contains("form-action 'self'");
        let path = line.split([' ', '?']).nth(1).unwrap();
        let is_asked = matches!(found, 400 | 401) && path == "/" && !line.starts_with("HEAD");
        assert_eq!(is_form, is_asked, "{line} with {sends:?}: {head} {body}");
        assert!(!head.contains("unsafe") && head.contains("default-src 'none'"), "{head}");
    }

    // What the form gives is what lets in, and leads to where it was asked for. Other sites may show
    // this page in a frame, which takes another cookie where browsers allow it.
    let lax = "SameSite=Lax";
    for (line, more, to, scope) in [
        ("POST /", "", "./", lax),
        ("POST /?wall", "", "./?wall", lax),
        ("POST /", "x-forwarded-proto: https\r\n", "./", "SameSite=None; Secure; Partitioned"),
        ("POST /", "x-forwarded-proto: http\r\n", "./", lax),
    ] {
        let (_, head, _) = ask(line, Sends::Form(good), more).await;
        assert!(head.contains(&format!("\r\nlocation: {to}\r\n")), "{head}");
        let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        let (pair, flags) = set.split_once("; ").unwrap();
        assert_eq!(format!("cookie: {pair}"), cookie);
        assert_eq!(flags, format!("Max-Age=34560000; HttpOnly; {scope}"));
    }
    let (_, head, _) = ask("GET /", Sends::Nothing, "").await;
    assert!(head.contains("frame-ancestors https://grafana.example"), "{head}");
}
