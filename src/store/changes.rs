//! Reads the changes of a table in the order of their commits, borrowed from the log.

use std::iter::Peekable;
use std::ops::ControlFlow;

use super::error::{Damage, ReadError};
use super::format::CHANNELS;
use super::key::KeyReader;
use super::log::{self, LogEntry, LogPosition, LogScan, check_kept};
use super::row::Malformed;
use super::rows::recycle;
use super::value::{CellRef, KeyRef, Row};
use super::view::View;

/// A row before and after a change, borrowed from the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangeRef<'a> {
    /// The row's key, in the order of the schema.
    pub key: &'a [KeyRef<'a>],
    /// The cells of the row before the change; `None` if the row did not exist.
    pub before: Option<&'a [CellRef<'a>]>,
    /// The cells of the row after the change; `None` if the row was deleted.
    pub after: Option<&'a [CellRef<'a>]>,
}

/// A row before and after a change, as an owned copy that can be sent to other threads.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedRow {
    /// The row before the change; `None` if the row did not exist.
    pub before: Option<Row>,
    /// The row after the change; `None` if the row was deleted.
    pub after: Option<Row>,
}

/// A place among the changes of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangesFrom {
    /// The number of a commit.
    pub commit: u64,
    /// How many changes of that commit are before the place.
    pub skip: u64,
}

/// A function that takes the number of a commit and one of its changes, and says whether to go on.
pub type EmitChange<'e> = dyn FnMut(u64, &ChangeRef<'_>) -> ControlFlow<()> + 'e;

impl ChangeRef<'_> {
    /// Copies the change.
    pub fn to_changed_row(&self) -> ChangedRow {
        let row = |cells: Option<&[CellRef<'_>]>| {
            let cells = cells?.iter().map(|cell| cell.to_cell()).collect();
            Some(Row { key: self.key.iter().map(|value| value.to_value()).collect(), cells })
        };
        ChangedRow { before: row(self.before), after: row(self.after) }
    }
}

impl ChangedRow {
    /// Passes the change, borrowed, to `take` and returns the result.
    pub fn lend<T>(&self, take: impl FnOnce(&ChangeRef<'_>) -> T) -> T {
        let key = self.after.as_ref().or(self.before.as_ref()).map_or(&[][..], |row| row.key.as_slice());
        let key: Vec<KeyRef<'_>> = key.iter().map(|value| value.borrow()).collect();
        let [before, after] = [&self.before, &self.after]
            .map(|row| row.iter().flat_map(|row| &row.cells).map(|cell| cell.borrow()).collect::<Vec<_>>());
        take(&ChangeRef {
            key: &key,
            before: self.before.is_some().then_some(before.as_slice()),
            after: self.after.is_some().then_some(after.as_slice()),
        })
    }
}

impl View {
    /// Passes the changes of `table` from the place `from` on to `emit` until `emit` breaks off.
    /// Returns the place at which to go on, or `None` at the end. A table that does not exist has
    /// no changes.
    ///
    /// # Errors
    /// Returns [`ReadError::NotKept`] if some of the changes are no longer kept, or never were.
    pub fn changes_page(
        &self,
        table: &str,
        from: ChangesFrom,
        emit: &mut dyn FnMut(&ChangeRef<'_>) -> ControlFlow<()>,
    ) -> Result<Option<ChangesFrom>, ReadError> {
        // A table that does not exist has no changes, whether or not its log is still there.
        if from.commit > self.last_commit() || self.table(table).is_err() {
            return Ok(None);
        }
        let (mut at, mut next) = (ChangesFrom { skip: 0, ..from }, None);
        self.each_change(table, from.commit, &mut |commit, change| {
            if commit > at.commit {
                at = ChangesFrom { commit, skip: 0 };
            }
            at.skip += 1;
            if at > from && emit(change).is_break() {
                next = Some(at);
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        })?;
        Ok(next)
    }

    /// Passes the changes of a table by all commits from `lower` on to `emit` until `emit` breaks
    /// off. The changes come in the order of their commits, and within a commit in the order of its
    /// writes. No row is copied, and only one is in memory at a time.
    ///
    /// # Errors
    /// Returns [`ReadError::NotKept`] if changes of these commits are no longer kept, or never
    /// were.
    pub fn each_change(&self, table: &str, lower: u64, emit: &mut EmitChange<'_>) -> Result<(), ReadError> {
        let table = self.find(table)?;
        let mut partitions = Vec::with_capacity(usize::from(CHANNELS));
        for partition in 0..CHANNELS {
            let from = LogPosition::start_of(lower);
            check_kept::<ReadError>(self.snapshot(), table, partition, from)?;
            partitions.push(log::scan(self.snapshot(), table.id, partition, from).peekable());
        }
        let mut keys = KeyReader::default();
        let (mut memory_before, mut memory_after): (Vec<CellRef<'_>>, Vec<CellRef<'_>>) = Default::default();
        while let Some(entry) = next_entry(&mut partitions) {
            let entry = entry?;
            let record = entry.record()?;
            let damaged = |Malformed| entry.damaged();
            let key = keys.read(table.key(), record.key).ok_or_else(|| entry.damaged())?;
            let (mut before, mut after) = (recycle(memory_before), recycle(memory_after));
            for cell in record.before.iter().flat_map(|before| before.cells()) {
                before.push(cell.map_err(damaged)?);
            }
            let stays = record.after_into(&mut after).map_err(damaged)?;
            let change = ChangeRef {
                key: key.as_slice(),
                before: record.before.is_some().then_some(before.as_slice()),
                after: stays.then_some(after.as_slice()),
            };
            if emit(entry.position.commit, &change).is_break() {
                break;
            }
            (memory_before, memory_after) = (recycle(before), recycle(after));
        }
        Ok(())
    }

    /// Checks, without reading any change, that all changes from `lower` on are kept.
    ///
    /// # Errors
    /// Returns [`ReadError::NotKept`] if they are not.
    pub fn check_changes(&self, table: &str, lower: u64) -> Result<(), ReadError> {
        let table = self.find(table)?;
        (0..CHANNELS).try_for_each(|partition| {
            check_kept(self.snapshot(), table, partition, LogPosition::start_of(lower))
        })
    }
}

/// Takes the next change, which has the least position among the partitions. Each partition is in
/// order.
fn next_entry(partitions: &mut [Peekable<LogScan>]) -> Option<Result<LogEntry, Damage>> {
    let mut first = None;
    for (at, scan) in partitions.iter_mut().enumerate() {
        if let Some(entry) = scan.peek() {
            // An error has no position and so comes first.
            let position = entry.as_ref().ok().map(|entry| entry.position);
            if first.is_none_or(|(least, _)| position < least) {
                first = Some((position, at));
            }
        }
    }
    first.and_then(|(_, at)| partitions.get_mut(at)?.next())
}
