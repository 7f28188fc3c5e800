//! Tests the codes and texts that the vendor's own tests expect, to the letter: programs compare
//! them, so nothing may follow a sentence. Rows are refused in the same words in batches.

use super::limits::{batch, get, order, put, put_row, range, written};
use super::*;
use crate::plain_buffer::{encode_change, encode_key};
use crate::tunnel;
use store::value::Value;

const INVALID: (u16, &str) = (400, "OTSParameterInvalid");
const KEY: (u16, &str) = (400, "OTSInvalidPK");
const MISSING: (u16, &str) = (404, "OTSObjectNotExist");
const NO_TABLE: &str = "Requested table does not exist.";

/// A request, and the status, code and text of its refusal.
type Case = (&'static str, Vec<u8>, (u16, &'static str), String);

fn case(path: &'static str, message: &impl Message, refusal: (u16, &'static str), text: &str) -> Case {
    (path, message.encode_to_vec(), refusal, text.to_owned())
}

fn put_of(key: &NamedKey, columns: Vec<(String, ColumnChange)>) -> Vec<u8> {
    encode_change(key, &RowWrite::Put(columns))
}

/// Returns a request of each kind that names a table.
fn all_of_table(name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let table_name = || name.to_owned();
    let row = order(vec![put("a", Value::Integer(1))]);
    let update = encode_change(
        &order_key(text("user"), text("order")),
        &RowWrite::Update(vec![put("a", Value::Integer(1))]),
    );
    let delete = encode_change(&order_key(text("user"), text("order")), &RowWrite::Delete);
    let update =
        table::UpdateRowRequest { table_name: table_name(), row_change: update.into(), ..Default::default() };
    let delete = table::DeleteRowRequest {
        table_name: table_name(),
        primary_key: delete.into(),
        ..Default::default()
    };
    let split_points = table::ComputeSplitPointsBySizeRequest {
        table_name: table_name(),
        split_size: 1,
        split_size_unit_in_byte: None,
        split_point_limit: None,
    };
    let update_table = table::UpdateTableRequest { table_name: table_name(), ..Default::default() };
    let put = table::PutRowRequest { table_name: table_name(), ..put_row(row) };
    vec![
        ("/DescribeTable", table::DescribeTableRequest { table_name: table_name() }.encode_to_vec()),
        ("/UpdateTable", update_table.encode_to_vec()),
        ("/DeleteTable", table::DeleteTableRequest { table_name: table_name() }.encode_to_vec()),
        ("/PutRow", put.encode_to_vec()),
        ("/UpdateRow", update.encode_to_vec()),
        ("/DeleteRow", delete.encode_to_vec()),
        ("/GetRow", get(|get| get.table_name = table_name()).encode_to_vec()),
        ("/GetRange", range(|range| range.table_name = table_name()).encode_to_vec()),
        ("/ComputeSplitPointsBySize", split_points.encode_to_vec()),
        ("/ListStream", table::ListStreamRequest { table_name: Some(table_name()) }.encode_to_vec()),
    ]
}

fn of_tables() -> Vec<Case> {
    let long = "t".repeat(256);
    let named = |name: &str, refusal, sentence: &str| {
        let requests = all_of_table(name).into_iter();
        requests.map(|(path, body)| (path, body, refusal, sentence.to_owned())).collect::<Vec<_>>()
    };
    let delete_tunnel = |table_name: &str| tunnel::DeleteTunnelRequest {
        table_name: table_name.to_owned(),
        tunnel_name: "t".to_owned(),
        tunnel_id: None,
    };
    let mut cases = named("Absent", MISSING, NO_TABLE);
    cases.extend(named(&long, INVALID, &format!("Invalid table name: '{long}'.")));
    cases.push(case(
        "/CreateTable",
        &create_orders(&long),
        INVALID,
        &format!("Invalid table name: '{long}'."),
    ));
    cases.push(case(
        "/CreateTable",
        &create_orders("Orders"),
        (409, "OTSObjectAlreadyExist"),
        "Requested table already exists.",
    ));
    for table in ["Orders", "Absent"] {
        let sentence = format!("tunnel does not exist: t of table {table}");
        cases.push(case("/tunnel/delete", &delete_tunnel(table), INVALID, &sentence));
    }
    cases
}

