//! Reads a fjall database through snapshots of it, which the engine can take back: a database is
//! closed for good only once nobody reads it any more.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use ::fjall::{Keyspace, Readable};

use super::{Bytes, EngineFailure, guarded};
use crate::direction::Direction;
use crate::engine::{Entry, Scan, Snapshot, Space};
use crate::error::EngineError;

/// A part of a database that a reader holds until it is taken back.
trait Lent: Send + Sync {
    /// Takes the part back. Waits for a read that is under way.
    fn take_back(&self);
}

/// A snapshot, which several threads may read at the same time.
type LentParts = RwLock<Option<Parts>>;
/// A scan, which one thread reads at a time.
type LentScan = Mutex<Option<::fjall::Iter>>;

impl Lent for LentParts {
    fn take_back(&self) {
        drop(self.write().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Lent for LentScan {
    fn take_back(&self) {
        drop(self.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// All readers of a database.
#[derive(Default)]
pub(super) struct Readers(Mutex<Vec<Weak<dyn Lent>>>);

impl Readers {
    fn lend<T: Lent + 'static>(&self, part: T) -> Arc<T> {
        let lent = Arc::new(part);
        let weak: Weak<T> = Arc::downgrade(&lent);
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that are gone are forgotten instead of making room for more.
        if readers.len() == readers.capacity() {
            readers.retain(|reader| reader.strong_count() > 0);
        }
        readers.push(weak);
        lent
    }

    /// Returns whether nobody reads.
    pub(super) fn are_gone(&self) -> bool {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.iter().all(|reader| reader.strong_count() == 0)
    }

    /// Takes everything back. Whoever reads on gets an error.
    pub(super) fn take_back(&self) {
        let readers = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        readers.iter().filter_map(Weak::upgrade).for_each(|reader| reader.take_back());
    }
}

/// What a snapshot holds of a database.
pub(super) struct Parts {
    pub(super) snapshot: ::fjall::Snapshot,
    pub(super) spaces: [Keyspace; 3],
}

/// A snapshot of what a fjall database held at one moment.
pub(super) struct FjallSnapshot {
    parts: Arc<LentParts>,
    readers: Arc<Readers>,
    folder: Arc<Path>,
}

impl FjallSnapshot {
    /// Lends a snapshot. Without `parts` every read is refused, because the database is closed for
    /// the moment.
    pub(super) fn new(parts: Option<Parts>, readers: Arc<Readers>, folder: Arc<Path>) -> FjallSnapshot {
        let parts = readers.lend(RwLock::new(parts));
        FjallSnapshot { parts, readers, folder }
    }

    fn with<T>(
        &self,
        space: Space,
        read: impl FnOnce(&Parts) -> ::fjall::Result<T>,
    ) -> Result<T, EngineError> {
        let parts = self.parts.read().unwrap_or_else(PoisonError::into_inner);
        let Some(parts) = parts.as_ref() else { return Err(opened_anew(&self.folder)) };
        guarded(|| read(parts)).map_err(|error| unreadable(space, &self.folder, &error))
    }
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.with(space, |parts| parts.snapshot.get(&parts.spaces[space.index()], key))
    }

    fn scan(&self, space: Space, lower: &[u8], upper: &[u8], direction: Direction) -> Scan {
        if lower >= upper {
            return Box::new(std::iter::empty());
        }
        let entries =
            self.with(space, |parts| Ok(parts.snapshot.range(&parts.spaces[space.index()], lower..upper)));
        match entries {
            Ok(entries) => {
                let entries = self.readers.lend(Mutex::new(Some(entries)));
                let folder = self.folder.clone();
                Box::new(FjallScan { entries, direction, space, folder, ended: false })
            }
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    }
}

/// An iterator over the entries of one keyspace. It ends after the first error.
struct FjallScan {
    entries: Arc<LentScan>,
    direction: Direction,
    space: Space,
    folder: Arc<Path>,
    ended: bool,
}

impl Iterator for FjallScan {
    type Item = Result<Entry, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = match self.entries.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            None => Err(opened_anew(&self.folder)),
            Some(entries) => {
                let direction = self.direction;
                let next = guarded(|| {
                    let guard = match direction {
                        Direction::Forward => entries.next(),
                        Direction::Backward => entries.next_back(),
                    };
                    guard.map(::fjall::Guard::into_inner).transpose()
                });
                next.map_err(|error| unreadable(self.space, &self.folder, &error))
            }
        };
        match next {
            Ok(Some((key, value))) => Some(Ok(Entry { key, value })),
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}

fn unreadable(space: Space, folder: &Path, error: &EngineFailure) -> EngineError {
    EngineError(format!(
        "cannot read the {} in {}: {error:?}; see that the disk is sound, then restart or restore a backup",
        space.name(),
        folder.display()
    ))
}

fn opened_anew(folder: &Path) -> EngineError {
    EngineError(format!(
        "{} was opened anew meanwhile, because writes to it had failed; read again",
        folder.display()
    ))
}
