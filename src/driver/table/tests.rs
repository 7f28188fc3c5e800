use std::collections::BTreeSet;

use super::*;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, Value};
use store::{Store, StoreOptions};

/// Creates a store whose table has this many rows. Every hundredth of them has no price.
fn store(folder: &std::path::Path, rows: u64) {
    let store = Store::open(folder, StoreOptions::default()).unwrap();
    let [orders, ..] = schemas();
    store.create_table(orders).unwrap();
    let part = |text: String| KeyPart::Value(KeyValue::String(text));
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let write = |row: u64| {
        let price = (!row.is_multiple_of(100)).then(|| put("price", Value::Double(row as f64)));
        let at = put("timestamp", Value::Integer(row as i64));
        Write {
            table: ORDER_SOURCE.to_owned(),
            key: vec![
                ("UserId".to_owned(), part(format!("u{}", row % 7))),
                ("OrderId".to_owned(), part(format!("{row:06}"))),
            ],
            change: RowWrite::Put(price.into_iter().chain([at]).collect()),
            condition: Condition::default(),
            returning: Returning::Nothing,
        }
    };
    for from in (0..rows).step_by(1_000) {
        let answers = store.write_and_wait((from..rows.min(from + 1_000)).map(write).collect());
        assert!(answers.iter().all(Result::is_ok));
    }
    store.close().unwrap();
}

#[test]
fn inputs_as_typed_are_tables_or_files() {
    for (typed, table) in [
        ("store:shop", Some(TableName::Folder("shop".into()))),
        ("store:/a b/c", Some(TableName::Folder("/a b/c".into()))),
        ("tablestore+http://127.0.0.1:8087", Some(TableName::Wire("http://127.0.0.1:8087".to_owned()))),
        ("tablestore+https://shop.example", Some(TableName::Wire("https://shop.example".to_owned()))),
        ("./store:shop", None),
        ("tablestore+orders.csv", None),
        ("http://127.0.0.1:8087", None),
        ("orders.csv", None),
        ("-", None),
    ] {
        assert_eq!(TableName::parse(typed), table, "{typed}");
    }
}

/// Readers that take turns see each row once, numbered in key order, whatever the size of the last
/// block.
#[test]
fn readers_share_all_rows() {
    const BLOCK: u64 = BLOCK_ROWS as u64;
    for rows in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 10_000] {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), rows);
        let input = TableInput { name: "it".to_owned(), place: Place::Folder(folder.path().to_owned()) };
        let table = Table::open(&input, 3).unwrap();
        let (mut readers, mut open) = ([table.reader(), table.reader()], [true; 2]);
        let mut block = Block::default();
        while open != [false; 2] {
            for (reader, open) in readers.iter_mut().zip(&mut open) {
                let (lines, bytes) = (block.lines, block.bytes);
                *open = reader.read_block(5, &mut block).unwrap();
                assert_eq!(*open, block.lines > lines && block.bytes > bytes);
                assert!(block.lines - lines <= BLOCK);
            }
        }
        let at: BTreeSet<i64> = block.orders.iter().map(|(order, ..)| order.at_ms).collect();
        let expected: BTreeSet<i64> = (0..rows as i64).filter(|row| row % 100 != 0).collect();
        assert_eq!((block.lines, block.orders.len()), (rows, expected.len()));
        assert_eq!(at, expected);
        assert!(block.orders.iter().all(|(_, epoch, diff)| (*epoch, *diff) == (5, 1)));

        let mut keys: Vec<u64> = (0..rows).collect();
        keys.sort_by_key(|row| (row % 7, *row));
        let bad = (0..).zip(&keys).filter(|(_, row)| *row % 100 == 0);
        let rejects: Vec<Reject> = bad
            .map(|(line, row)| Reject {
                input: 3,
                part: 0,
                line,
                reason: "price is missing".to_owned(),
                raw: format!("{{\"UserId\":\"u{}\",\"OrderId\":\"{row:06}\",\"timestamp\":{row}}}", row % 7)
                    .into_bytes(),
            })
            .collect();
        assert_eq!(block.rejects, rejects);
    }
}
