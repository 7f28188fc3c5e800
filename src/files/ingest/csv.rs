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
//! reject comes from the general way. Fields are delimited by commas, and lines end in LF or CRLF.
//! A quoted field may contain commas, line breaks and doubled quotes. Empty lines are skipped.
//! Other dialects (delimiters, comments, backslashes) are deliberately absent.

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

pub use self::header::{Header, HeaderError};
use self::plain::{Canonical, Columns, PlainRows, UsualValues};
use self::record::{Broken, Field, Scan, scan, unescape, without_line_break};
pub use self::record::{RecordEnd, record_end};
use self::structure::Structure;
use super::row::Cells;
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
                self.parse_block(&mut call, at, &Canonical)
            } else {
                let header = self.header.clone();
                self.parse_block(&mut call, at, &header)
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
    /// Parses the records that start in the next [`INDEX_BYTES`], possibly without the last ones.
    /// Returns the number of bytes that these records have.
    fn parse_block(&mut self, call: &mut Call<'_>, start: usize, columns: &impl Columns) -> usize {
        let length = (call.valid - start).min(INDEX_BYTES);
        self.structure.index(&call.buffer[start..start + length]);
        let mut mark = 0;
        loop {
            mark = self.plain_rows(call, start, mark, columns);
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
    fn plain_rows(
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
            epoch: call.epoch,
            columns,
            block: call.block,
            fields: &mut self.fields,
        };
        let marks = &self.structure.marks()[first_mark..];
        let count = columns.header().columns;
        let mut rest = marks;
        loop {
            while rest.len() > count && rows.push::<UsualValues>(&rest[..=count]) {
                rest = &rest[count..];
                self.line += 1;
            }
            let consumed = rows.push_any(rest);
            if consumed == 0 {
                return first_mark + (marks.len() - rest.len());
            }
            rest = &rest[consumed..];
            self.line += 1;
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
        let found = scan(bytes, call.at_end, |field| {
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
        let cells = Cells {
            user_id: &text(header.user_id),
            order_id: &text(header.order_id),
            price: &text(header.price),
            timestamp: &text(header.timestamp),
            op: &header.op.map_or(Cow::Borrowed(&b""[..]), text),
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
