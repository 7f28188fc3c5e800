//! Where rows and changes are read from: one state of all tables.

use std::ops::ControlFlow;

use super::VerifyError;
use order_tables::{ORDER_SOURCE, schemas};
use store::changes::{ChangeRef, ChangesFrom};
use store::error::ReadError;
use store::read::{Direction, RangeRead, Selection};
use store::value::{CellRef, KeyPart, KeyRef, NamedKey, PrimaryKey, Row};
use store::view::View;

/// Takes the key and the newest version of each cell of a row.
pub type EmitRow<'a> = &'a mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]);

/// One state of all tables, which does not change while it is read.
pub trait Source {
    /// Gives rows of a table to `emit`, at most so many (at least 1), in the order of their keys from `start` on, and
    /// returns the key to go on from. A page may have no rows and not be the last. A table that is not there has none.
    ///
    /// # Errors
    /// [`VerifyError`].
    fn rows(
        &mut self,
        table: &'static str,
        start: Option<PrimaryKey>,
        rows_max: usize,
        emit: EmitRow<'_>,
    ) -> Result<Option<PrimaryKey>, VerifyError>;

    /// Gives changes of the table of orders to `emit`, at most so many (at least 1), in the order of their commits from
    /// `from` on, and returns the place to go on from. A table that is not there has none.
    ///
    /// # Errors
    /// [`VerifyError::ChangesGone`] if some are no longer kept.
    fn changes(
        &mut self,
        from: ChangesFrom,
        changes_max: usize,
        emit: &mut dyn FnMut(&ChangeRef<'_>),
    ) -> Result<Option<ChangesFrom>, VerifyError>;
}

impl Source for View {
    fn rows(
        &mut self,
        table: &'static str,
        start: Option<PrimaryKey>,
        rows_max: usize,
        emit: EmitRow<'_>,
    ) -> Result<Option<PrimaryKey>, VerifyError> {
        let page = self.range(&range(table, start, rows_max), &mut |key, cells| {
            emit(key, cells);
            // Nothing is kept of it.
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

/// Names of the key columns of a table of the design.
pub(super) fn key_names(table: &str) -> Vec<String> {
    let schema = schemas().into_iter().find(|schema| schema.name == table);
    schema.into_iter().flat_map(|schema| schema.key).map(|column| column.name).collect()
}

/// A page of a table of the design.
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

/// A row, borrowed.
pub(super) fn borrowed(row: &Row) -> (Vec<KeyRef<'_>>, Vec<CellRef<'_>>) {
    let cells = row.cells.iter().map(|cell| CellRef {
        name: &cell.name,
        value: cell.value.borrow(),
        version: cell.version,
    });
    (row.key.iter().map(|value| value.borrow()).collect(), cells.collect())
}
