//! The server killed with SIGKILL at random moments, under four writers: what it acknowledged is
//! there afterwards, each row and each request whole, and the log says the same as the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use store::change::{ColumnChange, RowWrite, Write};
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyType, KeyValue, Row, Value};
use store::{Store, StoreOptions};
use tablestore::client::Client;

use crate::crash::{
    Dice, KEY, Rows, Script, WRITERS, Writer, block_on, client, rounds, seed, whole, write,
    write_until_killed,
};
use crate::store_server::Up;

const KEYS_PER_WRITER: u64 = 60;
const TABLE: &str = "OrderSource";

/// What a row holds: the number of its last write, in three columns, and that of the last put,
/// which updates leave alone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    write: u64,
    put: Option<u64>,
}

/// Puts, updates and deletes.
struct Mixed {
    writer: usize,
    dice: Dice,
    writes: u64,
}

/// Text of a length that depends on the number, so that rows and pages of rows have all sizes.
fn text_of(number: u64) -> String {
    number.to_string().repeat(1 + number as usize % 70)
}

fn columns_of(number: u64) -> Vec<(String, ColumnChange)> {
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    vec![
        put("half", Value::Double(number as f64 / 2.0)),
        put("number", Value::Integer(number as i64)),
        put("text", Value::String(text_of(number))),
    ]
}

impl Script for Mixed {
    type Row = Content;

    fn request(&mut self, after: &mut Rows<Content>) -> Vec<Write> {
        let rows: BTreeSet<u64> =
            (0..1 + self.dice.below(40)).map(|_| self.dice.below(KEYS_PER_WRITER)).collect();
        let mut writes = Vec::new();
        for row in rows {
            self.writes += 1;
            let number = self.writes;
            let change = match self.dice.below(10) {
                0..6 => {
                    after.insert(row, Content { write: number, put: Some(number) });
                    let put = ColumnChange::Put { value: Value::Integer(number as i64), version: None };
                    RowWrite::Put([columns_of(number), vec![("put".to_owned(), put)]].concat())
                }
                6..8 => {
                    after.entry(row).or_insert(Content { write: number, put: None }).write = number;
                    RowWrite::Update(columns_of(number))
                }
                _ => {
                    after.remove(&row);
                    RowWrite::Delete
                }
            };
            writes.push(write(TABLE, [format!("writer {}", self.writer), format!("{row:04}")], change));
        }
        writes
    }
}

fn schema() -> TableSchema {
    let column =
        |name: &str| KeyColumn { name: name.to_owned(), kind: KeyType::String, auto_increment: false };
    TableSchema {
        name: TABLE.to_owned(),
        key: KEY.map(column).to_vec(),
        options: TableOptions::default(),
        stream: Some(StreamOptions::of_hours(24)),
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    }
}

/// Who wrote a row, which of its rows it is, and what it holds; the row's columns must agree with
/// each other.
fn content_of(row: &Row) -> (usize, u64, Content) {
    let [KeyValue::String(writer), KeyValue::String(number)] = row.key.as_slice() else {
        panic!("the key of {row:?}")
    };
    let writer = writer.strip_prefix("writer ").and_then(|text| text.parse().ok()).expect("a writer's row");
    let cells: BTreeMap<&str, &Value> =
        row.cells.iter().map(|cell| (cell.name.as_str(), &cell.value)).collect();
    let number_of = |name: &str| match cells.get(name) {
        Some(Value::Integer(number)) => Some(*number as u64),
        _ => None,
    };
    let write = number_of("number").unwrap_or_else(|| panic!("half a row: {row:?}"));
    assert_eq!(cells["half"], &Value::Double(write as f64 / 2.0), "half a row: {row:?}");
    assert_eq!(cells["text"], &Value::String(text_of(write)), "half a row: {row:?}");
    (writer, number.parse().expect("a number"), Content { write, put: number_of("put") })
}

/// All rows by writer.
async fn read_all(client: &Client) -> Vec<Rows<Content>> {
    let mut pages = client.range(whole(TABLE, &KEY));
    let mut found = vec![BTreeMap::new(); WRITERS];
    while let Some(rows) = pages.next_page(100).await.expect("the table is read") {
        for row in &rows {
            let (writer, number, content) = content_of(row);
            assert_eq!(found[writer].insert(number, content), None, "a row twice");
        }
    }
    found
}

/// Opens what the dead server left: rows and log must say the same.
fn check_folder(folder: &Path) {
    let store = Store::open(folder, StoreOptions::default()).expect("the folder opens after a kill");
    store.check().expect("table and log agree");
    store.close().expect("the store closes");
}

#[test]
fn killed_at_random_moments_under_four_writers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seed = seed();
    let mut dice = Dice::new(seed);
    let mut writers: Vec<Writer<Mixed>> = (0..WRITERS)
        .map(|writer| {
            let dice = Dice::new(seed + 1 + writer as u64);
            Writer::new(writer, Mixed { writer, dice, writes: 0 }, None)
        })
        .collect();
    let mut acknowledged = 0;
    let rounds = rounds(25);
    for round in 0..rounds {
        let server = Up::start(folder.path(), &["--no-job"]);
        if round == 0 {
            block_on(client(&server).create_table(&schema())).expect("the table is created");
        }
        for (writer, found) in writers.iter_mut().zip(block_on(read_all(&client(&server)))) {
            writer.compare(found);
        }
        let requests = 1 + dice.below(60) as usize;
        acknowledged += write_until_killed(server, &mut writers, requests, &mut dice, || ());
        check_folder(folder.path());
    }
    let server = Up::start(folder.path(), &["--no-job"]);
    for (writer, found) in writers.iter_mut().zip(block_on(read_all(&client(&server)))) {
        writer.compare(found);
    }
    println!("{rounds} kills, {acknowledged} acknowledged requests");
}
