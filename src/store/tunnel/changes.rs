//! All changes of a table in the order of their commits, for readers within the process.

use std::iter::Peekable;

use super::super::Store;
use super::super::error::StoreError;
use super::super::format::CHANNELS;
use super::super::key::KeyReader;
use super::super::log::{self, LogEntry, LogPosition, LogScan};
use super::super::row::Malformed;
use super::super::value::{Cell, Row};
use super::stream::{check_kept, last_of};

/// A row before and after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The row before; none where it was not there.
    pub before: Option<Row>,
    /// The row after; none where it went.
    pub after: Option<Row>,
}

/// All changes of the commits from `lower` to below `upper`, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeBatch {
    /// The first commit.
    pub lower: u64,
    /// The commit before which it ends: where the next batch begins.
    pub upper: u64,
    /// The changes.
    pub changes: Vec<RowChange>,
}

/// Reads all changes of a table, at its own pace.
#[derive(Debug)]
pub struct ChangeReader {
    store: Store,
    table: String,
    lower: u64,
}

impl ChangeReader {
    /// Reads the changes of the commits from `lower` on. [`Store::commits`] wakes who waits for more.
    pub fn new(store: Store, table: &str, lower: u64) -> ChangeReader {
        ChangeReader { store, table: table.to_owned(), lower }
    }

    /// The changes of all commits that are there, or of the first of them: then `changes_max` changes, and what else
    /// their last commit did. None if there was no commit since. [`StoreError::TunnelExpired`] if changes of these
    /// commits are no longer, or not, kept.
    pub fn next_batch(&mut self, changes_max: usize) -> Result<Option<ChangeBatch>, StoreError> {
        let lower = self.lower;
        if lower > self.store.last_commit() {
            return Ok(None);
        }
        let table = self.store.find_table(&self.table)?;
        let snapshot = self.store.snapshot();
        let mut scans: Vec<Peekable<LogScan>> = Vec::new();
        for partition in 0..CHANNELS {
            check_kept(snapshot.as_ref(), &table, partition, LogPosition::start_of(lower))?;
            let from = LogPosition::start_of(lower);
            scans.push(log::scan(snapshot.as_ref(), table.id, partition, from).peekable());
        }
        let mut batch =
            ChangeBatch { lower, upper: last_of(snapshot.as_ref())?.commit + 1, changes: Vec::new() };
        let mut commit = lower;
        while let Some(entry) = next_entry(&mut scans)? {
            if batch.changes.len() >= changes_max && entry.position.commit > commit {
                batch.upper = entry.position.commit;
                break;
            }
            commit = entry.position.commit;
            let record = entry.record()?;
            let mut keys = KeyReader::default();
            let key = keys.read(table.key(), record.key).ok_or_else(|| entry.damaged())?.to_key();
            let damaged = |Malformed| entry.damaged();
            let before = match &record.before {
                Some(before) => Some(
                    before
                        .cells()
                        .map(|cell| cell.map(|cell| cell.to_cell()))
                        .collect::<Result<_, _>>()
                        .map_err(damaged)?,
                ),
                None => None,
            };
            let after = record
                .after()
                .map_err(damaged)?
                .map(|cells| cells.iter().map(|cell| cell.to_cell()).collect());
            let row = |cells: Option<Vec<Cell>>| cells.map(|cells| Row { key: key.clone(), cells });
            batch.changes.push(RowChange { before: row(before), after: row(after) });
        }
        self.lower = batch.upper;
        Ok(Some(batch))
    }
}

/// The first change of all that the scans are at.
fn next_entry(scans: &mut [Peekable<LogScan>]) -> Result<Option<LogEntry>, StoreError> {
    let mut first = None;
    for (at, scan) in scans.iter_mut().enumerate() {
        if let Some(entry) = scan.peek() {
            // An error comes first: it has no position.
            let position = entry.as_ref().ok().map(|entry| entry.position);
            if first.is_none_or(|(least, _)| position < least) {
                first = Some((position, at));
            }
        }
    }
    first.and_then(|(_, at)| scans.get_mut(at)?.next()).transpose()
}
