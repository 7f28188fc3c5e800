//! Tests what a client does on a normal day.

use super::*;
use crate::filter::encode_filter;
use crate::plain_buffer::{Rows, encode_change, encode_key, parse_key};
use store::change::{ColumnChange, RowWrite};
use store::filter::{Comparator, Filter};
use store::value::Value;

const ORDERS: usize = 500;
const USERS: usize = 5;

fn put(name: &str, value: Value) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version: None })
}

/// Returns the key and price of a made-up order.
fn order(number: usize) -> (NamedKey, f64) {
    let user = text(&format!("user_{}", number % USERS));
    (order_key(user, text(&format!("order-{number:06}"))), number as f64 / 4.0)
}

fn order_row(number: usize) -> Vec<u8> {
    let (key, price) = order(number);
    let timestamp = Value::Integer(1_700_000_000_000 + number as i64);
    encode_change(&key, &RowWrite::Put(vec![put("price", Value::Double(price)), put("timestamp", timestamp)]))
}

fn condition(existence: table::RowExistenceExpectation, filter: Option<&Filter>) -> table::Condition {
    table::Condition { row_existence: existence.into(), column_condition: filter.map(encode_filter) }
}

fn ignore() -> table::Condition {
    condition(table::RowExistenceExpectation::Ignore, None)
}

fn get(key: &NamedKey) -> table::GetRowRequest {
    table::GetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_key(key).into(),
        max_versions: Some(1),
        ..table::GetRowRequest::default()
    }
}

async fn write_orders(wire: &mut Wire) {
    let numbers: Vec<usize> = (0..ORDERS).collect();
    for batch in numbers.chunks(200) {
        let rows = batch.iter().map(|number| table::RowInBatchWriteRowRequest {
            r#type: table::OperationType::Put.into(),
            row_change: order_row(*number).into(),
            condition: ignore(),
            return_content: None,
        });
        let tables = vec![table::TableInBatchWriteRowRequest {
            table_name: "Orders".to_owned(),
            rows: rows.collect(),
        }];
        let request = table::BatchWriteRowRequest { tables, transaction_id: None, is_atomic: None };
        let answer: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &request).await;
        assert_eq!(answer.tables[0].rows.len(), batch.len());
        assert!(answer.tables[0].rows.iter().all(|row| row.is_ok && row.consumed.is_some()));
    }
}

