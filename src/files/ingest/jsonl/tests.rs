//! Tests of the JSON lines parser on cases written by hand and on random inputs.

use std::collections::HashMap;

use dataflows::Order;
use serde::de::IgnoredAny;

use super::*;
use crate::ingest::testing::{EPOCH, Parsed, context, context_of, parse_in_cuts, parse_whole};
use crate::ingest::{ColumnNames, Envelope, RowForm};
use testkit::Random;

fn parser(envelope: Envelope) -> JsonParser {
    JsonParser::new(context(envelope))
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
        (r#"{"user_id":"u1","price":1,"timestamp":1.7e12}"#, ("u1", "1.00", 1_700_000_000_000)),
        (
            r#"{"user_id":"u1","order_id":null,"price":1,"timestamp":1700000000000.0}"#,
            ("u1", "1.00", 1_700_000_000_000),
        ),
        (
            r#"{"user_id":"u1","price":1,"timestamp":"2024-01-15T10:23:45.5Z"}"#,
            ("u1", "1.00", 1_705_314_225_500),
        ),
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
        ("12".to_owned(), "not a JSON object: invalid type: integer `12`, expected an object at column 2"),
        ("null".to_owned(), "not a JSON object: invalid type: null, expected an object at column 4"),
        ("user_id,order_id".to_owned(), "not a JSON object: expected value at column 1"),
        (r#"{"user_id":"#.to_owned(), "not a JSON object: EOF while parsing a value at column 11"),
        (order(r#""price":1,"timestamp":7"#) + "}", "not a JSON object: trailing characters at column 57"),
        (order(r#""price":NaN,"timestamp":7"#), "not a JSON object: expected value at column 41"),
        (order(r#""timestamp":7"#), r#"no member "price""#),
        (order(r#""price":1"#), r#"no member "timestamp""#),
        (r#"{}"#.to_owned(), r#"no member "price""#),
        (r#"{"price":1,"timestamp":7}"#.to_owned(), "user_id is empty"),
        (r#"{"user_id":null,"price":1,"timestamp":7}"#.to_owned(), "user_id is empty"),
        (order(r#""price":null,"timestamp":7"#), "price is empty"),
        (order(r#""price":"","timestamp":7"#), "price is empty"),
        (order(r#""price":true,"timestamp":7"#), r#"price "true" is not a decimal number"#),
        (
            order(r#""price":"12,34","timestamp":7"#),
            r#"price "12,34" has a comma: if that is the decimal mark give --decimal-comma, if it marks thousands leave it out"#,
        ),
        (order(r#""price":"NaN","timestamp":7"#), r#"price "NaN" is not a decimal number"#),
        (order(r#""price":1e400,"timestamp":7"#), r#"price "1e400" is beyond ±1000000000000"#),
        (order(r#""price":[1],"timestamp":7"#), r#"price "[1]" is not a decimal number"#),
        (order(r#""price":1,"timestamp":1.5"#), r#"timestamp "1.5" is not a whole number of milliseconds"#),
        (
            order(r#""price":1,"timestamp":"yesterday""#),
            r#"timestamp "yesterday" is neither a number of milliseconds nor an ISO 8601 time (--timestamp-format reads others)"#,
        ),
        (
            order(r#""price":1,"timestamp":99999999999999999"#),
            "timestamp 99999999999999999 is out of range: epoch milliseconds from -62000000000000 to 253000000000000; if it counts nanoseconds, give --timestamp-unit ns",
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
    let form = RowForm { names, envelope: Envelope::Upsert, ..RowForm::default() };
    let mut parser = JsonParser::new(context_of(form));
    parser.set_round(9);
    parser.skip_lines(10);
    let parsed = parse_whole(&mut parser, input);
    let puts: Vec<_> =
        parsed.upserts.iter().map(|upsert| (upsert.position.offset, upsert.after.is_some())).collect();
    assert_eq!(puts, [(0, true), (65, false)]);
    assert!(parsed.upserts.iter().all(|upsert| (upsert.position.round, upsert.position.input) == (9, 3)));
    assert_eq!(parsed.reasons(), [(12, "user_id is empty"), (13, r#"no member "price""#)]);
}

/// Parses an input in a form of its own, whole and in pieces. Returns its orders as `user price
/// at_ms`, and its upserts as `user order price` or `user order -`.
fn shown(form: &RowForm, input: &str) -> (Vec<String>, Parsed) {
    let parse = |step: usize| {
        let mut random = Random(step as u64);
        let more = move || random.below(step + 1);
        parse_in_cuts(&mut JsonParser::new(context_of(form.clone())), input.as_bytes(), more)
    };
    let parsed = parse(input.len());
    assert_eq!(parse(3), parsed, "{input}");
    let orders =
        parsed.orders.iter().map(|(order, ..)| format!("{} {} {}", order.user_id, order.price, order.at_ms));
    let upserts = parsed.upserts.iter().map(|upsert| {
        let after = upsert.after.as_ref().map_or("-".to_owned(), |after| after.price.to_string());
        format!("{} {} {after}", upsert.key.user_id, upsert.key.order_id)
    });
    (orders.chain(upserts).collect(), parsed)
}

#[test]
fn an_array_is_its_elements() {
    let form = RowForm::default();
    let one = r#"{"user_id":"a]","order_id":"\"[","price":1.5,"timestamp":1000}"#;
    let two = "{\n  \"user_id\": \"b\",\n  \"x\": [{\"y\": []}],\n  \"price\": 2,\n  \"timestamp\": 7\n}";
    for input in [
        format!("[{one},{two}]"),
        format!("\u{feff} \n[\n{one} ,\r\n{two}\n]\n"),
        format!("[{one}]\n[{two}]"),
        format!("[{one},{two},]"),
    ] {
        let (orders, parsed) = shown(&form, &input);
        assert_eq!(orders, ["a] 1.50 1000", "b 2.00 7"], "{input}");
        assert_eq!((parsed.reasons(), parsed.lines), (vec![], input.lines().count() as u64), "{input}");
    }
    for input in ["[]", " [ ] \n", "[\n]"] {
        assert_eq!(shown(&form, input).0, Vec::<String>::new(), "{input:?}");
        assert_eq!(shown(&form, input).1.reasons(), [], "{input:?}");
    }
}

#[test]
fn what_is_wrong_in_an_array_is_set_aside() {
    let good = r#"{"user_id":"u","price":1,"timestamp":7}"#;
    let cut = "the array has no end: the input was cut short";
    let type_of = |what: &str, column| {
        format!("not a JSON object: invalid type: {what}, expected an object at column {column}")
    };
    for (input, orders, rejects) in [
        (
            format!("[{good},\n12,\n\"x\",{good}]"),
            2,
            vec![(1, type_of("integer `12`", 2)), (2, type_of("string \"x\"", 3))],
        ),
        (format!("[{good},,{good}]"), 2, vec![(0, "nothing stands before a comma of the array".to_owned())]),
        (format!("[{good}\n{good}]"), 1, vec![(1, "no comma before an element of the array".to_owned())]),
        (format!("[{good}]\n{good}"), 1, vec![(1, "text after the array".to_owned())]),
        (format!("[{good}"), 1, vec![(0, cut.to_owned())]),
        (format!("[{good},\n"), 1, vec![(1, cut.to_owned())]),
        (
            format!("[{good},\n{{\"user_id\":"),
            1,
            vec![(1, "not a JSON object: EOF while parsing a value at column 11".to_owned())],
        ),
        (
            format!("[{good},{{\"price\":}}]"),
            1,
            vec![(0, "not a JSON object: expected value at column 10".to_owned())],
        ),
        ("[".to_owned(), 0, vec![(0, cut.to_owned())]),
    ] {
        let parsed = shown(&RowForm::default(), &input).1;
        let expected: Vec<_> = rejects.iter().map(|(line, reason)| (*line, reason.as_str())).collect();
        assert_eq!((parsed.orders.len(), parsed.reasons()), (orders, expected), "{input}");
    }
}

#[test]
fn elements_of_an_array_are_bounded() {
    let good = r#"{"user_id":"u","price":1,"timestamp":7}"#;
    let long = |bytes: usize| format!("{{\"x\":\"{}\"}}", "\\\"]".repeat(bytes / 3));
    for bytes in [RECORD_BYTES_MAX, 3 * RECORD_BYTES_MAX + 1] {
        let input = format!("[{good},\n{},\n{good}]", long(bytes));
        let parsed = parse(Envelope::Append, input.as_bytes());
        assert_eq!(parsed.reasons(), [(1, &*format!("record is longer than {RECORD_BYTES_MAX} bytes"))]);
        assert_eq!((parsed.orders.len(), parsed.lines), (2, 3));
    }
    let within = format!("[{{\"x\":\"{}\",{}]", "x".repeat(RECORD_BYTES_MAX - 100), &good[1..]);
    assert_eq!(parse(Envelope::Append, within.as_bytes()).orders.len(), 1);
}

#[test]
fn members_lie_at_the_end_of_paths() {
    let names = |user_id: &str, price: &str| RowForm {
        names: ColumnNames {
            user_id: Some(user_id.to_owned()),
            price: Some(price.to_owned()),
            ..ColumnNames::default()
        },
        ..RowForm::default()
    };
    let form = names("payload.after.user_id", "payload.after.total");
    let row = r#"{"payload":{"after":{"user_id":"u","total":"1.5","x":{"user_id":1}},"before":null},"timestamp":7}"#;
    assert_eq!(shown(&form, row).0, ["u 1.50 7"]);
    // A member of that whole name counts more, wherever it stands.
    let flat = r#"{"payload.after.user_id":"v","payload":{"after":{"user_id":"u","total":1}},"timestamp":7}"#;
    assert_eq!(shown(&form, flat).0, ["v 1.00 7"]);
    let dotted = r#"{"a.b":{"c":"u"},"p":{"a.b":2},"timestamp":7}"#;
    assert_eq!(shown(&names(r"a\.b.c", r"p.a\.b"), dotted).0, ["u 2.00 7"]);
    for (row, reason) in [
        (r#"{"payload":null,"timestamp":7}"#, r#"no member "payload.after.total""#),
        (r#"{"payload":{"after":[]},"timestamp":7}"#, r#"no member "payload.after.total""#),
        (r#"{"payload":{"after":{"total":1}},"timestamp":7}"#, "user_id is empty"),
        (r#"{"payload":{"after":{"total":1,"total":2}},"timestamp":7}"#, "more than one member price"),
        (r#"{"payload":{},"payload":{"after":{"total":1,"user_id":"u"}},"timestamp":7}"#, ""),
    ] {
        let parsed = shown(&form, row).1;
        assert_eq!(parsed.reasons().first().map_or("", |(_, reason)| reason), reason, "{row}");
    }
}

#[test]
fn numbers_of_json_have_a_point_and_texts_what_the_user_says() {
    let mut form = RowForm { decimal_mark: orders::DecimalMark::Comma, ..RowForm::default() };
    form.names.quantity = Some("n".to_owned());
    form.guest = Some("guest".to_owned());
    let row = |price: &str, quantity: &str| format!(r#"{{"price":{price},"n":{quantity},"timestamp":7}}"#);
    for (price, quantity, amount) in
        [("1.5", "2", "3.00"), ("\"1,5\"", "2.5", "3.75"), ("\"7\"", "\"0,5\"", "3.50")]
    {
        assert_eq!(shown(&form, &row(price, quantity)).0, [format!("guest {amount} 7")]);
    }
    assert!(shown(&form, &row("\"1.5\"", "1")).1.reasons()[0].1.contains("has a point"));
    assert_eq!(shown(&form, r#"{"price":1,"timestamp":7}"#).1.reasons(), [(0, r#"no member "n""#)]);
}

#[test]
fn changes_of_debezium() {
    let form = RowForm { envelope: Envelope::Debezium, ..RowForm::default() };
    let row = |user: &str, price: &str| {
        format!(r#"{{"user_id":{user},"order_id":"o","price":{price},"timestamp":7}}"#)
    };
    let change = |op: &str, before: &str, after: &str| {
        format!(r#"{{"op":"{op}","before":{before},"after":{after},"ts_ms":1}}"#)
    };
    let (one, two, other) = (row("\"u\"", "1"), row("\"u\"", "2"), row("\"v\"", "2"));
    let nobody = row("null", "1");
    let full = "PostgreSQL: REPLICA IDENTITY FULL";
    for (change, upserts, reason) in [
        (change("c", "null", &one), vec!["u o 1.00"], ""),
        (change("r", "null", &one), vec!["u o 1.00"], ""),
        (change("u", &one, &two), vec!["u o 2.00"], ""),
        (change("u", &one, &other), vec!["v o 2.00", "u o -"], ""),
        (change("u", &nobody, &one), vec!["u o 1.00"], ""),
        (change("d", &one, "null"), vec!["u o -"], ""),
        (format!(r#"{{"schema":{{"op":1}},"payload":{}}}"#, change("c", "null", &one)), vec!["u o 1.00"], ""),
        ("null".to_owned(), vec![], ""),
        (change("u", "null", &two), vec![], full),
        (change("d", "null", "null"), vec![], full),
        (change("c", "null", "null"), vec![], "op \"c\" without the row after"),
        (change("t", "null", "null"), vec![], "op \"t\" is none of c, r, u and d"),
        (change("c", "null", &row("\"u\"", "\"x\"")), vec![], "price \"x\" is not a decimal number"),
        (change("u", &one, &nobody), vec![], "user_id is empty"),
        (change("d", r#"{"user_id":"u"}"#, "null"), vec![], "no member \"order_id\""),
        (one.clone(), vec![], "no member \"op\""),
        ("7".to_owned(), vec![], "not a JSON object"),
    ] {
        let (shown, parsed) = shown(&form, &change);
        assert_eq!(shown, upserts, "{change}");
        let found = parsed.reasons().first().map_or(String::new(), |(_, reason)| (*reason).to_owned());
        assert_eq!(
            (found.contains(reason), found.is_empty()),
            (true, reason.is_empty()),
            "{change}: {found}"
        );
    }
    let guests = RowForm { guest: Some("guest".to_owned()), ..form };
    assert_eq!(shown(&guests, &change("u", &nobody, &one)).0, ["u o 1.00", "guest o -"]);
    // The names of columns are those of the row, which may be paths too.
    let names = ColumnNames { user_id: Some("who.id".to_owned()), ..ColumnNames::default() };
    let named = RowForm { names, envelope: Envelope::Debezium, ..RowForm::default() };
    let row = r#"{"who":{"id":7},"order_id":"o","price":1,"timestamp":7}"#;
    assert_eq!(shown(&named, &change("c", "null", row)).0, ["7 o 1.00"]);
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
        let start = random.pick(&["[", "[\n ", " \n["]);
        let array = [start.as_bytes(), &input, random.pick(&["]", "]\n", ""]).as_bytes()].concat();
        check_array(&array, &mut random);
    }
}

/// Checks that an array is read the same however it comes.
fn check_array(input: &[u8], random: &mut Random) {
    let whole = parse_whole(&mut parser(Envelope::Upsert), input);
    whole.check_limits();
    let step = 1 + random.below(input.len() + 1);
    let cut = parse_in_cuts(&mut parser(Envelope::Upsert), input, || random.below(step + 1));
    assert_eq!(cut, whole, "in cuts: {:?}", String::from_utf8_lossy(input));
    let lines = input.split_inclusive(|byte| *byte == b'\n').count();
    assert_eq!(whole.lines, lines as u64);
}

/// Checks everything about one input.
fn check(input: &[u8], random: &mut Random) {
    if is_array(input) {
        return check_array(input, random);
    }
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
        let start = offset + (line.len() - text.len()) as u64;
        let upsert = upserts.next_if(|upsert| upsert.position.offset == start);
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
