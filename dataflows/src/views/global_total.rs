use crate::engine::Engine;
use crate::key::Grouping;
use crate::row::Parts;
use crate::view::{COUNT_AND_SUM, View};
use crate::{Order, Windows};

/// How many orders are there, and for how much in all?
///
/// `SELECT COUNT(*), SUM(price) FROM orders`, but without a row if there are no orders.
///
/// State: one entry. Work per epoch: constant.
pub(super) static VIEW: View = View {
    name: "total",
    table: "OrderTotalSink",
    row: "the total",
    counted: None,
    key: &[],
    filter: None,
    group: |_, _| Parts::None,
    aggregates: COUNT_AND_SUM,
    engine: Engine::typed::<Together>(),
};

struct Together;

impl Grouping for Together {
    type Key = ();

    const RUNS: bool = true;

    fn new(_windows: &Windows) -> Together {
        Together
    }

    #[inline]
    fn key(&self, _order: &Order) {}
}
