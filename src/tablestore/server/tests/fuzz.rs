//! Sends bodies that nobody would send. None may panic, hang, or be answered with an error of the
//! server.

use std::sync::Arc;
use std::time::Duration;

use super::tunnel_bodies::Known;
use super::*;
use crate::filter::{encode_filter, parse_filter};
use crate::plain_buffer::{
    Rows, WriteForm, encode_change, encode_key, parse_bare, parse_bare_bound, parse_change, parse_key,
    write_bare,
};
use crate::server::Service;
use crate::server::operation::{OPERATIONS, Operation, SnapshotOperation};
use crate::{refusals, snapshot};
use store::change::{ColumnChange, RowWrite};
use store::filter::{Comparator, Filter};
use store::value::Value;
use testkit::Random;

const ROW_BODIES: u64 = 120_000;
const REQUEST_BODIES: u64 = 100_000;
/// The bytes that have a meaning in rows and messages.
const TOKENS: [&[u8]; 12] = [
    &[0x75, 0, 0, 0],
    &[1, 3, 4],
    &[2, 3, 4],
    &[5, 1, 0, 0, 0, 9, 0x0a, 0xe9],
    &[8, 9, 0xc5],
    &[6, 1],
    &[6, 4],
    &[0xff, 0xff, 0xff, 0xff],
    &[0x0a, 0],
    &[0x12, 2, 8, 1],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    b"Orders",
];

fn filter() -> Filter {
    let price = Filter::Column {
        name: "price".to_owned(),
        comparator: Comparator::Greater,
        value: Value::Double(1.0),
        if_missing: true,
        latest_only: true,
    };
    Filter::Any(vec![Filter::Not(Box::new(price.clone())), price])
}

fn random_value(random: &mut Random) -> Value {
    match random.below(6) {
        0 => Value::Integer(random.next() as i64),
        1 => Value::Double(f64::from_bits(random.next())),
        2 => Value::Boolean(random.below(2) == 1),
        3 => Value::String("é".repeat(random.below(40))),
        4 => Value::Binary(vec![0; random.below(2_000)]),
        _ => Value::Integer(i64::MAX),
    }
}

fn random_key(random: &mut Random) -> NamedKey {
    let mut part = || match random.below(10) {
        0 => KeyPart::Min,
        1 => KeyPart::Max,
        2 => KeyPart::AutoIncrement,
        3 => KeyPart::Value(KeyValue::Integer(random.next() as i64)),
        4 => KeyPart::Value(KeyValue::Binary(vec![0; random.below(1_100)])),
        _ => text(&format!("k{}", random.below(50))),
    };
    let mut key = order_key(part(), part());
    match random.below(20) {
        0 => key.truncate(1),
        1 => key.push(("Other".to_owned(), KeyPart::Min)),
        2 => key.swap(0, 1),
        _ => {}
    }
    key
}

/// Returns a row of random contents with right checksums.
fn random_row(random: &mut Random) -> Vec<u8> {
    let key = random_key(random);
    let name = |random: &mut Random| match random.below(12) {
        0 => "x".repeat(random.below(300)),
        1 => "UserId".to_owned(),
        other => format!("c{other}"),
    };
    let versions = [i64::MIN, -1, 0, 1, 1_700_000_000_000, i64::MAX];
    let change = |random: &mut Random| {
        let version = versions[random.below(versions.len())];
        match random.below(8) {
            0 => ColumnChange::DeleteAll,
            1 => ColumnChange::DeleteVersion(version),
            2 => ColumnChange::Increment(random.next() as i64),
            3 => ColumnChange::Put { value: random_value(random), version: Some(version) },
            _ => ColumnChange::Put { value: random_value(random), version: None },
        }
    };
    let changes = (0..random.below(5)).map(|_| (name(random), change(random))).collect();
    match random.below(4) {
        0 => encode_key(&key),
        1 => encode_change(&key, &RowWrite::Delete),
        _ => encode_change(&key, &RowWrite::Update(changes)),
    }
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    random.mutate(bytes, &TOKENS);
    if !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
}

