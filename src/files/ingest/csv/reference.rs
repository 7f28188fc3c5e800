//! A reference parser that reads byte by byte, and random inputs on which the real parser is
//! compared with it.

use super::tests::{COLUMNS, header};
use super::*;
use crate::ingest::Envelope;
use crate::ingest::testing::{EPOCH, Parsed, context, parse_in_cuts, parse_whole};
use testkit::Random;

/// Reads an input byte by byte. Also returns the places where its records start.
pub(super) fn reference(header: &Header, envelope: Envelope, input: &[u8]) -> (Parsed, Vec<usize>) {
    let (mut block, mut starts) = (Block::default(), Vec::new());
    let mut start = 0;
    while start < input.len() {
        starts.push(start);
        let line = block.lines;
        let limit = start + RECORD_BYTES_MAX;
        let (end, outcome) = match reference_record(&input[start..]) {
            Ok((length, fields)) => {
                let raw = without_line_break(&input[start..start + length]);
                let outcome = if raw.is_empty() {
                    Ok(())
                } else if fields.len() != header.columns {
                    let plural = if fields.len() == 1 { "" } else { "s" };
                    Err(format!("{} field{plural} instead of {}", fields.len(), header.columns))
                } else {
                    let cells = Cells {
                        user_id: &fields[header.user_id],
                        order_id: &fields[header.order_id],
                        price: &fields[header.price],
                        timestamp: &fields[header.timestamp],
                        op: header.op.map_or(&[], |op| &fields[op]),
                    };
                    context(envelope).push_cells(&mut block, EPOCH, start as u64, &cells)
                };
                (start + length, outcome)
            }
            Err(reason) => {
                let line_break = input[start..].iter().position(|byte| *byte == b'\n');
                let end = line_break.map_or(input.len(), |at| start + at + 1);
                let is_long = end - start > RECORD_BYTES_MAX || (line_break.is_none() && end >= limit);
                let too_long = format!("record is longer than {RECORD_BYTES_MAX} bytes");
                (end, Err(if is_long { too_long } else { reason }))
            }
        };
        if let Err(reason) = outcome {
            let raw = without_line_break(&input[start..end.min(limit)]);
            context(envelope).push_reject(&mut block, line, reason, raw);
        }
        let record = &input[start..end];
        block.lines += record.iter().filter(|byte| **byte == b'\n').count() as u64;
        block.lines += u64::from(!record.ends_with(b"\n"));
        start = end;
    }
    (block.into(), starts)
}

/// Returns the length and the fields of the record at the start of `input`, or why it is broken.
fn reference_record(input: &[u8]) -> Result<(usize, Vec<Vec<u8>>), String> {
    #[derive(PartialEq)]
    enum State {
        FieldStart,
        Plain,
        Quoted,
        QuoteInQuoted,
        Return,
    }
    let unended = || {
        Err(format!(
            "a quoted field begins in this line and does not end as it should within {RECORD_BYTES_MAX} bytes"
        ))
    };
    // The reason rests on the first line alone.
    let broken = |at: usize, reason: &str| {
        if input[..at].contains(&b'\n') { unended() } else { Err(reason.to_owned()) }
    };
    let mut fields = vec![Vec::new()];
    let mut state = State::FieldStart;
    for (at, byte) in input.iter().enumerate() {
        if at == RECORD_BYTES_MAX {
            return unended();
        }
        let field = fields.last_mut().unwrap();
        state = match (state, byte) {
            (State::FieldStart, b'"') => State::Quoted,
            (State::FieldStart | State::Plain | State::QuoteInQuoted, b',') => {
                fields.push(Vec::new());
                State::FieldStart
            }
            (State::FieldStart | State::Plain, b'\n') => {
                if field.last() == Some(&b'\r') {
                    field.pop();
                }
                return Ok((at + 1, fields));
            }
            (State::QuoteInQuoted | State::Return, b'\n') => return Ok((at + 1, fields)),
            (State::Plain, b'"') => {
                return broken(at, "quote inside a field that does not begin with a quote");
            }
            (State::FieldStart | State::Plain, byte) => {
                field.push(*byte);
                State::Plain
            }
            (State::Quoted, b'"') => State::QuoteInQuoted,
            (State::Quoted, byte) => {
                field.push(*byte);
                State::Quoted
            }
            (State::QuoteInQuoted, b'"') => {
                field.push(b'"');
                State::Quoted
            }
            (State::QuoteInQuoted, b'\r') => State::Return,
            (State::QuoteInQuoted | State::Return, _) => return broken(at, "text after a closing quote"),
        };
    }
    if input.len() >= RECORD_BYTES_MAX {
        return unended();
    }
    if state == State::Quoted {
        return unended();
    }
    let field = fields.last_mut().unwrap();
    if matches!(state, State::Plain) && field.last() == Some(&b'\r') {
        field.pop();
    }
    Ok((input.len(), fields))
}

