//! Finds where a record ends, and its fields, as in RFC 4180. It also decides what happens with a
//! broken record.
//!
//! The rule looks at no more than [`RECORD_BYTES_MAX`] bytes from the record's start. Only these
//! bytes, and whether the input ends there, decide. So every reader of an input finds the same
//! records, whichever part of the input it holds:
//!
//! - A record with correct quoting ends at its line break, if that is within the limit.
//! - Any other record is set aside up to its *first* line break, and reading continues after that.
//!   So one stray quote costs one line, not the rest of the file.
//! - A line without a line break within the limit is too long. It ends at its line break, however
//!   far away that is.

use std::borrow::Cow;
use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use crate::ingest::RECORD_BYTES_MAX;

/// Where a record ends.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum RecordEnd {
    /// The record ends after this many bytes from its start, its line break included.
    Complete(usize),
    /// The record ends after the bytes at hand. If there are at least [`RECORD_BYTES_MAX`] of them,
    /// the record is a line that is too long: it ends after the next line break, whatever is in
    /// between.
    Incomplete,
}

/// Returns where the record that starts at `bytes[0]` ends. All of `bytes` are looked at; `at_end`
/// says that no bytes follow them.
///
/// The result agrees with [`CsvParser`](super::CsvParser) on every input, also on broken records.
pub fn record_end(bytes: &[u8], delimiter: u8, at_end: bool) -> RecordEnd {
    let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
    if let Some(at) = memchr2(b'\n', b'"', window).filter(|at| window[*at] == b'\n') {
        return RecordEnd::Complete(at + 1);
    }
    match scan(bytes, delimiter, at_end, |_| {}) {
        Scan::Record { end } | Scan::Broken { end, .. } => RecordEnd::Complete(end),
        Scan::Incomplete => RecordEnd::Incomplete,
        Scan::TooLong => match memchr(b'\n', &bytes[RECORD_BYTES_MAX..]) {
            Some(at) => RecordEnd::Complete(RECORD_BYTES_MAX + at + 1),
            None if at_end => RecordEnd::Complete(bytes.len()),
            None => RecordEnd::Incomplete,
        },
    }
}

/// One field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// The place of its text in the record, without the quotes around it.
    pub(super) span: Range<usize>,
    /// Whether quotes in the text are doubled.
    pub(super) escaped: bool,
}

/// Why a record was given up.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// There is a quote in a field that does not begin with one.
    QuoteInPlainField,
    /// A closing quote is followed by something other than a delimiter or a line break.
    TextAfterQuote,
    /// A quoted field begins in the first line, and what follows that line breaks the rules, is
    /// longer than the limit, or is missing.
    Unended,
    /// There is no line break within the limit.
    TooLong,
}

impl Broken {
    /// Returns the reason for setting the record's first line aside.
    pub(super) fn reason(self) -> String {
        match self {
            Broken::QuoteInPlainField => "quote inside a field that does not begin with a quote".to_owned(),
            Broken::TextAfterQuote => "text after a closing quote".to_owned(),
            Broken::Unended => format!(
                "a quoted field begins in this line and does not end as it should within {RECORD_BYTES_MAX} bytes"
            ),
            Broken::TooLong => format!("record is longer than {RECORD_BYTES_MAX} bytes"),
        }
    }
}

/// What was found at the start of some bytes.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// There is a record of this many bytes, its line break included.
    Record { end: usize },
    /// There is a broken record. Its first line has this many bytes, its line break included.
    Broken { end: usize, reason: Broken },
    /// There is a line without a line break within [`RECORD_BYTES_MAX`] bytes.
    TooLong,
    /// More bytes are needed to tell.
    Incomplete,
}

/// Where the walk over the fields stopped.
enum Walk {
    Record {
        end: usize,
    },
    /// The byte at `at` breaks a rule.
    Broken {
        at: usize,
        reason: Broken,
    },
    /// The window ended.
    UsedUp,
}

