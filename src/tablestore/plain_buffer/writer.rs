//! Writes buffers in one pass, without an allocation for each row or cell.

use super::{
    ChangeRef, EXTENSION_BYTES, HEADER, PartRef, SEQUENCE_BYTES, Sequence, crc, kind, operation, tag,
};
use store::value::{CellRef, KeyRef, ValueRef};

/// A writer of a buffer of rows.
#[derive(Debug, Default)]
pub struct Writer {
    buffer: Vec<u8>,
}

impl Writer {
    /// Creates an empty buffer. A buffer without rows stays empty and has no header.
    pub fn new() -> Writer {
        Writer::default()
    }

    /// Creates an empty buffer with room for this many bytes.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer { buffer: Vec::with_capacity(bytes) }
    }

    /// Starts the next row. The row is whole only once [`RowWriter::end`] is called, which must not
    /// be left out.
    pub fn row(&mut self) -> RowWriter<'_> {
        if self.buffer.is_empty() {
            self.buffer.extend_from_slice(&HEADER.to_le_bytes());
        }
        self.buffer.push(tag::KEY);
        RowWriter { buffer: &mut self.buffer, row_crc: 0, in_attributes: false }
    }

    /// Returns the number of bytes so far.
    pub fn bytes(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the bytes of the buffer.
    pub fn finish(self) -> Vec<u8> {
        self.buffer
    }
}

/// A writer of one row: key columns first, then attribute columns, then the end.
#[derive(Debug)]
pub struct RowWriter<'a> {
    buffer: &'a mut Vec<u8>,
    row_crc: u8,
    in_attributes: bool,
}

