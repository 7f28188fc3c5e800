//! Keeps the writing of orders to a rate.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use tablestore::limits::ROWS_PER_WRITE_MAX;

/// The greatest number of orders in a rate, whatever its unit of time.
const RATE_MAX: u64 = 1_000_000_000;

/// A rate: this many orders in this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    orders: u64,
    per_s: u64,
}

impl Rate {
    /// Returns how long this many orders take at this rate.
    pub fn time_of(self, orders: u64) -> Duration {
        let nanos = u128::from(orders) * u128::from(self.per_s) * 1_000_000_000 / u128::from(self.orders);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Returns how many orders are due in this time at this rate.
    pub fn orders_in(self, time: Duration) -> u64 {
        let orders = time.as_nanos() * u128::from(self.orders) / (u128::from(self.per_s) * 1_000_000_000);
        u64::try_from(orders).unwrap_or(u64::MAX)
    }

    /// Returns the number of orders in a batch, from 1 to `rows_max`: such that about ten batches
    /// leave a second, or fewer if there are fewer orders.
    pub fn batch_rows(self, connections: u64, rows_max: usize) -> usize {
        let rows = self.orders / (10 * self.per_s * connections.max(1));
        usize::try_from(rows).unwrap_or(rows_max).clamp(1, rows_max)
    }

    /// How long before its time an order may leave, in milliseconds: a batch leaves when its first
    /// order is due, while the batches of the other connections fill.
    pub fn lead_ms(self, connections: u16) -> i64 {
        let rows = self.batch_rows(connections.into(), ROWS_PER_WRITE_MAX) as u64;
        let ahead = self.time_of((rows - 1) * u64::from(connections));
        i64::try_from(ahead.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
    }

    /// So many orders a minute, from 1 to the greatest number of a rate.
    pub fn a_minute(orders: u64) -> Rate {
        Rate { orders: orders.clamp(1, RATE_MAX), per_s: 60 }
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        let (number, per_s) = match text.split_once('/') {
            None => (text, 1),
            Some((number, "s")) => (number, 1),
            Some((number, "m")) => (number, 60),
            Some((number, "h")) => (number, 3_600),
            Some(_) => ("", 1),
        };
        match number.parse() {
            Ok(orders @ 1..=RATE_MAX) => Ok(Rate { orders, per_s }),
            _ => Err(format!(
                "expected a whole number up to {RATE_MAX} a second, minute or hour, such as 100/s, 6000/m or 5/h"
            )),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per_s {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.orders)
    }
}

/// Decides when the next batch is due.
///
/// The rate is kept on average: a batch that leaves a little late does not delay the next one. But
/// what was missed while the store was slow is made up for by at most one batch.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    /// The time at which the next batch is due, counted from the start.
    due: Duration,
}

impl Pace {
    /// Creates a pace. The first batch is due at once.
    pub(super) fn new(rate: Rate) -> Pace {
        Pace { rate, due: Duration::ZERO }
    }

    /// Returns how long a batch of `orders` orders must wait. `elapsed` is the time since the
    /// start.
    pub(super) fn wait(&mut self, orders: u64, elapsed: Duration) -> Duration {
        let takes = self.rate.time_of(orders);
        let due = self.due.max(elapsed.saturating_sub(takes));
        self.due = due + takes;
        due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_as_people_type_them() {
        for (text, per_hour, shown) in [
            ("100", 360_000, "100/s"),
            ("100/s", 360_000, "100/s"),
            ("6000/m", 360_000, "6000/m"),
            ("5/h", 5, "5/h"),
        ] {
            let rate: Rate = text.parse().unwrap();
            let hour = Duration::from_secs(3_600);
            assert_eq!((rate.time_of(per_hour), rate.orders_in(hour)), (hour, per_hour));
            assert_eq!(rate.to_string(), shown);
        }
        for text in ["", "0", "0/s", "-1/s", "1.5/s", "/s", "10/d", "10/s/s", "10/", "1000000001/s", "ten"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }

    #[test]
    fn batches_leave_ten_times_a_second_where_the_rate_allows() {
        for (text, connections, rows) in [
            ("1/h", 4, 1),
            ("10/s", 1, 1),
            ("100/s", 1, 10),
            ("100/s", 4, 2),
            ("2000/s", 1, 200),
            ("1000000/s", 4, 200),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap().batch_rows(connections, 200), rows, "{text}");
        }
    }

    #[test]
    fn orders_leave_ahead_of_their_time_by_a_batch_of_each_connection() {
        for (text, connections, lead_ms) in
            [("1/h", 4, 0), ("10/s", 4, 0), ("100/s", 1, 90), ("200/s", 2, 90), ("1000000/s", 4, 1)]
        {
            assert_eq!(text.parse::<Rate>().unwrap().lead_ms(connections), lead_ms, "{text}");
        }
        assert_eq!(
            (Rate::a_minute(90).to_string(), Rate::a_minute(0).to_string()),
            ("90/m".into(), "1/m".into())
        );
    }

    #[test]
    fn the_pace_is_kept_over_time_and_made_up_by_one_batch_at_most() {
        let ms = Duration::from_millis;
        let mut pace = Pace::new("100/s".parse().unwrap());
        // Each batch of 10 takes 100 ms. A case is (elapsed when asked, wait).
        for (elapsed, wait) in [
            (0, 0),       // at once
            (1, 99),      // due at 100
            (103, 97),    // left 3 late: the next is still due at 200
            (290, 10),    // due at 300
            (450, 0),     // due at 400: late by half a batch, which is kept
            (460, 40),    // due at 500
            (5_000, 0),   // stalled for seconds: one batch is made up for
            (5_000, 0),   // this one
            (5_000, 100), // and then the pace again
        ] {
            assert_eq!(pace.wait(10, ms(elapsed)), ms(wait), "at {elapsed} ms");
        }
    }
}
