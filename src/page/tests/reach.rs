//! Checks how answers reach readers: past proxies and other origins, into spreadsheets, and when there
//! is no place on the stream.

use super::*;

/// Sends a request with more header lines. Returns the status and the head of the answer.
async fn head(shop: &Shop, line: &str, more: &str) -> (u16, String) {
    let request = format!("{line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
    let (status, head, _) = shop.send(request).await;
    (status, head)
}

fn value<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_origins_that_are_allowed_show_the_page_and_read_it() {
    let shop = Shop::open("UTC", PageLimits::default()).await;
    let ours = "https://grafana.example";
    for (origin, allowed) in [
        (Some(ours), Some(ours)),
        (Some("https://grafana.example:8443"), None),
        (Some("http://grafana.example"), None),
        (Some("https://evil.example"), None),
        (Some("null"), None),
        (None, None),
    ] {
        let more = origin.map_or(String::new(), |origin| format!("origin: {origin}\r\n"));
        for path in ["/", "/api/total", "/api/users.csv", "/api/stream?once", "/nothing"] {
            let (_, head) = head(&shop, &format!("GET {path}"), &more).await;
            assert_eq!(value(&head, "access-control-allow-origin"), allowed, "{path}: {head}");
            let policy = value(&head, "content-security-policy").unwrap();
            assert!(policy.ends_with("; frame-ancestors https://grafana.example"), "{path}: {policy}");
            assert!(head.lines().any(|line| line == "vary: origin"), "{path}: {head}");
        }
        // What a browser asks before a request with headers of its own.
        let asks = "access-control-request-method: GET\r\naccess-control-request-headers: x-own\r\n";
        let (status, head) = head(&shop, "OPTIONS /api/total", &format!("{more}{asks}")).await;
        assert_eq!(status, if allowed.is_some() { 204 } else { 405 });
        assert_eq!(value(&head, "access-control-allow-headers"), allowed.map(|_| "x-own"), "{head}");
        assert_eq!(value(&head, "access-control-allow-methods"), allowed.map(|_| "GET, HEAD"), "{head}");
    }
    // By the name of another host, not even they are answered.
    let line = "GET /api/total HTTP/1.1\r\nhost: evil.example\r\nconnection: close";
    assert_eq!(shop.send(format!("{line}\r\norigin: {ours}\r\n\r\n")).await.0, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_csv_begin_with_a_mark_if_that_is_asked() {
    let shop = Shop::open("UTC", PageLimits::default()).await;
    shop.fixture.write(vec![put("\u{5f20}\u{4e09}", "1", 1.5, 0)]);
    shop.settle(1).await;
    for path in ["users.csv", "users.csv?top=3", "total.csv", "windows.csv?from=0", "late.csv", "rejects.csv"]
    {
        let sign = if path.contains('?') { "&" } else { "?" };
        let plain = shop.text(&format!("/api/{path}")).await;
        let marked = shop.text(&format!("/api/{path}{sign}bom")).await;
        assert!(plain.starts_with("epoch,"), "{path}: {plain}");
        assert_eq!(marked, format!("\u{feff}{plain}"), "{path}");
    }
    assert_eq!(shop.text("/api/users.csv?bom=").await, shop.text("/api/users.csv?bom").await);
    assert_eq!(shop.get("/api/users?bom").await.0, 400, "JSON has no mark");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_stream_is_not_held_back_and_comes_to_readers_of_http_1_0_too() {
    let limits = PageLimits { beat_interval: Duration::from_millis(20), ..PageLimits::default() };
    let shop = Shop::open("UTC", limits).await;
    let address = shop.address;
    for version in ["1.0", "1.1"] {
        let read = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            write!(stream, "GET /api/stream HTTP/{version}\r\nhost: localhost\r\n\r\n").unwrap();
            until(&mut stream, &["event: snapshot\n", "event: beat\n"])
        };
        let seen = tokio::task::spawn_blocking(read).await.unwrap();
        assert!(seen.contains("x-accel-buffering: no\r\n"), "{seen}");
        assert!(seen.contains("cache-control: no-store, no-transform\r\n"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_finds_no_place_on_the_stream_is_told_how_to_ask() {
    let shop = Shop::open("UTC", PageLimits { streams_max: 1, ..PageLimits::default() }).await;
    shop.fixture.write(vec![put("u", "1", 1.0, 0)]);
    shop.settle(1).await;
    let address = shop.address;
    let follow = move || {
        let mut stream = ask_stream(address, "");
        until(&mut stream, &["event: snapshot\n"]);
        stream
    };
    let (status, head, _) = shop.get("/api/stream?once").await;
    assert_eq!((status, value(&head, "content-type")), (200, Some("text/event-stream")));
    let first = tokio::task::spawn_blocking(follow).await.unwrap();
    let (status, _, body) = shop.get("/api/stream").await;
    let body: Json = serde_json::from_slice(&body).unwrap();
    let sentence = "all 1 places on the stream are taken: ask for /api/stream?once every few seconds, or have more \
                    places with --page-readers";
    assert_eq!((status, &body["error"], &body["askEveryMs"]), (503, &json!(sentence), &json!(5_000)));

    // Who asks is answered, whoever follows, and keeps no connection.
    let ask =
        |query: &str| shop.send(format!("GET /api/stream?once{query} HTTP/1.1\r\nhost: localhost\r\n\r\n"));
    let (status, head, body) = ask("").await;
    let body = String::from_utf8(body).unwrap();
    assert!(status == 200 && value(&head, "connection") == Some("close"), "{head}");
    assert!(body.starts_with("event: snapshot\n") && body.contains("\n\nevent: beat\n"), "{body}");
    let next = body.split("\"next\":").nth(1).unwrap().split('}').next().unwrap().to_owned();
    let (_, _, body) = ask(&format!("&next={next}")).await;
    assert!(body.starts_with(b"event: beat\n"), "{}", String::from_utf8_lossy(&body));
    let (status, _, body) = shop.get("/api/stream?once&after=1").await;
    assert_eq!(status, 400, "{}", String::from_utf8_lossy(&body));
    drop(first);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_by_a_clock_are_told_with_the_stretches_of_the_clock() {
    let layout = Layout::new(Zone::parse("Asia/Shanghai").unwrap(), 86_400_000).unwrap();
    let shop = Shop::behind(None, layout, PageLimits::default()).await;
    let (at_ms, begin_ms) = (1_600_000_000_000, 1_599_926_400_000_i64);
    shop.fixture.write(vec![put("u", "1", 1.0, at_ms), put("u", "2", 1.0, at_ms + 7_200_000)]);
    shop.settle(2).await;
    let found = rows(shop.json("/api/windows").await);
    let window = json!({ "begin": "2020-09-13 00:00:00", "end": "2020-09-14 00:00:00", "beginMs": begin_ms,
                         "count": 2, "totalPrice": 2.0, "totalPriceExact": "2.00", "late": 2 });
    assert_eq!(found, [window]);
    let late = rows(shop.json("/api/late?limit=1").await);
    assert_eq!((&late[0]["begin"], &late[0]["beginMs"]), (&json!("2020-09-13 00:00:00"), &json!(begin_ms)));
    let stream = shop.text("/api/stream?once").await;
    let data = stream.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let snapshot: Json = serde_json::from_str(data).unwrap();
    // The clocks of Shanghai were turned last in September 1991.
    let last = snapshot["clock"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["fromMs"], &last["offsetMs"]), (&json!(684_867_600_000_i64), &json!(28_800_000)));
}
