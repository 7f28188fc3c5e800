//! What keeps bytes: three spaces of sorted keys, written in atomic batches and read through snapshots.
//!
//! Only [`fjall`] names the library behind it. In tests, `faulty` stands in for it and for a disk that fails.

pub(crate) mod fjall;
mod journal;

#[cfg(any(test, feature = "testing"))]
pub(crate) mod faulty;

/// Bytes that are cheap to clone: shared, or inline where they are few.
pub(crate) use fjall::Bytes;

use super::direction::Direction;
use super::error::EngineError;

/// A sorted space of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    /// Tables, tunnels, the last commit.
    Meta,
    /// Rows of all tables.
    Rows,
    /// Changes of all tables.
    Log,
}

impl Space {
    /// All of them, in the order of [`Space::index`].
    pub(crate) const ALL: [Space; 3] = [Space::Meta, Space::Rows, Space::Log];

    /// Its place in [`Space::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// Its name, on disk and in messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Space::Meta => "meta",
            Space::Rows => "rows",
            Space::Log => "log",
        }
    }
}

/// A key's new value, or none where it goes.
pub(crate) struct Change {
    pub(crate) space: Space,
    pub(crate) key: Bytes,
    pub(crate) value: Option<Bytes>,
}

/// What becomes true in one step; no two of one key.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) changes: Vec<Change>,
}

/// What an engine takes in memory.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Bytes of blocks that were read.
    pub(crate) cache_bytes: u64,
    /// Bytes of what is not yet written as sorted files.
    pub(crate) memtable_bytes: u64,
}

/// A key and its value.
pub(crate) struct Entry {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// Entries in order, until one cannot be read.
pub(crate) type Scan = Box<dyn Iterator<Item = Result<Entry, EngineError>> + Send>;

/// A consistent view of all spaces; sees nothing that is committed after it was taken.
pub(crate) trait Snapshot: Send + Sync {
    /// The value of a key.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Entries from `lower` to below `upper`, upwards or downwards. Nothing where `lower` is not below `upper`.
    fn scan(&self, space: Space, lower: &[u8], upper: &[u8], direction: Direction) -> Scan;
}

/// Keeps bytes.
pub(crate) trait Engine: Send + Sync {
    /// What is committed now.
    fn snapshot(&self) -> Box<dyn Snapshot>;

    /// Makes a batch true, all of it or nothing even if power fails, and durable before it returns where `sync` says so.
    /// Batches become durable in the order of their commits. After an error nothing more can be committed.
    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError>;

    /// What it takes in memory.
    fn memory(&self) -> Memory;

    /// Makes everything committed durable.
    fn sync(&self) -> Result<(), EngineError>;
}
