//! The past day of a made-up shop: orders of the 24 hours before a moment, quiet at night and busy
//! in the evening.
//!
//! How many orders a minute has depends on the time of day alone. [`BUSY_PERCENT`] says how busy
//! the shop is at each full hour, with straight lines in between. Each of the [`SALES`] adds to the
//! minutes after its beginning: all of its `extra_percent` in the first, less and less in the
//! following ones, nothing once it is over. With `m` minutes since midnight, `h = m / 60` and `r =
//! m % 60`, a minute has orders in proportion to
//!
//! ```text
//! weight(m) = busy[h] · (60 − r) + busy[h + 1] · r + 60 · Σ extra · (lasts − (m − begin)) / lasts
//! ```
//!
//! All of it is whole numbers, so the same [`Day`] has the same orders on any machine.

use super::{GeneratedOrder, Op, Random, bought};

const MINUTES: usize = 24 * 60;
const MINUTE_MS: i64 = 60_000;

/// How long the day is, in milliseconds.
const DAY_MS: i64 = MINUTES as i64 * MINUTE_MS;

/// How busy the shop is at each full hour from midnight to midnight, in percent of its busiest
/// hour.
const BUSY_PERCENT: [u64; 25] =
    [48, 40, 34, 31, 30, 32, 37, 45, 55, 64, 70, 74, 80, 77, 71, 69, 71, 76, 84, 94, 100, 97, 84, 65, 48];

/// The sales of each day: a few busy minutes each.
const SALES: [Sale; 4] = [
    Sale { begin: 8 * 60 + 30, lasts: 10, extra_percent: 70 },
    Sale { begin: 12 * 60, lasts: 20, extra_percent: 90 },
    Sale { begin: 17 * 60, lasts: 12, extra_percent: 110 },
    Sale { begin: 20 * 60, lasts: 25, extra_percent: 150 },
];

/// Orders of the time between two that follow each other by number, at most: they come in no even
/// beat.
const SPREAD: u64 = 64;

/// Parts of the step from one order to the next.
const STEP: u64 = 1_024;

/// Keeps the draws of a day apart from those of the orders with the same seed that follow it.
const SEED_OF_DAYS: u64 = 0x0064_6179;

/// Minutes in which the shop is busier than its hour.
struct Sale {
    /// Minutes after midnight.
    begin: u64,
    /// Minutes until it is over.
    lasts: u64,
    /// What its first minute has in addition, in percent of the busiest hour.
    extra_percent: u64,
}

/// Which orders a past day has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// How many orders, numbered from 0 about as their times follow each other.
    pub orders: u64,
    /// The users that the orders are of, at least 1.
    pub users: u32,
    /// Another seed makes other orders.
    pub seed: u64,
    /// The end of the day in epoch milliseconds: every order is placed before it.
    pub end_ms: i64,
    /// What the shop's clock is ahead of UTC, in milliseconds.
    pub offset_ms: i64,
}

impl Day {
    /// The orders, each placed and none changed later. Times lie in `[end_ms - DAY_MS, end_ms)`.
    pub fn orders(&self) -> impl Iterator<Item = GeneratedOrder> + Send + use<> {
        let (day, ends) = (self.clone(), self.weight_ends());
        (0..self.orders).map(move |number| day.order(number, &ends))
    }

    /// How many orders a minute has at the end of the day, without sales: at least 1.
    pub fn orders_a_minute_at_end(&self) -> u64 {
        let total = self.weight_ends().last().copied().unwrap_or(1);
        let orders = u128::from(self.orders) * u128::from(busy(self.minute_of_day(self.end_ms)));
        u64::try_from(orders / u128::from(total)).unwrap_or(u64::MAX).max(1)
    }

    /// Minutes since midnight on the shop's clock.
    fn minute_of_day(&self, at_ms: i64) -> u64 {
        (at_ms.saturating_add(self.offset_ms).rem_euclid(DAY_MS) / MINUTE_MS).unsigned_abs()
    }

