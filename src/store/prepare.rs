//! Checks and encodes writes on the threads of their callers, as far as that can be done before
//! their turn on the commit thread.

use std::sync::Arc;

use super::change::{ColumnChange, RowWrite, Write};
use super::check_key::{Allow, check_alone, check_fits, values};
use super::edit::cell_order;
use super::error::WriteError;
use super::filter::Filter;
use super::key::row_key;
use super::row::{ROW_HEAD_BYTES, put_cell};
use super::schema::{
    NAME_BYTES_MAX, ROW_BYTES_MAX, TableOptions, VALUE_BYTES_MAX, VERSION_MS_MAX, WRITE_COLUMNS_MAX,
};
use super::table::Table;
use super::value::{CellRef, KeyPart, ValueRef};

/// A write that has been checked against its table.
pub(crate) struct Prepared {
    /// The table as it was when the write was prepared.
    pub(crate) table: Arc<Table>,
    /// The write as the caller asked for it.
    pub(crate) write: Write,
    /// The row's key in the space of rows; `None` if the store is to choose a part of it.
    pub(crate) key: Option<Vec<u8>>,
    /// The row that a put stores, without its commit and without the versions that are the time of
    /// the write. `None` if it is encoded on its turn.
    pub(crate) row: Option<EncodedRow>,
}

/// A row encoded as a value of the space of rows.
pub(crate) struct EncodedRow {
    /// The bytes of the row. Those of the commit are still zero.
    pub(crate) bytes: Vec<u8>,
    /// The indexes in `bytes` of the versions that are the time of the write.
    pub(crate) versions_at: Vec<u32>,
}

impl Write {
    /// Checks everything that can be told without the table, such as the limits of names and values.
    ///
    /// # Errors
    /// Returns the [`WriteError`] with which every table would refuse the write.
    pub fn check(&self) -> Result<(), WriteError> {
        match &self.change {
            RowWrite::Put(columns) => {
                check_columns(columns)?;
                check_puts(columns)?;
            }
            RowWrite::Update(columns) => {
                check_columns(columns)?;
                if columns.is_empty() {
                    return Err(WriteError::NoColumns(self.table.clone()));
                }
            }
            RowWrite::Delete => {}
        }
        Ok(check_alone(&self.key, self.allow())?)
    }

    /// Returns what the key may contain besides values. Only a row that the write creates can have
    /// a value that the store chooses.
    fn allow(&self) -> Allow {
        if matches!(self.change, RowWrite::Delete) { Allow::Values } else { Allow::AutoIncrement }
    }
}

/// Checks a write against its table, and encodes what does not depend on the time of its turn.
pub(crate) fn prepare(table: Arc<Table>, write: Write) -> Result<Prepared, WriteError> {
    write.check()?;
    check_fits(&table, &write.key, write.allow())?;
    if let RowWrite::Put(columns) | RowWrite::Update(columns) = &write.change {
        check_no_key_columns(&table, columns)?;
    }
    if let Some(filter) = &write.condition.columns {
        check_condition(filter)?;
    }
    let row = match &write.change {
        RowWrite::Put(columns) => {
            // If a column has its version from the time of the write and is named twice, that time
            // decides the order of the cells, so the row is encoded later.
            let settled = is_settled(columns);
            if settled { Some(encode_put(columns, table.options(), 0)?) } else { None }
        }
        RowWrite::Update(_) | RowWrite::Delete => None,
    };
    let auto_increment = write.key.iter().any(|(_, part)| *part == KeyPart::AutoIncrement);
    let key = (!auto_increment).then(|| row_key(table.id, values(&write.key, 0)));
    Ok(Prepared { table, write, key, row })
}

/// Returns whether every column that gets its version from the time of the write is named only
/// once.
fn is_settled(columns: &[(String, ColumnChange)]) -> bool {
    let at_write = |change: &ColumnChange| matches!(change, ColumnChange::Put { version: None, .. });
    let mut names: Vec<(&str, bool)> =
        columns.iter().map(|(name, change)| (name.as_str(), at_write(change))).collect();
    names.sort_unstable();
    names.is_sorted_by(|(one, at_write), (next, next_at_write)| one != next || !(*at_write || *next_at_write))
}