fn of_reads() -> Vec<Case> {
    let whole = |direction: i32, ends: [KeyPart; 2]| {
        let [start, end] = ends.map(|part| encode_key(&order_key(part.clone(), part)));
        range(|range| {
            range.direction = direction;
            range.inclusive_start_primary_key = start.into();
            range.exclusive_end_primary_key = end.into();
        })
    };
    let no_versions = table::TableInBatchGetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: vec![encode_key(&order_key(text("user"), text("order"))).into()],
        ..Default::default()
    };
    let limit = |limit| range(|range| range.limit = Some(limit));
    let both = |get: &mut table::GetRowRequest| {
        get.time_range = Some(table::TimeRange { specific_time: Some(5), ..Default::default() });
    };
    let above_0 = "The limit must be greater than 0.";
    let no_condition = "No version condition is specified.";
    vec![
        case(
            "/GetRange",
            &whole(0, [KeyPart::Max, KeyPart::Min]),
            INVALID,
            "Begin key must less than end key in FORWARD",
        ),
        case(
            "/GetRange",
            &whole(1, [KeyPart::Min, KeyPart::Max]),
            INVALID,
            "Begin key must more than end key in BACKWARD",
        ),
        case("/GetRange", &limit(0), INVALID, above_0),
        case("/GetRange", &limit(-1), INVALID, above_0),
        case(
            "/BatchGetRow",
            &table::BatchGetRowRequest::default(),
            INVALID,
            "No row specified in the request of BatchGetRow.",
        ),
        case("/GetRow", &get(|get| get.max_versions = None), INVALID, no_condition),
        case("/GetRange", &range(|range| range.max_versions = None), INVALID, no_condition),
        case(
            "/BatchGetRow",
            &table::BatchGetRowRequest { tables: vec![no_versions] },
            INVALID,
            "No version condition is specified while querying row.",
        ),
        case(
            "/GetRow",
            &get(both),
            INVALID,
            "Specific tiemstamp and max versions cannot be given at the same time.",
        ),
    ]
}

