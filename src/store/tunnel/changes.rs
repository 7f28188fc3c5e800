//! All changes of a table in the order of their commits, in batches, for readers within the
//! process.

use std::ops::ControlFlow;

use super::super::Store;
use super::super::changes::ChangeRef;
use super::super::error::ReadError;

/// The commits from `lower` to below `upper`, of which a reader has given all changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The first commit.
    pub lower: u64,
    /// The commit before which it ends: where the next batch begins.
    pub upper: u64,
    /// How many changes there were.
    pub changes: usize,
}

/// Reads all changes of a table, at its own pace.
#[derive(Debug)]
pub struct ChangeReader {
    store: Store,
    table: String,
    lower: u64,
}

impl ChangeReader {
    /// Reads the changes of the commits from `lower` on. [`Store::commits`] wakes who waits for
    /// more.
    pub fn new(store: Store, table: &str, lower: u64) -> ChangeReader {
        ChangeReader { store, table: table.to_owned(), lower }
    }

    /// Leaves out the commits below `lower`, of which the caller knows that they changed nothing of
    /// the table.
    pub fn skip_to(&mut self, lower: u64) {
        self.lower = self.lower.max(lower);
    }

    /// Gives the changes of all commits that are there to `emit`, each with its commit, or those of
    /// the first of them: then `changes_max` changes, and what else their last commit did. None if
    /// there was no commit since.
    ///
    /// # Errors
    /// [`ReadError::NotKept`] if changes of these commits are no longer, or not, kept. What was
    /// given then is no batch.
    pub fn next_batch(
        &mut self,
        changes_max: usize,
        emit: &mut dyn FnMut(u64, &ChangeRef<'_>),
    ) -> Result<Option<ChangeBatch>, ReadError> {
        let lower = self.lower;
        if lower > self.store.last_commit() {
            return Ok(None);
        }
        let view = self.store.view()?;
        let mut batch = ChangeBatch { lower, upper: view.last_commit() + 1, changes: 0 };
        let mut last = lower;
        view.each_change(&self.table, lower, &mut |commit, change| {
            if batch.changes >= changes_max && commit > last {
                batch.upper = commit;
                return ControlFlow::Break(());
            }
            last = commit;
            batch.changes += 1;
            emit(commit, change);
            ControlFlow::Continue(())
        })?;
        self.lower = batch.upper;
        Ok(Some(batch))
    }
}
