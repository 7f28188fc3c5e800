//! Tests the answers that need no signature.

use super::*;
use crate::server::plain::refusal_to_others;

/// Asks as `curl` does.
async fn ask(wire: &mut Wire, method: &str, path: &str) -> Told {
    wire.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\naccept: */*\r\n\r\n").as_bytes()).await;
    if method == "HEAD" { wire.receive_head().await } else { wire.receive().await }.expect("an answer")
}

fn told(told: &Told) -> (u16, &str) {
    (told.status, std::str::from_utf8(&told.body).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_it_serves_and_is_ready() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    assert_eq!(told(&ask(&mut wire, "GET", "/healthz").await), (200, "ok\n"));
    assert_eq!(told(&ask(&mut wire, "GET", "/readyz").await), (200, "ready\n"));
    *running.vitals.unready.lock().unwrap() = Some("the job catches up".to_owned());
    assert_eq!(told(&ask(&mut wire, "GET", "/healthz").await), (200, "ok\n"));
    let unready = ask(&mut wire, "GET", "/readyz?verbose").await;
    assert_eq!(told(&unready), (503, "the job catches up\n"));
    assert_eq!(unready.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(unready.header("authorization"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_that_of_the_answer() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        let got = ask(&mut wire, "GET", path).await;
        let head = ask(&mut wire, "HEAD", path).await;
        assert_eq!(head.status, got.status, "{path}");
        for name in ["content-type", "content-length"] {
            assert_eq!(head.header(name), got.header(name), "{name} of {path}");
        }
    }
    // The connection can be used again afterwards.
    assert_eq!(ask(&mut wire, "GET", "/healthz").await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_operation_and_class() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let list = Asking::new("/ListTable", &table::ListTableRequest {});
    for _ in 0..3 {
        assert_eq!(wire.ask(&list.clone().sign(false)).await.status, 200);
    }
    // This request is unsigned, and names no operation.
    assert_eq!(wire.ask(&list).await.status / 100, 4);
    assert_eq!(wire.ask(&Asking::of_body("/Search", Vec::new()).sign(false)).await.status, 400);
    assert_eq!(ask(&mut wire, "GET", "/").await.status, 405);
    let metrics = ask(&mut wire, "GET", "/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = String::from_utf8(metrics.body).unwrap();
    let counted = text.split("RequestCount { ").filter(|count| !count.contains("count: 0"));
    let counted: Vec<&str> = counted.skip(1).map(|count| count.split(" }").next().unwrap()).collect();
    assert_eq!(
        counted,
        [
            r#"operation: "ListTable", class: "2xx", count: 3"#,
            r#"operation: "ListTable", class: "4xx", count: 1"#,
            r#"operation: "other", class: "4xx", count: 2"#,
        ]
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_in_memory_are_told() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let bodies = async |wire: &mut Wire| {
        let text = String::from_utf8(ask(wire, "GET", "/metrics").await.body).unwrap();
        let (_, rest) = text.split_once("bodies_bytes: ").unwrap();
        rest.split(',').next().unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(bodies(&mut wire).await, 0);
    let mut holder = running.connect().await;
    let big = Asking::of_body("/ListTable", vec![0; 1 << 20]).sign(false).bytes();
    holder.send(&big[..big.len() - 1]).await;
    while bodies(&mut wire).await != 1 << 20 {}
    holder.send(&big[big.len() - 1..]).await;
    holder.receive().await.unwrap();
    while bodies(&mut wire).await != 0 {}
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_get_and_head_need_no_signature() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    for path in ["/metrics", "/healthz", "/readyz"] {
        let told = wire.ask(&Asking::of_body(path, Vec::new())).await;
        assert_eq!(told.status / 100, 4, "{path}");
        let told = wire.ask(&Asking::of_body(path, Vec::new()).sign(false)).await;
        assert_eq!((told.status, told.error().0.as_str()), (400, "OTSParameterInvalid"), "{path}");
        assert_eq!(ask(&mut wire, "DELETE", path).await.status, 405);
    }
    // Other paths are answered as before.
    for path in ["/", "/metrics/", "/healthz/x", "/ListTable"] {
        assert_eq!(ask(&mut wire, "GET", path).await.status, 405, "{path}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_are_for_whom_they_are_meant() {
    const TOKEN: &str = "a-token-of-20-letter";
    let token = Token::new(TOKEN).unwrap();
    let cookie = format!("cookie: {}", token.cookie());
    let bearer = format!("authorization: Bearer {TOKEN}");
    let running = Running::start_for(MetricsReaders::Holders(token)).await;
    let mut wire = running.connect().await;
    for (path, header, status) in [
        ("/metrics", "accept: */*", 401),
        ("/metrics", "authorization: Bearer another-token-of-20", 401),
        ("/metrics", &bearer, 200),
        ("/metrics", &cookie, 200),
        // Who watches the program from outside has no secret.
        ("/healthz", "accept: */*", 200),
        ("/readyz", "accept: */*", 200),
    ] {
        wire.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n").as_bytes()).await;
        let answer = wire.receive().await.unwrap();
        assert_eq!(answer.status, status, "{path} with {header}");
        let asks = (status == 401).then_some("Bearer");
        assert_eq!(answer.header("www-authenticate"), asks, "{path} with {header}");
    }
    running.stop().await;
    // A caller of this machine, whether the server listens on version 4 or 6 of IP.
    for (address, is_here) in
        [("127.0.0.1:1", true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("10.0.0.1:1", false)]
    {
        let refusal = refusal_to_others(address.parse().unwrap());
        assert_eq!(refusal.map(|(status, _)| status.as_u16()), (!is_here).then_some(403), "{address}");
    }
}
