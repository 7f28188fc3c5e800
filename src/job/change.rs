//! What a change of a row is to the graph, and to the table of rejects.

use std::collections::BTreeMap;

use dataflows::{Diff, Epoch, Order};

use crate::order_tables::{RejectRow, order_of};
use crate::store::value::{Cell, CellRef, KeyValue, PrimaryKey, Row};
use crate::store::view::RowChange;

/// What the changes of one epoch come to.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Orders that come and go.
    pub(super) orders: Vec<(Order, Epoch, Diff)>,
    /// By the key of their order: what is set aside from now on, or no more.
    pub(super) rejects: BTreeMap<PrimaryKey, Option<RejectRow>>,
    /// By how much the number of orders that are set aside changes.
    pub(super) rejects_diff: i64,
}

impl Changes {
    /// Adds a change by `commit` to those of `epoch`: the row before goes, the row after comes.
    pub(super) fn push(&mut self, epoch: Epoch, commit: u64, change: RowChange) {
        let key = change.after.as_ref().or(change.before.as_ref()).map(|row| row.key.clone());
        let (before, after) =
            (change.before.as_ref().map(order_of_row), change.after.as_ref().map(order_of_row));
        let is_reject = |order: &Option<Result<Order, String>>| matches!(order, Some(Err(_)));
        self.rejects_diff += i64::from(is_reject(&after)) - i64::from(is_reject(&before));
        match (&before, &after, key) {
            (_, Some(Err(reason)), Some(key)) => {
                let reject = RejectRow { key: key.clone(), reason: reason.clone(), commit };
                self.rejects.insert(key, Some(reject));
            }
            (Some(Err(_)), _, Some(key)) => drop(self.rejects.insert(key, None)),
            _ => {}
        }
        match (before, after) {
            (Some(Ok(before)), Some(Ok(after))) if before == after => {}
            (before, after) => {
                let gone = before.and_then(Result::ok).map(|order| (order, epoch, -1));
                let come = after.and_then(Result::ok).map(|order| (order, epoch, 1));
                self.orders.extend(gone.into_iter().chain(come));
            }
        }
    }
}

fn order_of_row(row: &Row) -> Result<Order, String> {
    let key: Vec<_> = row.key.iter().map(KeyValue::borrow).collect();

    let cells: Vec<CellRef<'_>> = row.cells.iter().map(Cell::borrow).collect();
    order_of(&key, &cells)
}
