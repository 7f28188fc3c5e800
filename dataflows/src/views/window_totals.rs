use crate::engine::Engine;
use crate::key::Grouping;
use crate::row::Parts;
use crate::view::{COUNT_AND_SUM, KeyColumn, Print, View};
use crate::{Order, Window, Windows};

/// What was ordered in each window of event time?
///
/// `SELECT window(at, '30 seconds'), COUNT(*), SUM(price) FROM orders GROUP BY 1`, but without rows
/// for windows without orders.
///
/// An order corrects its window whenever it arrives; no watermark ever closes a window.
///
/// State: one entry per window with orders. Work per epoch: proportional to the windows that
/// changed.
pub(super) static VIEW: View = View {
    name: "windows",
    table: "OrderStreamSink",
    row: "the window from {} ms",
    counted: Some(("in", "window")),
    key: &[
        KeyColumn { name: "begin", part: 0, print: Print::WindowBegin },
        KeyColumn { name: "end", part: 0, print: Print::WindowEnd },
    ],
    filter: None,
    group: |order, windows| Parts::integer(windows.containing(order.at_ms).start_ms),
    aggregates: COUNT_AND_SUM,
    engine: Engine::typed::<ByWindow>(),
};

struct ByWindow(Windows);

impl Grouping for ByWindow {
    type Key = Window;

    // Orders mostly arrive at about the time when they are placed.
    const RUNS: bool = true;

    fn new(windows: &Windows) -> ByWindow {
        ByWindow(windows.clone())
    }

    #[inline]
    fn key(&self, order: &Order) -> Window {
        self.0.containing(order.at_ms)
    }

    #[inline]
    fn holds(&self, order: &Order, window: &Window) -> bool {
        self.0.holds(*window, order.at_ms)
    }
}
