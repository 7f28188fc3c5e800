//! What an update does to a row, as bytes and as the row after it. [`format`](super::format) has the bytes.

use std::cmp::Ordering;

use super::row::{Malformed, put_cell, put_name, take_array, take_cell, take_name};
use super::value::CellRef;

const PUT: u8 = 0;
const DELETE_VERSION: u8 = 1;
const DELETE_ALL: u8 = 2;

/// One change of a row's cells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EditRef<'a> {
    /// This version of the column is as given.
    Put(CellRef<'a>),
    /// This version of the column goes.
    DeleteVersion {
        /// The column.
        name: &'a str,
        /// Its version.
        version: i64,
    },
    /// The column goes.
    DeleteAll {
        /// The column.
        name: &'a str,
    },
}

/// Appends an edit. Returns where the version of a put stands.
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

/// Edits, in the order in which they apply.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edits<'a> {
    rest: &'a [u8],
}

impl<'a> Edits<'a> {
    /// Edits that were encoded one after the other.
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

/// The order of the cells of a row: by name, then by version downwards.
pub(crate) fn cell_order(cell: &CellRef<'_>, name: &str, version: i64) -> Ordering {
    cell.name.cmp(name).then(version.cmp(&cell.version))
}

/// Changes the cells of a row.
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

/// Keeps the highest `versions_max` versions of each column.
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
