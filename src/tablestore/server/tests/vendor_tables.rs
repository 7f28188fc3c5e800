//! Tests what the vendor's service was seen to do with tables and their streams, where the first
//! version of this program did something else.

use super::limits::{create, put};
use super::vendor_behaviour::{INVALID, start, the_order};
use super::*;
use crate::plain_buffer::{Rows, write_bare_bound};
use crate::tunnel;
use store::value::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_come_back_as_the_values_between_them() {
    let (running, mut wire) = start().await;
    let part = |bound: &KeyPart| write_bare_bound(bound).into();
    let ranges = |bounds: &[KeyPart]| {
        let pairs = bounds.windows(2);
        pairs.map(|pair| table::PartitionRange { begin: part(&pair[0]), end: part(&pair[1]) }).collect()
    };
    let with = |name: &str, bounds: &[KeyPart]| {
        let mut request = create_orders(name);
        request.partitions = ranges(bounds);
        request
    };
    let letters = |count: u8| {
        let values = (0..count).map(|letter| text(&char::from(b'a' + letter).to_string()));
        [KeyPart::Min].into_iter().chain(values).chain([KeyPart::Max]).collect::<Vec<_>>()
    };
    for (number, count) in [0, 1, 2, 9].into_iter().enumerate() {
        let name = format!("T{number}");
        let _: table::CreateTableResponse = wire.call("/CreateTable", &with(&name, &letters(count))).await;
        let described: table::DescribeTableResponse =
            wire.call("/DescribeTable", &table::DescribeTableRequest { table_name: name }).await;
        let splits = described.shard_splits.iter().map(|split| {
            let row = Rows::of(split).unwrap().only().unwrap();
            assert!(row.cells.is_empty());
            row.named_key()
        });
        let expected = letters(count).into_iter().filter(|part| matches!(part, KeyPart::Value(_)));
        let expected: Vec<NamedKey> = expected.map(|part| vec![("UserId".to_owned(), part)]).collect();
        assert_eq!(splits.collect::<Vec<_>>(), expected);
    }
    let between = |part| vec![KeyPart::Min, part, KeyPart::Max];
    let integer = |value| KeyPart::Value(KeyValue::Integer(value));
    for (bounds, sentence) in [
        (letters(10), "The count of partitions cannot be greater than 10"),
        (between(integer(1)), "The value type of partition does not match with primary key."),
        (between(text("")), "The value of partition range can not be empty string."),
        (
            between(text(&"a".repeat(65))),
            "The value of partition range exceeds the MaxLength:64 with CurrentLength:65.",
        ),
    ] {
        let refused = wire.refused("/CreateTable", &with("New", &bounds)).await;
        assert_eq!(refused, (400, INVALID.to_owned(), sentence.to_owned()));
    }
    let mut extreme = with("New", &between(integer(i64::MAX)));
    extreme.table_meta.primary_key[0].r#type = table::PrimaryKeyType::Integer.into();
    let sentence = "The value of partition range can not be INT64_MIN or INT64_MAX.".to_owned();
    assert_eq!(wire.refused("/CreateTable", &extreme).await, (400, INVALID.to_owned(), sentence));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn full_updates_are_refused_by_their_name() {
    let (running, mut wire) = start().await;
    for update_full_row in [false, true] {
        let options = table::TableOptions { update_full_row: Some(update_full_row), ..Default::default() };
        let request = table::UpdateTableRequest {
            table_name: "Orders".to_owned(),
            table_options: Some(options),
            ..Default::default()
        };
        let (status, code, message) = wire.refused("/UpdateTable", &request).await;
        assert_eq!((status, code.as_str()), (400, INVALID));
        assert!(message.contains("updateFullRow"), "{message}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_tools_list_to_clean_up_is_answered() {
    let (running, mut wire) = start().await;
    for path in ["/ListSearchIndex", "/ListTimeseriesTable", "/ListStream"] {
        let body = table::ListStreamRequest { table_name: Some("Orders".to_owned()) }.encode_to_vec();
        for body in [Vec::new(), body] {
            let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
            told.verify(path, Some(&key(false)));
            assert_eq!((told.status, told.body.len()), (200, 0), "{path}");
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn original_columns_are_described_and_delivered() {
    let (running, mut wire) = start().await;
    let spec = |columns: &[&str]| {
        Some(table::StreamSpecification {
            enable_stream: true,
            expiration_time: Some(24),
            columns_to_get: columns.iter().map(|&name| name.to_owned()).collect(),
        })
    };
    let _: table::CreateTableResponse =
        wire.call("/CreateTable", &create(|new| new.stream_spec = spec(&["price", "state"]))).await;
    let request = table::DescribeTableRequest { table_name: "New".to_owned() };
    let described: table::DescribeTableResponse = wire.call("/DescribeTable", &request).await;
    assert_eq!(described.stream_details.unwrap().column_to_get, ["price", "state"]);
    let request = table::UpdateTableRequest {
        table_name: "New".to_owned(),
        stream_spec: spec(&["price"]),
        ..Default::default()
    };
    let updated: table::UpdateTableResponse = wire.call("/UpdateTable", &request).await;
    assert_eq!(updated.stream_details.unwrap().column_to_get, ["price"]);

    let price = |price: i64| vec![put("price", Value::Integer(price)), put("state", Value::Integer(1))];
    let changes =
        [RowWrite::Put(price(1)), RowWrite::Update(price(2)), RowWrite::Put(price(3)), RowWrite::Delete];
    for change in changes {
        let write = Write {
            table: "New".to_owned(),
            key: the_order(),
            change,
            condition: Condition::default(),
            returning: Returning::Nothing,
        };
        write_all(&running.store, vec![write]);
    }
    let stream: table::ListStreamResponse =
        wire.call("/ListStream", &table::ListStreamRequest { table_name: None }).await;
    let records = streams::read_all(&mut wire, &stream.streams[0].stream_id, None, 100).await;
    let before = records.iter().map(|record| {
        let origin = record.origin_record.as_ref()?;
        let row = Rows::of(origin).unwrap().only().unwrap();
        assert_eq!(row.named_key(), the_order());
        match row.changes().as_slice() {
            [(name, ColumnChange::Put { value: Value::Integer(price), version: Some(_) })]
                if name == "price" =>
            {
                Some(*price)
            }
            other => panic!("{other:?}"),
        }
    });
    assert_eq!(before.collect::<Vec<_>>(), [None, Some(1), Some(2), Some(3)]);
    let actions: Vec<_> = records.iter().map(tunnel::Record::action_type).collect();
    use tunnel::ActionType::{DeleteRow, PutRow, UpdateRow};
    assert_eq!(actions, [PutRow, UpdateRow, PutRow, DeleteRow]);
    running.stop().await;
}
