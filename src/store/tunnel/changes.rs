//! Reads all changes of a table in the order of their commits, in batches, for readers within the
//! process.

use std::ops::ControlFlow;

use super::super::Store;
use super::super::changes::ChangeRef;
use super::super::error::ReadError;

/// The commits from `lower` (inclusive) to `upper` (exclusive) of which a reader has passed on all
/// changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeBatch {
    /// The number of the first commit.
    pub lower: u64,
    /// The number of the commit at which the next batch begins.
    pub upper: u64,
    /// The number of changes in the batch.
    pub changes: usize,
}

/// A reader of all changes of a table, at its own pace.
#[derive(Debug)]
pub struct ChangeReader {
    store: Store,
    table: String,
    lower: u64,
}

impl ChangeReader {
    /// Creates a reader of the changes of all commits from `lower` on. [`Store::commits`] wakes a
    /// caller that waits for more.
    pub fn new(store: Store, table: &str, lower: u64) -> ChangeReader {
        ChangeReader { store, table: table.to_owned(), lower }
    }

    /// Skips the commits below `lower`. The caller must know that they changed nothing in the
    /// table.
    pub fn skip_to(&mut self, lower: u64) {
        self.lower = self.lower.max(lower);
    }

    /// Passes the changes of all commits that are there to `emit`, each with the number of its
    /// commit. Once there are `changes_max` changes, the batch ends with the commit that it has
    /// reached, including the rest of its changes. Returns `None` if there was no commit since the
    /// last batch.
    ///
    /// # Errors
    /// Returns [`ReadError::NotKept`] if changes of these commits are no longer kept, or never
    /// were. What was passed to `emit` before the error is not a batch.
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
