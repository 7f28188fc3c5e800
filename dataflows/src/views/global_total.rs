use differential_dataflow::VecCollection;

use crate::key::Grouping;
use crate::totals_by::{KeptTotals, totals_by};
use crate::{Diff, Epoch, Order, Orders, Totals};

/// How many orders are there, and for how much in all?
///
/// `SELECT COUNT(*), SUM(price) FROM orders`, without a row where there are no orders.
///
/// State: one entry. Work per epoch: constant.
pub fn global_total<'scope>(
    orders: Orders<'scope>,
    kept: Option<KeptTotals<'scope, ()>>,
) -> VecCollection<'scope, Epoch, ((), Totals), Diff> {
    totals_by(orders, kept, "total", Together)
}

struct Together;

impl Grouping for Together {
    type Key = ();

    const RUNS: bool = true;

    #[inline]
    fn key(&self, _order: &Order) {}
}
