//! What a change of a row is to the graph, and to the table of rejects.

use std::collections::BTreeMap;

use dataflows::{Diff, Epoch, Order, WindowWidth};

use super::late::Late;
use order_tables::{RejectRow, order_of};
use store::value::{Cell, CellRef, KeyValue, PrimaryKey, Row};
use store::view::RowChange;

/// What the changes of one epoch come to.
#[derive(Debug)]
pub(super) struct Changes {
    epoch: Epoch,
    /// When they are taken in, in epoch milliseconds, and the width of windows: what is late by that.
    taken: (i64, WindowWidth),
    /// Orders that come and go.
    pub(super) orders: Vec<(Order, Epoch, Diff)>,
    /// By the key of their order: what is set aside from now on, or no more.
    pub(super) rejects: BTreeMap<PrimaryKey, Option<RejectRow>>,
    /// By how much the number of orders that are set aside changes.
    pub(super) rejects_diff: i64,
    /// Those that are late.
    pub(super) late: Late,
}

impl Changes {
    /// None yet of this epoch, which is taken in at `now_ms`.
    pub(super) fn new(epoch: Epoch, now_ms: i64, width: WindowWidth) -> Changes {
        Changes {
            epoch,
            taken: (now_ms, width),
            orders: Vec::new(),
            rejects: BTreeMap::new(),
            rejects_diff: 0,
            late: Late::default(),
        }
    }

    /// Adds a change by `commit`: the row before goes, the row after comes.
    pub(super) fn push(&mut self, commit: u64, change: RowChange) {
        let epoch = self.epoch;
        let key = change.after.as_ref().or(change.before.as_ref()).map(|row| row.key.clone());
        let (before, after) =
            (change.before.as_ref().map(order_of_row), change.after.as_ref().map(order_of_row));
        let is_reject = |order: &Option<Result<Order, String>>| matches!(order, Some(Err(_)));
        self.rejects_diff += i64::from(is_reject(&after)) - i64::from(is_reject(&before));
        if let Some(key) = key.as_ref().filter(|_| before != after) {
            self.late.push(self.taken, commit, key, order_in(&before), order_in(&after));
        }
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

fn order_in(order: &Option<Result<Order, String>>) -> Option<&Order> {
    order.as_ref()?.as_ref().ok()
}

fn order_of_row(row: &Row) -> Result<Order, String> {
    let key: Vec<_> = row.key.iter().map(KeyValue::borrow).collect();

    let cells: Vec<CellRef<'_>> = row.cells.iter().map(Cell::borrow).collect();
    order_of(&key, &cells)
}