/// Returns keys that do not fit the table, with the refusal of each. The last two can be told
/// without the table.
fn wrong_keys() -> Vec<(NamedKey, (u16, &'static str), String)> {
    let named =
        |user: &str, order: &str| vec![(user.to_owned(), text("user")), (order.to_owned(), text("order"))];
    let integer = || KeyPart::Value(KeyValue::Integer(1));
    let binary = || KeyPart::Value(KeyValue::Binary(vec![1]));
    let mut three = named("UserId", "OrderId");
    three.push(("More".to_owned(), text("more")));
    let type_fail = |input: &str| format!("Validate PK type fail. Input: {input}, Meta: VT_STRING.");
    vec![
        (named("UserId", "PK2"), KEY, "Validate PK name fail. Input: PK2, Meta: OrderId.".to_owned()),
        (named("OrderId", "UserId"), KEY, "Validate PK name fail. Input: OrderId, Meta: UserId.".to_owned()),
        (
            vec![("UserId".to_owned(), text("user"))],
            KEY,
            "Validate PK size fail. Input: 1, Meta: 2.".to_owned(),
        ),
        (three, KEY, "Validate PK size fail. Input: 3, Meta: 2.".to_owned()),
        (order_key(integer(), text("order")), KEY, type_fail("VT_INTEGER")),
        (order_key(text("user"), binary()), KEY, type_fail("VT_BLOB")),
        (
            order_key(text("user"), KeyPart::Min),
            INVALID,
            "VT_INF_MIN is an invalid type for the primary key.".to_owned(),
        ),
        (
            order_key(text("user"), KeyPart::Max),
            INVALID,
            "VT_INF_MAX is an invalid type for the primary key.".to_owned(),
        ),
    ]
}

fn of_keys() -> Vec<Case> {
    let mut cases = Vec::new();
    for (key, refusal, sentence) in wrong_keys() {
        let update = encode_change(&key, &RowWrite::Update(vec![put("a", Value::Integer(1))]));
        let table_name = || "Orders".to_owned();
        let update = table::UpdateRowRequest {
            table_name: table_name(),
            row_change: update.into(),
            ..Default::default()
        };
        let delete = table::DeleteRowRequest {
            table_name: table_name(),
            primary_key: encode_change(&key, &RowWrite::Delete).into(),
            ..Default::default()
        };
        cases.push(case("/PutRow", &put_row(put_of(&key, vec![])), refusal, &sentence));
        cases.push(case("/UpdateRow", &update, refusal, &sentence));
        cases.push(case("/DeleteRow", &delete, refusal, &sentence));
        cases.push(case(
            "/GetRow",
            &get(|get| get.primary_key = encode_key(&key).into()),
            refusal,
            &sentence,
        ));
    }
    cases
}

fn of_columns() -> Vec<Case> {
    let long = "c".repeat(256);
    let too_long = || vec![put(&long, Value::Integer(1))];
    let sentence = format!("Invalid column name: '{long}'.");
    let many = (0..1_025).map(|n| put(&format!("c{n}"), Value::Integer(1))).collect();
    let columns =
        "The number of columns from the request exceeds the limit, limit count: 1024, column count: 1025.";
    let mut cases = vec![
        case("/PutRow", &put_row(order(many)), INVALID, columns),
        case("/PutRow", &put_row(order(too_long())), INVALID, &sentence),
        case("/BatchWriteRow", &batch(vec![written(order(too_long()))]), INVALID, &sentence),
    ];
    // Of a wrong key and a wrong column, the column is told.
    for (key, ..) in wrong_keys() {
        cases.push(case("/PutRow", &put_row(put_of(&key, too_long())), INVALID, &sentence));
    }
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_the_vendors_words_and_no_more() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let commit = running.store.last_commit();
    for (path, body, (status, code), sentence) in [of_tables(), of_reads(), of_keys(), of_columns()].concat()
    {
        let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
        let (actual_code, actual) = told.error();
        assert_eq!((told.status, actual_code.as_str(), actual), (status, code, sentence), "{path}");
    }
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    running.stop().await;
}

/// Returns the errors of rows as code and text.
fn errors(errors: Vec<Option<table::Error>>) -> Vec<(String, String)> {
    errors.into_iter().flatten().map(|error| (error.code, error.message.unwrap_or_default())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_batches_are_refused_in_the_same_words() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    for (key, (status, code), sentence) in wrong_keys() {
        let row = put_of(&key, vec![put("a", Value::Integer(1))]);
        let writes = batch(vec![written(row.clone()), written(order(vec![]))]);
        let import = table::RowInBulkImportRequest {
            r#type: table::OperationType::Put.into(),
            row_change: row.into(),
        };
        let import = table::BulkImportRequest { table_name: "Orders".to_owned(), rows: vec![import] };
        let read = table::TableInBatchGetRowRequest {
            table_name: "Orders".to_owned(),
            primary_key: vec![encode_key(&key).into()],
            max_versions: Some(1),
            ..Default::default()
        };
        let read = table::BatchGetRowRequest { tables: vec![read] };
        let expected = [(code.to_owned(), sentence)];
        if code == INVALID.1 {
            // What can be told without the table refuses the batch.
            for refused in [
                wire.refused("/BatchWriteRow", &writes).await,
                wire.refused("/BulkImport", &import).await,
                wire.refused("/BatchGetRow", &read).await,
            ] {
                assert_eq!(refused, (status, expected[0].0.clone(), expected[0].1.clone()));
            }
            continue;
        }
        let wrote: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &writes).await;
        let rows = wrote.tables.into_iter().flat_map(|table| table.rows);
        assert_eq!(errors(rows.map(|row| row.error).collect()), expected);
        let imported: table::BulkImportResponse = wire.call("/BulkImport", &import).await;
        assert_eq!(errors(imported.rows.into_iter().map(|row| row.error).collect()), expected);
        let got: table::BatchGetRowResponse = wire.call("/BatchGetRow", &read).await;
        let rows = got.tables.into_iter().flat_map(|table| table.rows);
        assert_eq!(errors(rows.map(|row| row.error).collect()), expected);
    }
    running.stop().await;
}
