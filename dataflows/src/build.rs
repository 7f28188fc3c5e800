//! Builds the whole graph: all views of the list over the same orders.

use crate::engine::{KeptInputs, Rows};
use crate::row::ViewId;
use crate::{Orders, Windows};

/// Builds all views of the orders, in the order of the list.
///
/// ```text
///             ┌─ PreAggregate: users ─────⇄─ Totals: users ───► users
///  orders ────┼─ PreAggregate: total ─────⇄─ Totals: total ───► total
///             └─ PreAggregate: windows ───⇄─ Totals: windows ─► windows     ⇄ exchange by key
/// ```
pub fn build<'scope>(orders: Orders<'scope>, windows: &Windows) -> Vec<Rows<'scope>> {
    let rows = |view: ViewId| (view.engine.render)(view, orders.clone(), windows, None);
    ViewId::all().map(rows).collect()
}

/// Builds all views as [`build`] does, each with an input for totals that are kept already. They go
/// to `Totals`, as the sums of orders do.
pub fn build_on_kept<'scope>(orders: Orders<'scope>, windows: &Windows) -> (Vec<Rows<'scope>>, KeptInputs) {
    let mut kept = Vec::new();
    let rows = ViewId::all().map(|view| (view.engine.render)(view, orders.clone(), windows, Some(&mut kept)));
    (rows.collect(), KeptInputs(kept))
}
