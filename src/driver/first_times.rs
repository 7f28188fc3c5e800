//! Looks at the first event times of a run, and warns if they count another unit than was said.

use files::ingest::Block;
use orders::TimeUnit;
use orders::time::is_recent;
use terminal::Thousands;

/// The number of times that each worker looks at.
const TIMES_MAX: u64 = 10_000;

/// 1970-02-01 00:00:00 UTC in epoch milliseconds.
const FEBRUARY_1970_MS: i64 = 2_678_400_000;

/// 2200-01-01 00:00:00 UTC in epoch milliseconds.
const YEAR_2200_MS: i64 = 7_258_118_400_000;

/// The first event times that were read: how many, and between which bounds they lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FirstTimes {
    count: u64,
    /// The earliest and the latest, in epoch milliseconds; `None` if there are none.
    bounds_ms: Option<(i64, i64)>,
}

impl FirstTimes {
    /// Creates a value of so many times between two bounds, in epoch milliseconds.
    pub(super) fn between(count: u64, earliest_ms: i64, latest_ms: i64) -> FirstTimes {
        FirstTimes { count, bounds_ms: Some((earliest_ms, latest_ms)) }
    }

    /// Returns how many there are, the earliest and the latest (epoch ms); `None` if there are none.
    pub(super) fn bounds(&self) -> Option<(u64, i64, i64)> {
        self.bounds_ms.map(|(earliest_ms, latest_ms)| (self.count, earliest_ms, latest_ms))
    }

    /// Returns whether no more are looked at.
    pub(super) fn is_full(&self) -> bool {
        self.count >= TIMES_MAX
    }

    /// Looks at the times of a block, until there are enough.
    pub(super) fn look_at(&mut self, block: &Block) {
        if self.is_full() {
            return;
        }
        let orders = block.orders.iter().map(|(order, ..)| order.at_ms);
        let upserts =
            block.upserts.iter().filter_map(|upsert| upsert.after.as_ref()).map(|after| after.at_ms);
        for at_ms in orders.chain(upserts).take((TIMES_MAX - self.count) as usize) {
            self.add(&FirstTimes::between(1, at_ms, at_ms));
        }
    }

    /// Adds those of another worker.
    pub(super) fn add(&mut self, other: &FirstTimes) {
        self.count += other.count;
        self.bounds_ms = match (self.bounds_ms, other.bounds_ms) {
            (Some(ours), Some(theirs)) => Some((ours.0.min(theirs.0), ours.1.max(theirs.1))),
            (ours, theirs) => ours.or(theirs),
        };
    }

    /// Returns a warning if all times lie in January 1970 or beyond the year 2200. `unit` is what
    /// numbers were said to count. With `quiet`, there is one only if another unit would help.
    pub(super) fn warning(&self, unit: TimeUnit, quiet: bool) -> Option<String> {
        let (earliest_ms, latest_ms) = self.bounds_ms?;
        let place = match (earliest_ms, latest_ms) {
            (0.., ..FEBRUARY_1970_MS) => "in January 1970",
            (YEAR_2200_MS.., _) => "beyond the year 2200",
            _ => return None,
        };
        let number = match unit {
            TimeUnit::Seconds => latest_ms / 1_000,
            TimeUnit::Milliseconds => latest_ms,
            TimeUnit::Microseconds => latest_ms.saturating_mul(1_000),
            TimeUnit::Nanoseconds => latest_ms.saturating_mul(1_000_000),
        };
        let fits = TimeUnit::ALL.into_iter().find(|other| is_recent(other.to_ms(number)));
        let advice = match fits {
            Some(unit) => format!("if they count {unit}, give --timestamp-unit {}", unit.flag()),
            None if quiet => return None,
            None => "--timestamp-unit says what numbers count".to_owned(),
        };
        let times = if self.count == 1 {
            "the first time lies".to_owned()
        } else {
            format!("the first {} times all lie", Thousands(self.count))
        };
        Some(format!("warning: {times} {place}: {advice}"))
    }
}

#[cfg(test)]
mod tests {
    use dataflows::{Amount, Order};

    use super::*;

    #[test]
    fn times_of_another_unit_are_warned_of() {
        let seconds = "in January 1970: if they count seconds, give --timestamp-unit s";
        for (unit, bounds, warning) in [
            (TimeUnit::Milliseconds, (1_569_888_000, 1_700_000_000), Some(seconds)),
            (
                TimeUnit::Milliseconds,
                (0, 1_000),
                Some("in January 1970: --timestamp-unit says what numbers count"),
            ),
            (TimeUnit::Milliseconds, (0, FEBRUARY_1970_MS - 1), Some(seconds)),
            (TimeUnit::Milliseconds, (0, FEBRUARY_1970_MS), None),
            (TimeUnit::Milliseconds, (-1, 1_000), None),
            (TimeUnit::Milliseconds, (1_700_000_000_000, YEAR_2200_MS), None),
            (
                TimeUnit::Milliseconds,
                (17_000_000_000_000, 17_000_000_000_000),
                Some("beyond the year 2200: if they count microseconds, give --timestamp-unit us"),
            ),
            (
                TimeUnit::Seconds,
                (170_000_000_000_000, 170_000_000_000_000),
                Some("beyond the year 2200: if they count milliseconds, give --timestamp-unit ms"),
            ),
            (
                TimeUnit::Microseconds,
                (1_700_000_000, 1_700_000_000),
                Some("in January 1970: if they count milliseconds, give --timestamp-unit ms"),
            ),
            (
                TimeUnit::Nanoseconds,
                (1_700_000, 1_700_000),
                Some("in January 1970: if they count milliseconds, give --timestamp-unit ms"),
            ),
        ] {
            let times = FirstTimes::between(2_000, bounds.0, bounds.1);
            let expected = warning.map(|warning| format!("warning: the first 2,000 times all lie {warning}"));
            assert_eq!(times.warning(unit, false), expected, "{bounds:?} {unit}");
            let helps = expected.filter(|warning| warning.contains("if they count"));
            assert_eq!(times.warning(unit, true), helps, "{bounds:?} {unit}");
        }
        assert_eq!(FirstTimes::default().warning(TimeUnit::default(), false), None);
    }

    #[test]
    fn ten_thousand_times_are_looked_at() {
        let order = |at_ms| (Order { user_id: "u".into(), at_ms, price: Amount::ZERO }, 0, 1);
        let mut times = FirstTimes::default();
        let few = Block { orders: vec![order(7), order(3)], ..Block::default() };
        times.look_at(&few);
        assert_eq!((times.bounds(), times.is_full()), (Some((2, 3, 7)), false));
        let many = Block { orders: (0..20_000).map(|at| order(at + 5)).collect(), ..Block::default() };
        times.look_at(&many);
        assert_eq!((times.bounds(), times.is_full()), (Some((10_000, 3, 10_002)), true));
    }
}
