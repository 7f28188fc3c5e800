//! Reads orders in JSON: one object a line, or a top-level array of objects.
//!
//! In JSON lines a record always ends at a line feed, because JSON has no raw line breaks. So a
//! reader always knows where a record starts. An array is read from its start, an element at a time;
//! a record of it is an element, whatever its lines. Whether an input is an array is told by its
//! first byte that is not blank.
//!
//! Prices never become doubles: the text of the number is read, so `0.1` is exactly that. Members
//! that are not needed are checked to be JSON and ignored. A name of a member may be a path: see
//! `members`.

mod array;
mod debezium;
mod members;
#[cfg(test)]
mod tests;

use dataflows::Epoch;
use memchr::{memchr, memchr_iter};

use self::array::{Nesting, Next};
use self::debezium::push_change;
use self::members::{Members, Places};
use super::row::{Op, parse_op};
use super::{BUFFER_PADDING, BYTE_ORDER_MARK, Block, Envelope, Parser, ParserContext, RECORD_BYTES_MAX};

/// A parser of a file of JSON.
pub struct JsonParser {
    places: Places,
    context: ParserContext,
    shape: Shape,
    /// The number of the next line, counted from 0 at the start of the part.
    line: u64,
}

/// What an input is, and what is to be skipped of it.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Shape {
    /// Nothing was read yet.
    Unread,
    /// Nothing but blanks is known of the input's start.
    Blank,
    /// One object a line. With `skipping`, the bytes up to the next line break are the rest of a
    /// line that is too long.
    Lines { skipping: bool },
    /// An array. With `skipping`, the bytes up to the end of that value are the rest of an element
    /// that is too long.
    Array { next: Next, skipping: Option<Nesting> },
}

/// What is the same for all records of one call of [`Parser::parse`].
struct Call<'a> {
    bytes: &'a [u8],
    offset: u64,
    at_end: bool,
    epoch: Epoch,
    block: &'a mut Block,
}

impl JsonParser {
    /// Creates a parser of a part of a file.
    pub fn new(context: ParserContext) -> JsonParser {
        JsonParser { places: Places::new(&context.form.names), context, shape: Shape::Unread, line: 0 }
    }

    /// Appends the order of one record, or sets it aside. The record starts at `start` and has
    /// nothing of what separates it from others.
    fn push(&self, call: &mut Call<'_>, start: usize, record: &[u8]) {
        if let Err(reason) = self.push_record(call, start, record) {
            self.context.push_reject(call.block, self.line, reason, record);
        }
    }

    fn push_record(&self, call: &mut Call<'_>, start: usize, record: &[u8]) -> Result<(), String> {
        let (block, epoch, offset) = (&mut *call.block, call.epoch, call.offset + start as u64);
        let form = &self.context.form;
        if form.envelope == Envelope::Debezium {
            return push_change(&self.context, &self.places, block, epoch, offset, record);
        }
        let members = Members::of(record, &self.places)?;
        block.members_seen |= members.roles();
        let cells = members.cells(form)?;
        members.check(form, parse_op(&cells.op, form.envelope)? == Op::Delete)?;
        self.context.push_cells(block, epoch, offset, &cells)
    }

