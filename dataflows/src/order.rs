//! An order, as the three results see it, and its place in a log of orders.

use crate::{Amount, Id};

/// An order as the views see it: who, when, how much. Its own id is not part of any result.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Who ordered.
    pub user_id: Id,
    /// Event time, in epoch milliseconds; negative before 1970.
    pub at_ms: i64,
    /// What was paid; negative for a refund.
    pub price: Amount,
}

/// The key of an order in OrderSource: a later line of the same key replaces an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrderKey {
    /// Who ordered.
    pub user_id: Id,
    /// Which order of theirs.
    pub order_id: Id,
}

/// Where a line stands in the log of all inputs: the greatest position of a key wins.
///
/// Positions are given by the inputs, never by the order of arrival, so any number of workers may
/// read their parts at their own pace and still agree on which line of a key is the last.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(C)]
pub struct Position {
    /// 0 for what was there at the start; then the tick that a growing input was read in.
    pub round: u32,
    /// Ordinal of the input.
    pub input: u32,
    /// Byte (text) or row (Parquet) at which the record starts in its input.
    pub offset: u64,
}
