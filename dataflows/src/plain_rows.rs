//! The rows of all views by a plain fold: what recounts compare results with.
//!
//! It takes each view's plain grouping and condition, and shares nothing else with the graph.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use differential_dataflow::difference::{IsZero, Semigroup};

use crate::row::{Parts, RowKey, ViewId};
use crate::views::TOTAL;
use crate::{Diff, Order, Totals, WindowWidth};

/// The rows of each view over the orders folded in so far, in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainRows {
    width: WindowWidth,
    /// By the list of views.
    views: Vec<BTreeMap<Parts, Totals>>,
}

impl PlainRows {
    /// The rows of no order.
    pub fn new(width: WindowWidth) -> PlainRows {
        PlainRows { width, views: ViewId::all().map(|_| BTreeMap::new()).collect() }
    }

    /// Folds in an order that is added so many times. Cost: a look-up a view.
    pub fn update(&mut self, order: &Order, times: Diff) {
        let totals = Totals::of(order.price, times);
        for (view, rows) in ViewId::all().zip(&mut self.views).filter(|(view, _)| view.holds(order)) {
            add(rows, (view.group)(order, self.width), &totals);
        }
    }

    /// What all orders come to; zero where there are none.
    pub fn total(&self) -> Totals {
        self.rows(TOTAL).get(&Parts::None).copied().unwrap_or(Totals::ZERO)
    }

    /// The rows of a view.
    pub fn rows(&self, view: ViewId) -> &BTreeMap<Parts, Totals> {
        &self.views[view.index()]
    }

    /// All rows, in the order of the views and of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (RowKey, Totals)> {
        ViewId::all().zip(&self.views).flat_map(|(view, rows)| {
            rows.iter().map(move |(parts, totals)| (RowKey::new(view, parts.clone()), *totals))
        })
    }

    /// Takes out the first row of a view that is left.
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
