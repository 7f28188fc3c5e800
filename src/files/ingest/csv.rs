//! Reads CSV files of orders, as in RFC 4180. Plain rows take a fast path.
//!
//! ```text
//! bytes ──► structure: marks of , \n " ──► plain: good rows, by loads at the marks ──► orders
//!                                      └─► record + row: all others, by the rules ──► orders,
//!                                                                                    rejects
//! ```
//!
//! A block of `INDEX_BYTES` is marked at a time, while it is in the cache. The plain path is only
//! a shortcut: if it takes a row, the general way would give exactly the same order, and every
//! reject comes from the general way. Fields are delimited by commas or another byte, and lines end
//! in LF or CRLF. A quoted field may contain delimiters, line breaks and doubled quotes. Empty lines
//! are skipped. Other dialects (comments, backslashes) are deliberately absent.
//!
//! The plain path is compiled once for times in epoch milliseconds, once for ISO 8601, and once for
//! whatever the user's options make of values. If most rows of a block are not plain in the first
//! of these forms, the next block is tried in the second, and the other way round.

mod digits;
mod header;
mod plain;
mod record;
#[cfg(test)]
mod reference;
mod structure;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use dataflows::Epoch;
use memchr::{memchr, memchr_iter};
use orders::DecimalMark;

pub use self::header::{Header, HeaderError};
use self::plain::{AnyValues, Canonical, Columns, IsoValues, PlainRows, UsualValues, Values};
use self::record::{Broken, Field, Scan, scan, unescape, without_line_break};
pub use self::record::{RecordEnd, record_end};
use self::structure::Structure;
use super::row::{Cells, NumberText};
use super::{BUFFER_PADDING, Block, Parser, ParserContext, RECORD_BYTES_MAX};

/// The number of bytes that are marked at a time. They, their marks and their orders fit in the
/// cache together.
const INDEX_BYTES: usize = 16 << 10;

/// A parser of the records after the header of a CSV file.
pub struct CsvParser {
    header: Header,
    context: ParserContext,
    /// The line in which the next record starts, counted from 0 at the start of the part.
    line: u64,
    /// Whether the bytes up to the next line break are the rest of a line that is too long.
    skipping: bool,
    structure: Structure,
    /// The first fields of the present record, at most as many as there are columns.
    fields: Vec<Field>,
    /// Whether times are first tried as ISO 8601, if both that and epoch milliseconds are usual.
    iso_first: bool,
    /// The rows of the present block that were not plain in the form that was tried first.
    other_rows: u64,
}

impl CsvParser {
    /// Creates a parser for the records of a part of a file with this header.
    pub fn new(header: &Header, context: ParserContext) -> CsvParser {
        CsvParser {
            header: header.clone(),
            context,
            line: 0,
            skipping: false,
            structure: Structure::default(),
            fields: Vec::new(),
            iso_first: false,
            other_rows: 0,
        }
    }
}

/// What is the same for all records of one call of [`Parser::parse`].
struct Call<'a> {
    buffer: &'a [u8],
    valid: usize,
    offset: u64,
    at_end: bool,
    epoch: Epoch,
    block: &'a mut Block,
}

impl Parser for CsvParser {
    fn parse(
        &mut self,
        buffer: &[u8],
        valid: usize,
        offset: u64,
        at_end: bool,
        epoch: Epoch,
        block: &mut Block,
    ) -> usize {
        assert!(buffer.len() >= valid + BUFFER_PADDING, "the buffer is padded");
        let first_line = self.line;
        let mut call = Call { buffer, valid, offset, at_end, epoch, block };
        let mut at = 0;
        while at < valid {
            let consumed = if self.skipping {
                self.skip_line(&buffer[at..valid])
            } else if self.header == Canonical::HEADER {
                self.parse_block_in_form(&mut call, at, &Canonical)
            } else {
                let header = self.header.clone();
                self.parse_block_in_form(&mut call, at, &header)
            };
            if consumed == 0 {
                break;
            }
            at += consumed;
        }
        call.block.lines += self.line - first_line;
        at
    }

    fn set_round(&mut self, round: u32) {
        self.context.round = round;
    }

    fn skip_lines(&mut self, lines: u64) {
        self.line += lines;
    }
}

impl CsvParser {
    /// Parses a block as [`parse_block`](Self::parse_block) does, in the form that is tried first.
    fn parse_block_in_form(&mut self, call: &mut Call<'_>, start: usize, columns: &impl Columns) -> usize {
        let form = &self.context.form;
        if form.decimal_mark != DecimalMark::Point || !form.time.counts_ms() {
            return self.parse_block::<AnyValues>(call, start, columns);
        }
        let first_line = self.line;
        self.other_rows = 0;
        let consumed = match self.iso_first {
            false => self.parse_block::<UsualValues>(call, start, columns),
            true => self.parse_block::<IsoValues>(call, start, columns),
        };
        self.iso_first ^= 2 * self.other_rows > self.line - first_line;
        consumed
    }

