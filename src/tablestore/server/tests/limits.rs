//! Tests requests that are well formed, but too large or for something that does not exist.

mod cases;

use self::cases::{INVALID, wrong_reads, wrong_tables, wrong_writes};
use super::*;
use crate::plain_buffer::{encode_change, encode_key};
use store::change::{ColumnChange, RowWrite};
use store::value::Value;

pub(super) fn put(name: &str, value: Value) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version: None })
}

pub(super) fn order(columns: Vec<(String, ColumnChange)>) -> Vec<u8> {
    encode_change(&order_key(text("user"), text("order")), &RowWrite::Put(columns))
}

pub(super) fn put_row(row: Vec<u8>) -> table::PutRowRequest {
    table::PutRowRequest { table_name: "Orders".to_owned(), row: row.into(), ..Default::default() }
}

pub(super) fn written(row: Vec<u8>) -> table::RowInBatchWriteRowRequest {
    table::RowInBatchWriteRowRequest {
        r#type: table::OperationType::Put.into(),
        row_change: row.into(),
        ..Default::default()
    }
}

pub(super) fn batch(rows: Vec<table::RowInBatchWriteRowRequest>) -> table::BatchWriteRowRequest {
    let tables = vec![table::TableInBatchWriteRowRequest { table_name: "Orders".to_owned(), rows }];
    table::BatchWriteRowRequest { tables, ..Default::default() }
}

fn batch_get(count: usize) -> table::BatchGetRowRequest {
    let key = encode_key(&order_key(text("user"), text("order")));
    let table = table::TableInBatchGetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: vec![key.into(); count],
        max_versions: Some(1),
        ..Default::default()
    };
    table::BatchGetRowRequest { tables: vec![table] }
}

pub(super) fn get(change: impl FnOnce(&mut table::GetRowRequest)) -> table::GetRowRequest {
    let mut request = table::GetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_key(&order_key(text("user"), text("order"))).into(),
        max_versions: Some(1),
        ..Default::default()
    };
    change(&mut request);
    request
}

pub(super) fn range(change: impl FnOnce(&mut table::GetRangeRequest)) -> table::GetRangeRequest {
    let mut request = table::GetRangeRequest {
        table_name: "Orders".to_owned(),
        max_versions: Some(1),
        inclusive_start_primary_key: encode_key(&order_key(KeyPart::Min, KeyPart::Min)).into(),
        exclusive_end_primary_key: encode_key(&order_key(KeyPart::Max, KeyPart::Max)).into(),
        ..Default::default()
    };
    change(&mut request);
    request
}

