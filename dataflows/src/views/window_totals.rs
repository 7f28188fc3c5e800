use differential_dataflow::VecCollection;

use crate::key::Grouping;
use crate::totals_by::{KeptTotals, totals_by};
use crate::{Diff, Epoch, Order, Orders, Totals, Window, WindowWidth};

/// What was ordered in each window of event time?
///
/// `SELECT window(at, '30 seconds'), COUNT(*), SUM(price) FROM orders GROUP BY 1`, without rows for
/// windows that no order falls into.
///
/// An order corrects its window whenever it comes; no watermark ever closes one.
///
/// State: one entry per window with orders. Work per epoch: proportional to the windows that changed.
pub fn window_totals<'scope>(
    orders: Orders<'scope>,
    kept: Option<KeptTotals<'scope, Window>>,
    width: WindowWidth,
) -> VecCollection<'scope, Epoch, (Window, Totals), Diff> {
    totals_by(orders, kept, "windows", ByWindow(width))
}

struct ByWindow(WindowWidth);

impl Grouping for ByWindow {
    type Key = Window;

    // Orders mostly come about when they are placed.
    const RUNS: bool = true;

    #[inline]
    fn key(&self, order: &Order) -> Window {
        self.0.containing(order.at_ms)
    }

    #[inline]
    fn holds(&self, order: &Order, window: &Window) -> bool {
        self.0.holds(*window, order.at_ms)
    }
}