#[test]
fn no_row_panics() {
    for seed in 0..ROW_BODIES {
        let mut random = Random(seed);
        let mut bytes =
            if seed % 8 == 0 { encode_filter(&filter()).to_vec() } else { random_row(&mut random) };
        if seed % 3 > 0 {
            mutate(&mut random, &mut bytes);
        }
        for form in [WriteForm::Put, WriteForm::Update, WriteForm::Delete] {
            if let Ok(row) = parse_change(&bytes, form) {
                // A row that was parsed must be the same after it is encoded and parsed again.
                let again = parse_change(&encode_change(&row.key, &row.change), form);
                assert_eq!(format!("{again:?}"), format!("{:?}", Ok::<_, ()>(row)), "seed {seed}");
            }
        }
        if let Ok(rows) = Rows::of(&bytes) {
            assert!(rows.flatten().all(|row| row.cells.len() * 10 <= bytes.len()), "seed {seed}");
        }
        let _ = (parse_key(&bytes), parse_bare(&bytes).is_ok(), parse_bare_bound(&bytes));
        let _ = parse_filter(&bytes.into());
    }
}

/// Returns a body that its operation understands.
fn body(operation: Operation, known: &Known, snapshot: u64, random: &mut Random) -> Vec<u8> {
    let table_name = ["Orders", "Orders", "Orders", "Log", "No"][random.below(5)].to_owned();
    let condition = table::Condition {
        row_existence: random.below(3) as i32,
        column_condition: (random.below(3) == 0).then(|| encode_filter(&filter())),
    };
    let return_content = Some(table::ReturnContent {
        return_type: Some(random.below(3) as i32),
        return_column_names: vec!["c3".to_owned()],
    });
    let key = encode_key(&random_key(random));
    match operation {
        Operation::CreateTable => {
            let mut bound = || random_value(random);
            let [begin, end] = [bound(), bound()].map(|value| write_bare(value.borrow()).into());
            let partitions = vec![table::PartitionRange { begin, end }];
            table::CreateTableRequest { partitions, ..create_orders(&table_name) }.encode_to_vec()
        }
        Operation::ListTable => Vec::new(),
        Operation::DescribeTable => table::DescribeTableRequest { table_name }.encode_to_vec(),
        Operation::UpdateTable => table::UpdateTableRequest {
            table_name,
            table_options: Some(table::TableOptions { max_versions: Some(2), ..Default::default() }),
            stream_spec: Some(table::StreamSpecification { enable_stream: true, ..Default::default() }),
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::DeleteTable => table::DeleteTableRequest { table_name: "Log".to_owned() }.encode_to_vec(),
        Operation::PutRow => table::PutRowRequest {
            table_name,
            row: random_row(random).into(),
            condition,
            return_content,
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::UpdateRow => table::UpdateRowRequest {
            table_name,
            row_change: random_row(random).into(),
            condition,
            return_content,
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::DeleteRow => table::DeleteRowRequest {
            table_name,
            primary_key: random_row(random).into(),
            condition,
            return_content,
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::GetRow => table::GetRowRequest {
            table_name,
            primary_key: key.into(),
            max_versions: Some(1),
            filter: Some(encode_filter(&filter())),
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::BatchGetRow => {
            let table = table::TableInBatchGetRowRequest {
                table_name,
                primary_key: vec![key.into(), random_row(random).into()],
                max_versions: Some(1),
                columns_to_get: vec!["c3".to_owned()],
                ..Default::default()
            };
            table::BatchGetRowRequest { tables: vec![table] }.encode_to_vec()
        }
        Operation::BatchWriteRow => {
            let rows = (0..3).map(|_| table::RowInBatchWriteRowRequest {
                r#type: 1 + random.below(3) as i32,
                row_change: random_row(random).into(),
                condition: condition.clone(),
                return_content: return_content.clone(),
            });
            let rows = rows.collect();
            let tables = vec![table::TableInBatchWriteRowRequest { table_name, rows }];
            table::BatchWriteRowRequest { tables, ..Default::default() }.encode_to_vec()
        }
        Operation::BulkImport => {
            let rows = (0..3).map(|_| table::RowInBulkImportRequest {
                r#type: 1 + random.below(3) as i32,
                row_change: random_row(random).into(),
            });
            table::BulkImportRequest { table_name, rows: rows.collect() }.encode_to_vec()
        }
        Operation::ComputeSplitPointsBySize => table::ComputeSplitPointsBySizeRequest {
            table_name,
            split_size: random.below(3) as i64,
            split_size_unit_in_byte: [None, Some(1), Some(100)][random.below(3)],
            split_point_limit: [None, Some(1)][random.below(2)],
        }
        .encode_to_vec(),
        Operation::ListSearchIndex | Operation::ListTimeseriesTable => Vec::new(),
        Operation::Why => refusals::WhyRequest { request_id: table_name }.encode_to_vec(),
        Operation::Stream(operation) => known.stream_body(operation, table_name, random),
        Operation::GetRange => table::GetRangeRequest {
            table_name,
            direction: random.below(2) as i32,
            max_versions: Some(1),
            limit: Some(3),
            data_block_type_hint: [None, Some(1)][random.below(2)],
            columns_to_get: vec!["c3".to_owned(); random.below(2)],
            inclusive_start_primary_key: key.into(),
            exclusive_end_primary_key: encode_key(&random_key(random)).into(),
            filter: Some(encode_filter(&filter())),
            ..Default::default()
        }
        .encode_to_vec(),
        Operation::Tunnel(operation) => known.body(operation, table_name),
        Operation::Snapshot(operation) => {
            let range = || body(Operation::GetRange, known, snapshot, random);
            snapshot_body(operation, snapshot, range)
        }
    }
}

/// Returns a body that an operation on snapshots understands.
fn snapshot_body(operation: SnapshotOperation, id: u64, range: impl FnOnce() -> Vec<u8>) -> Vec<u8> {
    match operation {
        SnapshotOperation::Open => snapshot::OpenRequest {}.encode_to_vec(),
        SnapshotOperation::Read => snapshot::ReadRequest { id, range: range().into() }.encode_to_vec(),
        SnapshotOperation::Changes => {
            let from = snapshot::Place { commit: id % 12, skip: id % 2 };
            snapshot::ChangesRequest { id, from, limit: Some(2) }.encode_to_vec()
        }
        // The snapshot that is read must stay open.
        SnapshotOperation::Close => snapshot::CloseRequest { id: !id }.encode_to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_panics_or_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_store(folder.path());
    let service = Arc::new(Service::new(config(store.clone(), Limits::default(), Arc::default())));
    for name in ["Orders", "Log"] {
        service
            .clone()
            .run(Operation::CreateTable, create_orders(name).encode_to_vec().into())
            .await
            .unwrap();
    }
    with_results(&store, vec![order("u", "o", 1.0, 0), order("u", "p", f64::NAN, 0)]);
    let known = Arc::new(Known::connect(&service).await);
    let open = Operation::Snapshot(SnapshotOperation::Open);
    let opened = service.clone().run(open, bytes::Bytes::new()).await.unwrap();
    let snapshot = snapshot::OpenResponse::decode(opened.as_ref()).unwrap().snapshot.unwrap().id;
    // Several lanes run at a time, so that they share the waiting.
    const LANES: u64 = 8;
    let lanes = (0..LANES).map(|lane| {
        let (service, known) = (service.clone(), known.clone());
        tokio::spawn(async move {
            for seed in (lane..REQUEST_BODIES).step_by(LANES as usize) {
                let mut random = Random(seed);
                let (path, operation) = OPERATIONS[random.below(OPERATIONS.len())];
                let mut bytes = body(operation, &known, snapshot, &mut random);
                if random.below(4) > 0 {
                    mutate(&mut random, &mut bytes);
                }
                let answer = service.clone().run(operation, bytes.into());
                let answer = tokio::time::timeout(Duration::from_secs(60), answer).await;
                let answer = answer.unwrap_or_else(|_| panic!("seed {seed}: {path} hangs"));
                if let Err(refusal) = answer {
                    let is_one_too_many = operation == open && refusal.code == "OTSServerBusy";
                    assert!(
                        is_one_too_many || refusal.status.as_u16() < 500,
                        "seed {seed}: {path} {refusal:?}"
                    );
                    assert!(!refusal.message.is_empty(), "seed {seed}: {path}");
                }
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    assert_eq!(store.refusal(), None);
}
