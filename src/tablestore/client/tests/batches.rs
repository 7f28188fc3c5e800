//! Tests how batches are cut, and which rows are sent again.

use super::*;
use crate::limits::WRITE_BYTES_MAX;
use crate::plain_buffer::{WriteForm, parse_change};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};

fn put(table: &str, id: i64, bytes: usize) -> Write {
    let value = Value::Binary(vec![7; bytes]);
    Write {
        table: table.to_owned(),
        key: key(id),
        change: RowWrite::Put(vec![("x".to_owned(), ColumnChange::Put { value, version: None })]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// Returns the tables and row ids of each request, as it arrived.
fn asked(server: &FakeServer) -> Vec<Vec<(String, Vec<i64>)>> {
    let id = |row: &table::RowInBatchWriteRowRequest| {
        let form = match row.r#type() {
            table::OperationType::Put => WriteForm::Put,
            table::OperationType::Update => WriteForm::Update,
            table::OperationType::Delete => WriteForm::Delete,
        };
        match &parse_change(&row.row_change, form).unwrap().key[..] {
            [(_, KeyPart::Value(KeyValue::Integer(id)))] => *id,
            key => panic!("{key:?}"),
        }
    };
    let request = |seen: &fake::Seen| {
        assert!(seen.body.len() <= WRITE_BYTES_MAX || seen.body.len() > 5 << 20, "{}", seen.body.len());
        let request = table::BatchWriteRowRequest::decode(seen.body.clone()).unwrap();
        request
            .tables
            .iter()
            .map(|table| (table.table_name.clone(), table.rows.iter().map(id).collect()))
            .collect()
    };
    server.seen().iter().map(request).collect()
}

/// Returns an answer for rows of some tables: `""` is a success, anything else the code of a
/// refusal.
fn answer(tables: &[&[&str]]) -> Reply {
    let row = |code: &&str| table::RowInBatchWriteRowResponse {
        is_ok: code.is_empty(),
        error: (!code.is_empty())
            .then(|| table::Error { code: (*code).to_owned(), message: Some("no.".to_owned()) }),
        ..Default::default()
    };
    let table = |rows: &&[&str]| table::TableInBatchWriteRowResponse {
        table_name: String::new(),
        rows: rows.iter().map(row).collect(),
    };
    Reply::answer(&table::BatchWriteRowResponse { tables: tables.iter().map(table).collect() })
}

fn codes(results: &[RowResult]) -> Vec<&str> {
    results.iter().map(|result| result.as_ref().err().map_or("", |error| error.code.as_str())).collect()
}

#[tokio::test]
async fn only_rows_that_failed_for_a_moment_are_sent_again() {
    let server = FakeServer::start([
        answer(&[
            &["", "OTSServerBusy", "OTSConditionCheckFail"],
            &["OTSRowOperationConflict", "OTSTimeout"],
        ]),
        Reply::Refuse(503, "OTSServerBusy", "Server is busy."),
        answer(&[&["OTSPartitionUnavailable"], &[""]]),
        answer(&[&[""]]),
    ])
    .await;
    let writes = [put("A", 0, 1), put("B", 10, 1), put("A", 1, 1), put("B", 11, 1), put("A", 2, 1)];
    let results = server.client(None).batch_write_row(&writes).await.unwrap();
    // After OTSTimeout it is open whether a write took place, so it is not sent again.
    assert_eq!(codes(&results), ["", "", "", "OTSTimeout", "OTSConditionCheckFail"]);
    let of = |tables: &[(&str, &[i64])]| -> Vec<(String, Vec<i64>)> {
        tables.iter().map(|(table, ids)| ((*table).to_owned(), ids.to_vec())).collect()
    };
    let again = of(&[("A", &[1]), ("B", &[10])]);
    assert_eq!(
        asked(&server),
        [of(&[("A", &[0, 1, 2]), ("B", &[10, 11])]), again.clone(), again, of(&[("A", &[1])])]
    );
    let failed = results[3].as_ref().unwrap_err();
    assert_eq!(failed.to_string(), "no (OTSTimeout, status 200, request request-1)");
}

#[tokio::test]
async fn rows_that_stay_busy_are_given_up() {
    let server = FakeServer::start((0..1_000).map(|_| answer(&[&["OTSServerBusy"]]))).await;
    let mut config = ClientConfig::new(&format!("http://{}", server.address), "instance", "id", SECRET, None);
    config.retry = RetryPolicy { patience: Duration::from_millis(20), ..quick() };
    let results = Client::new(config).unwrap().batch_write_row(&[put("A", 0, 1)]).await.unwrap();
    assert_eq!(codes(&results), ["OTSServerBusy"]);
    assert!(server.seen().len() > 1);
}

#[tokio::test]
async fn an_answer_of_other_rows_is_not_believed() {
    let server = FakeServer::start([answer(&[&["", ""]])]).await;
    let error = server.client(None).batch_write_row(&[put("A", 0, 1)]).await.unwrap_err().to_string();
    assert!(error.ends_with("cannot be trusted: it is of 2 rows where 1 were sent"), "{error}");
}

#[tokio::test]
async fn writes_are_cut_by_rows_bytes_and_repeated_keys() {
    let many = |ids: std::ops::Range<i64>, bytes| ids.map(|id| put("A", id, bytes)).collect::<Vec<_>>();
    let mib = 1 << 20;
    for (what, writes, sizes) in [
        ("200 rows", many(0..200, 1), &[200][..]),
        ("201 rows", many(0..201, 1), &[200, 1]),
        ("512 rows", many(0..512, 1), &[200, 200, 112]),
        ("5 rows of 1 MiB", many(0..5, mib), &[3, 2]),
        ("a row too large", vec![put("A", 0, 1), put("A", 1, 5 * mib), put("A", 2, 1)], &[1, 1, 1]),
        ("a key again", [many(0..3, 1), many(1..4, 1)].concat(), &[3, 3]),
        ("the same key of two tables", vec![put("A", 0, 1), put("B", 0, 1)], &[2]),
        ("a key thrice", vec![put("A", 0, 1), put("A", 0, 1), put("A", 0, 1)], &[1, 1, 1]),
        ("nothing", vec![], &[]),
    ] {
        let script = sizes.iter().map(|&size| match what {
            "the same key of two tables" => answer(&[&[""], &[""]]),
            _ => answer(&[&vec![""; size]]),
        });
        let server = FakeServer::start(script).await;
        let results = server.client(None).batch_write_row(&writes).await.unwrap();
        assert_eq!(results.len(), writes.len(), "{what}");
        let asked = asked(&server);
        let rows = |request: &Vec<(String, Vec<i64>)>| request.iter().map(|(_, ids)| ids.len()).sum();
        assert_eq!(asked.iter().map(rows).collect::<Vec<usize>>(), sizes, "{what}");
        let sent = asked.iter().flatten().flat_map(|(_, ids)| ids.iter().copied());
        assert_eq!(
            sent.map(key).collect::<Vec<_>>(),
            writes.iter().map(|write| write.key.clone()).collect::<Vec<_>>()
        );
    }
}

#[tokio::test]
async fn rows_are_read_100_at_a_time_and_those_that_failed_again() {
    let row = |ok: bool, code: &str| table::RowInBatchGetRowResponse {
        is_ok: ok,
        error: (!ok).then(|| table::Error { code: code.to_owned(), message: None }),
        ..Default::default()
    };
    let answer = |rows: Vec<table::RowInBatchGetRowResponse>| {
        let table_name = "A".to_owned();
        Reply::answer(&table::BatchGetRowResponse {
            tables: vec![table::TableInBatchGetRowResponse { table_name, rows }],
        })
    };
    let mut first = vec![row(true, ""); 100];
    // After OTSTimeout a read may be sent again.
    first[40] = row(false, "OTSTimeout");
    first[50] = row(false, "OTSInvalidPK");
    let server =
        FakeServer::start([answer(first), answer(vec![row(true, "")]), answer(vec![row(true, ""); 30])])
            .await;
    let keys: Vec<_> = (0..130).map(key).collect();
    let results = server.client(None).batch_get_row("A", &keys, &Selection::default()).await.unwrap();
    let failed: Vec<_> =
        codes(&results).into_iter().enumerate().filter(|(_, code)| !code.is_empty()).collect();
    assert_eq!((results.len(), failed), (130, vec![(50, "OTSInvalidPK")]));
    let sizes = server.seen().into_iter().map(|seen| {
        let request = table::BatchGetRowRequest::decode(seen.body).unwrap();
        request.tables[0].primary_key.len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [100, 1, 30]);
}
