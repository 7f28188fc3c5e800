//! Compares the boundaries with a plain walk over all records. The limits are so small that every
//! case occurs.

use std::io;

use proptest::prelude::*;

use super::{Boundaries, Quoted, ReadAt, Rule};
use crate::ingest::{RECORD_BYTES_MAX, csv};

/// The limit `L` of these tests.
const LIMIT: usize = 8;

impl ReadAt for Vec<u8> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        // Returns one byte fewer than asked for, as the operating system may do.
        let rest = self.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len().div_ceil(2));
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// Follows the rule of `csv::record_end`, a byte at a time and with any limit.
fn plain_record_end(bytes: &[u8], at_end: bool, limit: usize) -> Option<usize> {
    #[derive(Copy, Clone, PartialEq)]
    enum State {
        FieldStart,
        Plain,
        Quoted,
        QuoteClosed,
        Return,
    }
    use State::*;
    let window = &bytes[..bytes.len().min(limit)];
    let ends_here = at_end && window.len() < limit;
    let mut state = FieldStart;
    let mut broken = bytes.is_empty();
    for (at, byte) in window.iter().enumerate() {
        state = match (state, byte) {
            (FieldStart | Plain | QuoteClosed | Return, b'\n') => return Some(at + 1),
            (FieldStart, b'"') => Quoted,
            (FieldStart | Plain | QuoteClosed, b',') => FieldStart,
            (FieldStart | Plain, byte) if *byte != b'"' => Plain,
            (Quoted, b'"') => QuoteClosed,
            (Quoted, _) | (QuoteClosed, b'"') => Quoted,
            (QuoteClosed, b'\r') => Return,
            _ => {
                broken = true;
                break;
            }
        };
    }
    if !broken && ends_here && state != Quoted {
        return Some(window.len());
    }
    if !broken && !ends_here && window.len() < limit {
        return None;
    }
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => Some(at + 1),
        None => (at_end && !bytes.is_empty()).then_some(bytes.len()),
    }
}

fn line_end(bytes: &[u8], at_end: bool) -> Option<usize> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(at) => Some(at + 1),
        None => (at_end && !bytes.is_empty()).then_some(bytes.len()),
    }
}

/// Returns every record start, and the end of the last record.
fn starts(
    content: &[u8],
    first: usize,
    ends: bool,
    record_end: impl Fn(&[u8], bool) -> Option<usize>,
) -> Vec<u64> {
    let mut starts = vec![first as u64];
    let mut at = first;
    while at < content.len()
        && let Some(length) = record_end(&content[at..], ends)
    {
        at += length;
        starts.push(at as u64);
    }
    starts
}

fn boundaries(rule: Rule, first: usize, size: usize, ends: bool, search_bytes: usize) -> Boundaries {
    Boundaries { search_bytes, ..Boundaries::new(rule, first as u64, size as u64, ends) }
}

const SMALL_RULE: Rule = Rule::Quoted(Quoted {
    record_bytes_max: LIMIT,
    delimiter: b',',
    record_end: |bytes, _, at_end| plain_record_end(bytes, at_end, LIMIT),
});

/// Makes text like CSV. Quotes are so rare that stretches without them occur, and line breaks so
/// rare that long lines occur.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let piece = |quotes: u32| {
        prop_oneof![
            8 => Just(&b"a"[..]),
            3 => Just(&b"\n"[..]),
            2 => Just(&b","[..]),
            1 => Just(&b"\r\n"[..]),
            1 => Just(&b"aaaaaaaaaa"[..]),
            quotes => Just(&b"\""[..]),
            quotes => Just(&b"\n\"a\n\"\n"[..]),
        ]
    };
    prop_oneof![
        proptest::collection::vec(piece(1), 0..60),
        proptest::collection::vec(piece(0), 0..60),
        (proptest::collection::vec(piece(3), 0..8), proptest::collection::vec(piece(0), 0..60))
            .prop_map(|(quoted, plain)| [quoted, plain].concat()),
    ]
    .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn every_place_finds_the_next_record(
        content in content(),
        first in 0_usize..4,
        ends: bool,
        search_bytes in 1_usize..12,
        places in proptest::collection::vec(0_usize..200, 1..6),
    ) {
        let first = first.min(content.len());
        let quoted = starts(&content, first, ends, |bytes, end| plain_record_end(bytes, end, LIMIT));
        let lines = starts(&content, first, ends, line_end);
        for (rule, starts) in [(SMALL_RULE, quoted), (Rule::Line, lines)] {
            let end = starts[starts.len() - 1];
            // The same boundaries are asked out of order first and then at every place, because
            // they keep answers.
            let boundaries = boundaries(rule, first, content.len(), ends, search_bytes);
            for at in places.iter().copied().chain(0..=content.len()) {
                let at = at.min(content.len()) as u64;
                let expected = starts.iter().copied().find(|start| *start >= at).unwrap_or(end);
                prop_assert_eq!(boundaries.start_from(&content, at).unwrap(), expected, "at {}", at);
            }
        }
    }

    #[test]
    fn plain_rule_is_the_parsers(content in content(), at_end: bool) {
        let theirs = match csv::record_end(&content, b',', at_end) {
            csv::RecordEnd::Complete(end) => Some(end),
            csv::RecordEnd::Incomplete => None,
        };
        prop_assert_eq!(plain_record_end(&content, at_end, RECORD_BYTES_MAX), theirs);
    }
}

#[test]
fn a_file_cut_short_is_an_end_too_early() {
    let content = b"a\n".repeat(3);
    for rule in [SMALL_RULE, Rule::Line] {
        let boundaries = boundaries(rule, 0, 40, true, 4);
        let error = boundaries.start_from(&content, 39).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
