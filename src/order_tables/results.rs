//! Results and rejects, as rows of their tables.

use dataflows::{Aggregate, Epoch, Part, Print, RowKey, Totals};

use super::{ORDER_KEY, ORDER_REJECTS};
use orders::Layout;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{CellRef, KeyPart, KeyValue, NamedKey, PrimaryKey, Value, ValueRef};

/// A row of a result as its table holds it. Two are equal where all bytes but the versions are.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// Name of the table.
    pub table: &'static str,
    /// Its key columns.
    pub key: NamedKey,
    /// Its columns, sorted by name.
    pub columns: Vec<(&'static str, Value)>,
}

impl ResultRow {
    /// The row that says this. The layout's format plays no part.
    pub fn new(key: &RowKey, totals: &Totals, layout: &Layout) -> ResultRow {
        let view = key.view;
        let mut columns = Vec::with_capacity(3);
        for aggregate in view.aggregates {
            match *aggregate {
                // Without groups, it is the key of the table.
                Aggregate::Count { .. } if view.key.is_empty() => {}
                Aggregate::Count { column } => columns.push((column, Value::Integer(totals.orders))),
                Aggregate::Sum { column, exact } => {
                    columns.push((column, Value::Double(totals.amount.to_f64())));
                    columns.push((exact, Value::String(totals.amount.to_string())));
                }
            }
        }
        columns.sort_unstable_by_key(|(name, _)| *name);
        ResultRow { table: view.table, key: key_of(key, totals.orders, layout), columns }
    }

    /// The row's key as the store gives it.
    pub fn primary_key(&self) -> PrimaryKey {
        let value = |(_, part): &(String, KeyPart)| match part {
            KeyPart::Value(value) => Some(value.clone()),
            _ => None,
        };
        self.key.iter().filter_map(value).collect()
    }

    /// Whether these are its cells to the last bit, whatever their versions.
    pub fn has(&self, cells: &[CellRef<'_>]) -> bool {
        let same = |one, other| match (one, other) {
            (ValueRef::Double(one), ValueRef::Double(other)) => one.to_bits() == other.to_bits(),
            (one, other) => one == other,
        };
        cells.len() == self.columns.len()
            && cells
                .iter()
                .zip(&self.columns)
                .all(|(cell, (name, value))| cell.name == *name && same(cell.value, value.borrow()))
    }

    /// The write that makes it so. The version of its cells is the epoch: no clock takes part.
    pub fn put(self, epoch: Epoch) -> Write {
        let version = i64::try_from(epoch).ok();
        let put = |(name, value): (&str, Value)| (name.to_owned(), ColumnChange::Put { value, version });
        write(self.table, self.key, RowWrite::Put(self.columns.into_iter().map(put).collect()))
    }

    /// The write that takes away the row of this key; of the total, that of so many orders.
    pub fn delete(key: &RowKey, orders: i64, layout: &Layout) -> Write {
        write(key.view.table, key_of(key, orders, layout), RowWrite::Delete)
    }
}

/// The key of a row's table. Without groups, that is the count.
fn key_of(key: &RowKey, orders: i64, layout: &Layout) -> NamedKey {
    let named = |name: &str, value| (name.to_owned(), KeyPart::Value(value));
    let columns = key.view.columns(&key.parts).map(|(column, part)| match (column.print, part) {
        (Print::Integer, Part::Integer(number)) => named(column.name, KeyValue::Integer(*number)),
        _ => named(column.name, KeyValue::String(layout.part(column.print, part))),
    });
    match key.view.key {
        [] => {
            key.view.count_column().map(|count| named(count, KeyValue::Integer(orders))).into_iter().collect()
        }
        _ => columns.collect(),
    }
}

/// A row of the table of rejects: an order that was set aside, since which commit, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectRow {
    /// The order's key.
    pub key: PrimaryKey,
    /// What is wrong with it.
    pub reason: String,
    /// The commit that wrote it so.
    pub commit: u64,
}

impl RejectRow {
    /// The write that makes it so. The version of its cells is the commit: no clock takes part.
    pub fn put(self) -> Write {
        let commit = i64::try_from(self.commit).unwrap_or(i64::MAX);
        let put = |name: &str, value| {
            (name.to_owned(), ColumnChange::Put { value, version: i64::try_from(self.commit).ok() })
        };
        let columns = vec![put("commit", Value::Integer(commit)), put("reason", Value::String(self.reason))];
        write(ORDER_REJECTS, reject_key(self.key), RowWrite::Put(columns))
    }

    /// The write that takes away the row of this order.
    pub fn delete(key: PrimaryKey) -> Write {
        write(ORDER_REJECTS, reject_key(key), RowWrite::Delete)
    }
}

fn reject_key(key: PrimaryKey) -> NamedKey {
    ORDER_KEY.iter().zip(key).map(|(name, value)| ((*name).to_owned(), KeyPart::Value(value))).collect()
}

fn write(table: &str, key: NamedKey, change: RowWrite) -> Write {
    Write {
        table: table.to_owned(),
        key,
        change,
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}
