//! Encodes and decodes rows as they travel: keys, cells and changes, with a checksum for each cell
//! and row.
//!
//! ```text
//! buffer = header row*            row  = 01 cell+ [02 cell+] [08] [extension] 09 crc
//! header = 75 00 00 00            cell = 03 04 name [05 value] [06 type] [07 version] 0A crc
//! ```
//!
//! All integers are little-endian and of fixed size. A tag 00 ends a buffer just as its last byte
//! does, because one client appends zeros. [`Writer`] builds buffers and [`Rows`] reads them, both
//! in one pass. The functions of `convert` turn rows into the store's own form and back.

mod bare;
mod convert;
mod crc;
mod parser;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;

use store::value::{KeyRef, ValueRef};

pub use bare::{parse_bare, parse_bare_bound, write_bare, write_bare_bound};
pub use convert::{ChangedRow, WriteForm, encode_change, encode_key, encode_row, parse_change, parse_key};
pub use parser::Rows;
pub use writer::{RowWriter, Writer};

/// Returns the checksum of bytes that are in no cell: CRC-8, as cells have it.
pub(crate) fn crc8(bytes: &[u8]) -> u8 {
    crc::bytes(0, bytes)
}

/// The first four bytes of every buffer, as a number.
const HEADER: u32 = 0x75;

/// The bytes that say what follows.
mod tag {
    pub(super) const END: u8 = 0x00;
    pub(super) const KEY: u8 = 0x01;
    pub(super) const ATTRIBUTES: u8 = 0x02;
    pub(super) const CELL: u8 = 0x03;
    pub(super) const NAME: u8 = 0x04;
    pub(super) const VALUE: u8 = 0x05;
    pub(super) const OPERATION: u8 = 0x06;
    pub(super) const VERSION: u8 = 0x07;
    pub(super) const DELETE_ROW: u8 = 0x08;
    pub(super) const ROW_CHECKSUM: u8 = 0x09;
    pub(super) const CELL_CHECKSUM: u8 = 0x0a;
    pub(super) const EXTENSION: u8 = 0x0b;
    pub(super) const SEQUENCE: u8 = 0x0c;
    pub(super) const EPOCH: u8 = 0x0d;
    pub(super) const TIME: u8 = 0x0e;
    pub(super) const ROW_INDEX: u8 = 0x0f;
}

/// The first byte of a value, which gives its type.
mod kind {
    pub(super) const INTEGER: u8 = 0x00;
    pub(super) const DOUBLE: u8 = 0x01;
    pub(super) const BOOLEAN: u8 = 0x02;
    pub(super) const STRING: u8 = 0x03;
    pub(super) const BINARY: u8 = 0x07;
    pub(super) const MIN: u8 = 0x09;
    pub(super) const MAX: u8 = 0x0a;
    pub(super) const AUTO_INCREMENT: u8 = 0x0b;
}

/// The operation that a cell does to its column. A plain put has none.
mod operation {
    pub(super) const DELETE_ALL: u8 = 0x01;
    pub(super) const DELETE_VERSION: u8 = 0x03;
    pub(super) const INCREMENT: u8 = 0x04;
}

/// The number of bytes of a sequence and the extension around it.
const SEQUENCE_BYTES: u32 = 19;
const EXTENSION_BYTES: u32 = 5 + SEQUENCE_BYTES;

/// A borrowed part of a key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartRef<'a> {
    /// The part is this value.
    Value(KeyRef<'a>),
    /// The part is below every value.
    Min,
    /// The part is above every value.
    Max,
    /// The server chooses the part.
    AutoIncrement,
}

/// A borrowed change that a cell makes to its column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChangeRef<'a> {
    /// The column gets a value, with a version if the cell gives one.
    Put {
        /// The new value.
        value: ValueRef<'a>,
        /// The version in milliseconds since 1970.
        version: Option<i64>,
    },
    /// The version of this time, in milliseconds since 1970, is deleted.
    DeleteVersion(i64),
    /// All versions are deleted.
    DeleteAll,
    /// This number is added to the newest version.
    Increment(i64),
}

/// The place of a change in the log of its channel. Places are ordered as the changes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// A number that is higher after a break of the log.
    pub epoch: i32,
    /// The time in microseconds since 1970.
    pub at_us: i64,
    /// The number of the change among those of the same time.
    pub row_index: i32,
}

/// A row as it lies in a buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowParts<'a> {
    /// The key columns, at least one.
    pub key: Vec<(&'a str, PartRef<'a>)>,
    /// The attribute columns.
    pub cells: Vec<(&'a str, ChangeRef<'a>)>,
    /// Whether the row has a delete marker.
    pub deleted: bool,
    /// The place of the row in a log. Only records of a tunnel have it.
    pub sequence: Option<Sequence>,
}

/// Why bytes are not a row, or not the row that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// This is wrong, at the place that the text names.
    Wrong(String),
    /// The row has this many attribute cells, more than its reader accepts.
    TooManyCells(usize),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Wrong(what) => f.write_str(what),
            Malformed::TooManyCells(count) => write!(f, "row data has {count} attribute columns"),
        }
    }
}

impl std::error::Error for Malformed {}
