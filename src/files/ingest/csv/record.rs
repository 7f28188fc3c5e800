//! Where a record ends, and its fields: RFC 4180, and what happens where it is broken.
//!
//! The rule looks at no more than [`RECORD_BYTES_MAX`] bytes from the record's start, and nothing
//! but those bytes (and where the input ends) decides, so every reader of an input finds the same
//! records, whichever part of it they hold:
//!
//! - A record whose quoting holds ends at its line break, if that is within the limit.
//! - Any other record is set aside up to its *first* line break, and reading goes on behind it: one
//!   stray quote costs one line, not the rest of the file.
//! - A line without a line break within the limit is too long; it ends at its line break, however
//!   far away that is.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use crate::ingest::RECORD_BYTES_MAX;

/// Where a record ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// So many bytes from its start, its line break included.
    Complete(usize),
    /// Behind the bytes at hand. If those are at least [`RECORD_BYTES_MAX`], the record is a line
    /// that is too long: it ends behind the next line break, whatever is in between.
    Incomplete,
}

/// Where the record that starts at `bytes[0]` ends; `at_end` says that no bytes follow `valid`.
///
/// Agrees with [`CsvParser`](super::CsvParser) on every input, also on broken records.
pub fn record_end(bytes: &[u8], valid: usize, at_end: bool) -> RecordEnd {
    let bytes = &bytes[..valid];
    let window = &bytes[..valid.min(RECORD_BYTES_MAX)];
    if let Some(at) = memchr2(b'\n', b'"', window).filter(|at| window[*at] == b'\n') {
        return RecordEnd::Complete(at + 1);
    }
    match scan(bytes, at_end, |_| {}) {
        Scan::Record { end } | Scan::Broken { end, .. } => RecordEnd::Complete(end),
        Scan::Incomplete => RecordEnd::Incomplete,
        Scan::TooLong => match memchr(b'\n', &bytes[RECORD_BYTES_MAX..]) {
            Some(at) => RecordEnd::Complete(RECORD_BYTES_MAX + at + 1),
            None if at_end => RecordEnd::Complete(valid),
            None => RecordEnd::Incomplete,
        },
    }
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Its text in the record, without the quotes around it.
    pub(super) span: Range<usize>,
    /// Whether quotes in it are doubled.
    pub(super) escaped: bool,
}

/// Why a record was given up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// There is a quote in a field that does not begin with one.
    QuoteInPlainField,
    /// A closing quote is followed by something else than a comma or a line break.
    TextAfterQuote,
    /// The input ends in a quoted field.
    UnclosedAtEnd,
    /// A quoted field goes on beyond the limit.
    UnclosedInLimit,
    /// The record goes on beyond the limit, though its quotes are closed.
    TooLong,
}

impl Broken {
    /// The reason for setting the record's first line aside.
    pub(super) fn reason(self) -> String {
        match self {
            Broken::QuoteInPlainField => "quote inside a field that does not begin with a quote".to_owned(),
            Broken::TextAfterQuote => "text after a closing quote".to_owned(),
            Broken::UnclosedAtEnd => "no closing quote before the end of the input".to_owned(),
            Broken::UnclosedInLimit => format!("no closing quote within {RECORD_BYTES_MAX} bytes"),
            Broken::TooLong => format!("record is longer than {RECORD_BYTES_MAX} bytes"),
        }
    }
}

/// What is at the start of some bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A record of so many bytes, its line break included.
    Record { end: usize },
    /// A broken record, whose first line has so many bytes, its line break included.
    Broken { end: usize, reason: Broken },
    /// A line without a line break within [`RECORD_BYTES_MAX`] bytes.
    TooLong,
    /// More bytes are needed to tell.
    Incomplete,
}

/// Where the walk over the fields stopped.
enum Walk {
    Record {
        end: usize,
    },
    Broken(Broken),
    /// The window was used up, in a quoted field or not.
    UsedUp {
        quoted: bool,
    },
}

/// Finds the record that starts at `bytes[0]`, calling `on_field` for each of its fields in turn
/// (also for those of a record that turns out to be broken).
pub(super) fn scan(bytes: &[u8], at_end: bool, on_field: impl FnMut(Field)) -> Scan {
    if bytes.is_empty() {
        return Scan::Incomplete;
    }
    let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
    let at_limit = window.len() == RECORD_BYTES_MAX;
    let ends_here = at_end && !at_limit;
    let reason = match walk(window, ends_here, on_field) {
        Walk::Record { end } => return Scan::Record { end },
        Walk::Broken(reason) => reason,
        Walk::UsedUp { quoted: true } if at_limit => Broken::UnclosedInLimit,
        Walk::UsedUp { quoted: true } if ends_here => Broken::UnclosedAtEnd,
        Walk::UsedUp { .. } if at_limit => Broken::TooLong,
        Walk::UsedUp { .. } => return Scan::Incomplete,
    };
    match memchr(b'\n', window) {
        Some(at) => Scan::Broken { end: at + 1, reason },
        None if at_limit => Scan::TooLong,
        None if ends_here => Scan::Broken { end: window.len(), reason },
        None => Scan::Incomplete,
    }
}

fn walk(window: &[u8], ends_here: bool, mut on_field: impl FnMut(Field)) -> Walk {
    let mut at = 0;
    loop {
        if window.get(at) == Some(&b'"') {
            let Some((close, escaped)) = closing_quote(window, at + 1, ends_here) else {
                return Walk::UsedUp { quoted: true };
            };
            on_field(Field { span: at + 1..close, escaped });
            at = match &window[close + 1..] {
                [b',', ..] => close + 2,
                [b'\n', ..] => return Walk::Record { end: close + 2 },
                [b'\r', b'\n', ..] => return Walk::Record { end: close + 3 },
                [] | [b'\r'] if ends_here => return Walk::Record { end: window.len() },
                // The closing quote is known as one only if something follows it.
                [b'\r'] => return Walk::UsedUp { quoted: false },
                _ => return Walk::Broken(Broken::TextAfterQuote),
            };
        } else {
            let end = memchr3(b',', b'\n', b'"', &window[at..]).map(|length| at + length);
            match end.map(|end| (end, window[end])) {
                Some((end, b',')) => {
                    on_field(Field { span: at..end, escaped: false });
                    at = end + 1;
                }
                Some((end, b'\n')) => {
                    on_field(Field { span: at..without_return(window, at, end), escaped: false });
                    return Walk::Record { end: end + 1 };
                }
                Some(_) => return Walk::Broken(Broken::QuoteInPlainField),
                None if ends_here => {
                    let end = window.len();
                    on_field(Field { span: at..without_return(window, at, end), escaped: false });
                    return Walk::Record { end };
                }
                None => return Walk::UsedUp { quoted: false },
            }
        }
    }
}

/// The quote that closes the field whose text begins at `at`, and whether the text has doubled ones.
fn closing_quote(window: &[u8], mut at: usize, ends_here: bool) -> Option<(usize, bool)> {
    let mut escaped = false;
    loop {
        let quote = at + memchr(b'"', &window[at..])?;
        match window.get(quote + 1) {
            Some(b'"') => {
                escaped = true;
                at = quote + 2;
            }
            Some(_) => return Some((quote, escaped)),
            None => return ends_here.then_some((quote, escaped)),
        }
    }
}

/// `end`, or the position before it if a carriage return ends the text from `start` to there.
fn without_return(bytes: &[u8], start: usize, end: usize) -> usize {
    if bytes[start..end].last() == Some(&b'\r') { end - 1 } else { end }
}

/// A record, or the first line of one, without its line break.
pub(super) fn without_line_break(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}