/// Returns the order numbers of all rows of a range, read in pages of `limit`.
async fn scan(wire: &mut Wire, forward: bool, limit: i32) -> Vec<usize> {
    let (low, high) = (order_key(KeyPart::Min, KeyPart::Min), order_key(KeyPart::Max, KeyPart::Max));
    let (start, end) = if forward { (low, high) } else { (high, low) };
    let direction = if forward { table::Direction::Forward } else { table::Direction::Backward };
    let mut request = table::GetRangeRequest {
        table_name: "Orders".to_owned(),
        direction: direction.into(),
        max_versions: Some(1),
        limit: Some(limit),
        // One client sends its bounds with zeros at the end.
        inclusive_start_primary_key: [encode_key(&start), vec![0, 0]].concat().into(),
        exclusive_end_primary_key: encode_key(&end).into(),
        ..table::GetRangeRequest::default()
    };
    let mut numbers = Vec::new();
    loop {
        let page: table::GetRangeResponse = wire.call("/GetRange", &request).await;
        for row in Rows::of(&page.rows).unwrap() {
            let row = row.unwrap();
            let Some((_, KeyPart::Value(KeyValue::String(id)))) = row.named_key().pop() else {
                panic!("{row:?}")
            };
            let number: usize = id.trim_start_matches("order-").parse().unwrap();
            let stored = row.stored_row().unwrap();
            assert_eq!(stored.cells[0].value, Value::Double(order(number).1));
            assert_eq!(stored.cells[1].value, Value::Integer(1_700_000_000_000 + number as i64));
            numbers.push(number);
        }
        match page.next_start_primary_key {
            None => return numbers,
            Some(next) => {
                assert_eq!(parse_key(&next).unwrap().len(), 2);
                request.inclusive_start_primary_key = next;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_written_and_read() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let tables: table::ListTableResponse = wire.call("//ListTable", &table::ListTableRequest {}).await;
    assert_eq!(tables.table_names, ["Orders"]);
    write_orders(&mut wire).await;

    let mut expected: Vec<usize> = (0..ORDERS).collect();
    expected.sort_by_key(|number| (number % USERS, *number));
    assert_eq!(scan(&mut wire, true, 7).await, expected);
    expected.reverse();
    assert_eq!(scan(&mut wire, false, 5_000).await, expected);

    let answer: table::GetRowResponse = wire.call("/GetRow", &get(&order(42).0)).await;
    let row = Rows::of(&answer.row).unwrap().only().unwrap();
    assert_eq!(row.named_key(), order(42).0);
    let absent = order_key(text("nobody"), text("nothing"));
    let answer: table::GetRowResponse = wire.call("/GetRow", &get(&absent)).await;
    assert!(answer.row.is_empty());

    let keys = [&order(3).0, &absent, &order(1).0].map(|key| encode_key(key).into()).to_vec();
    let tables = ["Orders", "Missing"].map(|name| table::TableInBatchGetRowRequest {
        table_name: name.to_owned(),
        primary_key: keys.clone(),
        max_versions: Some(1),
        ..table::TableInBatchGetRowRequest::default()
    });
    let request = table::BatchGetRowRequest { tables: tables.to_vec() };
    let answer: table::BatchGetRowResponse = wire.call("/BatchGetRow", &request).await;
    let found: Vec<bool> = answer.tables[0].rows.iter().map(|row| !row.row().is_empty()).collect();
    assert_eq!(found, [true, false, true]);
    assert!(answer.tables[1].rows.iter().all(|row| row.error.as_ref().unwrap().code == "OTSObjectNotExist"));

    let _: table::DeleteTableResponse =
        wire.call("/DeleteTable", &table::DeleteTableRequest { table_name: "Orders".to_owned() }).await;
    let (status, code, message) = wire.refused("/GetRow", &get(&absent)).await;
    assert_eq!((status, code.as_str()), (404, "OTSObjectNotExist"));
    assert_eq!(message, "Requested table does not exist.");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_change_under_conditions() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let (key, _) = order(1);
    let put_row = |condition| table::PutRowRequest {
        table_name: "Orders".to_owned(),
        row: order_row(1).into(),
        condition,
        return_content: Some(table::ReturnContent {
            return_type: Some(table::ReturnType::Pk.into()),
            return_column_names: Vec::new(),
        }),
        transaction_id: None,
    };
    let absent = condition(table::RowExistenceExpectation::ExpectNotExist, None);
    let answer: table::PutRowResponse = wire.call("/PutRow", &put_row(absent.clone())).await;
    assert_eq!(parse_key(&answer.row.unwrap()).unwrap(), key);
    let (status, code, message) = wire.refused("/PutRow", &put_row(absent)).await;
    assert_eq!(
        (status, code.as_str(), message.as_str()),
        (403, "OTSConditionCheckFail", "Condition check failed.")
    );

    let cheap = Filter::Column {
        name: "price".to_owned(),
        comparator: Comparator::Less,
        value: Value::Double(1.0),
        if_missing: false,
        latest_only: true,
    };
    let changes = vec![
        put("price", Value::Double(2.5)),
        ("timestamp".to_owned(), ColumnChange::DeleteAll),
        ("seen".to_owned(), ColumnChange::Increment(3)),
    ];
    let update = table::UpdateRowRequest {
        table_name: "Orders".to_owned(),
        row_change: encode_change(&key, &RowWrite::Update(changes)).into(),
        condition: condition(table::RowExistenceExpectation::ExpectExist, Some(&cheap)),
        return_content: Some(table::ReturnContent {
            return_type: Some(table::ReturnType::AfterModify.into()),
            return_column_names: vec!["seen".to_owned()],
        }),
        transaction_id: None,
    };
    let answer: table::UpdateRowResponse = wire.call("/UpdateRow", &update).await;
    let after = answer.row.unwrap();
    let after = Rows::of(&after).unwrap().only().unwrap().stored_row().unwrap();
    assert_eq!(after.cells.iter().map(|cell| &cell.value).collect::<Vec<_>>(), [&Value::Integer(3)]);
    let (_, code, _) = wire.refused("/UpdateRow", &update).await;
    assert_eq!(code, "OTSConditionCheckFail", "it is no longer cheap");

    let answer: table::GetRowResponse = wire.call("/GetRow", &get(&key)).await;
    let row = Rows::of(&answer.row).unwrap().only().unwrap().stored_row().unwrap();
    let names: Vec<&str> = row.cells.iter().map(|cell| cell.name.as_str()).collect();
    assert_eq!(names, ["price", "seen"]);

    let delete = table::DeleteRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: encode_change(&key, &RowWrite::Delete).into(),
        condition: ignore(),
        return_content: None,
        transaction_id: None,
    };
    let answer: table::DeleteRowResponse = wire.call("/DeleteRow", &delete).await;
    assert_eq!(answer.row, None);
    let answer: table::GetRowResponse = wire.call("/GetRow", &get(&key)).await;
    assert!(answer.row.is_empty());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_are_described_and_changed() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let mut create = create_orders("Orders");
    create.table_meta.defined_column = vec![table::DefinedColumnSchema {
        name: "price".to_owned(),
        r#type: table::DefinedColumnType::Double.into(),
    }];
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create).await;
    let describe = table::DescribeTableRequest { table_name: "Orders".to_owned() };
    let before: table::DescribeTableResponse = wire.call("/DescribeTable", &describe).await;
    assert_eq!(before.table_meta, create.table_meta);
    assert_eq!(before.table_status(), table::TableStatus::Active);
    assert!(!before.stream_details.unwrap().enable_stream);
    let options = before.table_options;
    assert_eq!((options.time_to_live, options.max_versions), (Some(-1), Some(1)));
    assert_eq!(options.deviation_cell_version_in_sec, Some(86_400));

    let update = table::UpdateTableRequest {
        table_name: "Orders".to_owned(),
        reserved_throughput: None,
        table_options: Some(table::TableOptions { max_versions: Some(3), ..table::TableOptions::default() }),
        stream_spec: Some(table::StreamSpecification {
            enable_stream: true,
            expiration_time: Some(24),
            columns_to_get: Vec::new(),
        }),
    };
    let answer: table::UpdateTableResponse = wire.call("/UpdateTable", &update).await;
    assert_eq!((answer.table_options.time_to_live, answer.table_options.max_versions), (Some(-1), Some(3)));
    let after: table::DescribeTableResponse = wire.call("/DescribeTable", &describe).await;
    assert_eq!(after.table_options, answer.table_options);
    let stream = after.stream_details.unwrap();
    assert_eq!(Some(&stream), answer.stream_details.as_ref());
    assert!(stream.enable_stream && stream.stream_id.is_some() && stream.last_enable_time > Some(0));
    assert_eq!(stream.expiration_time, Some(24));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_either_way_and_compressed_both_ways() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    write_orders(&mut wire).await;
    let range = table::GetRangeRequest {
        table_name: "Orders".to_owned(),
        direction: table::Direction::Forward.into(),
        max_versions: Some(1),
        inclusive_start_primary_key: encode_key(&order_key(KeyPart::Min, KeyPart::Min)).into(),
        exclusive_end_primary_key: encode_key(&order_key(KeyPart::Max, KeyPart::Max)).into(),
        ..table::GetRangeRequest::default()
    };
    let raw = range.encode_to_vec();
    let mut deflater = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut deflater, &raw).unwrap();
    let deflated = deflater.finish().unwrap();
    let mut bodies = Vec::new();
    for v4 in [false, true] {
        for compressed in [false, true] {
            let asking = match compressed {
                false => Asking::of_body("/GetRange", raw.clone()),
                true => Asking::of_body("/GetRange", deflated.clone())
                    .with("x-ots-request-compress-type", Some("deflate"))
                    .with("x-ots-request-compress-size", Some(&raw.len().to_string()))
                    .with("x-ots-response-compress-type", Some("deflate")),
            };
            let told = wire.ask(&asking.with("x-ots-request-tag", Some("a hint")).sign(v4)).await;
            told.verify("/GetRange", Some(&key(v4)));
            assert_eq!(told.header("x-ots-response-compress-type").is_some(), compressed);
            bodies.push(if compressed { told.inflated() } else { told.body });
        }
    }
    assert_eq!(
        Rows::of(&table::GetRangeResponse::decode(&*bodies[0]).unwrap().rows).unwrap().count(),
        ORDERS
    );
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    running.stop().await;
}