/// Finds the record that starts at `bytes[0]`. Calls `on_field` for each of its fields in turn,
/// also for those of a record that turns out to be broken.
pub(super) fn scan(bytes: &[u8], delimiter: u8, at_end: bool, on_field: impl FnMut(Field)) -> Scan {
    if bytes.is_empty() {
        return Scan::Incomplete;
    }
    let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
    let at_limit = window.len() == RECORD_BYTES_MAX;
    let ends_here = at_end && !at_limit;
    let (broken_at, reason) = match walk(window, delimiter, ends_here, on_field) {
        Walk::Record { end } => return Scan::Record { end },
        Walk::Broken { at, reason } => (at, reason),
        Walk::UsedUp if at_limit || ends_here => (window.len(), Broken::Unended),
        Walk::UsedUp => return Scan::Incomplete,
    };
    // What follows the first line may be in a part that another worker reads. So the reason rests
    // on that line alone.
    match memchr(b'\n', window) {
        Some(at) if broken_at < at => Scan::Broken { end: at + 1, reason },
        Some(at) => Scan::Broken { end: at + 1, reason: Broken::Unended },
        None if at_limit => Scan::TooLong,
        None if ends_here => Scan::Broken { end: window.len(), reason },
        None => Scan::Incomplete,
    }
}

fn walk(window: &[u8], delimiter: u8, ends_here: bool, mut on_field: impl FnMut(Field)) -> Walk {
    let mut at = 0;
    loop {
        if window.get(at) == Some(&b'"') {
            let Some((close, escaped)) = closing_quote(window, at + 1, ends_here) else {
                return Walk::UsedUp;
            };
            on_field(Field { span: at + 1..close, escaped });
            at = match &window[close + 1..] {
                [after, ..] if *after == delimiter => close + 2,
                [b'\n', ..] => return Walk::Record { end: close + 2 },
                [b'\r', b'\n', ..] => return Walk::Record { end: close + 3 },
                [] | [b'\r'] if ends_here => return Walk::Record { end: window.len() },
                // A quote is known to be the closing one only if something follows it.
                [b'\r'] => return Walk::UsedUp,
                _ => return Walk::Broken { at: close + 1, reason: Broken::TextAfterQuote },
            };
        } else {
            let end = memchr3(delimiter, b'\n', b'"', &window[at..]).map(|length| at + length);
            match end.map(|end| (end, window[end])) {
                Some((end, byte)) if byte == delimiter => {
                    on_field(Field { span: at..end, escaped: false });
                    at = end + 1;
                }
                Some((end, b'\n')) => {
                    on_field(Field { span: at..without_return(window, at, end), escaped: false });
                    return Walk::Record { end: end + 1 };
                }
                Some((at, _)) => return Walk::Broken { at, reason: Broken::QuoteInPlainField },
                None if ends_here => {
                    let end = window.len();
                    on_field(Field { span: at..without_return(window, at, end), escaped: false });
                    return Walk::Record { end };
                }
                None => return Walk::UsedUp,
            }
        }
    }
}

/// Returns the position of the quote that closes the field whose text begins at `at`, and whether
/// the text has doubled quotes.
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

/// Returns `end`, or the position before it if the text from `start` to `end` ends in a carriage
/// return.
fn without_return(bytes: &[u8], start: usize, end: usize) -> usize {
    if bytes[start..end].last() == Some(&b'\r') { end - 1 } else { end }
}

/// Returns a record, or the first line of one, without its line break.
pub(super) fn without_line_break(record: &[u8]) -> &[u8] {
    let record = record.strip_suffix(b"\n").unwrap_or(record);
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// Returns the text of a field of a record, with doubled quotes made single.
pub(super) fn unescape<'a>(record: &'a [u8], field: &Field) -> Cow<'a, [u8]> {
    let text = &record[field.span.clone()];
    if !field.escaped {
        return Cow::Borrowed(text);
    }
    let mut unescaped = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(quote) = memchr(b'"', rest) {
        unescaped.extend_from_slice(&rest[..=quote]);
        rest = &rest[quote + 2..];
    }
    unescaped.extend_from_slice(rest);
    Cow::Owned(unescaped)
}
