//! The server killed with SIGKILL at random moments, under four writers: what it acknowledged is there afterwards, each
//! row and each request whole, and the log says the same as the table.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use orderflow::store::change::{ColumnChange, Condition, Returning, RowChange, Write};
use orderflow::store::read::{RangeRead, Selection};
use orderflow::store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use orderflow::store::value::{KeyPart, KeyType, KeyValue, NamedKey, Row, Value};
use orderflow::store::{Store, StoreOptions};
use orderflow::tablestore::client::{Client, ClientConfig};

use crate::store_server::Up;

const ROUNDS: u64 = 25;
const WRITERS: usize = 4;
const KEYS_PER_WRITER: u64 = 60;
const TABLE: &str = "OrderSource";

/// A small generator of its own, so that a seed printed by a failure brings the same run back.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What a row holds: the number of its last write, in three columns, and that of the last put, which updates leave alone.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    write: u64,
    put: Option<u64>,
}

/// What a writer knows of its rows.
#[derive(Default)]
struct Known {
    /// As of the last acknowledged request.
    rows: BTreeMap<u64, Content>,
    /// As of a request that was sent and never answered.
    unanswered: Option<BTreeMap<u64, Content>>,
}

struct Writer {
    index: usize,
    dice: Dice,
    writes: u64,
    known: Known,
}

fn key_of(writer: usize, row: u64) -> NamedKey {
    let part = |text: String| KeyPart::Value(KeyValue::String(text));
    vec![
        ("UserId".to_owned(), part(format!("writer {writer}"))),
        ("OrderId".to_owned(), part(format!("{row:04}"))),
    ]
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

impl Writer {
    /// A request of puts, updates and deletes, a row at most once, and what the rows are after it.
    fn request(&mut self) -> (Vec<Write>, BTreeMap<u64, Content>) {
        let mut after = self.known.rows.clone();
        let rows: BTreeSet<u64> =
            (0..1 + self.dice.below(40)).map(|_| self.dice.below(KEYS_PER_WRITER)).collect();
        let mut writes = Vec::new();
        for row in rows {
            self.writes += 1;
            let write = self.writes;
            let change = match self.dice.below(10) {
                0..6 => {
                    after.insert(row, Content { write, put: Some(write) });
                    let put = ColumnChange::Put { value: Value::Integer(write as i64), version: None };
                    RowChange::Put([columns_of(write), vec![("put".to_owned(), put)]].concat())
                }
                6..8 => {
                    after.entry(row).or_insert(Content { write, put: None }).write = write;
                    RowChange::Update(columns_of(write))
                }
                _ => {
                    after.remove(&row);
                    RowChange::Delete
                }
            };
            let (table, key) = (TABLE.to_owned(), key_of(self.index, row));
            writes.push(Write {
                table,
                key,
                change,
                condition: Condition::default(),
                returning: Returning::Nothing,
            });
        }
        (writes, after)
    }

    /// Writes until the server is gone, and counts what it acknowledged.
    async fn write(&mut self, client: &Client, acknowledged: &AtomicUsize) {
        loop {
            let (writes, after) = self.request();
            match client.batch_write_row(&writes).await {
                Ok(results) => {
                    assert_eq!(results.len(), writes.len());
                    results.into_iter().for_each(|result| assert_eq!(result, Ok(None)));
                    self.known.rows = after;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => {
                    self.known.unanswered = Some(after);
                    return;
                }
            }
        }
    }

    /// Compares the rows that are there, and goes on from them.
    fn compare(&mut self, found: BTreeMap<u64, Content>) {
        let unanswered = self.known.unanswered.take();
        let as_of = [Some(&self.known.rows), unanswered.as_ref()];
        assert!(
            as_of.contains(&Some(&found)),
            "writer {}: found {found:?}, acknowledged {:?}, unanswered {unanswered:?}",
            self.index,
            self.known.rows
        );
        self.known.rows = found;
    }
}

fn client(server: &Up) -> Client {
    let of = |name| server.export(name);
    let region = Some(of("OTS_REGION"));
    Client::new(ClientConfig::new(
        of("OTS_ENDPOINT"),
        of("OTS_INSTANCE"),
        of("OTS_AK_ENV"),
        of("OTS_SK_ENV"),
        region,
    ))
    .expect("what the server printed is a configuration")
}

fn schema() -> TableSchema {
    let column =
        |name: &str| KeyColumn { name: name.to_owned(), kind: KeyType::String, auto_increment: false };
    TableSchema {
        name: TABLE.to_owned(),
        key: vec![column("UserId"), column("OrderId")],
        options: TableOptions::default(),
        stream: Some(StreamOptions { hours: 24 }),
        defined_columns: Vec::new(),
        throughput: (0, 0),
    }
}

/// Who wrote a row, which of its rows it is, and what it holds; the row's columns must agree with each other.
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
async fn read_all(client: &Client) -> Vec<BTreeMap<u64, Content>> {
    let bound = |part: KeyPart| ["UserId", "OrderId"].map(|name| (name.to_owned(), part.clone())).to_vec();
    let mut pages = client.range(RangeRead {
        table: TABLE.to_owned(),
        direction: Default::default(),
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection::default(),
        rows_max: None,
    });
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
    let seed = std::env::var("CRASH_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    println!("CRASH_SEED={seed}");
    let mut dice = Dice(seed);
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|index| Writer {
            index,
            dice: Dice(seed + 1 + index as u64),
            writes: 0,
            known: Known::default(),
        })
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut acknowledged_in_all = 0;
    for round in 0..ROUNDS {
        let server = Up::start(folder.path(), &[]);
        let client = client(&server);
        if round == 0 {
            runtime.block_on(client.create_table(&schema())).expect("the table is created");
        }
        for (writer, found) in writers.iter_mut().zip(runtime.block_on(read_all(&client))) {
            writer.compare(found);
        }
        let (requests, spins) = (1 + dice.below(60) as usize, dice.below(30_000));
        let acknowledged = AtomicUsize::new(0);
        let write = |writer: &mut Writer, client: Client| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(writer.write(&client, &acknowledged));
        };
        thread::scope(|scope| {
            let threads: Vec<_> = writers
                .iter_mut()
                .map(|writer| {
                    let (write, client) = (&write, self::client(&server));
                    scope.spawn(move || write(writer, client))
                })
                .collect();
            // Some moment between two acknowledgements, or within a commit.
            while acknowledged.load(Ordering::SeqCst) < requests {
                assert!(!threads.iter().all(|thread| thread.is_finished()), "the server went by itself");
                thread::yield_now();
            }
            (0..spins).for_each(|_| thread::yield_now());
            server.stop("KILL");
        });
        acknowledged_in_all += acknowledged.into_inner();
        check_folder(folder.path());
    }
    let server = Up::start(folder.path(), &[]);
    for (writer, found) in writers.iter_mut().zip(runtime.block_on(read_all(&client(&server)))) {
        writer.compare(found);
    }
    println!("{ROUNDS} kills, {acknowledged_in_all} acknowledged requests");
}