pub(super) fn create(change: impl FnOnce(&mut table::CreateTableRequest)) -> table::CreateTableRequest {
    let mut request = create_orders("New");
    change(&mut request);
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_has_its_own_refusal() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let commit = running.store.last_commit();
    for (path, body, status, code, message) in [wrong_writes(), wrong_reads(), wrong_tables()].concat() {
        let told = wire.ask(&Asking::of_body(path, body).sign(true)).await;
        told.verify(path, Some(&key(true)));
        let error = told.error();
        assert_eq!((told.status, error.0.as_str()), (status, code), "{path} {message}: {error:?}");
        assert!(error.1.contains(message), "{path} {message}: {error:?}");
    }
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_row_harms_no_other_row_of_its_batch() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let good = |order: &str| {
        written(encode_change(
            &order_key(text("user"), text(order)),
            &RowWrite::Put(vec![put("a", Value::Integer(1))]),
        ))
    };
    let other_key = encode_change(&vec![("Id".to_owned(), text("a"))], &RowWrite::Put(vec![]));
    let mut absent = good("absent");
    absent.condition.row_existence = table::RowExistenceExpectation::ExpectExist.into();
    let rows = vec![good("first"), written(other_key), absent, good("last")];
    let mut request = batch(rows.clone());
    request.tables.insert(
        0,
        table::TableInBatchWriteRowRequest { table_name: "No".to_owned(), rows: vec![good("no")] },
    );
    let answer: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &request).await;
    let code = |row: &table::RowInBatchWriteRowResponse| row.error.clone().map(|error| error.code);
    let codes: Vec<Vec<Option<String>>> =
        answer.tables.iter().map(|table| table.rows.iter().map(code).collect()).collect();
    let codes: Vec<Vec<Option<&str>>> =
        codes.iter().map(|table| table.iter().map(Option::as_deref).collect()).collect();
    assert_eq!(codes[0], [Some("OTSObjectNotExist")]);
    assert_eq!(codes[1], [None, Some("OTSInvalidPK"), Some("OTSConditionCheckFail"), None]);
    assert!(answer.tables.iter().flat_map(|table| &table.rows).all(|row| row.is_ok == row.error.is_none()));
    let page: table::GetRangeResponse = wire.call("/GetRange", &range(|_| {})).await;
    assert_eq!(crate::plain_buffer::Rows::of(&page.rows).unwrap().count(), 2);

    // What needs no table to be told refuses the whole batch.
    let commit = running.store.last_commit();
    let mut broken = good("broken").row_change.to_vec();
    broken[20] ^= 1;
    let too_long = order(vec![put("a", Value::Binary(vec![0; (2 << 20) + 1]))]);
    for wrong in
        [written(broken), table::RowInBatchWriteRowRequest { r#type: 9, ..good("type") }, written(too_long)]
    {
        let request = batch([rows.clone(), vec![wrong]].concat());
        let (status, code, message) = wire.refused("/BatchWriteRow", &request).await;
        assert_eq!((status, code.as_str()), (400, INVALID), "{message}");
    }
    assert_eq!(running.store.last_commit(), commit);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_an_end_to_tables() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    for number in 0..64 {
        let _: table::CreateTableResponse =
            wire.call("/CreateTable", &create_orders(&format!("T{number}"))).await;
    }
    let (status, code, message) = wire.refused("/CreateTable", &create_orders("T64")).await;
    assert_eq!((status, code.as_str()), (403, "OTSQuotaExhausted"));
    assert_eq!(message, "Number of tables exceeds the quota:64.");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_size_cost_no_memory() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    // These are millions of parts of two bytes each. They would take a hundred times as much
    // memory.
    let tiny = |field: u8| [field << 3 | 2, 0].repeat(1 << 22);
    let inside = |field: u8, body: Vec<u8>| {
        let mut whole = vec![field << 3 | 2];
        prost::encoding::encode_varint(body.len() as u64, &mut whole);
        [whole, body].concat()
    };
    let cases = [
        ("/BatchWriteRow", tiny(1)),
        ("/BatchWriteRow", inside(1, tiny(2))),
        ("/BatchWriteRow", inside(1, inside(2, inside(4, tiny(2))))),
        ("/BatchGetRow", tiny(1)),
        ("/BatchGetRow", inside(1, tiny(2))),
        ("/BatchGetRow", inside(1, tiny(3))),
        ("/BatchGetRow", inside(1, tiny(4))),
        ("/GetRow", tiny(3)),
        ("/GetRange", tiny(3)),
        ("/PutRow", inside(4, tiny(2))),
        ("/CreateTable", inside(1, tiny(2))),
        ("/CreateTable", inside(1, tiny(3))),
        ("/CreateTable", tiny(7)),
        ("/UpdateTable", inside(4, tiny(3))),
    ];
    for (path, body) in cases {
        let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
        let (code, message) = told.error();
        assert_eq!(code, INVALID, "{path}");
        // If such parts are rows, the first of them is refused because it is no row.
        assert!(message.contains("limit") || message.contains("required part"), "{path}: {message}");
    }
    // A small body that inflates to a large one is inflated no further than it claims.
    let mut deflater = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflater, &vec![0; 64 << 20]).unwrap();
    let bomb = deflater.finish().unwrap();
    for (size, status, code) in [
        ((64 << 20).to_string(), 413, "OTSRequestBodyTooLarge"),
        ("100".to_owned(), 400, INVALID),
        ("-1".to_owned(), 400, INVALID),
        ("99999999999999999999999".to_owned(), 400, INVALID),
    ] {
        let asking = Asking::of_body("/PutRow", bomb.clone())
            .with("x-ots-request-compress-type", Some("deflate"))
            .with("x-ots-request-compress-size", Some(&size))
            .sign(false);
        let told = wire.ask(&asking).await;
        assert_eq!((told.status, told.error().0.as_str()), (status, code), "{size}");
    }
    let told = wire.ask(&Asking::of_body("/PutRow", vec![0; (16 << 20) + 1]).sign(false)).await;
    assert_eq!((told.status, told.error().1.as_str()), (413, "The size of POST data is too large."));
    running.stop().await;
}
