//! What a change of a row is to the graph, and to the table of rejects.

use std::collections::BTreeMap;

use dataflows::{Diff, Epoch, Order, WindowWidth};

use super::late::Late;
use order_tables::{RejectRow, order_of};
use store::changes::ChangeRef;
use store::value::PrimaryKey;

/// What the changes of one epoch come to.
#[derive(Debug)]
pub(super) struct Changes {
    /// When they are taken in, in epoch milliseconds, and the width of windows: what is late by
    /// that.
    taken: (i64, WindowWidth),
    /// Orders that come and go.
    orders: Vec<(Order, Epoch, Diff)>,
    /// By the key of their order: what is set aside from now on, or no more.
    pub(super) rejects: BTreeMap<PrimaryKey, Option<RejectRow>>,
    /// By how much the number of orders that are set aside changes.
    pub(super) rejects_diff: i64,
    /// Those that are late.
    pub(super) late: Late,
}

impl Changes {
    /// An empty set of changes. `now_ms` (epoch milliseconds) and the width of windows decide which
    /// changes count as late.
    pub(super) fn new(now_ms: i64, width: WindowWidth) -> Changes {
        Changes {
            taken: (now_ms, width),
            orders: Vec::new(),
            rejects: BTreeMap::new(),
            rejects_diff: 0,
            late: Late::default(),
        }
    }

    /// The orders that come and go, as changes of an epoch. None are left.
    pub(super) fn take_orders(&mut self, epoch: Epoch) -> Vec<(Order, Epoch, Diff)> {
        let mut orders = std::mem::take(&mut self.orders);
        orders.iter_mut().for_each(|(_, at, _)| *at = epoch);
        orders
    }

    /// Adds a change by `commit`: the row before goes, the row after comes.
    pub(super) fn push(&mut self, commit: u64, change: &ChangeRef<'_>) {
        let order = |cells| order_of(change.key, cells);
        let (before, after) = (change.before.map(order), change.after.map(order));
        let is_reject = |order: &Option<Result<Order, String>>| matches!(order, Some(Err(_)));
        self.rejects_diff += i64::from(is_reject(&after)) - i64::from(is_reject(&before));
        if before != after {
            self.late.push(self.taken, commit, change.key, order_in(&before), order_in(&after));
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