    /// The weights of the day's minutes, each added to those before it.
    fn weight_ends(&self) -> Vec<u64> {
        let begin_ms = self.end_ms - DAY_MS;
        let weights =
            (0..MINUTES as i64).map(|minute| weight(self.minute_of_day(begin_ms + minute * MINUTE_MS)));
        weights
            .scan(0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect()
    }

    /// The order of this number, whose place among all orders says its time by the weights of the
    /// minutes.
    fn order(&self, number: u64, ends: &[u64]) -> GeneratedOrder {
        let mut random = Random::new(self.seed ^ SEED_OF_DAYS, number);
        let (user, price_cents) = bought(&mut random, self.users);
        // About the order's own step; what falls out of the day on either side comes back in.
        let steps = u128::from(self.orders) * u128::from(STEP);
        let drawn = u128::from(number) * u128::from(STEP) + u128::from(random.below(SPREAD * STEP));
        let step = drawn.abs_diff(u128::from(SPREAD * STEP / 2));
        let step = step.min((2 * steps - 1).saturating_sub(step)).min(steps - 1);
        let total = u128::from(ends.last().copied().unwrap_or(1));
        // As `step` is to `steps`, so is what lies before the order to the weight of the day.
        let before = step * total;
        let minute = ends.partition_point(|end| u128::from(*end) * steps <= before).min(MINUTES - 1);
        let begin = minute.checked_sub(1).map_or(0, |last| u128::from(ends[last]) * steps);
        let whole = u128::from(ends[minute]) * steps - begin;
        let within_ms = (before - begin) * MINUTE_MS as u128 / whole;
        let at_ms = self.end_ms - DAY_MS + minute as i64 * MINUTE_MS + within_ms as i64;
        GeneratedOrder { user, order: number, price_cents, at_ms, op: Op::Put }
    }
}

/// The weight of a minute of the day.
fn weight(minute: u64) -> u64 {
    let extra = |sale: &Sale| match minute.checked_sub(sale.begin) {
        Some(since) if since < sale.lasts => 60 * sale.extra_percent * (sale.lasts - since) / sale.lasts,
        _ => 0,
    };
    busy(minute) + SALES.iter().map(extra).sum::<u64>()
}

/// The weight of a minute of the day without sales.
fn busy(minute: u64) -> u64 {
    let (hour, rest) = ((minute / 60 % 24) as usize, minute % 60);
    BUSY_PERCENT[hour] * (60 - rest) + BUSY_PERCENT[hour + 1] * rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::PRICE_CENTS;

    const HOUR_MS: i64 = 3_600_000;
    const WINDOW_MS: i64 = 30_000;

    /// 2027-01-15 09:20:00.123 UTC: no minute, and no window, begins then.
    const END_MS: i64 = 1_800_004_800_123;

    fn day() -> Day {
        Day { orders: 100_000, users: 1_000, seed: 42, end_ms: END_MS, offset_ms: 0 }
    }

    /// How many of the orders lie in this hour of the shop's clock.
    fn in_hour(day: &Day, hour: u64) -> usize {
        day.orders().filter(|order| day.minute_of_day(order.at_ms) / 60 == hour).count()
    }

    #[test]
    fn the_same_seed_gives_the_same_orders_and_another_seed_others() {
        let orders: Vec<_> = day().orders().collect();
        assert!(orders == day().orders().collect::<Vec<_>>());
        let others = Day { seed: 43, ..day() };
        let same = orders.iter().zip(others.orders()).filter(|(one, other)| one.at_ms == other.at_ms);
        assert!(same.count() < 1_000);
        // A day that ends an hour of days later has the same orders, an hour of days later.
        let later_ms = 24 * DAY_MS;
        let later = Day { end_ms: END_MS + later_ms, ..day() };
        assert!(orders.iter().zip(later.orders()).all(|(one, other)| one.at_ms + later_ms == other.at_ms));
    }

    #[test]
    fn all_orders_lie_in_the_day_and_none_after_its_end() {
        for (orders, end_ms) in [(1, END_MS), (2, 0), (70, END_MS), (100_000, END_MS), (100_000, 0)] {
            let day = Day { orders, end_ms, ..day() };
            let mut count = 0;
            for (number, order) in day.orders().enumerate() {
                assert!((end_ms - DAY_MS..end_ms).contains(&order.at_ms), "{order:?}");
                assert!(order.user < day.users && PRICE_CENTS.contains(&order.price_cents), "{order:?}");
                assert_eq!((order.order, order.op), (number as u64, Op::Put));
                count += 1;
            }
            assert_eq!(count, orders);
        }
        assert_eq!(Day { orders: 0, ..day() }.orders().count(), 0);
    }

    #[test]
    fn every_window_of_the_day_has_orders() {
        let mut windows = vec![0_u32; (DAY_MS / WINDOW_MS) as usize];
        for order in day().orders() {
            windows[((order.at_ms - (END_MS - DAY_MS)) / WINDOW_MS) as usize] += 1;
        }
        assert!(windows.iter().all(|count| *count > 0), "{windows:?}");
        // Neighbours differ: orders come in no even beat.
        let same = windows.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(same < windows.len() / 4, "{same}");
    }

    #[test]
    fn nights_are_quieter_than_evenings_on_the_shops_clock() {
        for offset_ms in [0, 8 * HOUR_MS, -5 * HOUR_MS] {
            let day = Day { offset_ms, ..day() };
            let [night, morning, evening] = [4, 10, 20].map(|hour| in_hour(&day, hour));
            assert!(2 * night < morning + night / 2 && 3 * night < evening, "{night} {morning} {evening}");
        }
    }

    #[test]
    fn sales_are_a_few_busy_minutes() {
        let per_minute = |minute| weight(minute) as f64 / busy(minute) as f64;
        for Sale { begin, lasts, .. } in SALES {
            assert!(per_minute(begin) > 1.9, "{begin}");
            assert_eq!((per_minute(begin - 1), per_minute(begin + lasts)), (1.0, 1.0), "{begin}");
        }
        let busy_minutes = (0..1_440).filter(|minute| weight(*minute) > busy(*minute)).count();
        assert!(busy_minutes < 100, "{busy_minutes}");
        // The weights go around: midnight is as busy from either side.
        assert_eq!(busy(0), 60 * BUSY_PERCENT[24]);
    }

    #[test]
    fn the_pace_at_the_end_is_that_of_the_last_minutes() {
        let day = day();
        let last_ms = END_MS - 20 * MINUTE_MS;
        let last = day.orders().filter(|order| order.at_ms >= last_ms).count() as u64;
        let expected = 20 * day.orders_a_minute_at_end();
        assert!(last.abs_diff(expected) < expected / 6, "{last}, not about {expected}");
        assert_eq!(Day { orders: 1, ..day }.orders_a_minute_at_end(), 1);
    }
}
