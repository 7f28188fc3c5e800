//! The whole graph.

use differential_dataflow::VecCollection;

use crate::views::{global_total, user_totals, window_totals};
use crate::{Diff, Epoch, Id, Orders, Totals, Window, WindowWidth};

/// The three results, as collections that change with the orders.
#[derive(Clone)]
pub struct Views<'scope> {
    /// One row per user with orders.
    pub users: VecCollection<'scope, Epoch, (Id, Totals), Diff>,
    /// One row, or none where there are no orders.
    pub total: VecCollection<'scope, Epoch, ((), Totals), Diff>,
    /// One row per window with orders.
    pub windows: VecCollection<'scope, Epoch, (Window, Totals), Diff>,
}

/// Builds the three results of orders.
///
/// ```text
///             ┌─ PreAggregate: users ───⇄─ Totals: users ───► users
///  orders ────┼─ PreAggregate: total ───⇄─ Totals: total ───► total
///             └─ PreAggregate: windows ─⇄─ Totals: windows ─► windows       ⇄ exchange by key
/// ```
pub fn build<'scope>(orders: Orders<'scope>, width: WindowWidth) -> Views<'scope> {
    Views {
        users: user_totals(orders.clone()),
        total: global_total(orders.clone()),
        windows: window_totals(orders, width),
    }
}
