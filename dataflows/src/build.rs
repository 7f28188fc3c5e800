//! The whole graph.

use differential_dataflow::VecCollection;

use crate::totals_by::KeptTotals;
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

/// The three results as of a checkpoint: what the views start from, in place of the orders that made them.
///
/// All of it is of the first epoch. The windows must be of the width that the views are built with.
pub struct Kept<'scope> {
    /// Totals of each user.
    pub users: KeptTotals<'scope, Id>,
    /// Totals of all orders.
    pub total: KeptTotals<'scope, ()>,
    /// Totals of each window.
    pub windows: KeptTotals<'scope, Window>,
}

/// Builds the three results of orders, beside those that are kept already.
///
/// ```text
///                                        kept
///             ┌─ PreAggregate: users ────┴⇄─ Totals: users ───► users
///  orders ────┼─ PreAggregate: total ────┴⇄─ Totals: total ───► total
///             └─ PreAggregate: windows ──┴⇄─ Totals: windows ─► windows     ⇄ exchange by key
/// ```
pub fn build<'scope>(
    orders: Orders<'scope>,
    kept: Option<Kept<'scope>>,
    width: WindowWidth,
) -> Views<'scope> {
    let (users, total, windows) = match kept {
        Some(Kept { users, total, windows }) => (Some(users), Some(total), Some(windows)),
        None => (None, None, None),
    };
    Views {
        users: user_totals(orders.clone(), users),
        total: global_total(orders.clone(), total),
        windows: window_totals(orders, windows, width),
    }
}
