//! Orders that come and go, folded: the results that they make, and those that are none.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dataflows::{Diff, Reference, RowKey, Totals, WindowWidth};

use order_tables::{Reject, ResultRow, order_of};
use orders::Layout;
use store::value::{CellRef, KeyRef, PrimaryKey};

/// What the rows folded in so far come to.
#[derive(Debug)]
pub(super) struct Fold {
    /// The results of those that are orders.
    pub(super) reference: Reference,
    /// Keys and reasons of those that are none, and how often each was folded in.
    rejects: BTreeMap<(PrimaryKey, Reject), Diff>,
}

/// A row that a table must hold.
#[derive(Debug)]
pub(super) enum Expected {
    /// The row of this result that says this.
    Result(RowKey, Totals),
    /// An order that is set aside for this reason.
    Reject(Reject),
}

impl Fold {
    /// No rows.
    pub(super) fn new(width: WindowWidth) -> Fold {
        Fold { reference: Reference::new(width), rejects: BTreeMap::new() }
    }

    /// Folds in a row of the table of orders that is added so many times.
    pub(super) fn update(&mut self, key: &[KeyRef<'_>], cells: &[CellRef<'_>], times: Diff) {
        let reason = match order_of(key, cells) {
            Ok(order) => return self.reference.update(&order, times),
            Err(reason) => reason,
        };
        match self.rejects.entry((key.iter().map(|value| value.to_value()).collect(), reason)) {
            Entry::Vacant(vacant) => _ = vacant.insert(times),
            Entry::Occupied(mut occupied) => {
                *occupied.get_mut() += times;
                if *occupied.get() == 0 {
                    occupied.remove();
                }
            }
        }
    }

    /// As [`Fold::update`], of a row that may be there.
    pub(super) fn update_row(&mut self, key: &[KeyRef<'_>], cells: Option<&[CellRef<'_>]>, times: Diff) {
        if let Some(cells) = cells {
            self.update(key, cells, times);
        }
    }

    /// Takes out one of the users.
    pub(super) fn pop_user(&mut self, layout: &Layout) -> Option<(PrimaryKey, Expected)> {
        let (user, totals) = self.reference.users.pop_first()?;
        Some(result(RowKey::User(user), totals, layout))
    }

    /// Takes out the total, once, if there are orders.
    pub(super) fn pop_total(&mut self, layout: &Layout) -> Option<(PrimaryKey, Expected)> {
        let totals = std::mem::take(&mut self.reference.total);
        (totals.orders != 0).then(|| result(RowKey::Total, totals, layout))
    }

    /// Takes out one of the windows.
    pub(super) fn pop_window(&mut self, layout: &Layout) -> Option<(PrimaryKey, Expected)> {
        let (window, totals) = self.reference.windows.pop_first()?;
        Some(result(RowKey::Window(window), totals, layout))
    }

    /// Takes out one of the rejects.
    pub(super) fn pop_reject(&mut self) -> Option<(PrimaryKey, Expected)> {
        let ((key, reason), _) = self.rejects.pop_first()?;
        Some((key, Expected::Reject(reason)))
    }
}

fn result(key: RowKey, totals: Totals, layout: &Layout) -> (PrimaryKey, Expected) {
    (ResultRow::new(&key, &totals, layout).primary_key(), Expected::Result(key, totals))
}
