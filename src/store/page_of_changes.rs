//! Changes of a table a page at a time, for readers that come back for the next page.

use std::ops::ControlFlow;

use super::error::StoreError;
use super::view::{RowChange, View};

/// A place among the changes of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangesFrom {
    /// The number of a commit.
    pub commit: u64,
    /// How many changes of that commit lie before the place.
    pub skip: u64,
}

impl View {
    /// Gives the changes of `table` from the place `from` on to `emit` until `emit` breaks off, and returns the
    /// place to go on from; none at the end. A table that does not exist has no changes.
    ///
    /// # Errors
    /// [`StoreError::TunnelExpired`] if some of the changes are no longer kept, or never were.
    pub fn changes_page(
        &self,
        table: &str,
        from: ChangesFrom,
        emit: &mut dyn FnMut(RowChange) -> ControlFlow<()>,
    ) -> Result<Option<ChangesFrom>, StoreError> {
        // What is not there has no changes, be its log there or not.
        if from.commit > self.last_commit() || self.table(table).is_err() {
            return Ok(None);
        }
        let mut at = ChangesFrom { skip: 0, ..from };
        for change in self.changes(table, from.commit)? {
            let (commit, change) = change?;
            if commit > at.commit {
                at = ChangesFrom { commit, skip: 0 };
            }
            at.skip += 1;
            if at > from && emit(change).is_break() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }
}
