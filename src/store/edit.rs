//! Encodes the edits of an update and applies them to the cells of a row. [`format`](super::format)
//! describes the bytes.

use std::cmp::Ordering;

use super::row::{Malformed, put_cell, put_name, take_array, take_cell, take_name};
use super::value::CellRef;

const PUT: u8 = 0;
const DELETE_VERSION: u8 = 1;
const DELETE_ALL: u8 = 2;

/// One edit of the cells of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EditRef<'a> {
    /// Sets a version of a column to this cell.
    Put(CellRef<'a>),
    /// Removes one version of a column.
    DeleteVersion {
        /// The name of the column.
        name: &'a str,
        /// The version, in milliseconds since 1970.
        version: i64,
    },
    /// Removes all versions of a column.
    DeleteAll {
        /// The name of the column.
        name: &'a str,
    },
}

/// Appends an encoded edit to `out`. For a put, returns the index in `out` at which the version
/// stands.
pub(crate) fn put_edit(edit: EditRef<'_>, out: &mut Vec<u8>) -> Option<usize> {
    match edit {
        EditRef::Put(cell) => {
            out.push(PUT);
            return Some(put_cell(cell, out));
        }
        EditRef::DeleteVersion { name, version } => {
            out.push(DELETE_VERSION);
            put_name(name, out);
            out.extend_from_slice(&version.to_le_bytes());
        }
        EditRef::DeleteAll { name } => {
            out.push(DELETE_ALL);
            put_name(name, out);
        }
    }
    None
}

/// An iterator over encoded edits, in the order in which they apply. It ends after the first error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edits<'a> {
    rest: &'a [u8],
}

impl<'a> Edits<'a> {
    /// Reads edits that were encoded one after the other.
    pub(crate) fn new(bytes: &'a [u8]) -> Edits<'a> {
        Edits { rest: bytes }
    }
}

impl<'a> Iterator for Edits<'a> {
    type Item = Result<EditRef<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let edit = take_edit(&mut self.rest);
        if edit.is_err() {
            self.rest = &[];
        }
        Some(edit)
    }
}

fn take_edit<'a>(rest: &mut &'a [u8]) -> Result<EditRef<'a>, Malformed> {
    let [kind] = take_array(rest)?;
    match kind {
        PUT => Ok(EditRef::Put(take_cell(rest)?)),
        DELETE_VERSION => Ok(EditRef::DeleteVersion {
            name: take_name(rest)?,
            version: i64::from_le_bytes(take_array(rest)?),
        }),
        DELETE_ALL => Ok(EditRef::DeleteAll { name: take_name(rest)? }),
        _ => Err(Malformed),
    }
}

/// Compares a cell with a name and version in the order of the cells of a row: by name, then from
/// the highest version to the lowest.
pub(crate) fn cell_order(cell: &CellRef<'_>, name: &str, version: i64) -> Ordering {
    cell.name.cmp(name).then(version.cmp(&cell.version))
}

/// Applies an edit to the sorted cells of a row and keeps them sorted.
pub(crate) fn apply<'a>(cells: &mut Vec<CellRef<'a>>, edit: EditRef<'a>) {
    match edit {
        EditRef::Put(put) => match cells.binary_search_by(|cell| cell_order(cell, put.name, put.version)) {
            Ok(at) => cells.splice(at..=at, [put]).for_each(drop),
            Err(at) => cells.insert(at, put),
        },
        EditRef::DeleteVersion { name, version } => {
            if let Ok(at) = cells.binary_search_by(|cell| cell_order(cell, name, version)) {
                cells.remove(at);
            }
        }
        EditRef::DeleteAll { name } => {
            let start = cells.partition_point(|cell| cell.name < name);
            let end = cells.partition_point(|cell| cell.name <= name);
            cells.drain(start..end);
        }
    }
}

/// Removes all but the highest `versions_max` versions of each column.
pub(crate) fn keep_versions(cells: &mut Vec<CellRef<'_>>, versions_max: usize) {
    let (mut column, mut versions) = (None, 0);
    cells.retain(|cell| {
        if column != Some(cell.name) {
            (column, versions) = (Some(cell.name), 0);
        }
        versions += 1;
        versions <= versions_max
    });
}
