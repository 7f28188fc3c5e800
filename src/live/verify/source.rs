//! Reads rows and changes from one state of all tables.

use std::ops::ControlFlow;

use super::VerifyError;
use order_tables::{ORDER_SOURCE, schemas};
use store::changes::{ChangeRef, ChangesFrom};
use store::error::ReadError;
use store::read::{Direction, RangeRead, Selection};
use store::value::{CellRef, KeyPart, KeyRef, NamedKey, PrimaryKey, Row};
use store::view::View;

/// A function that takes the key of a row, and the newest version of each of its cells.
pub type EmitRow<'a> = &'a mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]);

/// One state of all tables, which does not change while it is read.
pub trait RecountSource {
    /// Gives at most `rows_max` rows (at least 1) of a table to `emit`, in the order of their keys,
    /// from `start` on. Returns the key to go on from; `None` after the last row. A page may have
    /// no rows and still not be the last. A table that does not exist has no rows.
    ///
    /// # Errors
    /// Returns [`VerifyError`] if the rows cannot be read.
    fn rows(
        &mut self,
        table: &'static str,
        start: Option<PrimaryKey>,
        rows_max: usize,
        emit: EmitRow<'_>,
    ) -> Result<Option<PrimaryKey>, VerifyError>;

    /// Gives at most `changes_max` changes (at least 1) of the table of orders to `emit`, in the
    /// order of their commits, from `from` on. Returns the place to go on from; `None` after the
    /// last change. A table that does not exist has no changes.
    ///
    /// # Errors
    /// Returns [`VerifyError::ChangesGone`] if some changes are no longer kept.
    fn changes(
        &mut self,
        from: ChangesFrom,
        changes_max: usize,
        emit: &mut dyn FnMut(&ChangeRef<'_>),
    ) -> Result<Option<ChangesFrom>, VerifyError>;
}

impl RecountSource for View {
    fn rows(
        &mut self,
        table: &'static str,
        start: Option<PrimaryKey>,
        rows_max: usize,
        emit: EmitRow<'_>,
    ) -> Result<Option<PrimaryKey>, VerifyError> {
        let page = self.range(&range(table, start, rows_max), &mut |key, cells| {
            emit(key, cells);
            // This counts no bytes, so the page ends by its number of rows alone.
            0
        });
        match page {
            Err(ReadError::NoTable(_)) => Ok(None),
            page => Ok(page?),
        }
    }

    fn changes(
        &mut self,
        from: ChangesFrom,
        changes_max: usize,
        emit: &mut dyn FnMut(&ChangeRef<'_>),
    ) -> Result<Option<ChangesFrom>, VerifyError> {
        let mut left = changes_max;
        let page = self.changes_page(ORDER_SOURCE, from, &mut |change| {
            emit(change);
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        page.map_err(|error| match error {
            ReadError::NotKept(_) => VerifyError::ChangesGone(from.commit),
            error => error.into(),
        })
    }
}

/// Returns the names of the key columns of a table that the job reads or writes.
pub(super) fn key_names(table: &str) -> Vec<String> {
    let schema = schemas().into_iter().find(|schema| schema.name == table);
    schema.into_iter().flat_map(|schema| schema.key).map(|column| column.name).collect()
}

/// Returns the read of a page of such a table.
pub(super) fn range(table: &str, start: Option<PrimaryKey>, rows_max: usize) -> RangeRead {
    let names = key_names(table);
    let ends =
        |part: KeyPart| -> NamedKey { names.iter().map(|name| (name.clone(), part.clone())).collect() };
    RangeRead {
        table: table.to_owned(),
        direction: Direction::Forward,
        start: match start {
            Some(key) => names.iter().cloned().zip(key.into_iter().map(KeyPart::Value)).collect(),
            None => ends(KeyPart::Min),
        },
        end: ends(KeyPart::Max),
        selection: Selection { versions_max: Some(1), ..Selection::default() },
        rows_max: Some(rows_max),
    }
}

/// Returns a row as borrowed values.
pub(super) fn borrowed(row: &Row) -> (Vec<KeyRef<'_>>, Vec<CellRef<'_>>) {
    let cells = row.cells.iter().map(|cell| CellRef {
        name: &cell.name,
        value: cell.value.borrow(),
        version: cell.version,
    });
    (row.key.iter().map(|value| value.borrow()).collect(), cells.collect())
}
