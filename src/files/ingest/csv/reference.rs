//! A reference parser that reads byte by byte, and random inputs on which the real parser is
//! compared with it.

use super::tests::COLUMNS;
use super::*;
use crate::ingest::Envelope;
use crate::ingest::RowForm;
use crate::ingest::testing::{EPOCH, Parsed, context_of, parse_in_cuts, parse_whole};
use orders::{DecimalMark, TimeForm, TimeUnit, Zone};
use testkit::Random;

/// Reads an input byte by byte. Also returns the places where its records start.
pub(super) fn reference(header: &Header, form: &RowForm, input: &[u8]) -> (Parsed, Vec<usize>) {
    let context = context_of(form.clone());
    let (mut block, mut starts) = (Block::default(), Vec::new());
    let mut start = 0;
    while start < input.len() {
        starts.push(start);
        let line = block.lines;
        let limit = start + RECORD_BYTES_MAX;
        let (end, outcome) = match reference_record(&input[start..], header.delimiter) {
            Ok((length, fields)) => {
                let raw = without_line_break(&input[start..start + length]);
                let outcome = if raw.is_empty() {
                    Ok(())
                } else if fields.len() != header.columns {
                    let plural = if fields.len() == 1 { "" } else { "s" };
                    Err(format!("{} field{plural} instead of {}", fields.len(), header.columns))
                } else {
                    let text = |column: usize| Cow::Borrowed(&fields[column][..]);
                    let number = |column| NumberText { text: text(column), mark: form.decimal_mark };
                    let cells = Cells {
                        user_id: text(header.user_id),
                        order_id: header.order_id.map(text).unwrap_or_default(),
                        price: number(header.price),
                        timestamp: text(header.timestamp),
                        op: header.op.map(text).unwrap_or_default(),
                        quantity: header.quantity.map(number),
                    };
                    context.push_cells(&mut block, EPOCH, start as u64, &cells)
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
            context.push_reject(&mut block, line, reason, raw);
        }
        let record = &input[start..end];
        block.lines += record.iter().filter(|byte| **byte == b'\n').count() as u64;
        block.lines += u64::from(!record.ends_with(b"\n"));
        start = end;
    }
    (block.into(), starts)
}

/// Returns the length and the fields of the record at the start of `input`, or why it is broken.
fn reference_record(input: &[u8], delimiter: u8) -> Result<(usize, Vec<Vec<u8>>), String> {
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
            (State::FieldStart | State::Plain | State::QuoteInQuoted, byte) if *byte == delimiter => {
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
fn check(header: &Header, form: &RowForm, input: &[u8], random: &mut Random) {
    let (expected, starts) = reference(header, form, input);
    let whole = parse_whole(&mut CsvParser::new(header, context_of(form.clone())), input);
    assert_eq!(whole, expected, "{:?}", String::from_utf8_lossy(input));
    expected.check_limits();

    let step = 1 + random.below(input.len() + 1);
    let mut parser = CsvParser::new(header, context_of(form.clone()));
    let cut = parse_in_cuts(&mut parser, input, || random.below(step + 1));
    assert_eq!(cut, expected, "in cuts: {:?}", String::from_utf8_lossy(input));

    let mut start = 0;
    for expected in starts {
        assert_eq!(start, expected, "{:?}", String::from_utf8_lossy(input));
        let rest = &input[start..];
        let RecordEnd::Complete(length) = record_end(rest, header.delimiter, true) else {
            panic!("a record ends where the input ends");
        };
        let part = random.below(rest.len() + 1);
        if let RecordEnd::Complete(known) = record_end(&rest[..part], header.delimiter, false) {
            assert_eq!(known, length, "fewer bytes at hand change nothing");
        }
        start += length;
    }
    assert_eq!(start, input.len());
}

const TOKENS: [&[u8]; 27] = [
    b",",
    b";",
    b"2024-01-15T10:23:45Z",
    b"12,5",
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

fn push_row(random: &mut Random, delimiter: u8, row: &mut Vec<u8>) {
    let number = random.next();
    let user_id = match random.below(40) {
        0..4 => format!("user-with-a-long-name-{number}"),
        4..8 => format!("jös{}", number % 100),
        8 => "x".repeat(1000 + random.below(40)),
        9 => String::new(),
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
        "12,34",
        "1.234,56",
        "1e2",
        "x",
    ]);
    let at = random.pick(&[
        "1700000000000",
        "1700000086399",
        "1700000000",
        "1700000000.5",
        "1.7e12",
        "-5",
        "0",
        "253000000000000",
        "17000000000000",
        "1",
        "2024-01-15T10:23:45Z",
        "2024-01-15 10:23:45 -0500",
        "2024-01-15 10:23",
        "0001-01-01",
        "1/15/2024 10:23",
    ]);
    let op = random.pick(&["", "", "put", "delete", "Put"]);
    let line_break = random.pick(&["\n", "\n", "\r\n"]);
    let quote = random.pick(&["", "", "\""]);
    let order_id = if random.below(20) == 0 { String::new() } else { format!("o{number}") };
    let quantity = random.pick(&["1", "-2", "1000", "0,5", "0.5", "999999999999.99"]);
    let fields = [&user_id, &order_id, price, at, op, quantity];
    let fields: Vec<_> = fields.iter().map(|field| format!("{quote}{field}{quote}")).collect();
    let columns = 4 + [0, 0, 0, 0, 1, 2][random.below(6)];
    let delimiter = char::from(delimiter).to_string();
    row.extend_from_slice(fields[..columns].join(&delimiter).as_bytes());
    row.extend_from_slice(line_break.as_bytes());
}

/// Headers, each with a form of the rows after it.
fn dialects() -> Vec<(Header, RowForm)> {
    let usual = RowForm::default;
    let time = |unit, zone: &str, format: Option<&str>| {
        TimeForm::new(unit, Zone::parse(zone).unwrap(), format.map(str::to_owned)).unwrap()
    };
    let comma = RowForm { decimal_mark: DecimalMark::Comma, delimiter: Some(b';'), ..usual() };
    let seconds = RowForm { time: time(TimeUnit::Seconds, "Europe/Berlin", None), ..usual() };
    let guests = RowForm { guest: Some("nobody".to_owned()), ..usual() };
    let format = RowForm { time: time(TimeUnit::default(), "UTC", Some("%m/%d/%Y %H:%M")), ..usual() };
    let mut quantities = usual();
    quantities.names.quantity = Some("n".to_owned());
    let with_op = "user_id,order_id,price,timestamp,op";
    let with_quantity = "user_id,order_id,price,timestamp,op,n";
    let mut dialects = Vec::new();
    for (columns, form) in [
        (COLUMNS, usual()),
        (COLUMNS, usual()),
        (with_op, usual()),
        // With the columns of every row in another order, almost all rows are bad, in other ways.
        ("timestamp,price,user_id,order_id", usual()),
        ("user_id;order_id;price;timestamp", comma),
        (COLUMNS, seconds),
        (with_op, guests),
        (COLUMNS, format),
        (with_quantity, quantities),
        ("user_id,x,price,timestamp", usual()),
    ] {
        for envelope in [Envelope::Append, Envelope::Upsert] {
            let form = RowForm { envelope, ..form.clone() };
            let delimiter = form.delimiter.unwrap_or(b',');
            // A column of orders' ids must be there with upserts.
            dialects.extend(Header::parse(columns.as_bytes(), &form, delimiter).map(|header| (header, form)));
        }
    }
    dialects
}

#[test]
fn fuzz_csv_200_000_inputs() {
    let seed = 0x0bad_5eed;
    println!("seed {seed}");
    let mut random = Random(seed);
    let dialects = dialects();
    for _ in 0..200_000 {
        let (header, form) = &dialects[random.below(dialects.len())];
        let mut input = Vec::new();
        for _ in 0..random.below(4) {
            push_row(&mut random, header.delimiter, &mut input);
        }
        random.mutate(&mut input, &TOKENS);
        check(header, form, &input, &mut random);
    }
}

#[test]
fn long_inputs_agree_with_the_reference() {
    let seed = 0x5eed;
    println!("seed {seed}");
    let mut random = Random(seed);
    let dialects = dialects();
    for round in 0..120 {
        let mut input = Vec::new();
        let length = random.below(6 * INDEX_BYTES);
        // Some inputs are all plain, some have a bad row now and then, and some are mostly bad.
        let mutate_in = [usize::MAX, 100, 5][round % 3];
        while input.len() < length {
            let mut row = Vec::new();
            push_row(&mut random, [b',', b';'][round % 2], &mut row);
            if random.below(mutate_in) == 0 {
                random.mutate(&mut row, &TOKENS);
            }
            input.extend_from_slice(&row);
        }
        for _ in 0..6 {
            let (header, form) = &dialects[random.below(dialects.len())];
            check(header, form, &input, &mut random);
        }
    }
}
