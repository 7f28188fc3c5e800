//! Tests what the client sends, believes and sends again, against a server that answers from a
//! script.

mod batches;

use std::time::Duration;

use jiff::Timestamp;
use prost::Message;

use super::fake::{FakeServer, Reply, SECRET, quick};
use super::*;
use crate::plain_buffer::{Writer, encode_key};
use crate::table;
use store::read::{Direction, RangeRead, Selection};
use store::value::{Cell, KeyPart, KeyValue, NamedKey, Row, Value};

fn listed() -> Reply {
    Reply::answer(&table::ListTableResponse { table_names: vec!["Orders".to_owned()] })
}

fn key(id: i64) -> NamedKey {
    vec![("Id".to_owned(), KeyPart::Value(KeyValue::Integer(id)))]
}

#[tokio::test]
async fn requests_are_signed_by_version_2_or_by_version_4_with_a_region() {
    for region in [None, Some("local")] {
        let server = FakeServer::start([listed()]).await;
        assert_eq!(server.client(region).list_tables().await.unwrap(), ["Orders"]);
        let [seen] = &server.seen()[..] else { panic!("one request") };
        assert_eq!((seen.path.as_str(), seen.is_signed()), ("/ListTable", true));
        for (name, value) in [
            ("x-ots-apiversion", Some("2015-12-31")),
            ("x-ots-accesskeyid", Some("id")),
            ("x-ots-instancename", Some("instance")),
            ("x-ots-contentmd5", Some("1B2M2Y8AsgTpgAmY7PhCfg==")),
            ("x-ots-signregion", region),
            ("content-length", Some("0")),
        ] {
            assert_eq!(seen.header(name), value, "{name}");
        }
        assert_eq!(seen.header("x-ots-signature").is_some(), region.is_none());
        assert_eq!(seen.header("x-ots-signaturev4").is_some(), region.is_some());
        let date: Timestamp = seen.header("x-ots-date").unwrap().parse().unwrap();
        assert!(date.duration_since(Timestamp::now()).as_secs().abs() < 60, "{date}");
        let day = date.strftime("%Y%m%d").to_string();
        assert_eq!(seen.header("x-ots-signdate"), region.map(|_| day.as_str()));
    }
}

#[tokio::test]
async fn one_connection_serves_many_calls() {
    let server = FakeServer::start((0..20).map(|_| listed())).await;
    let client = server.client(None);
    for _ in 0..20 {
        client.list_tables().await.unwrap();
    }
    assert_eq!((server.seen().len(), server.connections()), (20, 1));
}

#[tokio::test]
async fn reads_are_sent_again_with_a_signature_of_their_own() {
    let server = FakeServer::start([
        Reply::Refuse(503, "OTSServerBusy", "Server is busy."),
        Reply::Refuse(500, "OTSInternalServerError", "Internal server error."),
        Reply::Close,
        Reply::Foreign(502, "<html>bad gateway</html>"),
        Reply::Refuse(404, "OTSTableNotReady", "The table is not ready."),
        Reply::Silent,
        listed(),
    ])
    .await;
    let mut config =
        ClientConfig::new(&format!("http://{}", server.address), "instance", "id", SECRET, Some("local"));
    config.retry = quick();
    config.request_timeout = Duration::from_millis(200);
    assert_eq!(Client::new(config).unwrap().list_tables().await.unwrap(), ["Orders"]);
    let seen = server.seen();
    assert_eq!((seen.len(), server.left()), (7, 0));
    assert!(seen.iter().all(fake::Seen::is_signed));
    let dates: std::collections::HashSet<_> = seen.iter().map(|seen| seen.header("x-ots-date")).collect();
    assert!(dates.len() > 1, "each try has its own date");
}