/// Encodes the row that a put stores. `now_ms` is the version of the cells without one, in
/// milliseconds since 1970.
pub(crate) fn encode_put(
    columns: &[(String, ColumnChange)],
    options: &TableOptions,
    now_ms: i64,
) -> Result<EncodedRow, WriteError> {
    let mut cells: Vec<(CellRef<'_>, bool)> = Vec::with_capacity(columns.len());
    for (name, change) in columns {
        if let ColumnChange::Put { value, version } = change {
            let cell = CellRef { name, value: value.borrow(), version: version.unwrap_or(now_ms) };
            cells.push((cell, version.is_none()));
        }
    }
    // The sort is stable, so that of two cells with the same name and version the last one wins.
    cells.sort_by(|(one, _), (other, _)| cell_order(one, other.name, other.version));
    let versions_max = usize::try_from(options.max_versions).unwrap_or(1);
    let mut row = EncodedRow { bytes: Vec::with_capacity(64), versions_at: Vec::with_capacity(cells.len()) };
    row.bytes.extend_from_slice(&[0; ROW_HEAD_BYTES]);
    let (mut column, mut versions) = (None, 0);
    for (place, (cell, at_write)) in cells.iter().enumerate() {
        let same = |(next, _): &(CellRef<'_>, bool)| next.name == cell.name && next.version == cell.version;
        if cells.get(place + 1).is_some_and(same) {
            continue;
        }
        if column != Some(cell.name) {
            (column, versions) = (Some(cell.name), 0);
        }
        versions += 1;
        if versions > versions_max {
            continue;
        }
        let version_at = put_cell(*cell, &mut row.bytes);
        if *at_write {
            // Rows are shorter than 4 GiB.
            row.versions_at.push(version_at as u32);
        }
    }
    check_row_bytes(row.bytes.len())?;
    Ok(row)
}

/// Returns an error if a row has more than [`ROW_BYTES_MAX`] bytes.
pub(crate) fn check_row_bytes(bytes: usize) -> Result<(), WriteError> {
    if bytes <= ROW_BYTES_MAX {
        return Ok(());
    }
    Err(WriteError::RowTooLarge(bytes))
}

/// Returns an error if a put of a whole row deletes or increments a column.
fn check_puts(columns: &[(String, ColumnChange)]) -> Result<(), WriteError> {
    let other = columns.iter().find(|(_, change)| !matches!(change, ColumnChange::Put { .. }));
    other.map_or(Ok(()), |(name, _)| Err(WriteError::NotAPut(name.clone())))
}

fn check_condition(filter: &Filter) -> Result<(), WriteError> {
    if filter.page().is_some() {
        return Err(WriteError::PageAsCondition);
    }
    Ok(filter.check()?)
}

fn check_no_key_columns(table: &Table, columns: &[(String, ColumnChange)]) -> Result<(), WriteError> {
    let is_key = |name: &str| table.key().iter().any(|column| column.name == name);
    let found = columns.iter().find(|(name, _)| is_key(name));
    found.map_or(Ok(()), |(name, _)| Err(WriteError::IsKeyColumn(name.clone())))
}

fn check_columns(columns: &[(String, ColumnChange)]) -> Result<(), WriteError> {
    if columns.len() > WRITE_COLUMNS_MAX {
        return Err(WriteError::TooManyColumns(columns.len()));
    }
    columns.iter().try_for_each(|(name, change)| check_column(name, change))
}

fn check_column(name: &str, change: &ColumnChange) -> Result<(), WriteError> {
    let column = || name.to_owned();
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(WriteError::ColumnName(column()));
    }
    if let ColumnChange::Put { value, .. } = change {
        let bytes = match value.borrow() {
            ValueRef::String(value) => value.len(),
            ValueRef::Binary(value) => value.len(),
            _ => 0,
        };
        if bytes > VALUE_BYTES_MAX {
            return Err(WriteError::ValueTooLong { column: column(), bytes });
        }
    }
    match change {
        ColumnChange::Put { version: Some(version), .. } | ColumnChange::DeleteVersion(version)
            if !(0..VERSION_MS_MAX).contains(version) =>
        {
            Err(WriteError::Version { column: column(), version: *version })
        }
        _ => Ok(()),
    }
}
