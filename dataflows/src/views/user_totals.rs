use differential_dataflow::VecCollection;

use crate::key::{Grouping, Key};
use crate::totals_by::{KeptTotals, totals_by};
use crate::{Diff, Epoch, Id, Order, Orders, Totals};

/// What has each user ordered, and for how much?
///
/// `SELECT user_id, COUNT(*), SUM(price) FROM orders GROUP BY user_id`
///
/// State: one entry per user with orders. Work per epoch: proportional to the users that changed.
pub fn user_totals<'scope>(
    orders: Orders<'scope>,
    kept: Option<KeptTotals<'scope, Id>>,
) -> VecCollection<'scope, Epoch, (Id, Totals), Diff> {
    totals_by(orders, kept, "users", ByUser)
}

struct ByUser;

impl Grouping for ByUser {
    type Key = Id;

    #[inline]
    fn key(&self, order: &Order) -> Id {
        order.user_id.clone()
    }

    #[inline]
    fn hash64(&self, order: &Order, seed: u64) -> u64 {
        order.user_id.hash64(seed)
    }

    #[inline]
    fn holds(&self, order: &Order, key: &Id) -> bool {
        order.user_id == *key
    }
}
