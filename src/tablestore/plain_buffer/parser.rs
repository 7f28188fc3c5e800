//! Reads buffers strictly and in one pass. Rows borrow from the buffer, so no length in it can
//! demand memory.

use super::{
    ChangeRef, EXTENSION_BYTES, HEADER, Malformed, PartRef, RowParts, SEQUENCE_BYTES, Sequence, crc, kind,
    operation, tag,
};
use store::schema::KEY_COLUMNS_MAX;
use store::value::{KeyRef, ValueRef};

/// A reader of the rows of a buffer. It returns no more rows after an error.
#[derive(Debug)]
pub struct Rows<'a> {
    input: Input<'a>,
    cells_max: usize,
}

impl<'a> Rows<'a> {
    /// Reads the header of a buffer. A buffer without bytes has no header and no rows.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the buffer begins with anything else.
    pub fn of(buffer: &'a [u8]) -> Result<Rows<'a>, Malformed> {
        let mut input = Input { buffer, at: 0 };
        if !buffer.is_empty() && input.u32()? != HEADER {
            return Err(input.wrong_at(0, "does not start with 75 00 00 00"));
        }
        Ok(Rows { input, cells_max: usize::MAX })
    }

    /// Refuses rows with more attribute cells than this, and holds no more of them in memory.
    pub fn cells_max(self, cells_max: usize) -> Rows<'a> {
        Rows { cells_max, ..self }
    }

    /// Returns the only row of the buffer.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the bytes are not a row, or if there are no rows or several.
    pub fn only(mut self) -> Result<RowParts<'a>, Malformed> {
        let row = self.next().ok_or_else(|| Malformed::Wrong("row data holds no row".to_owned()))??;
        match self.next() {
            None => Ok(row),
            Some(Err(malformed)) => Err(malformed),
            Some(Ok(_)) => Err(Malformed::Wrong("row data holds more than one row".to_owned())),
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = Result<RowParts<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if matches!(self.input.peek(), None | Some(tag::END)) {
            return None;
        }
        let row = read_row(&mut self.input, self.cells_max);
        if row.is_err() {
            self.input.at = self.input.buffer.len();
        }
        Some(row)
    }
}

fn read_row<'a>(input: &mut Input<'a>, cells_max: usize) -> Result<RowParts<'a>, Malformed> {
    let mut row = RowParts::default();
    let mut row_crc = 0;
    input.expect(tag::KEY, "a row must start with tag 01")?;
    while input.take_if(tag::CELL) {
        let start = input.at;
        let cell = read_cell(input, &mut row_crc)?;
        if row.key.len() == KEY_COLUMNS_MAX {
            return Err(
                input.wrong_at(start, format_args!("a row has at most {KEY_COLUMNS_MAX} key columns"))
            );
        }
        let part = cell.key_part().ok_or_else(|| {
            input.wrong_at(start, format_args!("key column '{}' is not a value of a key", cell.name))
        })?;
        row.key.push((cell.name, part));
    }
    if row.key.is_empty() {
        return Err(input.wrong("a row must have key columns"));
    }
    let mut cells = 0;
    if input.take_if(tag::ATTRIBUTES) {
        while input.take_if(tag::CELL) {
            let start = input.at;
            let cell = read_cell(input, &mut row_crc)?;
            let change = cell.change().ok_or_else(|| {
                input.wrong_at(
                    start,
                    format_args!("attribute column '{}' mixes value, type and version", cell.name),
                )
            })?;
            if cells < cells_max {
                row.cells.push((cell.name, change));
            }
            cells += 1;
        }
    }
    row.deleted = input.take_if(tag::DELETE_ROW);
    if input.take_if(tag::EXTENSION) {
        row.sequence = Some(read_extension(input)?);
    }
    input.expect(tag::ROW_CHECKSUM, "expected a row checksum (tag 09)")?;
    if input.u8()? != crc::byte(row_crc, u8::from(row.deleted)) {
        return Err(input.wrong("mismatch of the row checksum"));
    }
    if cells > cells_max {
        return Err(Malformed::TooManyCells(cells));
    }
    Ok(row)
}

/// The parts of a cell, before it is known which of them it may have.
struct CellParts<'a> {
    name: &'a str,
    value: Option<CellValue<'a>>,
    operation: Option<u8>,
    version: Option<i64>,
}

/// Any value that may be in a cell.
#[derive(Clone, Copy)]
pub(super) enum CellValue<'a> {
    Plain(ValueRef<'a>),
    Min,
    Max,
    AutoIncrement,
}

impl<'a> CellParts<'a> {
    fn key_part(&self) -> Option<PartRef<'a>> {
        if self.operation.is_some() || self.version.is_some() {
            return None;
        }
        match self.value? {
            CellValue::Plain(ValueRef::Integer(value)) => Some(PartRef::Value(KeyRef::Integer(value))),
            CellValue::Plain(ValueRef::String(value)) => Some(PartRef::Value(KeyRef::String(value))),
            CellValue::Plain(ValueRef::Binary(value)) => Some(PartRef::Value(KeyRef::Binary(value))),
            CellValue::Plain(ValueRef::Double(_) | ValueRef::Boolean(_)) => None,
            CellValue::Min => Some(PartRef::Min),
            CellValue::Max => Some(PartRef::Max),
            CellValue::AutoIncrement => Some(PartRef::AutoIncrement),
        }
    }

    fn change(&self) -> Option<ChangeRef<'a>> {
        match (self.value, self.operation, self.version) {
            (Some(CellValue::Plain(value)), None, version) => Some(ChangeRef::Put { value, version }),
            (None, Some(operation::DELETE_VERSION), Some(version)) => Some(ChangeRef::DeleteVersion(version)),
            (None, Some(operation::DELETE_ALL), None) => Some(ChangeRef::DeleteAll),
            (Some(CellValue::Plain(ValueRef::Integer(by))), Some(operation::INCREMENT), None) => {
                Some(ChangeRef::Increment(by))
            }
            _ => None,
        }
    }
}

