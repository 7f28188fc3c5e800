//! Turns changes of rows into changes of orders for the graph, and of rejects for their table.

use std::collections::BTreeMap;

use dataflows::{Diff, Epoch, Order, Windows};

use super::late::Late;
use order_tables::{RejectRow, order_of};
use store::changes::ChangeRef;
use store::value::PrimaryKey;

/// The changes of orders of one epoch.
#[derive(Debug)]
pub(super) struct OrderChanges {
    /// The time at which the changes are taken in (epoch ms), and the windows. They decide which
    /// changes are late.
    taken: (i64, Windows),
    /// The orders that are added (`1`) and removed (`-1`).
    orders: Vec<(Order, Epoch, Diff)>,
    /// By the key of the order: the reject to set, or `None` if the order is no reject any more.
    pub(super) rejects: BTreeMap<PrimaryKey, Option<RejectRow>>,
    /// The difference in the number of rejects.
    pub(super) rejects_diff: i64,
    /// The changes that are late.
    pub(super) late: Late,
}

impl OrderChanges {
    /// Creates an empty set of changes. `now_ms` (epoch ms) and `windows` decide which changes
    /// count as late.
    pub(super) fn new(now_ms: i64, windows: Windows) -> OrderChanges {
        OrderChanges {
            taken: (now_ms, windows),
            orders: Vec::new(),
            rejects: BTreeMap::new(),
            rejects_diff: 0,
            late: Late::default(),
        }
    }

    /// Takes out the orders that are added and removed, as changes of `epoch`.
    pub(super) fn take_orders(&mut self, epoch: Epoch) -> Vec<(Order, Epoch, Diff)> {
        let mut orders = std::mem::take(&mut self.orders);
        orders.iter_mut().for_each(|(_, at, _)| *at = epoch);
        orders
    }

    /// Adds a change that `commit` made: the order before it is removed, the order after it is
    /// added.
    pub(super) fn push(&mut self, commit: u64, change: &ChangeRef<'_>) {
        let order = |cells| order_of(change.key, cells);
        let (before, after) = (change.before.map(order), change.after.map(order));
        let is_reject = |order: &Option<Result<Order, String>>| matches!(order, Some(Err(_)));
        self.rejects_diff += i64::from(is_reject(&after)) - i64::from(is_reject(&before));
        if before != after {
            let (now_ms, windows) = &self.taken;
            self.late.push((*now_ms, windows), commit, change.key, order_in(&before), order_in(&after));
        }
        let key = || -> PrimaryKey { change.key.iter().map(|value| value.to_value()).collect() };
        match (&before, &after) {
            (_, Some(Err(reason))) => {
                let reject = RejectRow { key: key(), reason: reason.clone(), commit };
                self.rejects.insert(key(), Some(reject));
            }
            (Some(Err(_)), _) => drop(self.rejects.insert(key(), None)),
            _ => {}
        }
        match (before, after) {
            (Some(Ok(before)), Some(Ok(after))) if before == after => {}
            (before, after) => {
                let gone = before.and_then(Result::ok).map(|order| (order, 0, -1));
                let come = after.and_then(Result::ok).map(|order| (order, 0, 1));
                self.orders.extend(gone.into_iter().chain(come));
            }
        }
    }
}

fn order_in(order: &Option<Result<Order, String>>) -> Option<&Order> {
    order.as_ref()?.as_ref().ok()
}
