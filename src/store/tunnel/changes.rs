//! All changes of a table in the order of their commits, in batches, for readers within the process.

use super::super::Store;
use super::super::error::ReadError;
use super::super::view::RowChange;

/// All changes of the commits from `lower` to below `upper`, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeBatch {
    /// The first commit.
    pub lower: u64,
    /// The commit before which it ends: where the next batch begins.
    pub upper: u64,
    /// The changes, each with its commit.
    pub changes: Vec<(u64, RowChange)>,
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

    /// Leaves out the commits below `lower`, of which the caller knows that they changed nothing of the table.
    pub fn skip_to(&mut self, lower: u64) {
        self.lower = self.lower.max(lower);
    }

    /// The changes of all commits that are there, or of the first of them: then `changes_max` changes, and what else
    /// their last commit did. None if there was no commit since. [`ReadError::NotKept`] if changes of these
    /// commits are no longer, or not, kept.
    pub fn next_batch(&mut self, changes_max: usize) -> Result<Option<ChangeBatch>, ReadError> {
        let lower = self.lower;
        if lower > self.store.last_commit() {
            return Ok(None);
        }
        let view = self.store.view()?;
        let mut batch = ChangeBatch { lower, upper: view.last_commit() + 1, changes: Vec::new() };
        let mut last = lower;
        for change in view.changes(&self.table, lower)? {
            let (commit, change) = change?;
            if batch.changes.len() >= changes_max && commit > last {
                batch.upper = commit;
                break;
            }
            last = commit;
            batch.changes.push((commit, change));
        }
        self.lower = batch.upper;
        Ok(Some(batch))
    }
}