    /// Parses the records that start in the next [`INDEX_BYTES`], possibly without the last ones.
    /// Returns the number of bytes that these records have.
    fn parse_block<V: Values>(&mut self, call: &mut Call<'_>, start: usize, columns: &impl Columns) -> usize {
        let length = (call.valid - start).min(INDEX_BYTES);
        self.structure.index(&call.buffer[start..start + length], columns.header().delimiter);
        let mut mark = 0;
        loop {
            mark = self.plain_rows::<V>(call, start, mark, columns);
            let marks = self.structure.marks();
            let at = marks[mark].wrapping_add(1) as usize;
            let may_be_cut = mark + columns.header().columns >= marks.len() && start + length < call.valid;
            if at == length || (may_be_cut && at > 0) {
                return at;
            }
            let consumed = self.any_record(call, start + at);
            let next = at + consumed;
            if consumed == 0 || next >= length {
                return next;
            }
            // The line break of the record is a mark. It is the mark before the next record.
            mark += self.structure.marks()[mark + 1..].partition_point(|mark| (*mark as usize) < next);
        }
    }

    /// Appends the plain rows after a mark, until a row is not plain or not complete. Returns the
    /// mark before that row.
    #[inline]
    fn plain_rows<V: Values>(
        &mut self,
        call: &mut Call<'_>,
        start: usize,
        first_mark: usize,
        columns: &impl Columns,
    ) -> usize {
        let mut rows = PlainRows {
            bytes: &call.buffer[start..],
            is_ascii: self.structure.is_ascii(),
            offset: call.offset + start as u64,
            context: &self.context,
            is_keyed: self.context.form.envelope.is_keyed(),
            epoch: call.epoch,
            columns,
            block: call.block,
            fields: &mut self.fields,
        };
        let marks = &self.structure.marks()[first_mark..];
        let count = columns.header().columns;
        let mut rest = marks;
        loop {
            while rest.len() > count && rows.push::<V>(&rest[..=count]) {
                rest = &rest[count..];
                self.line += 1;
            }
            let consumed = rows.push_any(rest);
            if consumed == 0 {
                return first_mark + (marks.len() - rest.len());
            }
            rest = &rest[consumed..];
            self.line += 1;
            self.other_rows += 1;
        }
    }

    /// Parses the record at `start` by all rules. Returns the number of bytes consumed, which is 0
    /// if the record is not complete.
    #[cold]
    fn any_record(&mut self, call: &mut Call<'_>, start: usize) -> usize {
        let bytes = &call.buffer[start..call.valid];
        let (columns, mut count) = (self.header.columns, 0);
        self.fields.clear();
        let fields = &mut self.fields;
        let found = scan(bytes, self.header.delimiter, call.at_end, |field| {
            count += 1;
            if count <= columns {
                fields.push(field);
            }
        });
        let line = self.line;
        let (consumed, outcome) = match found {
            Scan::Incomplete => return 0,
            Scan::Record { end } => {
                let record = &bytes[..end];
                self.line += memchr_iter(b'\n', record).count() as u64;
                self.line += u64::from(record.last() != Some(&b'\n'));
                let offset = call.offset + start as u64;
                (end, self.push_record(call.block, call.epoch, offset, record, count))
            }
            Scan::Broken { end, reason } => {
                self.line += 1;
                (end, Err(reason.reason()))
            }
            Scan::TooLong => {
                self.line += 1;
                self.skipping = true;
                (RECORD_BYTES_MAX, Err(Broken::TooLong.reason()))
            }
        };
        if let Err(reason) = outcome {
            self.context.push_reject(call.block, line, reason, without_line_break(&bytes[..consumed]));
        }
        consumed
    }

    /// Appends the order of a record with `count` fields. A record that is an empty line is
    /// skipped.
    fn push_record(
        &self,
        block: &mut Block,
        epoch: Epoch,
        offset: u64,
        record: &[u8],
        count: usize,
    ) -> Result<(), String> {
        if without_line_break(record).is_empty() {
            return Ok(());
        }
        let header = &self.header;
        if count != header.columns {
            let plural = if count == 1 { "" } else { "s" };
            return Err(format!("{count} field{plural} instead of {}", header.columns));
        }
        let text = |column: usize| unescape(record, &self.fields[column]);
        let text_or_empty = |column: Option<usize>| column.map_or(Cow::Borrowed(&b""[..]), text);
        let number = |column| NumberText { text: text(column), mark: self.context.form.decimal_mark };
        let cells = Cells {
            user_id: text(header.user_id),
            order_id: text_or_empty(header.order_id),
            price: number(header.price),
            timestamp: text(header.timestamp),
            op: text_or_empty(header.op),
            quantity: header.quantity.map(number),
        };
        self.context.push_cells(block, epoch, offset, &cells)
    }

    /// Skips to after the next line break. Returns the number of bytes skipped.
    fn skip_line(&mut self, bytes: &[u8]) -> usize {
        let line_break = memchr(b'\n', bytes);
        self.skipping = line_break.is_none();
        line_break.map_or(bytes.len(), |at| at + 1)
    }
}
