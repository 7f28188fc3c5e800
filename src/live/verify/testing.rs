//! What the tests share: a store of orders, and results as a live job would write them.

use std::path::Path;

use dataflows::{PlainRows, WINDOW_MS_DEFAULT};

use super::source::borrowed;
use crate::job::{HEAD_KEY, Head};
use order_tables::{ORDER_SOURCE, RESULT_TABLES, RejectRow, ResultRow, order_of, schemas};
use orders::{Layout, Zone};
use store::append::Append;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::schema::{StreamOptions, TableUpdate};
use store::value::{KeyPart, KeyValue, NamedKey, PrimaryKey, Row, Value};
use store::{Clock, Durability, Store, StoreOptions};

/// Creates a folder that is deleted afterwards. It is in memory if the system has such folders,
/// because the disk is not tested.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Opens a store with all tables. The changes of orders are logged.
pub(crate) fn store(folder: &Path) -> Store {
    let options = StoreOptions { durability: Durability::Relaxed, clock: Clock::default() };
    let store = Store::open(folder, options).unwrap();
    prepare(&store);
    store
}

/// Makes all tables.
pub(crate) fn prepare(store: &Store) {
    schemas().iter().for_each(|schema| create(store, &schema.name));
}

/// Makes one of the tables.
pub(crate) fn create(store: &Store, table: &str) {
    let mut schema = schemas().into_iter().find(|schema| schema.name == table).unwrap();
    schema.stream = (table == ORDER_SOURCE).then_some(StreamOptions::of_hours(24));
    store.create_table(schema).unwrap();
}

/// Deletes the log of the changes of orders so far. Changes from now on are logged if `is_on`.
pub(crate) fn log_anew(store: &Store, is_on: bool) {
    for stream in [None, is_on.then_some(StreamOptions::of_hours(24))] {
        store
            .update_table(ORDER_SOURCE, TableUpdate { stream: Some(stream), ..TableUpdate::default() })
            .unwrap();
    }
}

pub(crate) fn layout() -> Layout {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    Layout::new(zone, WINDOW_MS_DEFAULT).unwrap()
}

/// Returns a key with the names of its columns.
pub(crate) fn named(table: &str, key: &PrimaryKey) -> NamedKey {
    let schema = schemas().into_iter().find(|schema| schema.name == table).unwrap();
    let names = schema.key.into_iter().map(|column| column.name);
    names.zip(key.iter().cloned().map(KeyPart::Value)).collect()
}

pub(crate) fn write(table: &str, key: &PrimaryKey, change: RowWrite) -> Write {
    let (condition, returning) = (Condition::default(), Returning::Nothing);
    Write { table: table.to_owned(), key: named(table, key), change, condition, returning }
}

pub(crate) fn put(name: &str, value: Value) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version: None })
}

/// Returns the write of a valid order.
pub(crate) fn order(user: &str, order: &str, price: f64, at_ms: i64) -> Write {
    let columns = vec![put("price", Value::Double(price)), put("timestamp", Value::Integer(at_ms))];
    let key = [user, order].map(|id| KeyValue::String(id.to_owned())).to_vec();
    write(ORDER_SOURCE, &key, RowWrite::Put(columns))
}

/// Makes all these writes in one commit.
pub(crate) fn commit(store: &Store, writes: Vec<Write>) {
    for written in store.write_and_wait(writes) {
        written.unwrap();
    }
}

/// Returns all rows of a table; none if it does not exist.
pub(crate) fn rows(store: &Store, table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let _ = store.view().unwrap().each_row(table, None, &mut |key, cells| {
        rows.push(Row {
            key: key.iter().map(|value| value.to_value()).collect(),
            cells: cells.iter().map(|cell| cell.to_cell()).collect(),
        });
        std::ops::ControlFlow::Continue(())
    });
    rows
}

/// The results of the orders as of one commit.
pub(crate) struct Results {
    pub(crate) upper: u64,
    writes: Vec<Write>,
    rejects: u64,
}

impl Results {
    /// Returns the results of the orders that are there now.
    pub(crate) fn of(store: &Store) -> Results {
        let (upper, layout) = (store.last_commit() + 1, layout());
        let mut reference = PlainRows::new(&layout.windows);
        let mut writes = Vec::new();
        for row in rows(store, ORDER_SOURCE) {
            let (key, cells) = borrowed(&row);
            match order_of(&key, &cells) {
                Ok(order) => reference.update(&order, 1),
                Err(reason) => {
                    writes.push(RejectRow { key: row.key.clone(), reason, commit: upper - 1 }.put())
                }
            }
        }
        let rejects = writes.len() as u64;
        for (key, totals) in reference.iter() {
            writes.push(ResultRow::new(&key, &totals, &layout).put(upper - 1));
        }
        Results { upper, writes, rejects }
    }

    /// Makes the result tables hold these results and nothing else, in one commit with the head of
    /// the checkpoint.
    pub(crate) fn write(&self, store: &Store) {
        let mut writes = self.writes.clone();
        for table in RESULT_TABLES {
            for Row { key, .. } in rows(store, table) {
                let delete = write(table, &key, RowWrite::Delete);
                if !writes.iter().any(|write| write.table == table && write.key == delete.key) {
                    writes.push(delete);
                }
            }
        }
        let view = store.view().unwrap();
        let ids = schemas().iter().filter_map(|schema| Some(view.find_table(&schema.name)?.id.0)).collect();
        let head = Head::new(self.upper, &layout(), ids, self.rejects, 0).encode();
        let notes = vec![(HEAD_KEY.to_vec(), Some(head))];
        store.append(Append { tables: Vec::new(), writes, notes }).unwrap();
    }
}
