//! Rows as they travel: keys, cells and changes, each cell and row with a checksum.
//!
//! ```text
//! buffer = header row*            row  = 01 cell+ [02 cell+] [08] [extension] 09 crc
//! header = 75 00 00 00            cell = 03 04 name [05 value] [06 type] [07 version] 0A crc
//! ```
//!
//! All integers are little-endian and of fixed size. A tag 00 ends a buffer like its last byte does: one client appends some.
//! [`Writer`] makes buffers, [`Rows`] reads them, both in one pass. The functions of `convert` turn rows into the store's own and back.

mod bare;
mod convert;
mod crc;
mod parser;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;

use store::value::{KeyRef, ValueRef};

pub use bare::{parse_bare, write_bare};
pub use convert::{ChangedRow, WriteForm, encode_change, encode_key, encode_row, parse_change, parse_key};
pub use parser::Rows;
pub use writer::{RowWriter, Writer};

/// First four bytes of every buffer, as a number.
const HEADER: u32 = 0x75;

/// Bytes that say what follows.
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

/// First byte of a value.
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

/// What a cell does to its column; a plain put says nothing.
mod operation {
    pub(super) const DELETE_ALL: u8 = 0x01;
    pub(super) const DELETE_VERSION: u8 = 0x03;
    pub(super) const INCREMENT: u8 = 0x04;
}

/// Bytes of a sequence and of the extension around it.
const SEQUENCE_BYTES: u32 = 19;
const EXTENSION_BYTES: u32 = 5 + SEQUENCE_BYTES;

/// A key column's part, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PartRef<'a> {
    /// A value.
    Value(KeyRef<'a>),
    /// Below every value.
    Min,
    /// Above every value.
    Max,
    /// To be chosen by the server.
    AutoIncrement,
}

/// What a cell does to its column, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ChangeRef<'a> {
    /// Holds a value, in a version if the cell says so.
    Put {
        /// What.
        value: ValueRef<'a>,
        /// Milliseconds since 1970.
        version: Option<i64>,
    },
    /// Deletes one version.
    DeleteVersion(i64),
    /// Deletes all versions.
    DeleteAll,
    /// Adds to the newest version.
    Increment(i64),
}

/// Where a change stands in the log of its channel; ordered as the changes are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// Higher after a break of the log.
    pub epoch: i32,
    /// Microseconds since 1970.
    pub at_us: i64,
    /// Among the changes of one time.
    pub row_index: i32,
}

/// A row as it stands in a buffer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowParts<'a> {
    /// Key columns, at least one.
    pub key: Vec<(&'a str, PartRef<'a>)>,
    /// Attribute columns.
    pub cells: Vec<(&'a str, ChangeRef<'a>)>,
    /// Whether the row has a delete marker.
    pub deleted: bool,
    /// Where it stands in a log; only records of a tunnel do.
    pub sequence: Option<Sequence>,
}

/// Bytes that are no row, or not the row that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// What is wrong, and where.
    Wrong(String),
    /// The row has this many attribute cells, more than its reader takes.
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
