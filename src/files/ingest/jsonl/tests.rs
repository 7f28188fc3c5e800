//! Tests of the JSON lines parser on cases written by hand and on random inputs.

use std::collections::HashMap;

use dataflows::Order;

use super::*;
use crate::ingest::Envelope;
use crate::ingest::testing::{EPOCH, Parsed, context, parse_in_cuts, parse_whole};
use testkit::Random;

fn parser(envelope: Envelope) -> JsonlParser {
    JsonlParser::new(&ColumnNames::default(), context(envelope))
}

/// Parses an input whole and in small pieces, and returns the result of both.
fn parse(envelope: Envelope, input: &[u8]) -> Parsed {
    let whole = parse_whole(&mut parser(envelope), input);
    let mut random = Random(input.len() as u64);
    let step = input.len().div_ceil(64);
    assert_eq!(parse_in_cuts(&mut parser(envelope), input, || random.below(step + 1)), whole);
    whole.check_limits();
    whole
}

#[test]
fn good_lines_of_every_shape() {
    // A case holds a line and user_id, price and timestamp in milliseconds of the one order that it
    // makes.
    let cases = [
        (
            r#"{"user_id":"u1","order_id":"o1","price":12.34,"timestamp":1700000000000}"#,
            ("u1", "12.34", 1_700_000_000_000),
        ),
        (r#"{"UserId":"u1","OrderId":"o1","price":"12.34","timestamp":"7"}"#, ("u1", "12.34", 7)),
        (
            r#" { "timestamp" :-7,"price":-1e2, "order_id":"o","x":[{"price":1},null],"user_id":"u"}"#,
            ("u", "-100.00", -7),
        ),
        (r#"{"user_id":"a\"\u00e9\n","order_id":"o1","price":0.1,"timestamp":7}"#, ("a\"é\n", "0.10", 7)),
        (r#"{"user\u005fid":"u1","order_id":"o1","price":0.10,"timestamp":7}"#, ("u1", "0.10", 7)),
        (r#"{"user_id":42,"order_id":-1,"price":1,"timestamp":7,"op":"put"}"#, ("42", "1.00", 7)),
        (r#"{"user_id":"u1","order_id":"o1","price":1,"timestamp":7,"op":null}"#, ("u1", "1.00", 7)),
        ("\u{feff}{\"user_id\":\"u1\",\"order_id\":\"o1\",\"price\":1,\"timestamp\":7}\r", ("u1", "1.00", 7)),
    ];
    for (line, (user_id, price, at_ms)) in cases {
        for line_break in ["", "\n", "\n\n \r\n"] {
            let parsed = parse(Envelope::Append, format!("{line}{line_break}").as_bytes());
            assert_eq!(parsed.reasons(), [], "{line}");
            let order = Order { user_id: user_id.into(), at_ms, price: price.parse().unwrap() };
            assert_eq!(parsed.orders, [(order, EPOCH, 1)], "{line}");
            assert_eq!(parsed.lines, line_break.lines().count().max(1) as u64, "{line}");
        }
    }
}

#[test]
fn bad_lines_are_set_aside_with_the_reason() {
    let order = |members: &str| format!(r#"{{"user_id":"u1","order_id":"o1",{members}}}"#);
    let cases = [
        ("[1,2]".to_owned(), "not a JSON object: invalid type: sequence, expected an object at column 0"),
        ("null".to_owned(), "not a JSON object: invalid type: null, expected an object at column 4"),
        ("user_id,order_id".to_owned(), "not a JSON object: expected value at column 1"),
        (r#"{"user_id":"#.to_owned(), "not a JSON object: EOF while parsing a value at column 11"),
        (order(r#""price":1,"timestamp":7"#) + "}", "not a JSON object: trailing characters at column 57"),
        (order(r#""price":NaN,"timestamp":7"#), "not a JSON object: expected value at column 41"),
        (order(r#""timestamp":7"#), r#"no member "price""#),
        (order(r#""price":1"#), r#"no member "timestamp""#),
        (r#"{}"#.to_owned(), r#"no member "user_id""#),
        (order(r#""price":null,"timestamp":7"#), "price is empty"),
        (order(r#""price":"","timestamp":7"#), "price is empty"),
        (order(r#""price":true,"timestamp":7"#), r#"price "true" is not a decimal number"#),
        (order(r#""price":"12,34","timestamp":7"#), r#"price "12,34" is not a decimal number"#),
        (order(r#""price":"NaN","timestamp":7"#), r#"price "NaN" is not a decimal number"#),
        (order(r#""price":1e400,"timestamp":7"#), r#"price "1e400" is beyond ±1000000000000"#),
        (order(r#""price":[1],"timestamp":7"#), r#"price "[1]" is not a decimal number"#),
        (
            order(r#""price":1,"timestamp":1.7e12"#),
            r#"timestamp "1.7e12" is not an integer of epoch milliseconds"#,
        ),
        (
            order(r#""price":1,"timestamp":"yesterday""#),
            r#"timestamp "yesterday" is not an integer of epoch milliseconds"#,
        ),
        (
            order(r#""price":1,"timestamp":99999999999999999"#),
            "timestamp 99999999999999999 is out of range: epoch milliseconds from -62000000000000 to 253000000000000",
        ),
        (order(r#""price":1,"price":1,"timestamp":7"#), "more than one member price"),
        (order(r#""price":1,"UserId":"u2","timestamp":7"#), "more than one member user_id"),
        (order(r#""price":1,"timestamp":7,"op":"delete""#), r#"op "delete" needs --envelope upsert"#),
        (order(r#""price":1,"timestamp":7,"op":1"#), "op 1 is not a string"),
        (
            r#"{"user_id":1.5,"order_id":"o","price":1,"timestamp":7}"#.to_owned(),
            "user_id 1.5 is not a string",
        ),
        (
            r#"{"user_id":"u","order_id":{"o":1},"price":1,"timestamp":7}"#.to_owned(),
            r#"order_id {\"o\":1} is not a string"#,
        ),
        (
            r#"{"user_id":"\ud800","order_id":"o","price":1,"timestamp":7}"#.to_owned(),
            r#"user_id \"\\ud800\" is not a valid string"#,
        ),
        (r#"{"user_id":"","order_id":"o","price":1,"timestamp":7}"#.to_owned(), "user_id is empty"),
    ];
    for (line, reason) in cases {
        for line_break in ["", "\n", "\r\n"] {
            let parsed = parse(Envelope::Append, format!("\n{line}{line_break}").as_bytes());
            assert_eq!(parsed.reasons(), [(1, reason)], "{line}");
            assert_eq!(parsed.rejects[0].raw, line.as_bytes());
            assert_eq!((parsed.orders.len(), parsed.lines), (0, 2));
        }
    }
    let not_utf8 = b"{\"user_id\":\"caf\xe9\",\"order_id\":\"o\",\"price\":1,\"timestamp\":7}";
    let parsed = parse(Envelope::Append, not_utf8);
    assert_eq!(parsed.reasons(), [(0, "not a JSON object: invalid unicode code point at column 16")]);
}

#[test]
fn lines_are_bounded() {
    let good = r#"{"user_id":"u1","order_id":"o1","price":1,"timestamp":7}"#;
    let padded = |bytes: usize| format!("{good}{}", " ".repeat(bytes - good.len()));
    let reason = format!("record is longer than {RECORD_BYTES_MAX} bytes");
    for (bytes, fits) in [(RECORD_BYTES_MAX - 1, true), (RECORD_BYTES_MAX, false), (10_000_000, false)] {
        for end in ["", "\n"] {
            let first = padded(bytes);
            let parsed = parse(Envelope::Append, format!("{first}\n{good}{end}").as_bytes());
            assert_eq!(parsed.lines, 2);
            if fits {
                assert_eq!((parsed.orders.len(), parsed.reasons()), (2, vec![]));
            } else {
                assert_eq!((parsed.orders.len(), parsed.reasons()), (1, vec![(0, reason.as_str())]));
                assert_eq!(parsed.rejects[0].raw, first.as_bytes()[..RECORD_BYTES_MAX]);
            }
            assert_eq!(parse(Envelope::Append, first.as_bytes()).orders.len(), usize::from(fits));
        }
    }
}

#[test]
fn upserts_put_and_delete_under_other_names() {
    let names = ColumnNames {
        user_id: Some("who".to_owned()),
        op: Some("kind".to_owned()),
        ..ColumnNames::default()
    };
    let input = br#"{"who":"u1","order_id":"o1","price":1,"timestamp":7,"user_id":0}
{"who":"u1","order_id":"o1","kind":"delete"}
{"user_id":"u1","order_id":"o1","price":1,"timestamp":7}
{"who":"u1","order_id":"o1","kind":"put"}
"#;
    let mut parser = JsonlParser::new(&names, context(Envelope::Upsert));
    parser.set_round(9);
    parser.skip_lines(10);
    let parsed = parse_whole(&mut parser, input);
    let puts: Vec<_> =
        parsed.upserts.iter().map(|upsert| (upsert.position.offset, upsert.after.is_some())).collect();
    assert_eq!(puts, [(0, true), (65, false)]);
    assert!(parsed.upserts.iter().all(|upsert| (upsert.position.round, upsert.position.input) == (9, 3)));
    assert_eq!(parsed.reasons(), [(12, r#"no member "who""#), (13, r#"no member "price""#)]);
}

const TOKENS: [&[u8]; 20] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\"",
    b"\\",
    b"\\u00e9",
    b"\\ud800",
    b"\n",
    b"\r\n",
    b"null",
    b"1e400",
    b"-1",
    b"\xff",
    b"\0",
    b" ",
    b"\"price\":",
    b"\xef\xbb\xbf",
];

#[test]
fn fuzz_jsonl_200_000_inputs() {
    let seeds = [
        r#"{"user_id":"u1","order_id":"o1","price":12.34,"timestamp":1700000000000}"#,
        r#"{"UserId":"u1","OrderId":"o1","price":"-1.5","timestamp":"-7","op":"delete"}"#,
        r#"{"x":[1,{"y":"\u00e9"}],"user_id":42,"order_id":"\n","price":1e2,"timestamp":0}"#,
    ];
    let seed = 0x15_5eed;
    println!("seed {seed}");
    let mut random = Random(seed);
    for _ in 0..200_000 {
        let mut input = Vec::new();
        for _ in 0..random.below(4) {
            input.extend_from_slice(random.pick(&seeds).as_bytes());
            input.extend_from_slice(random.pick(&["\n", "\n", "\r\n"]).as_bytes());
        }
        random.mutate(&mut input, &TOKENS);
        check(&input, &mut random);
    }
}

/// Checks everything about one input.
fn check(input: &[u8], random: &mut Random) {
    let shown = String::from_utf8_lossy(input);
    let whole = parse_whole(&mut parser(Envelope::Upsert), input);
    whole.check_limits();
    let step = 1 + random.below(input.len() + 1);
    let cut = parse_in_cuts(&mut parser(Envelope::Upsert), input, || random.below(step + 1));
    assert_eq!(cut, whole, "in cuts: {shown:?}");

    // A line is an upsert, a reject or blank, whatever is before and after it.
    let mut upserts = whole.upserts.iter().peekable();
    let mut rejects = whole.rejects.iter().peekable();
    let mut offset = 0;
    let lines: Vec<_> = input.split_inclusive(|byte| *byte == b'\n').collect();
    for (number, line) in lines.iter().enumerate() {
        let text = line.strip_prefix(BYTE_ORDER_MARK).filter(|_| offset == 0).unwrap_or(line);
        let upsert = upserts.next_if(|upsert| upsert.position.offset == offset);
        let reject = rejects.next_if(|reject| reject.line == number as u64);
        let blank = text.trim_ascii().is_empty();
        assert!(
            usize::from(upsert.is_some()) + usize::from(reject.is_some()) + usize::from(blank) == 1,
            "{shown:?}"
        );
        if upsert.is_some() {
            assert!(serde_json::from_slice::<HashMap<String, IgnoredAny>>(text).is_ok(), "{shown:?}");
        }
        offset += line.len() as u64;
    }
    assert_eq!((upserts.next(), rejects.next(), whole.lines), (None, None, lines.len() as u64), "{shown:?}");
}