/// Reads a cell whose first tag was read.
fn read_cell<'a>(input: &mut Input<'a>, row_crc: &mut u8) -> Result<CellParts<'a>, Malformed> {
    input.expect(tag::NAME, "a cell must start with its name (tag 04)")?;
    let start = input.at;
    let length = input.u32()?;
    let name = std::str::from_utf8(input.take(length)?)
        .map_err(|_| input.wrong_at(start, "the name of a column is not UTF-8"))?;
    let mut cell = CellParts { name, value: None, operation: None, version: None };
    let mut crc = crc::bytes(0, name.as_bytes());
    if input.take_if(tag::VALUE) {
        let length = input.u32()?;
        let start = input.at;
        cell.value = Some(input.value(name)?);
        if input.at - start != length as usize {
            return Err(
                input.wrong_at(start, format_args!("the lengths of column '{name}' contradict each other"))
            );
        }
        crc = crc::bytes(crc, &input.buffer[start..input.at]);
    }
    if input.take_if(tag::OPERATION) {
        cell.operation = Some(input.u8()?);
    }
    // The checksum covers the version before the operation, although the operation comes first.
    if input.take_if(tag::VERSION) {
        let version = input.array::<8>()?;
        cell.version = Some(i64::from_le_bytes(version));
        crc = crc::bytes(crc, &version);
    }
    if let Some(operation) = cell.operation {
        crc = crc::byte(crc, operation);
    }
    input.expect(tag::CELL_CHECKSUM, format_args!("expected the checksum (tag 0a) of column '{name}'"))?;
    if input.u8()? != crc {
        return Err(input.wrong(format_args!("mismatch of the checksum of column '{name}'")));
    }
    *row_crc = crc::byte(*row_crc, crc);
    Ok(cell)
}

/// Reads an extension whose tag was read. It holds the sequence and nothing else.
fn read_extension(input: &mut Input<'_>) -> Result<Sequence, Malformed> {
    const WRONG: &str = "expected an extension of sequence, epoch, time and row index";
    let mut sequence = Sequence::default();
    if input.u32()? != EXTENSION_BYTES {
        return Err(input.wrong(WRONG));
    }
    input.expect(tag::SEQUENCE, WRONG)?;
    if input.u32()? != SEQUENCE_BYTES {
        return Err(input.wrong(WRONG));
    }
    input.expect(tag::EPOCH, WRONG)?;
    sequence.epoch = i32::from_le_bytes(input.array()?);
    input.expect(tag::TIME, WRONG)?;
    sequence.at_us = i64::from_le_bytes(input.array()?);
    input.expect(tag::ROW_INDEX, WRONG)?;
    sequence.row_index = i32::from_le_bytes(input.array()?);
    Ok(sequence)
}

/// The rest of a buffer.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub(super) buffer: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Input<'a> {
    fn peek(&self) -> Option<u8> {
        self.buffer.get(self.at).copied()
    }

    fn take_if(&mut self, tag: u8) -> bool {
        let there = self.peek() == Some(tag);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, tag: u8, otherwise: impl std::fmt::Display) -> Result<(), Malformed> {
        if self.take_if(tag) { Ok(()) } else { Err(self.wrong(otherwise)) }
    }

    fn take(&mut self, bytes: u32) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(bytes as usize);
        let taken = end
            .and_then(|end| self.buffer.get(self.at..end))
            .ok_or_else(|| self.wrong("ends in the middle of a row"))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let taken = self.buffer.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let taken = *taken.ok_or_else(|| self.wrong("ends in the middle of a row"))?;
        self.at += N;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads a value: its type and payload. `name` is the column's name, for errors.
    pub(super) fn value(&mut self, name: &str) -> Result<CellValue<'a>, Malformed> {
        let start = self.at;
        Ok(match self.u8()? {
            kind::INTEGER => CellValue::Plain(ValueRef::Integer(i64::from_le_bytes(self.array()?))),
            kind::DOUBLE => {
                CellValue::Plain(ValueRef::Double(f64::from_bits(u64::from_le_bytes(self.array()?))))
            }
            kind::BOOLEAN => match self.u8()? {
                truth @ (0 | 1) => CellValue::Plain(ValueRef::Boolean(truth == 1)),
                _ => {
                    return Err(
                        self.wrong(format_args!("column '{name}' is a boolean that is neither 0 nor 1"))
                    );
                }
            },
            kind::STRING => {
                let length = self.u32()?;
                let text = std::str::from_utf8(self.take(length)?).map_err(|_| {
                    self.wrong_at(start, format_args!("column '{name}' is a string that is not UTF-8"))
                })?;
                CellValue::Plain(ValueRef::String(text))
            }
            kind::BINARY => {
                let length = self.u32()?;
                CellValue::Plain(ValueRef::Binary(self.take(length)?))
            }
            kind::MIN => CellValue::Min,
            kind::MAX => CellValue::Max,
            kind::AUTO_INCREMENT => CellValue::AutoIncrement,
            other => {
                return Err(
                    self.wrong_at(start, format_args!("column '{name}' has the unknown type {other:#04x}"))
                );
            }
        })
    }

    pub(super) fn wrong(&self, what: impl std::fmt::Display) -> Malformed {
        self.wrong_at(self.at, what)
    }

    fn wrong_at(&self, at: usize, what: impl std::fmt::Display) -> Malformed {
        Malformed::Wrong(format!("row data is malformed at byte {at}: {what}"))
    }
}
