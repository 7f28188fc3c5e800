//! Computes the rows of all views by a plain fold. Recounts compare the results with them.
//!
//! The fold uses each view's plain grouping and condition, and shares nothing else with the graph.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use differential_dataflow::difference::{IsZero, Semigroup};

use crate::row::{Parts, RowKey, ViewId};
use crate::views::TOTAL;
use crate::{Diff, Order, Totals, Windows};

/// The rows of each view over the orders that were folded in so far, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainRows {
    windows: Windows,
    /// The rows of each view, in the order of the list of views.
    views: Vec<BTreeMap<Parts, Totals>>,
}

impl PlainRows {
    /// Creates the rows of no orders.
    pub fn new(windows: &Windows) -> PlainRows {
        PlainRows { windows: windows.clone(), views: ViewId::all().map(|_| BTreeMap::new()).collect() }
    }

    /// Folds in an order, `times` times. A negative number takes it out. Cost: one look-up for each
    /// view.
    pub fn update(&mut self, order: &Order, times: Diff) {
        let totals = Totals::of(order.price, times);
        for (view, rows) in ViewId::all().zip(&mut self.views).filter(|(view, _)| view.holds(order)) {
            add(rows, (view.group)(order, &self.windows), &totals);
        }
    }

    /// Returns the totals of all orders; zero if there are none.
    pub fn total(&self) -> Totals {
        self.rows(TOTAL).get(&Parts::None).copied().unwrap_or(Totals::ZERO)
    }

    /// Returns the rows of a view.
    pub fn rows(&self, view: ViewId) -> &BTreeMap<Parts, Totals> {
        &self.views[view.index()]
    }

    /// Returns all rows, in the order of the views and of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (RowKey, Totals)> {
        ViewId::all().zip(&self.views).flat_map(|(view, rows)| {
            rows.iter().map(move |(parts, totals)| (RowKey::new(view, parts.clone()), *totals))
        })
    }

    /// Takes out the first of the rows of a view that are left.
    pub fn pop_first(&mut self, view: ViewId) -> Option<(RowKey, Totals)> {
        let (parts, totals) = self.views[view.index()].pop_first()?;
        Some((RowKey::new(view, parts), totals))
    }
}

fn add(rows: &mut BTreeMap<Parts, Totals>, parts: Parts, totals: &Totals) {
    match rows.entry(parts) {
        Entry::Vacant(vacant) => {
            if !totals.is_zero() {
                vacant.insert(*totals);
            }
        }
        Entry::Occupied(mut occupied) => {
            occupied.get_mut().plus_equals(totals);
            if occupied.get().is_zero() {
                occupied.remove();
            }
        }
    }
}
