use std::io::{Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};
use socket2::{Domain, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::block_in_place;

use super::*;
use live::feed::{Feed, FollowFrom};
use live::job::JobConfig;
use live::job::testing::{Fixture, config, put, put_cells};
use orders::{Layout, Zone};
use store::value::Value;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

mod reach;

/// A shop with its page. Requests block, so the tests run them beside the runtime.
struct Shop {
    fixture: Fixture,
    address: SocketAddr,
    feed: Feed,
    _stop: watch::Sender<()>,
}

impl Shop {
    async fn open(zone: &str, limits: PageLimits) -> Shop {
        let layout = Layout { zone: Zone::parse(zone).unwrap(), ..Layout::default() };
        Shop::behind(None, layout, limits).await
    }

    /// Opens a shop whose page asks for a token, if there is one.
    async fn behind(token: Option<Token>, layout: Layout, limits: PageLimits) -> Shop {
        let fixture = Fixture::with_orders(JobConfig { layout: layout.clone(), ..config(1, 10_000) });
        // What the job finds when it begins is never late.
        block_in_place(|| fixture.settle());
        let feed = Feed::start(fixture.store.clone(), layout, &fixture.job().watch(), watch::channel(None).1);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let embed = vec![Origin::parse("https://grafana.example").unwrap()];
        let config =
            PageConfig { feed: feed.watch(), hosts: vec!["shop.example".to_owned()], embed, token, limits };
        let (stop, mut stopped) = watch::channel(());
        tokio::spawn(async move {
            serve(listener, config, async move { drop(stopped.changed().await) }).await.unwrap();
        });
        Shop { fixture, address, feed, _stop: stop }
    }

    /// Waits until the feed has all that was written, with this many late changes.
    async fn settle(&self, late: u64) {
        let status = block_in_place(|| self.fixture.settle());
        let watch = self.feed.watch();
        let mut follower = watch.follow(FollowFrom::Start);
        let wait = async {
            while watch.total().1 != status.total
                || (watch.state().rejects, watch.state().late) != (status.rejects, late)
            {
                follower.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.unwrap();
    }

    /// Sends a request and reads its answer to the end. Returns status, head and body.
    async fn send(&self, request: String) -> (u16, String, Vec<u8>) {
        let address = self.address;
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(answer[..end].to_vec()).unwrap();
            let body = answer[end + 4..].to_vec();
            (head.split(' ').nth(1).unwrap().parse().unwrap(), head, body)
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    async fn get(&self, path: &str) -> (u16, String, Vec<u8>) {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    async fn json(&self, path: &str) -> Json {
        let (status, head, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
        assert!(head.contains("content-type: application/json"), "{head}");
        serde_json::from_slice(&body).unwrap()
    }

    async fn text(&self, path: &str) -> String {
        let (status, head, body) = self.get(path).await;
        assert_eq!(status, 200, "{path}");
        let is_chunked = head.contains("transfer-encoding: chunked");
        String::from_utf8(if is_chunked { unchunked(&body) } else { body }).unwrap()
    }
}

/// Returns the bytes of a body that came in chunks.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let at = rest.windows(2).position(|bytes| bytes == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if size == 0 {
            return out;
        }
        out.extend_from_slice(&rest[at + 2..at + 2 + size]);
        rest = &rest[at + 4 + size..];
    }
}

/// Returns the rows without their epoch.
fn rows(answer: Json) -> Vec<Json> {
    let Json::Array(rows) = answer else { panic!("{answer} is no array") };
    let without = |mut row: Json| {
        let epoch = row.as_object_mut().unwrap().remove("epoch");
        assert!(epoch.is_some_and(|epoch| epoch.is_u64()));
        assert!(row.as_object().unwrap().values().all(|value| !value.is_object() && !value.is_array()));
        row
    };
    rows.into_iter().map(without).collect()
}

fn user(id: &str, count: i64, exact: &str) -> Json {
    json!({ "UserId": id, "count": count, "totalPrice": exact.parse::<f64>().unwrap(), "totalPriceExact": exact })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_arrays_of_flat_objects_with_their_epoch() {
    let shop = Shop::open("Europe/Berlin", PageLimits::default()).await;
    assert_eq!(rows(shop.json("/api/users").await), [] as [Json; 0]);
    assert_eq!(rows(shop.json("/api/windows").await), [] as [Json; 0]);
    let zero = json!({ "count": 0, "totalPrice": 0.0, "totalPriceExact": "0.00" });
    assert_eq!(rows(shop.json("/api/total").await), [zero]);

    // This hour comes twice: these are 02:30 in summer time, then in winter time.
    let (summer, winter) = (1_792_888_200_000, 1_792_891_800_000);
    shop.fixture.write(vec![
        put("ann", "1", 0.1, summer),
        put("ann", "2", 0.2, winter),
        put("bob", "1", 100.0, winter + 30_000),
        put("=cmd", "1", 1e-9, 0),
        put_cells("zoe", "1", &[("price", Value::Double(f64::NAN)), ("timestamp", Value::Integer(0))]),
    ]);
    shop.settle(1).await;
    let total = json!({ "count": 4, "totalPrice": 100.300000001, "totalPriceExact": "100.300000001" });
    assert_eq!(rows(shop.json("/api/total").await), [total]);
    let (ann, bob, cmd) = (user("ann", 2, "0.30"), user("bob", 1, "100.00"), user("=cmd", 1, "0.000000001"));
    for (path, expected) in [
        ("/api/users", vec![&bob, &ann, &cmd]),
        ("/api/users?top=1", vec![&bob]),
        ("/api/users?top=2&by=count", vec![&ann, &cmd]),
        ("/api/users?q=", vec![&cmd, &ann, &bob]),
        ("/api/users?q=a", vec![&ann]),
        ("/api/users?q=%3D", vec![&cmd]),
        ("/api/users?q=annie", vec![]),
        ("/api/users?q=&limit=2", vec![&cmd, &ann]),
    ] {
        let found = rows(shop.json(path).await);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path}");
    }
    let window = |begin_ms: i64, begin: &str, end: &str, exact: &str| {
        let number = exact.parse::<f64>().unwrap();
        json!({ "beginMs": begin_ms, "begin": begin, "end": end, "count": 1, "totalPrice": number, "totalPriceExact": exact,
                "late": u64::from(begin_ms + 30_000 <= shop.fixture.clock.now_ms()) })
    };
    let all = [
        window(0, "1970-01-01 01:00:00", "1970-01-01 01:00:30", "0.000000001"),
        window(summer, "2026-10-25 02:30:00", "2026-10-25 02:30:30", "0.10"),
        window(winter, "2026-10-25 02:30:00+01:00", "2026-10-25 02:30:30+01:00", "0.20"),
        window(winter + 30_000, "2026-10-25 02:30:30+01:00", "2026-10-25 02:31:00+01:00", "100.00"),
    ];
    for (path, expected) in [
        ("/api/windows".to_owned(), &all[..]),
        (format!("/api/windows?from={summer}"), &all[1..]),
        (format!("/api/windows?from={}", summer + 1), &all[2..]),
        (format!("/api/windows?to={winter}"), &all[..2]),
        (format!("/api/windows?from={summer}&to={}", winter + 1), &all[1..3]),
        (format!("/api/windows?to={winter}&limit=1"), &all[1..2]),
        ("/api/windows?limit=3".to_owned(), &all[1..]),
        ("/api/windows?limit=0".to_owned(), &[]),
        (format!("/api/windows?from={}&to={}", i64::MIN, i64::MAX), &all[..]),
        (format!("/api/windows?from={winter}&to={summer}"), &[]),
    ] {
        assert_eq!(rows(shop.json(&path).await), expected, "{path}");
    }
    let rejects = rows(shop.json("/api/rejects").await);
    assert_eq!(
        (rejects.len(), &rejects[0]["UserId"], &rejects[0]["OrderId"]),
        (1, &json!("zoe"), &json!("1"))
    );
    assert!(rejects[0]["reason"].as_str().unwrap().contains("price") && rejects[0]["commit"].is_u64());
    let at = shop.json("/api/at").await;
    assert_eq!(
        (&at[0]["count"], &at[0]["rejects"], &at[0]["phase"]),
        (&json!(4), &json!(1), &json!("running"))
    );
    assert_eq!((&at[0]["zone"], &at[0]["widthMs"]), (&json!("Europe/Berlin"), &json!(30_000)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_csv_hold_all_rows_and_no_formula() {
    let shop = Shop::open("UTC", PageLimits::default()).await;
    let id = |user: usize| format!("{}{user:05}", if user.is_multiple_of(7) { "=u" } else { "u" });
    for part in (0..5_000).collect::<Vec<_>>().chunks(200) {
        shop.fixture
            .write(part.iter().map(|user| put(&id(*user), "1", 0.5, *user as i64 * 30_000)).collect());
    }
    shop.settle(5_000).await;
    let csv = shop.text("/api/users.csv").await;
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("epoch,UserId,count,totalPrice,totalPriceExact"));
    let mut users: Vec<String> = (0..5_000).map(id).collect();
    users.sort();
    let found: Vec<&str> = lines.map(|line| line.split(',').nth(1).unwrap()).collect();
    let quoted = |user: &String| if user.starts_with('=') { format!("'{user}") } else { user.clone() };
    assert_eq!(found, users.iter().map(quoted).collect::<Vec<_>>());
    assert_eq!(shop.text("/api/windows.csv").await.lines().count(), 5_001);
    assert_eq!(shop.text("/api/windows.csv?limit=7").await.lines().count(), 8);
    assert_eq!(shop.text("/api/users.csv?top=3").await.lines().count(), 4);
    assert_eq!(shop.text("/api/rejects.csv").await, "epoch,UserId,OrderId,reason,commit\n");
    assert!(shop.text("/api/total.csv").await.ends_with(",5000,2500,2500.00\n"));
    let late = shop.text("/api/late.csv").await;
    assert!(
        late.starts_with("epoch,UserId,OrderId,change,price,priceBefore,timestamp,begin,beginMs,commit\n")
    );
    assert_eq!(late.lines().count(), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_in_a_sentence() {
    let shop = Shop::open("UTC", PageLimits::default()).await;
    for (path, status, sentence) in [
        ("/api/users?top=1001", 400, "top=1001 must be at most 1000"),
        ("/api/users?top=x", 400, "top=\"x\" must be a whole number: invalid digit found in string"),
        ("/api/users?top=-1", 400, "top=\"-1\" must be a whole number: invalid digit found in string"),
        ("/api/users?by=name", 400, "by=\"name\" must be amount or count"),
        ("/api/users?q=a&top=1", 400, "q finds users by id, in the order of ids: it goes with limit alone"),
        ("/api/users?limit=1", 400, "limit goes with q; the number of leaders is top"),
        ("/api/users?top=1&top=2", 400, "parameter \"top\" comes twice"),
        ("/api/windows?form=1", 400, "unknown parameter \"form\": there are from, to, limit"),
        ("/api/windows?limit=20001", 400, "limit=20001 must be at most 20000"),
        ("/api/total?x", 400, "unknown parameter \"x\": there are none"),
        ("/api/at?x", 400, "unknown parameter \"x\": there are none"),
        ("/api/at.csv", 404, "there is nothing at this address"),
        ("/api/", 404, "there is nothing at this address"),
        ("/../Cargo.toml", 404, "there is nothing at this address"),
        ("/%2e%2e/Cargo.toml", 404, "there is nothing at this address"),
    ] {
        let (found, _, body) = shop.get(path).await;
        let body: Json = serde_json::from_slice(&body).unwrap();
        assert_eq!((found, &body), (status, &json!({ "error": sentence })), "{path}");
    }
    let request =
        |line: &str, host: &str| format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
    for (line, host, status) in [
        ("GET /", "localhost", 200),
        ("GET /", "shop.example:8088", 200),
        ("GET /", "evil.example", 403),
        ("GET /api/stream", "evil.example", 403),
        ("GET /api/total", "evil.example", 403),
        ("HEAD /", "localhost", 200),
        ("HEAD /api/users.csv", "localhost", 200),
        ("HEAD /api/stream", "localhost", 200),
        ("POST /api/total", "localhost", 405),
        ("DELETE /", "localhost", 405),
        ("OPTIONS /", "localhost", 405),
    ] {
        let (found, head, body) = shop.send(request(line, host)).await;
        assert_eq!(found, status, "{line} of {host}");
        assert_eq!(body.is_empty(), line.starts_with("HEAD"), "{line}");
        // All answers have these headers.
        for safety in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; ",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
        ] {
            assert!(head.contains(safety), "{line} of {host}: {head}");
        }
        assert!(!head.contains("unsafe") && !head.contains("access-control"), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_files_are_within_the_program() {
    let shop = Shop::open("UTC", PageLimits::default()).await;
    let (_, _, page) = shop.get("/").await;
    let page = String::from_utf8(page).unwrap();
    let mut files: Vec<&str> = page
        .split('"')
        .filter(|text| [".js", ".css", ".svg"].iter().any(|end| text.ends_with(end)))
        .collect();
    files.push("echarts.js");
    assert!(files.contains(&"main.js") && files.contains(&"style.css"), "{files:?}");
    // Under whatever path a proxy serves the page, its files are beside it.
    assert!(files.iter().all(|file| !file.contains('/')), "{files:?}");
    for file in files.iter().map(|file| format!("/{file}")) {
        let (status, head, plain) = shop.get(&file).await;
        assert!(status == 200 && !plain.is_empty(), "{file}");
        let ask = |more: &str| {
            format!("GET {file} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n\r\n")
        };
        let (_, packed_head, packed) = shop.send(ask("accept-encoding: br;q=1, gzip")).await;
        assert!(packed_head.contains("content-encoding: gzip"), "{packed_head}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain, "{file}");
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let (status, _, body) = shop.send(ask(&format!("if-none-match: {tag}"))).await;
        assert_eq!((status, body.len()), (304, 0), "{file}");
        let (status, head, _) = shop.send(ask("if-none-match: \"x\"\r\naccept-encoding: gzip;q=0")).await;
        assert!(status == 200 && !head.contains("content-encoding"), "{head}");
    }
    // Nothing in the page is of another host, and nothing is inline.
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("style="), "{page}");
    assert!(page.split("<script").skip(1).all(|script| script.contains("src=")), "{page}");
}

/// Reads from a stream until all of these texts came.
fn until(stream: &mut std::net::TcpStream, wanted: &[&str]) -> String {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (started, mut seen, mut part) = (Instant::now(), String::new(), [0; 4_096]);
    while !wanted.iter().all(|wanted| seen.contains(wanted)) {
        let length = stream.read(&mut part).unwrap();
        assert!(length > 0, "the stream ended: {seen}");
        seen += &String::from_utf8_lossy(&part[..length]);
        assert!(started.elapsed() < PATIENCE, "{wanted:?} did not come: {seen}");
    }
    seen
}

fn ask_stream(address: SocketAddr, more: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET /api/stream HTTP/1.1\r\nhost: localhost\r\n{more}\r\n").unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_stream_begins_with_all_and_goes_on_with_frames_and_beats() {
    let limits = PageLimits { beat_interval: Duration::from_millis(20), ..PageLimits::default() };
    let shop = Shop::open("UTC", limits).await;
    let address = shop.address;
    shop.fixture.write(vec![put("u", "1", 1.0, 0)]);
    shop.settle(1).await;
    let (seen, mut stream) = tokio::task::spawn_blocking(move || {
        let mut stream = ask_stream(address, "");
        (until(&mut stream, &["event: beat\n"]), stream)
    })
    .await
    .unwrap();
    assert!(seen.contains("content-type: text/event-stream"), "{seen}");
    let epoch = shop.feed.watch().state().epoch;
    let order = [format!("event: snapshot\nid: {epoch}\ndata: {{"), "event: beat\ndata: {".to_owned()];
    assert!(seen.find(&order[0]).unwrap() < seen.find(&order[1]).unwrap(), "{seen}");
    shop.fixture.write(vec![put("u", "2", 2.0, 0)]);
    shop.settle(2).await;
    let last = shop.feed.watch().state().epoch;
    let frame = format!("event: frame\nid: {last}\n");
    let state = "\"count\":2,\"totalPriceExact\":\"3.00\",\"users\"";
    tokio::task::spawn_blocking(move || until(&mut stream, &[&frame, state])).await.unwrap();
    // A reader that knows the last frame gets no snapshot.
    let seen = tokio::task::spawn_blocking(move || {
        until(&mut ask_stream(address, &format!("last-event-id: {last}\r\n")), &["event: "])
    })
    .await
    .unwrap();
    assert!(!seen.contains("event: snapshot"), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_does_not_read_is_hung_up_on() {
    let limits = PageLimits {
        streams_max: 1,
        unread_time_max: Duration::from_millis(200),
        beat_interval: Duration::from_millis(5),
        ..PageLimits::default()
    };
    let shop = Shop::open("UTC", limits).await;
    // Long names make long frames.
    let long = "x".repeat(1_000);
    shop.fixture.write((0..60).map(|user| put(&format!("{long}{user:02}"), "1", 1.0, 0)).collect());
    shop.settle(60).await;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&shop.address.into()).unwrap();
    let mut stalled: std::net::TcpStream = socket.into();
    write!(stalled, "GET /api/stream HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    // This reader has the only place, and reads no further.
    let mut begin = [0; "HTTP/1.1 200".len()];
    stalled.read_exact(&mut begin).unwrap();
    assert_eq!(&begin, b"HTTP/1.1 200");
    let head =
        || shop.send("HEAD /api/stream HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".to_owned());
    let started = Instant::now();
    assert_eq!(head().await.0, 503);
    // The reader loses its place while frames go on.
    let mut number = 0;
    while head().await.0 == 503 {
        number += 1;
        shop.fixture.write(vec![put(&format!("{long}00"), "2", f64::from(number), 0)]);
        assert!(started.elapsed() < PATIENCE, "it still has its place");
    }
    // What was sent before ends in the middle of the stream.
    let mut rest = Vec::new();
    stalled.set_read_timeout(Some(PATIENCE)).unwrap();
    let ended = stalled.read_to_end(&mut rest);
    assert!(ended.is_err() || !rest.ends_with(b"0\r\n\r\n"), "the stream ended as if it were whole");
}

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
