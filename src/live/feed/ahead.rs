//! Counts the windows that lie after now, however far: orders may be of a later time.

use std::collections::BTreeSet;

/// The most windows that are counted. If there are more, the nearest ones are kept.
pub(super) const AHEAD_MAX: usize = 65_536;

/// The windows that begin after now.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    /// The time up to which windows have begun (epoch ms).
    now_ms: i64,
    /// The first instants of the windows (epoch ms).
    starts_ms: BTreeSet<i64>,
    /// The first instant of the farthest window that was left out; `None` if all are kept.
    left_out_ms: Option<i64>,
}

/// How many windows lie after now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CountAhead {
    /// The number of windows.
    pub(super) count: u64,
    /// Whether there are more than this number.
    pub(super) is_more: bool,
    /// The first instant (epoch ms) of the farthest; `None` if there are none.
    pub(super) farthest_ms: Option<i64>,
}

impl Ahead {
    /// Creates the set of no windows. Windows lie ahead if they begin after `now_ms` (epoch ms).
    pub(super) fn new(now_ms: i64) -> Ahead {
        Ahead { now_ms, starts_ms: BTreeSet::new(), left_out_ms: None }
    }

    /// Adds a window that has orders.
    pub(super) fn insert(&mut self, start_ms: i64) {
        if start_ms <= self.now_ms {
            return;
        }
        self.starts_ms.insert(start_ms);
        if self.starts_ms.len() > AHEAD_MAX {
            self.left_out_ms = self.left_out_ms.max(self.starts_ms.pop_last());
        }
    }

    /// Removes a window that has no orders any more.
    pub(super) fn remove(&mut self, start_ms: i64) {
        self.starts_ms.remove(&start_ms);
    }

    /// Counts the windows that begin after `now_ms` (epoch ms). Cost: work for each window that has
    /// begun since the last time.
    pub(super) fn at(&mut self, now_ms: i64) -> CountAhead {
        self.now_ms = now_ms;
        while self.starts_ms.first().is_some_and(|start_ms| *start_ms <= now_ms) {
            self.starts_ms.pop_first();
        }
        CountAhead {
            count: self.starts_ms.len() as u64,
            is_more: self.left_out_ms.is_some(),
            farthest_ms: self.left_out_ms.or(self.starts_ms.last().copied()),
        }
    }

    /// Returns whether the tables must be read anew, because most of the windows that were kept have
    /// begun or are gone while others were left out.
    pub(super) fn is_short(&self) -> bool {
        self.left_out_ms.is_some() && self.starts_ms.len() < AHEAD_MAX / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(count: u64, farthest_ms: Option<i64>) -> CountAhead {
        CountAhead { count, is_more: false, farthest_ms }
    }

    #[test]
    fn windows_are_ahead_until_they_begin_or_are_gone() {
        let mut ahead = Ahead::new(100);
        for start_ms in [90, 100, 101, 130, i64::MAX, 130] {
            ahead.insert(start_ms);
        }
        assert_eq!(ahead.at(100), count(3, Some(i64::MAX)));
        ahead.remove(i64::MAX);
        ahead.remove(7);
        assert_eq!(ahead.at(100), count(2, Some(130)));
        assert_eq!(ahead.at(101), count(1, Some(130)));
        ahead.insert(101);
        assert_eq!(ahead.at(130), count(0, None));
    }

    #[test]
    fn of_too_many_the_nearest_are_kept_and_their_want_is_noticed() {
        let mut ahead = Ahead::new(0);
        let many = 2 * AHEAD_MAX as i64;
        (1..=many).rev().for_each(|start_ms| ahead.insert(start_ms));
        let all = ahead.at(0);
        assert_eq!(all, CountAhead { count: AHEAD_MAX as u64, is_more: true, farthest_ms: Some(many) });
        assert!(!ahead.is_short());
        assert_eq!(ahead.at(AHEAD_MAX as i64 / 2 + 1).count, AHEAD_MAX as u64 / 2 - 1);
        assert!(ahead.is_short());
    }
}
