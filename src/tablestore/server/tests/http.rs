//! Tests bytes that are no request, requests that do not arrive, and too many connections.

use std::time::Duration;

use super::*;
use crate::plain_buffer::{encode_change, encode_key};
use store::change::{ColumnChange, RowWrite};
use store::value::Value;

fn list() -> Asking {
    Asking::new("/ListTable", &table::ListTableRequest {}).sign(false)
}

/// Returns limits under which a slow caller is refused soon.
fn impatient() -> Limits {
    Limits {
        body_read_time_max: Duration::from_millis(200),
        head_read_time_max: Duration::from_millis(200),
        memory_wait_max: Duration::from_millis(50),
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_request_are_answered() {
    let running = Running::start().await;
    let cases: [(&[u8], u16); 9] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /ListTable HTTP/3.7\r\n\r\n", 400),
        (b"POST /ListTable\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\ncontent-length: -1\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\ntransfer-encoding: nonsense\r\n\r\n", 400),
        (b"POST /ListTable HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
    ];
    for (bytes, status) in cases {
        let mut wire = running.connect().await;
        wire.send(bytes).await;
        let told = wire.receive().await;
        assert_eq!(told.map(|told| told.status), Some(status), "{}", String::from_utf8_lossy(bytes));
    }
    let long = format!("POST /ListTable HTTP/1.1\r\nx-ots-a: {}\r\n\r\n", "a".repeat(70_000));
    let mut wire = running.connect().await;
    wire.send(long.as_bytes()).await;
    assert_eq!(wire.receive().await.map(|told| told.status), Some(431));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_goes_on_after_a_refusal() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let wrong = [
        Asking::of_body("/PutRow", vec![0xff; 100]).sign(false),
        Asking::of_body("/PutRow", vec![0; 1 << 20]),
        Asking::of_body("/Nothing", vec![1; 1 << 20]).sign(false),
        Asking::of_body("/PutRow", vec![2; (16 << 20) + 1]).sign(false),
        Asking { method: "GET", ..list() },
        Asking { method: "PUT", ..list() },
    ];
    for asking in wrong {
        assert!(wire.ask(&asking).await.status >= 400);
        assert_eq!(wire.ask(&list()).await.status, 200, "{} {}", asking.method, asking.path);
    }
    // Several requests that are sent at once are answered in order.
    wire.send(&[list().bytes(), list().bytes(), list().bytes()].concat()).await;
    for _ in 0..3 {
        assert_eq!(wire.receive().await.unwrap().status, 200);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_are_a_body_too() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let asking = Asking::new("/CreateTable", &create_orders("Orders")).sign(false);
    let text = String::from_utf8_lossy(&asking.bytes()).into_owned();
    let head = text.split("content-length").next().unwrap();
    let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
    for part in asking.body.chunks(7) {
        bytes.extend(format!("{:x}\r\n", part.len()).as_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\ntrailer: x\r\n\r\n");
    wire.send(&bytes).await;
    assert_eq!(wire.receive().await.unwrap().status, 200);
    assert_eq!(running.store.tables(), ["Orders"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_another_length_is_not_run() {
    let running = Running::start_with(impatient()).await;
    let asking = Asking::new("/CreateTable", &create_orders("Orders")).sign(false);
    let bytes = asking.bytes();
    // A body that is too short is waited for, and then refused.
    let mut wire = running.connect().await;
    wire.send(&bytes[..bytes.len() - 1]).await;
    let told = wire.receive().await.unwrap();
    assert_eq!((told.status, told.error().0.as_str()), (408, "OTSRequestTimeout"));
    assert_eq!(told.header("connection"), Some("close"));
    assert!(wire.receive().await.is_none());
    // After a cut connection there is nobody to answer.
    let mut wire = running.connect().await;
    wire.send(&bytes[..bytes.len() - 1]).await;
    wire.stream.shutdown().await.unwrap();
    wire.receive().await;
    // If the stated length is too short, the rest is taken for another request.
    let mut wire = running.connect().await;
    let length = format!("content-length: {}", asking.body.len());
    let lie = format!("content-length: {}", asking.body.len() - 1);
    let head_bytes = bytes.len() - asking.body.len();
    let head = String::from_utf8(bytes[..head_bytes].to_vec()).unwrap().replace(&length, &lie);
    wire.send(&[head.as_bytes(), &asking.body].concat()).await;
    let told = wire.receive().await.unwrap();
    assert_eq!((told.status, told.error().0.as_str()), (403, "OTSAuthFailed"));
    assert!(running.store.tables().is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_callers_are_sent_away() {
    let running = Running::start_with(impatient()).await;
    // A connection is not kept by a head that never ends, nor by no head at all.
    for start in ["", "POST /ListTable HTTP/1.1\r\nx-ots-date: "] {
        let mut wire = running.connect().await;
        wire.send(start.as_bytes()).await;
        assert!(wire.receive().await.is_none_or(|told| told.status == 408), "{start}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_share_their_memory() {
    let limits =
        Limits { bodies_bytes_max: 1 << 20, body_read_time_max: Duration::from_secs(30), ..impatient() };
    let running = Running::start_with(limits).await;
    let big = Asking::of_body("/ListTable", vec![0; 1 << 20]).sign(false).bytes();
    let mut holder = running.connect().await;
    holder.send(&big[..big.len() - 1]).await;
    let mut wire = running.connect().await;
    // The second is refused as soon as the first one holds all memory.
    let refused = loop {
        let told = wire.ask(&Asking::new("/CreateTable", &create_orders("T")).sign(false)).await;
        if told.status != 200 && told.status != 409 {
            break told;
        }
    };
    assert_eq!((refused.status, refused.error().0.as_str()), (503, "OTSServerBusy"));
    holder.send(&big[big.len() - 1..]).await;
    assert_eq!(holder.receive().await.unwrap().error().0, "OTSParameterInvalid");
    assert_eq!(wire.ask(&list()).await.status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_nobody_reads_are_given_up() {
    let unread = Duration::from_millis(200);
    let limits = Limits { connections_max: 2, answer_unread_time_max: unread, ..Limits::default() };
    let running = Running::start_with(limits).await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let key = order_key(text("user"), text("order"));
    let value = Value::Binary(vec![0; 2 << 20]);
    let columns = vec![("a".to_owned(), ColumnChange::Put { value, version: None })];
    let put = table::PutRowRequest {
        table_name: "Orders".to_owned(),
        row: encode_change(&key, &RowWrite::Put(columns)).into(),
        ..table::PutRowRequest::default()
    };
    let _: table::PutRowResponse = wire.call("/PutRow", &put).await;
    let get = table::GetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_key(&key).into(),
        max_versions: Some(1),
        ..table::GetRowRequest::default()
    };
    let asking = Asking::new("/GetRow", &get).sign(false);
    let mut deaf = running.connect().await;
    // This is more than the system keeps for a connection.
    deaf.send(&asking.bytes().repeat(30)).await;
    // There is room for another connection once this one is given up.
    while !running.takes_another().await {}
    let mut answers = 0;
    while deaf.receive().await.is_some() {
        answers += 1;
    }
    assert!(answers < 30);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_too_many_is_told_so() {
    let running = Running::start_with(Limits { connections_max: 2, ..Limits::default() }).await;
    let mut first = running.connect().await;
    let mut second = running.connect().await;
    assert_eq!(first.ask(&list()).await.status, 200);
    assert_eq!(second.ask(&list()).await.status, 200);
    let mut third = running.connect().await;
    assert_eq!(third.receive().await.unwrap().status, 503);
    drop(first);
    // There is room again once the server notices.
    while !running.takes_another().await {}
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_are_answered_at_the_end() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let bytes = Asking::new("/CreateTable", &create_orders("Orders")).sign(false).bytes();
    wire.send(&bytes[..bytes.len() - 1]).await;
    // The answer on another connection shows that the first one's head has most likely arrived. The
    // test is right either way.
    let mut other = running.connect().await;
    assert_eq!(other.ask(&list()).await.status, 200);
    running.stop.send(()).unwrap();
    wire.send(&bytes[bytes.len() - 1..]).await;
    let told = wire.receive().await;
    running.served.await.unwrap().unwrap();
    assert_eq!(told.is_some_and(|told| told.status == 200), running.store.tables() == ["Orders"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_is_read_on() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    running.store.close().unwrap();
    let told = wire.ask(&Asking::new("/CreateTable", &create_orders("Orders")).sign(false)).await;
    assert_eq!((told.status, told.error().0.as_str()), (503, "OTSServerUnavailable"));
    let get = table::GetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_key(&order_key(text("a"), text("b"))).into(),
        max_versions: Some(1),
        ..table::GetRowRequest::default()
    };
    assert_eq!(wire.refused("/GetRow", &get).await.1, "OTSObjectNotExist");
    running.stop().await;
}
