//! Keeps the late changes since this process began: their number by window, and the last of them.

use std::collections::{BTreeMap, VecDeque};

use crate::job::{LATE_ROWS_MAX, Late, LateChange};

/// The most windows whose late changes are counted: more than a day of the default ones. If there
/// are more, the latest windows are kept.
const WINDOWS_MAX: usize = 4_096;

/// The late changes since this process began.
#[derive(Debug, Default)]
pub(super) struct LateSeen {
    count: u64,
    windows: BTreeMap<i64, u64>,
    rows: VecDeque<LateChange>,
}

impl LateSeen {
    /// Adds the late changes of an epoch.
    pub(super) fn add(&mut self, late: &Late) {
        self.count += late.count;
        for (start_ms, count) in &late.windows {
            *self.windows.entry(*start_ms).or_default() += count;
            if self.windows.len() > WINDOWS_MAX {
                self.windows.pop_first();
            }
        }
        self.rows.extend(late.rows.iter().cloned());
        self.rows.drain(..self.rows.len().saturating_sub(LATE_ROWS_MAX));
    }

    /// Returns the number of late changes.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the number of late changes in a window, given by its first instant (epoch ms).
    pub(super) fn in_window(&self, start_ms: i64) -> u64 {
        self.windows.get(&start_ms).copied().unwrap_or_default()
    }

    /// Returns the last late changes, at most `shown`, the last one first.
    pub(super) fn last(&self, shown: usize) -> Vec<LateChange> {
        self.rows.iter().rev().take(shown).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_what_is_kept_is_bounded() {
        let mut seen = LateSeen::default();
        for number in 0..3 * WINDOWS_MAX as i64 {
            let row = LateChange {
                user: "u".to_owned(),
                order: number.to_string(),
                before: None,
                after: None,
                window_ms: number,
                commit: 1,
            };
            let windows = BTreeMap::from([(number, 2), (number + 1, 1)]);
            seen.add(&Late { count: 3, windows, rows: VecDeque::from([row]) });
        }
        let last = 3 * WINDOWS_MAX as i64 - 1;
        assert_eq!((seen.count(), seen.in_window(last), seen.in_window(0)), (9 * WINDOWS_MAX as u64, 3, 0));
        assert_eq!((seen.windows.len(), seen.rows.len()), (WINDOWS_MAX, LATE_ROWS_MAX));
        let orders: Vec<String> = seen.last(2).into_iter().map(|row| row.order).collect();
        assert_eq!(orders, [last.to_string(), (last - 1).to_string()]);
    }
}
