//! What the tests share: a clock that they set, tables, rows, and how they are read.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use crate::change::{ColumnChange, Condition, Returning, RowChange, Write};
use crate::engine::Space;
use crate::engine::faulty::Disk;
use crate::error::{Damage, ReadError};
use crate::format::META_PURGE;
use crate::read::{Direction, RangeRead, Selection};
use crate::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use crate::value::{KeyPart, KeyType, KeyValue, NamedKey, Row, Value};
use crate::{Clock, Durability, Store, StoreOptions};

/// When the tests' clocks start, in milliseconds since 1970.
pub(crate) const START_MS: i64 = 1_700_000_000_000;

/// A clock that stands until it is set.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub(crate) fn new() -> TestClock {
        TestClock(Arc::new(AtomicI64::new(START_MS * 1_000)))
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst) / 1_000
    }

    pub(crate) fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms * 1_000, Ordering::SeqCst);
    }

    pub(crate) fn options(&self, durability: Durability) -> StoreOptions {
        let clock = self.0.clone();
        StoreOptions { durability, clock: Clock::new(move || clock.load(Ordering::SeqCst)) }
    }
}

/// A store on a disk in memory.
pub(crate) fn open(disk: &Disk, clock: &TestClock, durability: Durability) -> Result<Store, Damage> {
    Store::start(Arc::new(disk.clone()), clock.options(durability), None)
}

/// A store in memory that nothing goes wrong with.
pub(crate) fn memory_store() -> Store {
    open(&Disk::default(), &TestClock::new(), Durability::Synced).unwrap()
}

pub(crate) fn column(name: &str, kind: KeyType) -> KeyColumn {
    KeyColumn { name: name.to_owned(), kind, auto_increment: false }
}

/// A table with the key columns `User`, a string, and `Id`, an integer.
pub(crate) fn schema(name: &str, logged: bool) -> TableSchema {
    TableSchema {
        name: name.to_owned(),
        key: vec![column("User", KeyType::String), column("Id", KeyType::Integer)],
        options: TableOptions::default(),
        stream: logged.then_some(StreamOptions { hours: 24 }),
        defined_columns: vec![],
        throughput: (0, 0),
    }
}

pub(crate) fn key(user: &str, id: i64) -> NamedKey {
    let value = |value| KeyPart::Value(value);
    vec![
        ("User".to_owned(), value(KeyValue::String(user.to_owned()))),
        ("Id".to_owned(), value(KeyValue::Integer(id))),
    ]
}

pub(crate) fn bounds(user: KeyPart, id: KeyPart) -> NamedKey {
    vec![("User".to_owned(), user), ("Id".to_owned(), id)]
}

pub(crate) fn write(table: &str, key: NamedKey, change: RowChange) -> Write {
    let (condition, returning) = (Condition::default(), Returning::Nothing);
    Write { table: table.to_owned(), key, change, condition, returning }
}

pub(crate) fn set(name: &str, value: impl Into<Value>) -> (String, ColumnChange) {
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

/// A read of a whole table.
pub(crate) fn all(store: &Store, table: &str, direction: Direction) -> RangeRead {
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

/// The rows of a range, page by page.
pub(crate) fn scan(store: &Store, mut read: RangeRead) -> Result<Vec<Row>, ReadError> {
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

/// All rows of a table.
pub(crate) fn rows(store: &Store, table: &str) -> Vec<Row> {
    scan(store, all(store, table, Direction::Forward)).unwrap()
}

/// Numbers that look random and are the same every time (splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut next = self.0;
        next = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        next = (next ^ (next >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        next ^ (next >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// Waits until all that deleted tables left behind is removed.
pub(crate) fn until_purged(store: &Store) {
    let left = || {
        let snapshot = store.snapshot();
        snapshot.scan(Space::Meta, &[META_PURGE], &[META_PURGE + 1], Direction::Forward).next().is_some()
    };
    while left() {
        std::thread::yield_now();
    }
}

/// A folder that is gone afterwards, in memory where the system has such: what is tested is not the disk.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}
