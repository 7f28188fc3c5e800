//! Holds what the tests share: a clock that they set, tables, rows, and functions that read them.

#![allow(clippy::unwrap_used, clippy::new_without_default)] // Tests may.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

pub use crate::engine::faulty::{Disk, Fault};

use crate::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use crate::engine::Space;
use crate::error::{Damage, ReadError};
use crate::format::META_PURGE;
use crate::read::{Direction, RangeRead, Selection};
use crate::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use crate::value::{KeyPart, KeyType, KeyValue, NamedKey, Row, Value};
use crate::{Clock, Durability, Store, StoreOptions};

/// The time at which the tests' clocks start, in milliseconds since 1970.
pub const START_MS: i64 = 1_700_000_000_000;

/// A clock that stands still until it is set.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    /// Creates a clock that stands at [`START_MS`].
    pub fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(START_MS * 1_000)))
    }

    /// Returns the time that the clock shows, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst) / 1_000
    }

    /// Sets the clock forward.
    pub fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms * 1_000, Ordering::SeqCst);
    }

    /// Returns the options of a store that uses this clock.
    pub fn options(&self, durability: Durability) -> StoreOptions {
        let clock = self.0.clone();
        StoreOptions { durability, clock: Clock::new(move || clock.load(Ordering::SeqCst)) }
    }
}

/// Opens a store on a disk in memory.
pub fn open(disk: &Disk, clock: &TestClock, durability: Durability) -> Result<Store, Damage> {
    Store::start(Arc::new(disk.clone()), clock.options(durability), None)
}

/// Opens a store in memory on which nothing goes wrong.
pub fn memory_store() -> Store {
    open(&Disk::default(), &TestClock::new(), Durability::Synced).unwrap()
}

/// Returns a key column with this name and type.
pub fn column(name: &str, kind: KeyType) -> KeyColumn {
    KeyColumn { name: name.to_owned(), kind, auto_increment: false }
}

/// Returns a table with the key columns `User`, a string, and `Id`, an integer.
pub fn schema(name: &str, logged: bool) -> TableSchema {
    TableSchema {
        name: name.to_owned(),
        key: vec![column("User", KeyType::String), column("Id", KeyType::Integer)],
        options: TableOptions::default(),
        stream: logged.then_some(StreamOptions::of_hours(24)),
        defined_columns: vec![],
        throughput: (0, 0),
        splits: Vec::new(),
    }
}

/// Returns the key of a row of a table of [`schema`].
pub fn key(user: &str, id: i64) -> NamedKey {
    let value = |value| KeyPart::Value(value);
    vec![
        ("User".to_owned(), value(KeyValue::String(user.to_owned()))),
        ("Id".to_owned(), value(KeyValue::Integer(id))),
    ]
}

/// Returns a bound of a range of such rows.
pub fn bounds(user: KeyPart, id: KeyPart) -> NamedKey {
    vec![("User".to_owned(), user), ("Id".to_owned(), id)]
}

/// Returns a write without a condition.
pub fn write(table: &str, key: NamedKey, change: RowWrite) -> Write {
    let (condition, returning) = (Condition::default(), Returning::Nothing);
    Write { table: table.to_owned(), key, change, condition, returning }
}

/// Returns a put of a column.
pub fn set(name: &str, value: impl Into<Value>) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value: value.into(), version: None })
}

impl From<i64> for Value {
    fn from(value: i64) -> Value {
        Value::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Value {
        Value::String(value.to_owned())
    }
}

/// Returns a read of a whole table.
pub fn all(store: &Store, table: &str, direction: Direction) -> RangeRead {
    let ends = |part: KeyPart| -> NamedKey {
        let key = &store.table(table).unwrap().schema.key;
        key.iter().map(|column| (column.name.clone(), part.clone())).collect()
    };
    let (start, end) = match direction {
        Direction::Forward => (ends(KeyPart::Min), ends(KeyPart::Max)),
        Direction::Backward => (ends(KeyPart::Max), ends(KeyPart::Min)),
    };
    let (selection, rows_max) = (Selection::default(), None);
    RangeRead { table: table.to_owned(), direction, start, end, selection, rows_max }
}

/// Reads the rows of a range, page by page.
pub fn scan(store: &Store, mut read: RangeRead) -> Result<Vec<Row>, ReadError> {
    let mut rows = Vec::new();
    let names: Vec<String> = read.start.iter().map(|(name, _)| name.clone()).collect();
    loop {
        let before = rows.len();
        let next = store.range(&read, &mut |key, cells| {
            rows.push(Row {
                key: key.iter().map(|value| value.to_value()).collect(),
                cells: cells.iter().map(|cell| cell.to_cell()).collect(),
            });
            1
        })?;
        assert!(read.rows_max.is_none_or(|rows_max| rows.len() - before <= rows_max));
        let Some(next) = next else { return Ok(rows) };
        read.start = names.iter().cloned().zip(next.into_iter().map(KeyPart::Value)).collect();
    }
}

/// Reads all rows of a table.
pub fn rows(store: &Store, table: &str) -> Vec<Row> {
    scan(store, all(store, table, Direction::Forward)).unwrap()
}

/// Returns whether everything that deleted tables left behind is removed.
pub fn is_purged(store: &Store) -> bool {
    let snapshot = store.snapshot();
    snapshot.scan(Space::Meta, &[META_PURGE], &[META_PURGE + 1], Direction::Forward).next().is_none()
}

/// Waits until everything that deleted tables left behind is removed.
pub fn until_purged(store: &Store) {
    while !is_purged(store) {
        std::thread::yield_now();
    }
}

/// Creates a folder that is removed afterwards. It is in memory if the system offers that, because
/// the disk is not what is tested.
pub fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}
