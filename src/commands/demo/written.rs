//! Counts the orders that the store acknowledged, and how fast changes went through the graph
//! lately.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::line::Written;
use crate::commands::generate::{Hear, Kind, Line, write_of};
use order_tables::row_text::named_key_text;
use tablestore::client::ServiceError;

/// The time over which the speed is an average.
const SPEED_SPAN: Duration = Duration::from_secs(3);

/// Counters of orders, by what was done to them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    placed: AtomicU64,
    corrected: AtomicU64,
    cancelled: AtomicU64,
    /// The first order that was refused, and why.
    refused: OnceLock<String>,
}

impl Counters {
    /// Returns the numbers of orders that the store has acknowledged so far.
    pub(super) fn so_far(&self) -> Written {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Written {
            placed: load(&self.placed),
            corrected: load(&self.corrected),
            cancelled: load(&self.cancelled),
        }
    }

    /// Returns which order the store refused first, and why; `None` if it took all.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.get().map(String::as_str)
    }
}

impl Hear for Counters {
    fn written(&self, line: &Line) {
        let counter = match line.kind {
            Kind::Placed => &self.placed,
            Kind::Corrected => &self.corrected,
            Kind::Cancelled => &self.cancelled,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self, line: &Line, error: &ServiceError) {
        self.refused.get_or_init(|| format!("{}: {error}", named_key_text(&write_of(&line.order).key)));
    }
}

/// Returns the present time (epoch ms). It is 0 if the clock is before 1970.
pub(super) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Measures how fast a count grows.
#[derive(Debug, Default)]
pub(super) struct Speed {
    samples: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Takes the count at the time `now`. Returns its growth per second over the last three
    /// seconds, or since the start.
    pub(super) fn sample(&mut self, now: Instant, count: u64) -> f64 {
        self.samples.push_back((now, count));
        while self.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) >= SPEED_SPAN) {
            self.samples.pop_front();
        }
        let Some((first_at, first)) = self.samples.front() else { return 0.0 };
        let seconds = now.duration_since(*first_at).as_secs_f64();
        if seconds > 0.0 { count.saturating_sub(*first) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use files::generate::{GeneratedOrder, Op};

    #[test]
    fn the_speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut speed = Speed::default();
        // A case is (milliseconds, count, speed).
        for (ms, count, expected) in [
            (0, 100, 0.0),
            (500, 200, 200.0),
            (1_000, 300, 200.0),
            (3_000, 700, 200.0),
            (4_000, 700, 400.0 / 3.0),
            (6_000, 700, 0.0),
            (60_000, 700, 0.0),
        ] {
            let found = speed.sample(start + Duration::from_millis(ms), count);
            assert!((found - expected).abs() < 1e-9, "{ms} ms: {found}");
        }
        assert!(speed.samples.len() <= 2);
    }

    #[test]
    fn lines_are_counted_by_what_they_are() {
        let counters = Counters::default();
        let order = GeneratedOrder { user: 1, order: 1, price_cents: 100, at_ms: 0, op: Op::Put };
        for kind in [Kind::Placed, Kind::Placed, Kind::Corrected, Kind::Placed, Kind::Cancelled] {
            counters.written(&Line { kind, order });
        }
        assert_eq!(counters.so_far(), Written { placed: 3, corrected: 1, cancelled: 1 });
    }
}
