//! Encodes a page of rows as a matrix with a column for each name that the caller asks for. A cell
//! has a value and no version, so the newest version of each column is enough.
//!
//! ```text
//! matrix = 53 52 4d 30  data_at:i32  options_at:i32  keys:i32  columns:i32  name* options row* 01 crc
//! name   = length:i16 bytes          options = 0a 01 03 rows:i32
//! row    = 02 value*                 value   = type byte, payload as in `plain_buffer`; 06 if there is none
//! ```
//!
//! Places count from the start of the matrix. All integers are little-endian.

use crate::plain_buffer::{crc8, write_bare};
use store::schema::NAME_BYTES_MAX;
use store::value::{CellRef, KeyRef, ValueRef};

/// The first four bytes, which name the form and its version.
const VERSION: u32 = 0x304d_5253;
const CHECKSUM: u8 = 0x01;
const ROW: u8 = 0x02;
const ROW_COUNT: u8 = 0x03;
/// Says, with the byte after it, that rows have all columns of their keys.
const WHOLE_KEYS: [u8; 2] = [0x0a, 1];
const NO_VALUE: u8 = 0x06;

/// The place of `data_at`, and of `options_at` after it.
const PLACES_AT: usize = 4;

/// A matrix of rows while it is being written.
#[derive(Debug)]
pub(super) struct Matrix {
    bytes: Vec<u8>,
    /// The names of the columns that are no key columns, in the order of the caller.
    columns: Vec<String>,
    /// Where the number of rows stands.
    count_at: usize,
    rows: u32,
}

impl Matrix {
    /// Starts a matrix with these key columns, and these other columns.
    pub(super) fn new<'a>(key: impl Iterator<Item = &'a str>, columns: Vec<String>) -> Matrix {
        let key: Vec<&str> = key.collect();
        let mut bytes = VERSION.to_le_bytes().to_vec();
        // The places are not known yet.
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&number(key.len()).to_le_bytes());
        bytes.extend_from_slice(&number(columns.len()).to_le_bytes());
        for name in key.into_iter().chain(columns.iter().map(String::as_str)) {
            // No column has a name of more bytes than this, so such a name loses nothing.
            let name = if name.len() > NAME_BYTES_MAX { "" } else { name };
            bytes.extend_from_slice(&u16::try_from(name.len()).unwrap_or_default().to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
        }
        let options_at = number(bytes.len());
        bytes.extend_from_slice(&WHOLE_KEYS);
        bytes.push(ROW_COUNT);
        let count_at = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        let data_at = number(bytes.len());
        let mut matrix = Matrix { bytes, columns, count_at, rows: 0 };
        matrix.set(PLACES_AT, data_at);
        matrix.set(PLACES_AT + 4, options_at);
        matrix
    }

    fn set(&mut self, at: usize, number: u32) {
        if let Some(place) = self.bytes.get_mut(at..at + 4) {
            place.copy_from_slice(&number.to_le_bytes());
        }
    }

    /// Adds a row. Returns the number of bytes that it took.
    pub(super) fn row(&mut self, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> usize {
        let before = self.bytes.len();
        self.bytes.push(ROW);
        for value in key {
            let value = match *value {
                KeyRef::Integer(value) => ValueRef::Integer(value),
                KeyRef::String(value) => ValueRef::String(value),
                KeyRef::Binary(value) => ValueRef::Binary(value),
            };
            self.bytes.extend_from_slice(&write_bare(value));
        }
        for column in &self.columns {
            // The newest version of a column comes first.
            let at = cells.partition_point(|cell| cell.name < column.as_str());
            match cells.get(at).filter(|cell| cell.name == column) {
                Some(cell) => self.bytes.extend_from_slice(&write_bare(cell.value)),
                None => self.bytes.push(NO_VALUE),
            }
        }
        self.rows += 1;
        self.bytes.len() - before
    }

    /// Returns the bytes of the matrix.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.set(self.count_at, self.rows);
        self.bytes.push(CHECKSUM);
        let crc = crc8(&self.bytes);
        self.bytes.push(crc);
        self.bytes
    }
}

/// Returns a number as it is written. Pages are limited to megabytes.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_these_bytes() {
        let mut matrix = Matrix::new(["k", "id"].into_iter(), vec!["n".to_owned(), "b".to_owned()]);
        let cell = |name, value| CellRef { name, value, version: 5 };
        let key = [KeyRef::String("x"), KeyRef::Integer(-2)];
        let cells = [
            cell("b", ValueRef::Boolean(true)),
            cell("n", ValueRef::Double(12.5)),
            cell("n", ValueRef::Integer(1)),
        ];
        assert_eq!(matrix.row(&key, &cells), 27);
        matrix.row(&key, &[]);
        let head = "5352 4d30 28000000 21000000 02000000 02000000 0100 6b 0200 6964 0100 6e 0100 62 0a01 03 02000000";
        let one = "02 0301000000 78 00 feffffffffffffff 01 0000000000002940 02 01";
        let other = "02 0301000000 78 00 feffffffffffffff 06 06";
        let digits: Vec<u32> =
            [head, one, other, "01"].concat().chars().filter_map(|c| c.to_digit(16)).collect();
        let mut expected: Vec<u8> =
            digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect();
        expected.push(crc8(&expected));
        assert_eq!(matrix.finish(), expected);
    }
}
