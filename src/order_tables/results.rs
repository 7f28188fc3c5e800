//! Turns results and rejects into rows of their tables.

use dataflows::{Aggregate, Epoch, Part, Print, RowKey, Totals};

use super::{ORDER_KEY, ORDER_REJECTS};
use orders::Layout;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{CellRef, KeyPart, KeyValue, NamedKey, PrimaryKey, Value, ValueRef};

/// A row of a result as its table holds it. Two rows are equal if all their bytes except the
/// versions are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    /// The name of the table.
    pub table: &'static str,
    /// The key columns with their values.
    pub key: NamedKey,
    /// The other columns with their values, sorted by name.
    pub columns: Vec<(&'static str, Value)>,
}

impl ResultRow {
    /// Creates the row of a view that says that `key` has these `totals`. The format in `layout` is
    /// not used.
    pub fn new(key: &RowKey, totals: &Totals, layout: &Layout) -> ResultRow {
        let view = key.view;
        let mut columns = Vec::with_capacity(3);
        for aggregate in view.aggregates {
            match *aggregate {
                // In a view without groups, the count is the key of the table.
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

    /// Returns the row's key in the form that the store returns keys in.
    pub fn primary_key(&self) -> PrimaryKey {
        let value = |(_, part): &(String, KeyPart)| match part {
            KeyPart::Value(value) => Some(value.clone()),
            _ => None,
        };
        self.key.iter().filter_map(value).collect()
    }

    /// Returns whether `cells` are the cells of this row to the last bit. Their versions are
    /// ignored.
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

    /// Returns the write that stores this row. The version of its cells is the epoch, so no clock
    /// is involved.
    pub fn put(self, epoch: Epoch) -> Write {
        let version = i64::try_from(epoch).ok();
        let put = |(name, value): (&str, Value)| (name.to_owned(), ColumnChange::Put { value, version });
        write(self.table, self.key, RowWrite::Put(self.columns.into_iter().map(put).collect()))
    }

    /// Returns the write that deletes the row with this key. For the total, whose key is its count,
    /// `orders` names the row.
    pub fn delete(key: &RowKey, orders: i64, layout: &Layout) -> Write {
        write(key.view.table, key_of(key, orders, layout), RowWrite::Delete)
    }
}

/// Returns the key of a row in its table. In a view without groups, the count is the key.
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

/// A row of the table of rejects: an order that was set aside, the reason, and the commit that
/// wrote the order so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectRow {
    /// The key of the order.
    pub key: PrimaryKey,
    /// The reason why the order was set aside.
    pub reason: String,
    /// The number of the commit that wrote the order in its present form.
    pub commit: u64,
}

impl RejectRow {
    /// Returns the write that stores this row. The version of its cells is the commit, so no clock
    /// is involved.
    pub fn put(self) -> Write {
        let commit = i64::try_from(self.commit).unwrap_or(i64::MAX);
        let put = |name: &str, value| {
            (name.to_owned(), ColumnChange::Put { value, version: i64::try_from(self.commit).ok() })
        };
        let columns = vec![put("commit", Value::Integer(commit)), put("reason", Value::String(self.reason))];
        write(ORDER_REJECTS, reject_key(self.key), RowWrite::Put(columns))
    }

    /// Returns the write that deletes the reject of the order with this key.
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
