//! Reads the rows of a table from the folder of a store.

use std::ops::ControlFlow;
use std::path::Path;

use super::{ORDER_SOURCE, TableError, check_key};
use store::error::{NoTable, OpenError, ReadError};
use store::value::{CellRef, KeyRef, PrimaryKey};
use store::view::View;
use store::{Store, StoreOptions};

/// The rows of a table that were not read yet, as of the moment when the folder was opened.
pub(super) struct FolderRows {
    view: View,
    next: Next,
    /// The number of rows given so far.
    given: u64,
    /// Keeps the folder locked.
    _store: Store,
}

/// Where the next read begins.
enum Next {
    First,
    From(PrimaryKey),
    End,
}

impl FolderRows {
    /// Opens the store in `folder` and checks that it has a table of orders. `name` is the input as
    /// typed, for errors.
    pub(super) fn open(name: &str, folder: &Path) -> Result<FolderRows, TableError> {
        let name = || name.to_owned();
        if !folder.is_dir() {
            return Err(TableError::NoFolder { name: name() });
        }
        if !Store::is_in(folder) {
            return Err(TableError::NoStore { name: name() });
        }
        let store = Store::open(folder, StoreOptions::default()).map_err(|error| match error {
            // This process has it open already, given by another path.
            OpenError::Locked { holder, .. } if holder == Some(std::process::id()) => {
                TableError::Twice { name: name() }
            }
            OpenError::Locked { holder, .. } => TableError::InUse { name: name(), holder },
            error => TableError::Open { error },
        })?;
        let view = store
            .view()
            .map_err(|damage| TableError::Read { name: name(), error: ReadError::Damaged(damage) })?;
        match view.table(ORDER_SOURCE) {
            Ok(info) => check_key(&name(), &info.schema.key)?,
            Err(NoTable(_)) => return Err(TableError::NoTable { name: name() }),
        }
        Ok(FolderRows { view, next: Next::First, given: 0, _store: store })
    }

    /// Gives at most `rows_max` rows to `take`, each with its number from 0. Returns false if no
    /// rows were left.
    pub(super) fn next_rows(
        &mut self,
        name: &str,
        rows_max: usize,
        mut take: impl FnMut(u64, &[KeyRef<'_>], &[CellRef<'_>]),
    ) -> Result<bool, TableError> {
        let start = match &self.next {
            Next::First => None,
            Next::From(key) => Some(key.as_slice()),
            Next::End => return Ok(false),
        };
        let (first, mut given, mut next) = (self.given, self.given, Next::End);
        let mut emit = |key: &[KeyRef<'_>], cells: &[CellRef<'_>]| {
            if given - first == rows_max as u64 {
                next = Next::From(key.iter().map(|value| value.to_value()).collect());
                return ControlFlow::Break(());
            }
            take(given, key, cells);
            given += 1;
            ControlFlow::Continue(())
        };
        let read = self.view.each_row(ORDER_SOURCE, start, &mut emit);
        read.map_err(|error| TableError::Read { name: name.to_owned(), error })?;
        (self.given, self.next) = (given, next);
        Ok(given > first)
    }
}