    /// Finds what an input is by its first bytes. Returns how many of them belong to no record, or
    /// `None` if more bytes are needed to tell.
    fn find_shape(&mut self, call: &Call<'_>) -> Option<usize> {
        let mark = match call.bytes {
            bytes if bytes.starts_with(BYTE_ORDER_MARK) => BYTE_ORDER_MARK.len(),
            bytes if BYTE_ORDER_MARK.starts_with(bytes) && !call.at_end => return None,
            _ => 0,
        };
        let lines = Shape::Lines { skipping: false };
        self.shape = match call.bytes[mark..].iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => Shape::Array { next: Next::Array, skipping: None },
            Some(_) => lines,
            None if call.at_end || call.bytes.len() >= RECORD_BYTES_MAX => lines,
            None => return None,
        };
        // A mark alone is a line.
        self.line += u64::from(mark > 0 && mark == call.bytes.len());
        Some(mark)
    }

    /// Parses the line at `at`. Returns the number of bytes consumed, which is 0 if the line is not
    /// complete.
    fn parse_line(&mut self, call: &mut Call<'_>, at: usize) -> usize {
        let bytes = &call.bytes[at..];
        let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
        let line = match memchr(b'\n', window) {
            Some(line_break) => &window[..line_break],
            None if window.len() == RECORD_BYTES_MAX => {
                self.context.push_reject(call.block, self.line, too_long(), window);
                self.line += 1;
                self.shape = Shape::Lines { skipping: true };
                return window.len();
            }
            None if call.at_end => window,
            None => return 0,
        };
        let text = line.strip_suffix(b"\r").unwrap_or(line);
        if !text.trim_ascii().is_empty() {
            self.push(call, at, text);
        }
        self.line += 1;
        bytes.len().min(line.len() + 1)
    }

    /// Parses what comes next at `at`, in an array. Returns the number of bytes consumed, which is
    /// 0 if it is not complete.
    fn parse_in_array(&mut self, call: &mut Call<'_>, at: usize, next: Next) -> usize {
        let bytes = &call.bytes[at..];
        let mut go_on = |next, count| {
            self.shape = Shape::Array { next, skipping: None };
            count
        };
        match (next, bytes[0]) {
            (_, b' ' | b'\t' | b'\r' | b'\n') => {
                self.line += u64::from(bytes[0] == b'\n');
                1
            }
            (Next::Array, b'[') => go_on(Next::Element, 1),
            (Next::Element | Next::Comma, b']') => go_on(Next::Array, 1),
            (Next::Comma, b',') => go_on(Next::Element, 1),
            (Next::Element, b',') => {
                let reason = "nothing stands before a comma of the array".to_owned();
                self.context.push_reject(call.block, self.line, reason, b",");
                1
            }
            _ => self.parse_element(call, at, next),
        }
    }

    fn parse_element(&mut self, call: &mut Call<'_>, at: usize, next: Next) -> usize {
        let bytes = &call.bytes[at..];
        let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
        let window = &window[..Nesting::cut(window)];
        let mut nesting = Nesting::default();
        // A bracket that closes nothing is a value of its own.
        let end = nesting.end(window).map(|end| end.max(1));
        let record = match end {
            Some(end) => &window[..end],
            None if bytes.len() >= RECORD_BYTES_MAX => {
                self.context.push_reject(call.block, self.line, too_long(), window);
                self.line += memchr_iter(b'\n', window).count() as u64;
                self.shape = Shape::Array { next: Next::Comma, skipping: Some(nesting) };
                return window.len();
            }
            None if call.at_end => bytes,
            None => return 0,
        };
        let reason = match next {
            Next::Array => Some("text after the array"),
            Next::Comma => Some("no comma before an element of the array"),
            Next::Element => None,
        };
        match reason {
            Some(reason) => self.context.push_reject(call.block, self.line, reason.to_owned(), record),
            None => self.push(call, at, record),
        }
        self.line += memchr_iter(b'\n', record).count() as u64;
        // An element that the input cuts short is set aside for that. So is the array otherwise.
        let is_cut = end.is_none() || next == Next::Array;
        let next = if is_cut { Next::Array } else { Next::Comma };
        self.shape = Shape::Array { next, skipping: None };
        record.len()
    }

    /// Skips the rest of an element that is too long. Returns the number of bytes skipped.
    fn skip_element(&mut self, call: &Call<'_>, at: usize, mut nesting: Nesting) -> usize {
        let bytes = &call.bytes[at..];
        let bytes = if call.at_end { bytes } else { &bytes[..Nesting::cut(bytes)] };
        let end = nesting.end(bytes);
        let skipped = end.unwrap_or(bytes.len());
        self.line += memchr_iter(b'\n', &bytes[..skipped]).count() as u64;
        self.shape =
            Shape::Array { next: Next::Comma, skipping: if end.is_none() { Some(nesting) } else { None } };
        skipped
    }

    /// Takes the end of an input that is an array into account.
    fn end_array(&mut self, call: &mut Call<'_>, next: Next) {
        if next != Next::Array {
            let reason = "the array has no end: the input was cut short".to_owned();
            self.context.push_reject(call.block, self.line, reason, b"");
        }
        self.line += u64::from(call.bytes.last().is_some_and(|byte| *byte != b'\n'));
    }
}

impl Parser for JsonParser {
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
        let mut call = Call { bytes: &buffer[..valid], offset, at_end, epoch, block };
        let mut at = 0;
        if self.shape == Shape::Unread {
            // A part that begins elsewhere is never one of an array.
            self.shape = if offset == 0 { Shape::Blank } else { Shape::Lines { skipping: false } };
        }
        if self.shape == Shape::Blank {
            match self.find_shape(&call) {
                Some(no_record) => at = no_record,
                None => return 0,
            }
        }
        while at < valid {
            let consumed = match self.shape {
                Shape::Unread | Shape::Blank => 0,
                Shape::Lines { skipping: false } => self.parse_line(&mut call, at),
                Shape::Lines { skipping: true } => {
                    let line_break = memchr(b'\n', &call.bytes[at..]);
                    self.shape = Shape::Lines { skipping: line_break.is_none() };
                    line_break.map_or(valid - at, |line_break| line_break + 1)
                }
                Shape::Array { next, skipping: None } => self.parse_in_array(&mut call, at, next),
                Shape::Array { skipping: Some(nesting), .. } => self.skip_element(&call, at, nesting),
            };
            if consumed == 0 {
                break;
            }
            at += consumed;
        }
        if let (Shape::Array { next, .. }, true) = (self.shape, at_end) {
            self.end_array(&mut call, next);
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

/// Returns whether the bytes at the start of an input say that it is an array.
pub fn is_array(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    bytes.trim_ascii_start().first() == Some(&b'[')
}

fn too_long() -> String {
    format!("record is longer than {RECORD_BYTES_MAX} bytes")
}
