//! Writes everything that is committed to one file, as of one commit, and makes a store of it again.
//!
//! ```text
//!  view ─► blocks ─► file, or the connection to the program that writes it
//!  file ─► blocks ─► each checked ─► sorted files of a new engine ─► its name
//! ```
//!
//! A backup is `orderflow backup 1`, a line feed, and blocks ([`blocks`]): first a head, then the
//! entries of the spaces `meta`, `rows` and `log` ([`format`](super::format)) in the order of their
//! keys, at last an end that counts them. A block has a hash over its bytes and its number. So a
//! backup that is cut, damaged or put together wrongly is told from a whole one. Access keys are
//! not in it, because they are not in the store.

mod blocks;
mod restore;
mod write;

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::blocks::{BlockReader, Kind};
use super::engine::{Bytes, Space};
use super::error::{Damage, OpenError};
use super::format::FORMAT_VERSION;

pub use self::blocks::write_failure;
pub(crate) use self::restore::Restoring;

/// Whether a backup goes on, and how far it is. It is called once for each block.
pub type Told<'t> = dyn FnMut(Progress) -> bool + 't;

/// How far a backup is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The rows that are through.
    pub rows: u64,
    /// The entries that are through: rows, changes, and what the store notes about them.
    pub entries: u64,
    /// About the number of all entries.
    pub entries_about: u64,
}

/// What a backup holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The number of the commit that it is as of.
    pub commit: u64,
    /// The number of rows in all tables.
    pub rows: u64,
    /// The number of changes in all logs.
    pub changes: u64,
    /// The number of bytes of the backup.
    pub bytes: u64,
}

/// Why there is no backup, or no store made of one.
#[derive(Debug)]
pub enum BackupError {
    /// The store cannot be read.
    Store(Damage),
    /// The backup cannot be written or read.
    Io(io::Error),
    /// The backup is not sound. The text says what is wrong, without its name.
    Damaged(String),
    /// Who writes the backup has broken off. The text says why.
    Failed(String),
    /// The folder for the new store has a store already.
    Exists(PathBuf),
    /// The new store cannot be made.
    New(OpenError),
    /// The caller has broken off.
    Stopped,
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BackupError::Store(damage) => damage.fmt(f),
            BackupError::Io(error) => error.fmt(f),
            BackupError::Damaged(reason) | BackupError::Failed(reason) => f.write_str(reason),
            BackupError::Exists(folder) => {
                write!(f, "{} has a store already: name another folder", folder.display())
            }
            BackupError::New(error) => error.fmt(f),
            BackupError::Stopped => f.write_str("stopped before its end"),
        }
    }
}

impl std::error::Error for BackupError {}

impl From<io::Error> for BackupError {
    fn from(error: io::Error) -> BackupError {
        BackupError::Io(error)
    }
}

impl From<OpenError> for BackupError {
    fn from(error: OpenError) -> BackupError {
        BackupError::New(error)
    }
}

impl From<Damage> for BackupError {
    fn from(damage: Damage) -> BackupError {
        BackupError::Store(damage)
    }
}

/// The first block.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// The version of the store's format.
    format: u32,
    /// The number of the commit.
    commit: u64,
    /// About the number of entries.
    entries_about: u64,
}

/// The last block: the number of entries of each space, in the order of [`Space::ALL`].
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    entries: [u64; Space::ALL.len()],
}

/// A backup that is being read. Everything in it is checked before it is given out.
struct Backup<R> {
    blocks: BlockReader<R>,
    head: Head,
    /// The entries of the present block that were not given out yet.
    rest: Vec<u8>,
    at: usize,
    kind: Kind,
    given: End,
    last_key: Vec<u8>,
}

impl<R: Read> Backup<R> {
    /// Reads the head.
    fn open(input: R) -> Result<Backup<R>, BackupError> {
        let mut blocks = BlockReader::open(input)?;
        let mut rest = Vec::new();
        let kind = blocks.next(&mut rest)?;
        let head: Head = parsed(kind == Kind::Head, &rest, "head")?;
        if head.format != FORMAT_VERSION {
            return Err(BackupError::Damaged(format!(
                "it is of a store in format {}, and this version of orderflow knows format {FORMAT_VERSION} only",
                head.format
            )));
        }
        rest.clear();
        let (given, last_key) = (End::default(), Vec::new());
        Ok(Backup { blocks, head, rest, at: 0, kind, given, last_key })
    }

    /// Returns the next entry of a space; `None` if there are no more of it.
    fn next(&mut self, space: Space, told: &mut Told<'_>) -> Result<Option<(Bytes, Bytes)>, BackupError> {
        if self.at == self.rest.len() && !matches!(self.kind, Kind::End) {
            let before = std::mem::replace(&mut self.kind, self.blocks.next(&mut self.rest)?);
            self.at = 0;
            if before != self.kind {
                self.last_key.clear();
            }
            if !told(self.progress()) {
                return Err(BackupError::Stopped);
            }
        }
        if self.kind != Kind::Entries(space) || self.at == self.rest.len() {
            return Ok(None);
        }
        let (key, value) = blocks::take_entry(&self.rest, &mut self.at)
            .filter(|(key, _)| self.given.entries[space.index()] == 0 || self.last_key.as_slice() < *key)
            .ok_or_else(|| BackupError::Damaged(format!("its {} are not in order", space.name())))?;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        let entry = (Bytes::from(key), Bytes::from(value));
        self.given.entries[space.index()] += 1;
        Ok(Some(entry))
    }

    /// Checks that the end has come, and what it counts.
    fn finish(self) -> Result<Summary, BackupError> {
        let end: End = parsed(self.kind == Kind::End, &self.rest, "end")?;
        if end != self.given {
            return Err(BackupError::Damaged(format!(
                "it has {:?} entries where {:?} were written",
                self.given.entries, end.entries
            )));
        }
        let bytes = self.blocks.end()?;
        let [_, rows, changes] = end.entries;
        Ok(Summary { commit: self.head.commit, rows, changes, bytes })
    }

    fn progress(&self) -> Progress {
        let [_, rows, _] = self.given.entries;
        let entries = self.given.entries.iter().sum();
        Progress { rows, entries, entries_about: self.head.entries_about.max(entries) }
    }
}

fn parsed<T: serde::de::DeserializeOwned>(is: bool, bytes: &[u8], what: &str) -> Result<T, BackupError> {
    let parsed = is.then(|| serde_json::from_slice(bytes).ok()).flatten();
    parsed.ok_or_else(|| BackupError::Damaged(format!("its {what} is not where it must be")))
}

/// Reads a backup to its end, and checks all of it. Returns what it holds.
///
/// # Errors
/// Returns [`BackupError`]. Nothing but reading was done.
pub fn check(input: impl Read, told: &mut Told<'_>) -> Result<Summary, BackupError> {
    let mut backup = Backup::open(input)?;
    for space in Space::ALL {
        while backup.next(space, told)?.is_some() {}
    }
    backup.finish()
}
