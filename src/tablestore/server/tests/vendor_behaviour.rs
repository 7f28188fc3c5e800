//! Tests what the vendor's service was seen to do where the first version of this program did
//! something else.

use super::limits::{batch, create, get, order, put, put_row, range, written};
use super::*;
use crate::filter::encode_filter;
use crate::plain_buffer::{Rows, encode_change, encode_key, write_bare_bound};
use store::filter::{Comparator, Filter};
use store::value::Value;

pub(super) const INVALID: &str = "OTSParameterInvalid";

pub(super) async fn start() -> (Running, Wire) {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    (running, wire)
}

pub(super) fn the_order() -> NamedKey {
    order_key(text("user"), text("order"))
}

fn read_of(keys: Vec<NamedKey>) -> table::TableInBatchGetRowRequest {
    table::TableInBatchGetRowRequest {
        table_name: "Orders".to_owned(),
        primary_key: keys.iter().map(|key| encode_key(key).into()).collect(),
        max_versions: Some(1),
        ..Default::default()
    }
}

fn import(rows: Vec<Vec<u8>>) -> table::BulkImportRequest {
    let rows = rows.into_iter().map(|row| table::RowInBulkImportRequest {
        r#type: table::OperationType::Put.into(),
        row_change: row.into(),
    });
    table::BulkImportRequest { table_name: "Orders".to_owned(), rows: rows.collect() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_over_a_limit_refuses_its_batch() {
    let (running, mut wire) = start().await;
    let commit = running.store.last_commit();
    let good = || order(vec![put("a", Value::Integer(1))]);
    let long_value = order(vec![put("a", Value::Binary(vec![0; (2 << 20) + 1]))]);
    let long_key = order_key(text(&"k".repeat(1_025)), text("order"));
    let value =
        "The length of attribute column: 'a' exceeds the MaxLength:2097152 with CurrentLength:2097153.";
    let key =
        "The length of primary key column: 'UserId' exceeds the MaxLength:1024 with CurrentLength:1025.";
    for (row, sentence) in [(long_value, value), (encode_change(&long_key, &RowWrite::Put(vec![])), key)] {
        let rows = vec![written(good()), written(row.clone())];
        for refused in [
            wire.refused("/BatchWriteRow", &batch(rows)).await,
            wire.refused("/BulkImport", &import(vec![good(), row])).await,
        ] {
            assert_eq!(refused, (400, INVALID.to_owned(), sentence.to_owned()));
        }
    }
    let reads = table::BatchGetRowRequest { tables: vec![read_of(vec![the_order(), long_key])] };
    assert_eq!(wire.refused("/BatchGetRow", &reads).await, (400, INVALID.to_owned(), key.to_owned()));
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_without_rows_is_read_but_not_written() {
    let (running, mut wire) = start().await;
    for keys in [vec![], vec![the_order()]] {
        let count = keys.len();
        let request = table::BatchGetRowRequest { tables: vec![read_of(vec![]), read_of(keys)] };
        let answer: table::BatchGetRowResponse = wire.call("/BatchGetRow", &request).await;
        let counts = answer.tables.iter().map(|table| (table.table_name.as_str(), table.rows.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [("Orders", 0), ("Orders", count)]);
    }
    let mut request = batch(vec![written(order(vec![]))]);
    let rows = Vec::new();
    request.tables.push(table::TableInBatchWriteRowRequest { table_name: "T".to_owned(), rows });
    let sentence = "No operation is specified for table: 'T'.".to_owned();
    let refused = wire.refused("/BatchWriteRow", &request).await;
    assert_eq!(refused, (400, INVALID.to_owned(), sentence));
    let sentence = "No operation is specified for table: 'Orders'.".to_owned();
    let refused = wire.refused("/BulkImport", &import(vec![])).await;
    assert_eq!(refused, (400, INVALID.to_owned(), sentence));
    running.stop().await;
}

/// Returns the rows of a buffer, each as the number of its cells.
fn cell_counts(rows: &[u8]) -> Vec<usize> {
    if rows.is_empty() {
        return Vec::new();
    }
    Rows::of(rows).unwrap().map(|row| row.unwrap().cells.len()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_no_cell_has_leaves_the_key() {
    let (running, mut wire) = start().await;
    let now_ms = Clock::default().now_us() / 1_000;
    let column = |version| ColumnChange::Put { value: Value::Integer(1), version: Some(version) };
    let row = encode_change(&the_order(), &RowWrite::Put(vec![("a".to_owned(), column(now_ms))]));
    let _: table::PutRowResponse = wire.call("/PutRow", &put_row(row)).await;
    let range_of =
        |start, end| table::TimeRange { start_time: Some(start), end_time: Some(end), specific_time: None };
    let specific = table::TimeRange { specific_time: Some(now_ms - 7), ..Default::default() };
    for (time, columns, expected) in [
        (specific, vec![], vec![0]),
        (range_of(0, now_ms), vec![], vec![0]),
        (range_of(0, now_ms + 1), vec![], vec![1]),
        (range_of(0, now_ms), vec!["a".to_owned()], vec![]),
        (specific, vec!["a".to_owned()], vec![]),
        (range_of(0, now_ms + 1), vec!["a".to_owned()], vec![1]),
    ] {
        let one = get(|get| {
            (get.max_versions, get.time_range, get.columns_to_get) = (None, Some(time), columns.clone());
        });
        let one: table::GetRowResponse = wire.call("/GetRow", &one).await;
        let page = range(|range| {
            (range.max_versions, range.time_range, range.columns_to_get) =
                (None, Some(time), columns.clone());
        });
        let page: table::GetRangeResponse = wire.call("/GetRange", &page).await;
        let many = table::TableInBatchGetRowRequest {
            max_versions: None,
            time_range: Some(time),
            columns_to_get: columns.clone(),
            ..read_of(vec![the_order()])
        };
        let many: table::BatchGetRowResponse =
            wire.call("/BatchGetRow", &table::BatchGetRowRequest { tables: vec![many] }).await;
        let in_batch = many.tables[0].rows[0].row.clone().unwrap();
        for rows in [one.row, page.rows, in_batch] {
            assert_eq!(cell_counts(&rows), expected, "{time:?} {columns:?}");
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_store_chooses_may_be_updated_but_not_deleted() {
    let (running, mut wire) = start().await;
    let chosen = create(|new| {
        new.table_meta.primary_key[1].r#type = table::PrimaryKeyType::Integer.into();
        new.table_meta.primary_key[1].option = Some(table::PrimaryKeyOption::AutoIncrement.into());
    });
    let _: table::CreateTableResponse = wire.call("/CreateTable", &chosen).await;
    let key = order_key(text("user"), KeyPart::AutoIncrement);
    let change = RowWrite::Update(vec![put("a", Value::Integer(1))]);
    let update = table::UpdateRowRequest {
        table_name: "New".to_owned(),
        row_change: encode_change(&key, &change).into(),
        return_content: Some(table::ReturnContent {
            return_type: Some(table::ReturnType::Pk.into()),
            return_column_names: vec![],
        }),
        ..Default::default()
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let updated: table::UpdateRowResponse = wire.call("/UpdateRow", &update).await;
        let key = Rows::of(&updated.row.unwrap()).unwrap().only().unwrap().named_key();
        let (_, KeyPart::Value(KeyValue::Integer(id))) = key[1] else { panic!("{key:?}") };
        ids.push(id);
    }
    assert!(ids[0] < ids[1], "{ids:?}");
    let delete = table::DeleteRowRequest {
        table_name: "New".to_owned(),
        primary_key: encode_change(&key, &RowWrite::Delete).into(),
        ..Default::default()
    };
    let sentence = "Invalid row to delete which with pk auto increment.".to_owned();
    assert_eq!(wire.refused("/DeleteRow", &delete).await, (400, INVALID.to_owned(), sentence));
    let read = get(|get| {
        get.table_name = "New".to_owned();
        get.primary_key = encode_key(&key).into();
    });
    let sentence = "PKAutoIncr can't be used for read operations.".to_owned();
    assert_eq!(wire.refused("/GetRow", &read).await, (400, INVALID.to_owned(), sentence));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_columns_that_are_incremented_are_returned() {
    let (running, mut wire) = start().await;
    let update = |columns: &[&str]| {
        let changes = vec![("n".to_owned(), ColumnChange::Increment(1)), put("a", Value::Integer(5))];
        table::UpdateRowRequest {
            table_name: "Orders".to_owned(),
            row_change: encode_change(&the_order(), &RowWrite::Update(changes)).into(),
            return_content: Some(table::ReturnContent {
                return_type: Some(table::ReturnType::AfterModify.into()),
                return_column_names: columns.iter().map(|&name| name.to_owned()).collect(),
            }),
            ..Default::default()
        }
    };
    let commit = running.store.last_commit();
    for columns in [&["a"][..], &["n", "other"]] {
        let (status, code, _) = wire.refused("/UpdateRow", &update(columns)).await;
        assert_eq!((status, code.as_str()), (400, INVALID), "{columns:?}");
    }
    assert_eq!(running.store.last_commit(), commit, "nothing was incremented");
    let updated: table::UpdateRowResponse = wire.call("/UpdateRow", &update(&["n"])).await;
    let row = updated.row.unwrap();
    let row = Rows::of(&row).unwrap().only().unwrap();
    assert!(matches!(
        row.changes().as_slice(),
        [(name, ColumnChange::Put { value: Value::Integer(1), .. })] if name == "n"
    ));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_a_batch_are_counted_as_the_vendor_counts_them() {
    const LIMIT: usize = 4 << 20;
    let (running, mut wire) = start().await;
    let row = |number: usize, bytes: usize, version: Option<i64>| {
        let key = order_key(text("user"), text(&format!("{number}")));
        let change = ColumnChange::Put { value: Value::Binary(vec![0; bytes]), version };
        encode_change(&key, &RowWrite::Put(vec![("ab".to_owned(), change)]))
    };
    // Names and values of the key, and the name of the column.
    let around = "UserId".len() + "OrderId".len() + "user".len() + 1 + "ab".len();
    let now_ms = Clock::default().now_us() / 1_000;
    for version in [None, Some(now_ms)] {
        let around = around + if version.is_some() { 8 } else { 0 };
        let room = LIMIT - 3 * around - (3 << 20);
        for (last, fits) in [(room, true), (room + 1, false)] {
            let bytes = [1 << 20, 2 << 20, last];
            let rows: Vec<Vec<u8>> =
                bytes.into_iter().enumerate().map(|(number, bytes)| row(number, bytes, version)).collect();
            let request = batch(rows.iter().cloned().map(written).collect());
            let told = wire.ask(&Asking::new("/BatchWriteRow", &request).sign(false)).await;
            assert_eq!(told.status == 200, fits, "{version:?} {last} {:?}", told.error());
            if !fits {
                let sentence = "The total data size of BatchWriteRow request exceeds the limit, limit size: 4194304, \
                                data size: 4194305.";
                assert_eq!(told.error(), (INVALID.to_owned(), sentence.to_owned()));
            }
            let told = wire.ask(&Asking::new("/BulkImport", &import(rows)).sign(false)).await;
            assert_eq!(told.status == 200, fits, "{version:?} {last} {:?}", told.error());
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_condition_costs_a_read() {
    let (running, mut wire) = start().await;
    let filter = encode_filter(&Filter::Column {
        name: "a".to_owned(),
        comparator: Comparator::Equal,
        value: Value::Integer(1),
        if_missing: true,
        latest_only: true,
    });
    let ignore = table::RowExistenceExpectation::Ignore.into();
    let absent = table::RowExistenceExpectation::ExpectNotExist.into();
    let exists = table::RowExistenceExpectation::ExpectExist.into();
    for (row_existence, column_condition, read) in
        [(ignore, None, 0), (absent, None, 1), (exists, None, 1), (ignore, Some(filter), 1)]
    {
        let condition = table::Condition { row_existence, column_condition };
        let row = order(vec![put("a", Value::Integer(1))]);
        // The row must not be there for one of the conditions.
        if row_existence == absent {
            running.store.write_and_wait(vec![Write {
                table: "Orders".to_owned(),
                key: the_order(),
                change: RowWrite::Delete,
                condition: Condition::default(),
                returning: Returning::Nothing,
            }]);
        }
        let request = table::PutRowRequest { condition: condition.clone(), ..put_row(row.clone()) };
        let answer: table::PutRowResponse = wire.call("/PutRow", &request).await;
        let units = table::CapacityUnit { read: Some(read), write: Some(1) };
        assert_eq!(answer.consumed.capacity_unit, units, "{condition:?}");
        if row_existence != absent {
            let rows = vec![table::RowInBatchWriteRowRequest { condition, ..written(row) }];
            let answer: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &batch(rows)).await;
            assert_eq!(answer.tables[0].rows[0].consumed.unwrap().capacity_unit, units);
        }
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matrix_is_sent_where_it_loses_nothing() {
    let (running, mut wire) = start().await;
    let row = order(vec![put("a", Value::Integer(1)), put("b", Value::Boolean(true))]);
    let _: table::PutRowResponse = wire.call("/PutRow", &put_row(row)).await;
    let matrix = table::DataBlockType::SimpleRowMatrix;
    for (hint, columns, versions, expected) in [
        (None, vec!["a"], 1, None),
        (Some(table::DataBlockType::PlainBuffer), vec!["a"], 1, None),
        (Some(matrix), vec!["a", "UserId"], 1, Some(matrix)),
        // Who names no columns does not know them, and a matrix has no versions.
        (Some(matrix), vec![], 1, None),
        (Some(matrix), vec!["a"], 2, None),
    ] {
        let request = range(|range| {
            range.columns_to_get = columns.iter().map(|&name| name.to_owned()).collect();
            range.max_versions = Some(versions);
            range.data_block_type_hint = hint.map(Into::into);
        });
        let page: table::GetRangeResponse = wire.call("/GetRange", &request).await;
        assert_eq!(page.data_block_type, expected.map(Into::into), "{columns:?}");
        match expected {
            None => assert_eq!(cell_counts(&page.rows).len(), 1),
            Some(_) => {
                let strings = |texts: [&str; 2]| texts.map(|text| write_bare_bound(&super::text(text)));
                let values =
                    [&[2][..], &strings(["user", "order"]).concat(), &[0, 1, 0, 0, 0, 0, 0, 0, 0, 1]];
                assert!(page.rows.starts_with(b"SRM0"));
                let end = page.rows.len() - 1;
                assert!(page.rows[..end].ends_with(&values.concat()), "{:?}", page.rows);
            }
        }
    }
    running.stop().await;
}
