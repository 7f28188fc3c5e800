//! Encodes rows as bytes and reads them back without a copy. [`format`](super::format) describes
//! the bytes.

use super::value::{CellRef, ValueRef};

const INTEGER: u8 = 0;
const DOUBLE: u8 = 1;
const BOOLEAN: u8 = 2;
const STRING: u8 = 3;
const BINARY: u8 = 7;

/// The bytes before the cells of a row: the number of its commit.
pub(crate) const ROW_HEAD_BYTES: usize = 8;

/// The error that bytes do not have the form that they should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Takes the first `count` bytes off `rest`.
#[inline]
pub(crate) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], Malformed> {
    let (taken, left) = rest.split_at_checked(count).ok_or(Malformed)?;
    *rest = left;
    Ok(taken)
}

/// Takes the first `N` bytes off `rest`.
#[inline]
pub(crate) fn take_array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (taken, left) = rest.split_first_chunk().ok_or(Malformed)?;
    *rest = left;
    Ok(*taken)
}

/// Takes a length of one byte and text of that length off `rest`.
#[inline]
pub(crate) fn take_name<'a>(rest: &mut &'a [u8]) -> Result<&'a str, Malformed> {
    let [length] = take_array(rest)?;
    std::str::from_utf8(take(rest, usize::from(length))?).map_err(|_| Malformed)
}

/// Appends a name of at most 255 bytes to `out`.
#[inline]
pub(crate) fn put_name(name: &str, out: &mut Vec<u8>) {
    debug_assert!(name.len() <= usize::from(u8::MAX), "names are checked before");
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

/// Appends a cell to `out`. Returns the index at which its version stands, so that it can be set
/// later.
#[inline]
pub(crate) fn put_cell(cell: CellRef<'_>, out: &mut Vec<u8>) -> usize {
    put_name(cell.name, out);
    let version_at = out.len();
    out.extend_from_slice(&cell.version.to_le_bytes());
    match cell.value {
        ValueRef::Integer(value) => {
            out.push(INTEGER);
            out.extend_from_slice(&value.to_le_bytes());
        }
        ValueRef::Double(value) => {
            out.push(DOUBLE);
            out.extend_from_slice(&value.to_bits().to_le_bytes());
        }
        ValueRef::Boolean(value) => out.extend_from_slice(&[BOOLEAN, u8::from(value)]),
        ValueRef::String(value) => put_bytes(STRING, value.as_bytes(), out),
        ValueRef::Binary(value) => put_bytes(BINARY, value, out),
    }
    version_at
}

#[inline]
fn put_bytes(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    debug_assert!(u32::try_from(value.len()).is_ok(), "lengths are checked before");
    out.push(kind);
    out.extend_from_slice(&(value.len() as u32).to_le_bytes());
    out.extend_from_slice(value);
}

/// Sets the versions at these indexes of an encoded row.
pub(crate) fn set_versions(bytes: &mut [u8], places: &[u32], version: i64) {
    for place in places {
        let at = *place as usize;
        if let Some(target) = bytes.get_mut(at..at + 8) {
            target.copy_from_slice(&version.to_le_bytes());
        }
    }
}

/// Takes one cell off `rest`.
#[inline]
pub(crate) fn take_cell<'a>(rest: &mut &'a [u8]) -> Result<CellRef<'a>, Malformed> {
    let name = take_name(rest)?;
    let version = i64::from_le_bytes(take_array(rest)?);
    let [kind] = take_array(rest)?;
    let value = match kind {
        INTEGER => ValueRef::Integer(i64::from_le_bytes(take_array(rest)?)),
        DOUBLE => ValueRef::Double(f64::from_bits(u64::from_le_bytes(take_array(rest)?))),
        BOOLEAN => ValueRef::Boolean(match take_array(rest)? {
            [0] => false,
            [1] => true,
            _ => return Err(Malformed),
        }),
        STRING => ValueRef::String(std::str::from_utf8(take_bytes(rest)?).map_err(|_| Malformed)?),
        BINARY => ValueRef::Binary(take_bytes(rest)?),
        _ => return Err(Malformed),
    };
    Ok(CellRef { name, value, version })
}

#[inline]
fn take_bytes<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let length = u32::from_le_bytes(take_array(rest)?);
    take(rest, length as usize)
}

/// An iterator over encoded cells, which are sorted by name, then from the highest version to the
/// lowest. It ends after the first error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cells<'a> {
    rest: &'a [u8],
}

impl<'a> Cells<'a> {
    /// Reads cells that were encoded one after the other.
    pub(crate) fn new(bytes: &'a [u8]) -> Cells<'a> {
        Cells { rest: bytes }
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Result<CellRef<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let cell = take_cell(&mut self.rest);
        if cell.is_err() {
            self.rest = &[];
        }
        Some(cell)
    }
}

/// A row as it is stored, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowView<'a> {
    /// The number of the commit that wrote the row.
    pub(crate) commit: u64,
    /// The encoded cells of the row.
    pub(crate) bytes: &'a [u8],
}

impl<'a> RowView<'a> {
    /// Reads a value of the space of rows.
    pub(crate) fn new(value: &'a [u8]) -> Result<RowView<'a>, Malformed> {
        let (commit, bytes) = value.split_first_chunk().ok_or(Malformed)?;
        Ok(RowView { commit: u64::from_le_bytes(*commit), bytes })
    }

    /// Encodes the row as a value of the space of rows.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.commit.to_le_bytes().to_vec();
        bytes.extend_from_slice(self.bytes);
        bytes
    }

    /// Returns the cells of the row.
    pub(crate) fn cells(&self) -> Cells<'a> {
        Cells::new(self.bytes)
    }
}

/// Encodes a row of a commit and cells as a value of the space of rows.
pub(crate) fn encode_row<'a>(commit: u64, cells: impl IntoIterator<Item = CellRef<'a>>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(&commit.to_le_bytes());
    for cell in cells {
        put_cell(cell, &mut bytes);
    }
    bytes
}

#[cfg(test)]
#[path = "row_tests.rs"]
mod tests;
