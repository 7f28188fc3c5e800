//! Implements an engine in memory for tests: a disk that forgets what was not synced, and fails
//! when told to.

#![allow(clippy::unwrap_used)] // Tests may.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use super::{Batch, Bytes, Engine, Entry, Memory, Scan, Snapshot, Space};
use crate::direction::Direction;
use crate::error::EngineError;

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
}

impl Fault {
    /// All faults.
    pub const ALL: [Fault; 5] =
        [Fault::WriteFails, Fault::WriteFailsLate, Fault::SyncFails, Fault::SyncFailsLate, Fault::StopsAfter];
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
}

impl Disk {
    /// Lets the `commit`-th commit from now, counted from 0, go wrong.
    pub fn fail(&self, commit: usize, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.fault = Some((state.commits + commit, fault));
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
        (state.fault, state.dead) = (None, false);
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

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            state.ignored |= !matches!(state.fault, Some((_, Fault::StopsAfter)));
            return Err(EngineError("the disk has failed".to_owned()));
        }
        let fault = state.fault.filter(|(commit, _)| *commit == state.commits).map(|(_, fault)| fault);
        state.commits += 1;
        state.dead = fault.is_some();
        if fault != Some(Fault::WriteFails) {
            let spaces = Arc::make_mut(&mut state.written);
            for write in batch.writes {
                match write.value {
                    Some(value) => spaces[write.space.index()].insert(write.key, value),
                    None => spaces[write.space.index()].remove(&write.key),
                };
            }
        }
        if sync && !matches!(fault, Some(Fault::WriteFails | Fault::WriteFailsLate | Fault::SyncFails)) {
            state.synced = state.written.clone();
        }
        match fault {
            None | Some(Fault::StopsAfter) => {
                state.visible = state.written.clone();
                Ok(())
            }
            Some(fault) => Err(EngineError(format!("{fault:?}"))),
        }
    }

    fn memory(&self) -> Memory {
        Memory::default()
    }

    fn sync(&self) -> Result<(), EngineError> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            return Err(EngineError("the disk has failed".to_owned()));
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