impl RowWriter<'_> {
    /// Adds a key column.
    #[inline]
    pub fn key(&mut self, name: &str, value: KeyRef<'_>) {
        self.part(name, PartRef::Value(value));
    }

    /// Adds a key column, whose part may be a bound or the server's to choose.
    #[inline]
    pub fn part(&mut self, name: &str, part: PartRef<'_>) {
        let crc = self.name(name);
        let payload = match part {
            PartRef::Value(KeyRef::Integer(value)) => self.value(kind::INTEGER, &value.to_le_bytes()),
            PartRef::Value(KeyRef::String(value)) => self.sized_value(kind::STRING, value.as_bytes()),
            PartRef::Value(KeyRef::Binary(value)) => self.sized_value(kind::BINARY, value),
            PartRef::Min => self.value(kind::MIN, &[]),
            PartRef::Max => self.value(kind::MAX, &[]),
            PartRef::AutoIncrement => self.value(kind::AUTO_INCREMENT, &[]),
        };
        let crc = crc::bytes(crc, &self.buffer[payload..]);
        self.end_cell(crc);
    }

    /// Adds a cell of a stored row.
    #[inline]
    pub fn cell(&mut self, cell: CellRef<'_>) {
        self.change(cell.name, ChangeRef::Put { value: cell.value, version: Some(cell.version) });
    }

    /// Adds a change of a column.
    pub fn change(&mut self, name: &str, change: ChangeRef<'_>) {
        if !self.in_attributes {
            self.buffer.push(tag::ATTRIBUTES);
            self.in_attributes = true;
        }
        let mut crc = self.name(name);
        let (value, operation, version) = match change {
            ChangeRef::Put { value, version } => (Some(value), None, version),
            ChangeRef::DeleteVersion(version) => (None, Some(operation::DELETE_VERSION), Some(version)),
            ChangeRef::DeleteAll => (None, Some(operation::DELETE_ALL), None),
            ChangeRef::Increment(by) => (Some(ValueRef::Integer(by)), Some(operation::INCREMENT), None),
        };
        if let Some(value) = value {
            let payload = match value {
                ValueRef::Integer(value) => self.value(kind::INTEGER, &value.to_le_bytes()),
                ValueRef::Double(value) => self.value(kind::DOUBLE, &value.to_bits().to_le_bytes()),
                ValueRef::Boolean(value) => self.value(kind::BOOLEAN, &[u8::from(value)]),
                ValueRef::String(value) => self.sized_value(kind::STRING, value.as_bytes()),
                ValueRef::Binary(value) => self.sized_value(kind::BINARY, value),
            };
            crc = crc::bytes(crc, &self.buffer[payload..]);
        }
        if let Some(operation) = operation {
            self.buffer.extend_from_slice(&[tag::OPERATION, operation]);
        }
        // The checksum covers the version before the operation, although the operation comes first.
        if let Some(version) = version {
            self.buffer.push(tag::VERSION);
            self.buffer.extend_from_slice(&version.to_le_bytes());
            crc = crc::bytes(crc, &version.to_le_bytes());
        }
        if let Some(operation) = operation {
            crc = crc::byte(crc, operation);
        }
        self.end_cell(crc);
    }

    /// Ends the row.
    pub fn end(self) {
        self.end_as(false, None);
    }

    /// Ends a row that may have a delete marker, and a place in a log.
    pub fn end_as(self, deleted: bool, sequence: Option<Sequence>) {
        if deleted {
            self.buffer.push(tag::DELETE_ROW);
        }
        if let Some(sequence) = sequence {
            self.buffer.push(tag::EXTENSION);
            self.buffer.extend_from_slice(&EXTENSION_BYTES.to_le_bytes());
            self.buffer.push(tag::SEQUENCE);
            self.buffer.extend_from_slice(&SEQUENCE_BYTES.to_le_bytes());
            self.buffer.push(tag::EPOCH);
            self.buffer.extend_from_slice(&sequence.epoch.to_le_bytes());
            self.buffer.push(tag::TIME);
            self.buffer.extend_from_slice(&sequence.at_us.to_le_bytes());
            self.buffer.push(tag::ROW_INDEX);
            self.buffer.extend_from_slice(&sequence.row_index.to_le_bytes());
        }
        let crc = crc::byte(self.row_crc, u8::from(deleted));
        self.buffer.extend_from_slice(&[tag::ROW_CHECKSUM, crc]);
    }

    #[inline]
    fn name(&mut self, name: &str) -> u8 {
        self.buffer.extend_from_slice(&[tag::CELL, tag::NAME]);
        self.buffer.extend_from_slice(&length(name.len()).to_le_bytes());
        self.buffer.extend_from_slice(name.as_bytes());
        crc::bytes(0, name.as_bytes())
    }

    /// Adds a value. Returns the position at which the part that the checksum covers begins.
    #[inline]
    fn value(&mut self, kind: u8, payload: &[u8]) -> usize {
        self.buffer.push(tag::VALUE);
        self.buffer.extend_from_slice(&length(1 + payload.len()).to_le_bytes());
        let start = self.buffer.len();
        self.buffer.push(kind);
        self.buffer.extend_from_slice(payload);
        start
    }

    #[inline]
    fn sized_value(&mut self, kind: u8, payload: &[u8]) -> usize {
        self.buffer.push(tag::VALUE);
        self.buffer.extend_from_slice(&length(5 + payload.len()).to_le_bytes());
        let start = self.buffer.len();
        self.buffer.push(kind);
        self.buffer.extend_from_slice(&length(payload.len()).to_le_bytes());
        self.buffer.extend_from_slice(payload);
        start
    }

    #[inline]
    fn end_cell(&mut self, crc: u8) {
        self.buffer.extend_from_slice(&[tag::CELL_CHECKSUM, crc]);
        self.row_crc = crc::byte(self.row_crc, crc);
    }
}

/// Returns a length as it is written. Values are limited to megabytes before they come here.
#[allow(clippy::cast_possible_truncation)]
#[inline]
fn length(bytes: usize) -> u32 {
    debug_assert!(u32::try_from(bytes).is_ok());
    bytes as u32
}
