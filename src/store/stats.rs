//! Counts what the store does and how much memory it takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Store;

/// The upper bounds, in microseconds, of the intervals in which durations are counted. One more
/// interval has no upper bound.
pub const DURATION_BOUNDS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 10_000_000,
];

/// The store in numbers, counted since it was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The number of commits.
    pub commits: u64,
    /// The number of requests that were refused because a write had failed.
    pub refused: u64,
    /// How long it took to commit and sync each group of commits. It stays empty if commits are not
    /// synced one by one.
    pub syncs: Durations,
    /// The bytes of the engine's block cache.
    pub cache_bytes: u64,
    /// The bytes that are committed and not yet written to sorted files.
    pub memtable_bytes: u64,
}

/// Durations, counted by their length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// The number of durations in each interval: longer than the bound before, and at most the
    /// bound at the same index of [`DURATION_BOUNDS`]. The last number counts those above all
    /// bounds.
    pub counts: [u64; DURATION_BOUNDS.len() + 1],
    /// The sum of all durations.
    pub sum: Duration,
}

/// The counters that the commit thread writes. A reader may see values of different moments.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    refused: AtomicU64,
    syncs: [AtomicU64; DURATION_BOUNDS.len() + 1],
    syncs_ns: AtomicU64,
}

impl Counters {
    /// Counts `commits` more commits.
    pub(super) fn committed(&self, commits: u64) {
        self.commits.fetch_add(commits, Ordering::Relaxed);
    }

    /// Counts `requests` more requests that were refused because a write had failed.
    pub(super) fn refused(&self, requests: usize) {
        self.refused.fetch_add(requests as u64, Ordering::Relaxed);
    }

    /// Counts a group of commits that took this long to commit and sync.
    pub(super) fn synced(&self, took: Duration) {
        let us = took.as_nanos().div_ceil(1_000);
        let place = DURATION_BOUNDS.partition_point(|bound| u128::from(*bound) < us);
        if let Some(count) = self.syncs.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.syncs_ns.fetch_add(ns, Ordering::Relaxed);
    }

    fn durations(&self) -> Durations {
        Durations {
            counts: self.syncs.each_ref().map(|count| count.load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.syncs_ns.load(Ordering::Relaxed)),
        }
    }
}

impl Store {
    /// Returns the store in numbers. This is cheap: nothing is read from disk.
    pub fn stats(&self) -> Stats {
        let counters = &self.inner.committer.published.counters;
        let memory = self.inner.engine.memory();
        Stats {
            commits: counters.commits.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            syncs: counters.durations(),
            cache_bytes: memory.cache_bytes,
            memtable_bytes: memory.memtable_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TestClock, schema};
    use crate::{Durability, Store};

    #[test]
    fn durations_are_counted_up_to_and_with_their_bound() {
        let counters = Counters::default();
        for us in [0, 50, 51, 100, 10_000_000, 10_000_001] {
            counters.synced(Duration::from_micros(us));
        }
        counters.synced(Duration::from_nanos(50_001));
        let Durations { counts, sum } = counters.durations();
        assert_eq!((counts[0], counts[1], counts[15], counts[16]), (2, 3, 1, 1));
        assert_eq!(counts.iter().sum::<u64>(), 7);
        assert_eq!(sum, Duration::from_nanos(20_000_252_001));
    }

    #[test]
    fn commits_and_their_syncs_are_counted() {
        for (durability, syncs) in [(Durability::Synced, 3), (Durability::Relaxed, 0)] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path(), TestClock::new().options(durability)).unwrap();
            assert_eq!(store.stats().commits, 0);
            let empty = store.stats().memtable_bytes;
            for name in ["A", "B", "C"] {
                store.create_table(schema(name, true)).unwrap();
            }
            store.create_table(schema("C", true)).unwrap_err();
            let stats = store.stats();
            assert_eq!((stats.commits, stats.syncs.counts.iter().sum::<u64>()), (3, syncs));
            assert_eq!(stats.syncs.sum > Duration::ZERO, syncs > 0);
            assert!(stats.memtable_bytes > empty);
        }
    }
}