/// Compares the parser with the reference on one input: whole, in random pieces, and in the record
/// ends.
fn check(header: &Header, envelope: Envelope, input: &[u8], random: &mut Random) {
    let (expected, starts) = reference(header, envelope, input);
    let whole = parse_whole(&mut CsvParser::new(header, context(envelope)), input);
    assert_eq!(whole, expected, "{:?}", String::from_utf8_lossy(input));
    expected.check_limits();

    let step = 1 + random.below(input.len() + 1);
    let mut parser = CsvParser::new(header, context(envelope));
    let cut = parse_in_cuts(&mut parser, input, || random.below(step + 1));
    assert_eq!(cut, expected, "in cuts: {:?}", String::from_utf8_lossy(input));

    let mut start = 0;
    for expected in starts {
        assert_eq!(start, expected, "{:?}", String::from_utf8_lossy(input));
        let rest = &input[start..];
        let RecordEnd::Complete(length) = record_end(rest, rest.len(), true) else {
            panic!("a record ends where the input ends");
        };
        let part = random.below(rest.len() + 1);
        if let RecordEnd::Complete(known) = record_end(rest, part, false) {
            assert_eq!(known, length, "fewer bytes at hand change nothing");
        }
        start += length;
    }
    assert_eq!(start, input.len());
}

const TOKENS: [&[u8]; 24] = [
    b",",
    b"\n",
    b"\r\n",
    b"\"",
    b"\"\"",
    b"\",\"",
    b"\"\n",
    b"u1",
    b"o1",
    b"12.34",
    b"-0.5",
    b"1e9",
    b"1e400",
    b".",
    b"1700000000000",
    b"-1",
    b" ",
    b"\xc3\xa9",
    b"\xff",
    b"\r",
    b"\0",
    b"put",
    b"delete",
    b"0",
];

fn push_row(random: &mut Random, row: &mut Vec<u8>) {
    let number = random.next();
    let user_id = match random.below(40) {
        0..4 => format!("user-with-a-long-name-{number}"),
        4..8 => format!("jös{}", number % 100),
        8 => "x".repeat(1000 + random.below(40)),
        _ => format!("u{:07}", number % 100_000),
    };
    let price = random.pick(&[
        "12.34",
        "5",
        ".5",
        "100.00",
        "-3.10",
        "0.125",
        "99999.99",
        "123456789.01",
        "1e2",
        "x",
    ]);
    let at_ms =
        random.pick(&["1700000000000", "1700000086399", "-5", "0", "253000000000000", "17000000000000", "1"]);
    let op = random.pick(&["", "", "put", "delete", "Put"]);
    let line_break = random.pick(&["\n", "\n", "\r\n"]);
    let quote = random.pick(&["", "", "\""]);
    let fields = [&user_id, &format!("o{number}"), price, at_ms, op];
    let fields: Vec<_> = fields.iter().map(|field| format!("{quote}{field}{quote}")).collect();
    let columns = 4 + usize::from(random.below(4) == 0);
    row.extend_from_slice(fields[..columns].join(",").as_bytes());
    row.extend_from_slice(line_break.as_bytes());
}

fn headers() -> [Header; 3] {
    let with_op = "user_id,order_id,price,timestamp,op";
    // With the four columns of every row in another order, almost all rows are bad, in other ways.
    [header(COLUMNS), header(with_op), header("timestamp,price,user_id,order_id")]
}

#[test]
fn fuzz_csv_200_000_inputs() {
    let seed = 0x0bad_5eed;
    println!("seed {seed}");
    let mut random = Random(seed);
    let headers = headers();
    for _ in 0..200_000 {
        let mut input = Vec::new();
        for _ in 0..random.below(4) {
            push_row(&mut random, &mut input);
        }
        random.mutate(&mut input, &TOKENS);
        let envelope = *random.pick(&[&[Envelope::Append], &[Envelope::Upsert]]).first().unwrap();
        let header = &headers[random.below(headers.len())];
        check(header, envelope, &input, &mut random);
    }
}

#[test]
fn long_inputs_agree_with_the_reference() {
    let seed = 0x5eed;
    println!("seed {seed}");
    let mut random = Random(seed);
    for round in 0..120 {
        let mut input = Vec::new();
        let length = random.below(6 * INDEX_BYTES);
        // Some inputs are all plain, some have a bad row now and then, and some are mostly bad.
        let mutate_in = [usize::MAX, 100, 5][round % 3];
        while input.len() < length {
            let mut row = Vec::new();
            push_row(&mut random, &mut row);
            if random.below(mutate_in) == 0 {
                random.mutate(&mut row, &TOKENS);
            }
            input.extend_from_slice(&row);
        }
        for header in &headers() {
            check(header, Envelope::Append, &input, &mut random);
            check(header, Envelope::Upsert, &input, &mut random);
        }
    }
}
