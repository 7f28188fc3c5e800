//! Implements an engine in memory for tests: a disk that forgets what was not synced, and fails
//! when told to.

#![allow(clippy::unwrap_used)] // Tests may.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::{Batch, Bytes, Engine, Entry, Memory, Scan, Snapshot, Space};
use crate::direction::Direction;
use crate::error::{CommitError, EngineError};

/// A fault of the disk at one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is not written.
    WriteFails,
    /// The commit is written, but is reported as failed.
    WriteFailsLate,
    /// The commit is written and not synced, and is reported as failed.
    SyncFails,
    /// The commit is written and synced, but the sync is reported as failed.
    SyncFailsLate,
    /// The commit is written and reported as synced, and the machine stops right after it.
    StopsAfter,
    /// The commit is not written, because the disk is full.
    Full,
    /// The commit is written and not synced, and then the disk is full.
    FullLate,
}

impl Fault {
    /// All faults that do not pass.
    pub const ALL: [Fault; 5] =
        [Fault::WriteFails, Fault::WriteFailsLate, Fault::SyncFails, Fault::SyncFailsLate, Fault::StopsAfter];
    /// All faults that pass once there is room again.
    pub const PASSING: [Fault; 2] = [Fault::Full, Fault::FullLate];
}

type Spaces = [BTreeMap<Bytes, Bytes>; Space::ALL.len()];

/// A disk, which outlives the engines that use it.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The entries that readers see.
    visible: Arc<Spaces>,
    /// The entries on the disk, including those that were reported as failed and are there all the
    /// same.
    written: Arc<Spaces>,
    /// The entries that are there after the power fails.
    synced: Arc<Spaces>,
    /// The number of commits until now.
    commits: usize,
    /// The index of the commit that goes wrong, and how.
    fault: Option<(usize, Fault)>,
    /// Whether something has gone wrong.
    dead: bool,
    /// Whether the store went on writing after it was told of a failure.
    ignored: bool,
    /// Whether there is room again.
    has_room: bool,
}

impl State {
    /// Returns the error of everything that is written after a fault.
    fn error(&self) -> CommitError {
        let passes = self.fault.is_some_and(|(_, fault)| Fault::PASSING.contains(&fault));
        let cause = if passes { "the disk is full" } else { "the disk has failed" };
        CommitError { cause: cause.to_owned(), passes }
    }
}

impl Disk {
    /// Lets the `commit`-th commit from now, counted from 0, go wrong.
    pub fn fail(&self, commit: usize, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.fault = Some((state.commits + commit, fault));
    }

    /// Makes room on a full disk.
    pub fn make_room(&self) {
        self.0.lock().unwrap().has_room = true;
    }

    /// Returns whether something has gone wrong.
    pub fn has_failed(&self) -> bool {
        self.0.lock().unwrap().dead
    }

    /// Returns whether the store went on writing after it was told of a failure.
    pub fn was_ignored(&self) -> bool {
        self.0.lock().unwrap().ignored
    }

    /// Simulates that the power fails and comes back: what was not synced is lost, and the disk is
    /// sound again.
    pub fn restart(&self) {
        let mut state = self.0.lock().unwrap();
        (state.written, state.visible) = (state.synced.clone(), state.synced.clone());
        (state.fault, state.dead, state.has_room) = (None, false, false);
    }

    /// Returns the number of entries of a space.
    #[cfg(test)]
    pub(crate) fn entries(&self, space: Space) -> usize {
        self.0.lock().unwrap().visible[space.index()].len()
    }
}

impl Engine for Disk {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(MemorySnapshot(self.0.lock().unwrap().visible.clone()))
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), CommitError> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            state.ignored |= !matches!(state.fault, Some((_, Fault::StopsAfter)));
            return Err(state.error());
        }
        let fault = state.fault.filter(|(commit, _)| *commit == state.commits).map(|(_, fault)| fault);
        state.commits += 1;
        state.dead = fault.is_some();
        if !matches!(fault, Some(Fault::WriteFails | Fault::Full)) {
            let spaces = Arc::make_mut(&mut state.written);
            for write in batch.writes {
                match write.value {
                    Some(value) => spaces[write.space.index()].insert(write.key, value),
                    None => spaces[write.space.index()].remove(&write.key),
                };
            }
        }
        let unsynced =
            [Fault::WriteFails, Fault::WriteFailsLate, Fault::SyncFails, Fault::Full, Fault::FullLate];
        if sync && !fault.is_some_and(|fault| unsynced.contains(&fault)) {
            state.synced = state.written.clone();
        }
        match fault {
            None | Some(Fault::StopsAfter) => {
                state.visible = state.written.clone();
                Ok(())
            }
            Some(fault) => {
                let CommitError { cause, passes } = state.error();
                Err(CommitError { cause: format!("{cause}: {fault:?}"), passes })
            }
        }
    }

    fn check(&self) -> Result<(), CommitError> {
        let state = self.0.lock().unwrap();
        if state.dead { Err(state.error()) } else { Ok(()) }
    }

    fn recover(&self) -> Result<(), CommitError> {
        let mut state = self.0.lock().unwrap();
        let error = state.error();
        if !error.passes || !state.has_room {
            return Err(error);
        }
        state.written = state.visible.clone();
        (state.fault, state.dead, state.has_room) = (None, false, false);
        Ok(())
    }

    fn entries_about(&self) -> u64 {
        self.0.lock().unwrap().visible.iter().map(|space| space.len() as u64).sum()
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn sync(&self) -> Result<(), CommitError> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            return Err(state.error());
        }
        state.synced = state.written.clone();
        Ok(())
    }
}

struct MemorySnapshot(Arc<Spaces>);

impl Snapshot for MemorySnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0[space.index()].get(key).cloned())
    }

    fn scan(&self, space: Space, lower: &[u8], upper: &[u8], direction: Direction) -> Scan {
        if lower >= upper {
            return Box::new(std::iter::empty());
        }
        let entries =
            self.0[space.index()].range::<[u8], _>((Bound::Included(lower), Bound::Excluded(upper)));
        let mut entries: Vec<_> =
            entries.map(|(key, value)| Ok(Entry { key: key.clone(), value: value.clone() })).collect();
        if direction == Direction::Backward {
            entries.reverse();
        }
        Box::new(entries.into_iter())
    }
}