#[tokio::test]
async fn writes_are_sent_again_only_where_the_server_did_nothing() {
    let busy = || Reply::Refuse(503, "OTSServerBusy", "Server is busy.");
    for (last, expected) in [
        (
            Reply::Refuse(500, "OTSInternalServerError", "Internal server error."),
            "DeleteTable failed: Internal server error (OTSInternalServerError, status 500, request request-1)",
        ),
        (
            Reply::Refuse(404, "OTSObjectNotExist", "Requested table does not exist."),
            "DeleteTable failed: Requested table does not exist (OTSObjectNotExist, status 404, request request-1)",
        ),
        (
            Reply::Foreign(502, "<html>bad gateway</html>"),
            "DeleteTable failed: this is no answer of a Tablestore; is the endpoint right? (no code, status 502)",
        ),
        (Reply::Close, "no answer to DeleteTable from http://"),
    ] {
        let server =
            FakeServer::start([busy(), busy(), last, Reply::answer(&table::DeleteTableResponse {})]).await;
        let error = server.client(None).delete_table("Orders").await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!((server.seen().len(), server.left()), (3, 1), "{error}");
        let is_open = error.ends_with("; it may or may not have been done");
        assert_eq!(is_open, error.starts_with("no answer"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut config = ClientConfig::new(&format!("http://{free}"), "instance", "id", SECRET, None);
    config.retry = quick();
    let client = Client::new(config).unwrap();
    for error in [client.list_tables().await.unwrap_err(), client.delete_table("Orders").await.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(error, ClientError::NotSent { .. }), "{text}");
        assert!(text.starts_with(&format!("cannot connect to http://{free}: Connection refused")), "{text}");
    }
}

#[tokio::test]
async fn patience_ends() {
    let server = FakeServer::start((0..1_000).map(|_| Reply::Refuse(503, "OTSServerBusy", ""))).await;
    let mut config = ClientConfig::new(&format!("http://{}", server.address), "instance", "id", SECRET, None);
    config.retry = RetryPolicy { patience: Duration::from_millis(20), ..quick() };
    let error = Client::new(config).unwrap().list_tables().await.unwrap_err();
    assert!(error.is_code("OTSServerBusy"), "{error}");
    assert!((2..=40).contains(&server.seen().len()), "{}", server.seen().len());
}

#[tokio::test]
async fn answers_that_cannot_be_believed_are_refused_and_not_asked_for_again() {
    type Meddle = fn(&mut hyper::header::HeaderMap);
    let none: Meddle = |_| {};
    let cases: [(Meddle, Meddle, &str); 9] = [
        (
            |headers| {
                headers.remove("x-ots-requestid");
            },
            none,
            "it has no header x-ots-requestid",
        ),
        (
            |headers| {
                headers.remove("x-ots-date");
            },
            none,
            "it has no header x-ots-date",
        ),
        (
            |headers| {
                headers.remove("x-ots-contenttype");
            },
            none,
            "it has no header x-ots-contenttype",
        ),
        (
            |headers| {
                headers.remove("x-ots-contentmd5");
            },
            none,
            "it has no header x-ots-contentmd5",
        ),
        (
            |headers| {
                headers.insert("x-ots-contentmd5", "AAAAAAAAAAAAAAAAAAAAAA==".parse().unwrap());
            },
            none,
            "its body does not match its digest",
        ),
        (
            |headers| {
                headers.insert("x-ots-date", "yesterday".parse().unwrap());
            },
            none,
            "its x-ots-date \"yesterday\" is not a date",
        ),
        (
            none,
            |headers| {
                headers.remove("authorization");
            },
            "it is not signed",
        ),
        (
            none,
            |headers| {
                headers.insert("authorization", "OTS id".parse().unwrap());
            },
            "its signature is malformed",
        ),
        (
            none,
            |headers| {
                headers.insert("x-ots-more", "of it".parse().unwrap());
            },
            "its signature is not by this access key",
        ),
    ];
    for (before, after, reason) in cases {
        for region in [None, Some("local")] {
            let server = FakeServer::start([Reply::Meddled { before, after }, listed()]).await;
            let error = server.client(region).list_tables().await.unwrap_err();
            assert!(
                matches!(&error, ClientError::Untrusted { reason: why, .. } if why.starts_with(reason)),
                "{error}"
            );
            assert_eq!(server.left(), 1, "{reason}");
        }
    }
    let server = FakeServer::start([Reply::Answer(vec![0xff, 0xff])]).await;
    let error = server.client(None).list_tables().await.unwrap_err().to_string();
    assert!(error.contains("cannot be trusted: its body is malformed"), "{error}");
}

#[tokio::test]
async fn answers_about_tunnels_may_leave_out_what_their_sdks_do_not_ask_for() {
    let bare = Reply::Meddled {
        before: |headers| {
            headers.remove("x-ots-date");
            headers.remove("x-ots-contentmd5");
            headers.remove("x-ots-contenttype");
        },
        after: |headers| {
            headers.remove("authorization");
        },
    };
    let forged = Reply::Meddled {
        before: |_| {},
        after: |headers| {
            headers.insert("x-ots-date", "2001-01-01T00:00:00.000Z".parse().unwrap());
        },
    };
    let server = FakeServer::start([bare, forged]).await;
    let client = server.client(None);
    assert_eq!(client.list_tunnels(None).await.unwrap(), []);
    let error = client.list_tunnels(None).await.unwrap_err();
    assert!(matches!(error, ClientError::Clocks { .. }), "{error}");
}

/// A server whose clock differs refuses the call if it looks at the date before the key, and answers
/// it if it does not. Either way it is the clock that has to be set.
#[tokio::test]
async fn a_clock_that_differs_is_not_taken_for_a_wrong_key() {
    let mismatch = "Mismatch between system time and x-ots-date: 2026-11-28T08:00:00.000Z.";
    let refused = Reply::RefuseIn2001(403, "OTSAuthFailed", mismatch);
    for reply in [Reply::Meddled { before: fake::of_2001, after: |_| {} }, refused] {
        let server = FakeServer::start([reply, Reply::answer(&table::ListTableResponse::default())]).await;
        let error = server.client(None).list_tables().await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ClientError::Clocks { .. }), "{text}");
        assert!(text.contains("it is 2001-01-01T00:00:00.000Z, and here it is 2"), "{text}");
        assert!(text.ends_with(": set the clock that is wrong"), "{text}");
        assert_eq!((error.exit_code(), error.what_to_do(), server.left()), (3, "", 1));
    }
}

