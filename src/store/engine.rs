//! Defines the engine, which keeps bytes: three spaces of sorted keys, written in atomic batches
//! and read through snapshots.
//!
//! Only [`fjall`] names the library behind the engine. In tests, `faulty` takes its place and
//! simulates a disk that fails.

pub(crate) mod fjall;
mod journal;

#[cfg(any(test, feature = "testing"))]
pub(crate) mod faulty;

/// Bytes that are cheap to clone: they are shared, or inline if they are few.
pub(crate) use fjall::Bytes;

use super::direction::Direction;
use super::error::{CommitError, EngineError};

/// A sorted space of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Holds the tables, the tunnels and the last commit.
    Meta,
    /// Holds the rows of all tables.
    Rows,
    /// Holds the changes of all tables.
    Log,
}

impl Space {
    /// All spaces, in the order of [`Space::index`].
    pub(crate) const ALL: [Space; 3] = [Space::Meta, Space::Rows, Space::Log];

    /// Returns the index of the space in [`Space::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Returns the name of the space on disk and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Rows => "rows",
            Space::Log => "log",
        }
    }
}

/// A write of one key: its new value, or `None` to remove it.
pub(crate) struct KeyWrite {
    pub(crate) space: Space,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// The writes that take effect in one step. No two are of the same key.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<KeyWrite>,
}

/// The memory that an engine takes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// The bytes of blocks that were read from disk and are kept.
    pub(crate) cache_bytes: u64,
    /// The bytes that are not yet written to sorted files.
    pub(crate) memtable_bytes: u64,
}

/// A key and its value.
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// An iterator over entries in order. It ends after the first error.
pub(crate) type Scan = Box<dyn Iterator<Item = Result<Entry, EngineError>> + Send>;

/// A consistent snapshot of all spaces. It does not show what is committed after it was taken.
pub(crate) trait Snapshot: Send + Sync {
    /// Returns the value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Returns the entries from `lower` (inclusive) to `upper` (exclusive), upwards or downwards.
    /// There are none if `lower` is not below `upper`.
    fn scan(&self, space: Space, lower: &[u8], upper: &[u8], direction: Direction) -> Scan;
}

/// An engine that keeps bytes durably.
pub(crate) trait Engine: Send + Sync {
    /// Returns a snapshot of what is committed now.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// Commits a batch: all of it or nothing, even if the power fails. If `sync` is true, the batch
    /// is durable when this returns. Batches become durable in the order of their commits. After an
    /// error nothing more can be committed, until [`Engine::recover`] succeeds.
    fn commit(&self, batch: Batch, sync: bool) -> Result<(), CommitError>;

    /// Returns the error that the next commit would get, which may be that of the engine's own
    /// threads. This is cheap.
    fn check(&self) -> Result<(), CommitError>;

    /// Tries to make commits possible again after an error that may pass. Then everything is as of
    /// the last commit that succeeded; what a failed commit left is gone. Snapshots that were taken
    /// before may fail from now on. Waits up to a few seconds, and so do reads.
    ///
    /// Returns the error that still stands.
    fn recover(&self) -> Result<(), CommitError>;

    /// Returns about how many entries there are. This is cheap.
    fn entries_about(&self) -> u64;

    /// Returns how much memory the engine takes.
    fn memory(&self) -> Memory;

    /// Makes everything that is committed durable.
    fn sync(&self) -> Result<(), CommitError>;
}
