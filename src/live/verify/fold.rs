//! Folds orders into the results that they make, and into the rejects.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use dataflows::{Diff, PlainRows, RowKey, Totals, ViewId, Windows};

use order_tables::{Reject, ResultRow, order_of};
use orders::Layout;
use store::value::{CellRef, KeyRef, PrimaryKey};

/// The results of the rows that were folded in so far.
#[derive(Debug)]
pub(super) struct Fold {
    /// The rows of the views, over the valid orders.
    pub(super) rows: PlainRows,
    /// The keys and reasons of the rejects, and how often each was folded in.
    rejects: BTreeMap<(PrimaryKey, Reject), Diff>,
}

/// A row that a table must hold.
#[derive(Debug)]
pub(super) enum Expected {
    /// The row of a view with these totals.
    Result(RowKey, Totals),
    /// An order that is set aside for this reason.
    Reject(Reject),
}

impl Fold {
    /// Creates a fold without rows.
    pub(super) fn new(windows: &Windows) -> Fold {
        Fold { rows: PlainRows::new(windows), rejects: BTreeMap::new() }
    }

    /// Folds in a row of the table of orders, `times` times. A negative number takes the row out.
    pub(super) fn update(&mut self, key: &[KeyRef<'_>], cells: &[CellRef<'_>], times: Diff) {
        let reason = match order_of(key, cells) {
            Ok(order) => return self.rows.update(&order, times),
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

    /// Does what [`Fold::update`] does, for a row that may be absent.
    pub(super) fn update_row(&mut self, key: &[KeyRef<'_>], cells: Option<&[CellRef<'_>]>, times: Diff) {
        if let Some(cells) = cells {
            self.update(key, cells, times);
        }
    }

    /// Takes out one of the rows of a view.
    pub(super) fn pop_row(&mut self, view: ViewId, layout: &Layout) -> Option<(PrimaryKey, Expected)> {
        let (key, totals) = self.rows.pop_first(view)?;
        Some((ResultRow::new(&key, &totals, layout).primary_key(), Expected::Result(key, totals)))
    }

    /// Takes out one of the rejects.
    pub(super) fn pop_reject(&mut self) -> Option<(PrimaryKey, Expected)> {
        let ((key, reason), _) = self.rejects.pop_first()?;
        Some((key, Expected::Reject(reason)))
    }
}
