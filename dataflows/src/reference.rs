//! Computes the results by a plain fold. The tests compare the graph with it.
//!
//! It shares nothing with the graph but the types: it takes one order after the other, and has
//! ordered maps and no workers.

use std::collections::BTreeMap;

use differential_dataflow::difference::{IsZero, Semigroup};

use crate::{Diff, Id, Order, OrderKey, OrderState, Position, Totals, Upsert, Window, Windows};

/// The three results of the orders that were folded in so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// How event time is cut into windows.
    cut: Windows,
    /// The totals of each user with orders.
    pub users: BTreeMap<Id, Totals>,
    /// The totals of all orders; zero if there are none.
    pub total: Totals,
    /// The totals of each window with orders.
    pub windows: BTreeMap<Window, Totals>,
}

impl Reference {
    /// Creates the results of no orders.
    pub fn new(cut: &Windows) -> Reference {
        Reference { cut: cut.clone(), users: BTreeMap::new(), total: Totals::ZERO, windows: BTreeMap::new() }
    }

    /// Folds in an order, `times` times. A negative number takes it out.
    pub fn update(&mut self, order: &Order, times: Diff) {
        let totals = Totals::of(order.price, times);
        self.total.plus_equals(&totals);
        add(&mut self.users, order.user_id.clone(), &totals);
        add(&mut self.windows, self.cut.containing(order.at_ms), &totals);
    }
}

fn add<K: Ord>(rows: &mut BTreeMap<K, Totals>, key: K, totals: &Totals) {
    use std::collections::btree_map::Entry;
    match rows.entry(key) {
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

/// The orders that a log of upserts leaves, folded line by line.
#[derive(Clone, Debug, Default)]
pub struct UpsertReference {
    lines: BTreeMap<OrderKey, (Position, Option<OrderState>)>,
}

impl UpsertReference {
    /// Folds in a line. Returns the orders that it removes (−1) and adds (1).
    pub fn update(&mut self, line: &Upsert) -> Vec<(Order, Diff)> {
        let order = |state: OrderState| Order {
            user_id: line.key.user_id.clone(),
            at_ms: state.at_ms,
            price: state.price,
        };
        let before = match self.lines.get(&line.key) {
            Some((position, _)) if line.position <= *position => return Vec::new(),
            before => before.and_then(|(_, state)| *state),
        };
        self.lines.insert(line.key.clone(), (line.position, line.after));
        let gone = before.map(|state| (order(state), -1));
        let come = line.after.map(|state| (order(state), 1));
        gone.into_iter().chain(come).collect()
    }
}
