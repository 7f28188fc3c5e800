//! An order, as the views see it, and its place in a log of orders.

use crate::{Amount, Id};

/// An order as the views see it: its user, its time and its price. Its own id is not part of any
/// result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// The user who placed the order.
    pub user_id: Id,
    /// The event time (epoch ms), negative before 1970.
    pub at_ms: i64,
    /// The price, negative for a refund.
    pub price: Amount,
}

/// The key of an order in OrderSource. A later line with the same key replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// The user who placed the order.
    pub user_id: Id,
    /// The id of the order among those of the user.
    pub order_id: Id,
}

/// The place of a line in the log of all inputs. Of the lines with the same key, the one with the
/// greatest position wins.
///
/// Positions come from the inputs, never from the order of arrival. So any number of workers can
/// read their parts at their own pace, and still agree on which line of a key is the last.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Position {
    /// 0 for the lines that were there at the start; later the tick at which a growing input was
    /// read.
    pub round: u32,
    /// The number of the input.
    pub input: u32,
    /// The byte (text) or the row (Parquet) at which the record starts in its input.
    pub offset: u64,
}
