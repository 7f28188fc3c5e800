use crate::engine::Engine;
use crate::key::{Grouping, Key};
use crate::row::Parts;
use crate::view::{COUNT_AND_SUM, KeyColumn, Print, View};
use crate::{Id, Order, Windows};

/// What has each user ordered, and for how much?
///
/// `SELECT user_id, COUNT(*), SUM(price) FROM orders GROUP BY user_id`
///
/// State: one entry per user with orders. Work per epoch: proportional to the users that changed.
pub(super) static VIEW: View = View {
    name: "users",
    table: "OrderBatchSink",
    row: "user {}",
    counted: Some(("of", "user")),
    key: &[KeyColumn { name: "UserId", part: 0, print: Print::Text }],
    filter: None,
    group: |order, _| Parts::text(order.user_id.clone()),
    aggregates: COUNT_AND_SUM,
    engine: Engine::typed::<ByUser>(),
};

struct ByUser;

impl Grouping for ByUser {
    type Key = Id;

    fn new(_windows: &Windows) -> ByUser {
        ByUser
    }

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