#[tokio::test]
async fn a_refused_key_is_said_though_nothing_is_signed() {
    let server = FakeServer::start([Reply::Refuse(403, "OTSAuthFailed", "Signature mismatch.")]).await;
    let mut config =
        ClientConfig::new(&format!("http://{}", server.address), "instance", "id", "other", None);
    config.retry = quick();
    // The answer is signed with the server's secret, which this client does not have.
    let error = Client::new(config).unwrap().list_tables().await.unwrap_err();
    assert!(error.is_code("OTSAuthFailed"), "{error}");
}

#[tokio::test]
async fn a_range_is_read_until_no_next_start_is_given() {
    let rows = |ids: &[i64]| {
        let mut writer = Writer::new();
        for id in ids {
            let mut row = writer.row();
            row.key("Id", store::value::KeyRef::Integer(*id));
            row.cell(store::value::CellRef {
                name: "price",
                value: store::value::ValueRef::Double(0.1),
                version: 7,
            });
            row.end();
        }
        if ids.is_empty() { Vec::new() } else { writer.finish() }
    };
    let page = |ids: &[i64], next: Option<i64>| {
        Reply::answer(&table::GetRangeResponse {
            rows: rows(ids).into(),
            next_start_primary_key: next.map(|next| encode_key(&key(next)).into()),
            ..Default::default()
        })
    };
    // A page may be empty without being the last.
    let server = FakeServer::start([page(&[1, 2], Some(5)), page(&[], Some(7)), page(&[9], None)]).await;
    let bound = |part| vec![("Id".to_owned(), part)];
    let mut pages = server.client(None).range(RangeRead {
        table: "Orders".to_owned(),
        direction: Direction::Forward,
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection::default(),
        rows_max: None,
    });
    let row = |id| Row {
        key: vec![KeyValue::Integer(id)],
        cells: vec![Cell { name: "price".to_owned(), value: Value::Double(0.1), version: 7 }],
    };
    assert_eq!(pages.next_page(10).await.unwrap(), Some(vec![row(1), row(2)]));
    assert_eq!(pages.next_page(8).await.unwrap(), Some(vec![]));
    assert_eq!(pages.next_page(8).await.unwrap(), Some(vec![row(9)]));
    assert_eq!(pages.next_page(7).await.unwrap(), None);
    let asked: Vec<_> =
        server.seen().iter().map(|seen| table::GetRangeRequest::decode(seen.body.clone()).unwrap()).collect();
    let limits: Vec<_> = asked.iter().map(|request| (request.limit, request.max_versions)).collect();
    assert_eq!(limits, [(Some(10), Some(1)), (Some(8), Some(1)), (Some(8), Some(1))]);
    let starts: Vec<_> = asked.iter().map(|request| request.inclusive_start_primary_key.to_vec()).collect();
    assert_eq!(starts, [encode_key(&bound(KeyPart::Min)), encode_key(&key(5)), encode_key(&key(7))]);
}
