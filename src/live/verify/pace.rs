//! Keeps work to a small share of one core.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The work that may be done at once after a rest.
const BURST: Duration = Duration::from_millis(50);

/// Keeps the work of one thread within a share of the time.
#[derive(Debug)]
pub(super) struct Pace {
    share_max: f64,
    /// The seconds of work that may be done now. A negative number is work that was done too early.
    credit_s: f64,
    at: Instant,
}

impl Pace {
    /// Creates a pace. From now on, work takes at most `share_max` of the time (above 0 and at most
    /// 1), except for a short burst after a rest.
    pub(super) fn new(share_max: f64, now: Instant) -> Pace {
        assert!(share_max > 0.0 && share_max <= 1.0, "the share {share_max} is not above 0 and at most 1");
        Pace { share_max, credit_s: BURST.as_secs_f64(), at: now }
    }

    /// Notes how much work was done since the last call.
    pub(super) fn spend(&mut self, work: Duration, now: Instant) {
        let earned_s = now.saturating_duration_since(self.at).as_secs_f64() * self.share_max;
        self.credit_s = (self.credit_s + earned_s).min(BURST.as_secs_f64()) - work.as_secs_f64();
        self.at = now;
    }

    /// Returns how long to pause after the last work.
    pub(super) fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(-self.credit_s / self.share_max).unwrap_or_default()
    }
}

/// Returns the CPU time of this thread since it began.
pub(super) fn worked() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_work_takes_no_more_than_its_share(
            share_max in 0.01..1.0_f64,
            turns in prop::collection::vec((0..200_u64, 0..5_000_u64, any::<bool>()), 1..50),
        ) {
            let begun = Instant::now();
            let (mut now, mut worked, mut last) = (begun, Duration::ZERO, Duration::ZERO);
            let mut pace = Pace::new(share_max, now);
            for (work_ms, rest_ms, hurries) in turns {
                let work = Duration::from_millis(work_ms);
                worked += work;
                now += work;
                pace.spend(work, now);
                last = pace.pause();
                // Work without a pause is made up for later.
                if !hurries {
                    now += last + Duration::from_millis(rest_ms);
                    last = Duration::ZERO;
                }
            }
            let spent = (now + last - begun).as_secs_f64() * share_max + BURST.as_secs_f64();
            prop_assert!(worked.as_secs_f64() <= spent + 1e-6, "{worked:?} of {spent} s");
        }
    }

    #[test]
    fn a_little_work_after_a_rest_needs_no_pause() {
        let now = Instant::now();
        let mut pace = Pace::new(0.05, now);
        pace.spend(BURST, now);
        assert_eq!(pace.pause(), Duration::ZERO);
        pace.spend(Duration::from_millis(10), now);
        assert_eq!(pace.pause().as_millis(), 200);
        // A long rest earns no more than a short one.
        pace.spend(BURST, now + Duration::from_secs(3_600));
        assert_eq!(pace.pause(), Duration::ZERO);
        pace.spend(Duration::from_millis(1), now + Duration::from_secs(3_600));
        assert_eq!(pace.pause().as_millis(), 20);
    }
}
