//! The difference type of the graph: a number of orders, and an amount of money.
//!
//! The sum is kept in the *difference*, so a thousand orders of a user are one record. The count is
//! kept beside the amount, because a user whose orders cancel to 0.00 still has orders.

use differential_dataflow::difference::{Abelian, IsZero, Monoid, Multiply, Semigroup};
use serde::{Deserialize, Serialize};

use crate::{Amount, Diff};

/// A number of orders and their amount. Totals are a commutative group under addition.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct Totals {
    /// The number of orders.
    pub orders: i64,
    /// The sum of their prices.
    pub amount: Amount,
}

impl Totals {
    /// The totals of no orders.
    pub const ZERO: Totals = Totals { orders: 0, amount: Amount::ZERO };

    /// Returns the totals of `times` orders of one price. A negative number retracts them.
    ///
    /// Panics if the amount overflows 128 bits of 10^-18 units.
    #[inline]
    pub fn of(price: Amount, times: Diff) -> Totals {
        let units = match times {
            1 => price.units(),
            -1 => -price.units(),
            times => {
                price.units().checked_mul(i128::from(times)).expect("the sum of prices fits in 128 bits")
            }
        };
        Totals { orders: times, amount: Amount::from_units(units) }
    }
}

impl IsZero for Totals {
    #[inline]
    fn is_zero(&self) -> bool {
        *self == Totals::ZERO
    }
}

impl Semigroup for Totals {
    /// Adds totals. Panics if the amount overflows 128 bits of 10^-18 units.
    #[inline]
    fn plus_equals(&mut self, other: &Totals) {
        self.orders += other.orders;
        self.amount = self.amount.checked_add(other.amount).expect("the sum of prices fits in 128 bits");
    }
}

impl Monoid for Totals {
    #[inline]
    fn zero() -> Totals {
        Totals::ZERO
    }
}

impl Abelian for Totals {
    #[inline]
    fn negate(&mut self) {
        self.orders = -self.orders;
        self.amount = Amount::from_units(-self.amount.units());
    }
}

impl Multiply<Diff> for Totals {
    type Output = Totals;
    fn multiply(self, times: &Diff) -> Totals {
        Totals { orders: self.orders * times, amount: Totals::of(self.amount, *times).amount }
    }
}
