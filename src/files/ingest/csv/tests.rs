//! Tests of the CSV parser on cases written by hand.

use dataflows::Order;

use super::reference::reference;
use super::*;
use crate::ingest::testing::{EPOCH, Parsed, context, parse_in_cuts, parse_whole};
use crate::ingest::{ColumnNames, Envelope};
use testkit::Random;

pub(super) fn header(record: &str) -> Header {
    Header::parse(record.as_bytes(), &ColumnNames::default()).unwrap()
}

/// Parses the records of an input whole and byte by byte, and returns the result of both.
fn parse(columns: &str, envelope: Envelope, records: &[u8]) -> Parsed {
    let header = header(columns);
    let whole = parse_whole(&mut CsvParser::new(&header, context(envelope)), records);
    let mut chance = Random(records.len() as u64);
    let step = records.len().div_ceil(64);
    let cut =
        parse_in_cuts(&mut CsvParser::new(&header, context(envelope)), records, || chance.below(step + 1));
    assert_eq!(whole, cut);
    assert_eq!(whole, reference(&header, envelope, records).0);
    whole.check_limits();
    whole
}

pub(super) const COLUMNS: &str = "user_id,order_id,price,timestamp";

#[test]
fn good_rows_of_every_shape() {
    // A case holds a record and user_id, price and timestamp in milliseconds of the one order that
    // it makes.
    let cases: [(&str, &str, (&str, &str, i64)); 22] = [
        (COLUMNS, "u1,o1,12.34,1700000000000\n", ("u1", "12.34", 1_700_000_000_000)),
        (COLUMNS, "u1,o1,12.34,1700000000000", ("u1", "12.34", 1_700_000_000_000)),
        (COLUMNS, "u1,o1,12.34,1700000000000\r\n", ("u1", "12.34", 1_700_000_000_000)),
        (COLUMNS, "u1,o1,12.34,1700000000000\r", ("u1", "12.34", 1_700_000_000_000)),
        (COLUMNS, "\n\r\nu1,o1,12.34,1700000000000\n\n", ("u1", "12.34", 1_700_000_000_000)),
        (COLUMNS, "u1,o1,0,0\n", ("u1", "0.00", 0)),
        (COLUMNS, "u1,o1,-12.5,-1\n", ("u1", "-12.50", -1)),
        (COLUMNS, "u1,o1,+1e3,+7\n", ("u1", "1000.00", 7)),
        (COLUMNS, "u1,o1, 12.34\t, 7 \n", ("u1", "12.34", 7)),
        (COLUMNS, "u1,o1,1000000000000,7\n", ("u1", "1000000000000.00", 7)),
        (COLUMNS, "u1,o1,0.000000000000000001,7\n", ("u1", "0.000000000000000001", 7)),
        (COLUMNS, "u1,o1,123456789.12,7\n", ("u1", "123456789.12", 7)),
        (COLUMNS, "\"u1\",\"o1\",\"12.34\",\"7\"\n", ("u1", "12.34", 7)),
        (COLUMNS, "\"u1\",\"o1\",\"12.34\",\"7\"\r\n", ("u1", "12.34", 7)),
        (COLUMNS, "\"u1\",\"o1\",\"12.34\",\"7\"", ("u1", "12.34", 7)),
        (COLUMNS, "\"a,\"\"b\"\"\r\nc\",o1,1,7\n", ("a,\"b\"\r\nc", "1.00", 7)),
        (COLUMNS, " u1 ,o1,1,7\n", (" u1 ", "1.00", 7)),
        (COLUMNS, "ünïcödé,ö,1,1700000000000\n", ("ünïcödé", "1.00", 1_700_000_000_000)),
        (COLUMNS, "a-name-of-more-than-15-bytes,o1,1,7\n", ("a-name-of-more-than-15-bytes", "1.00", 7)),
        ("timestamp,x,price,OrderId,UserId,y", "7,\"\n\",1.50,o1,u1,\n", ("u1", "1.50", 7)),
        ("\u{feff}\"UserId\",\"OrderId\",\"price\",\"timestamp\"", "u1,o1,1,7\n", ("u1", "1.00", 7)),
        ("user_id,order_id,price,timestamp,op", "u1,o1,1,7,put\n", ("u1", "1.00", 7)),
    ];
    for (columns, records, (user_id, price, at_ms)) in cases {
        let parsed = parse(columns, Envelope::Append, records.as_bytes());
        assert_eq!(parsed.reasons(), [], "{records:?}");
        let order = Order { user_id: user_id.into(), at_ms, price: price.parse().unwrap() };
        assert_eq!(parsed.orders, [(order, EPOCH, 1)], "{records:?}");
        assert_eq!(parsed.lines, records.lines().count() as u64, "{records:?}");
    }
}

/// Why a line is set aside if a field in it begins with a quote by mistake.
const UNENDED: &str = "a quoted field begins in this line and does not end as it should within 1048576 bytes";

#[test]
fn bad_rows_are_set_aside_with_the_reason() {
    let cases: [(&[u8], &str); 33] = [
        (b"u1,o1,12.34", "3 fields instead of 4"),
        (b"u1", "1 field instead of 4"),
        (b" ", "1 field instead of 4"),
        (b"u1,o1,12.34,7,", "5 fields instead of 4"),
        (b"u1,o1,12,34,7", "5 fields instead of 4"),
        (b",o1,1,7", "user_id is empty"),
        (b",o1,1,1700000000000", "user_id is empty"),
        (b"u1,,1,1700000000000", "order_id is empty"),
        (b"u1,\"\",1,7", "order_id is empty"),
        (b"caf\xe9,o1,1,1700000000000", r#"user_id "caf\xe9" is not valid UTF-8"#),
        (b"u1,\xff,1,1700000000000", r#"order_id "\xff" is not valid UTF-8"#),
        (b"u1,o1,,1700000000000", "price is empty"),
        (b"u1,o1, ,7", "price is empty"),
        (b"u1,o1,\"12,34\",7", r#"price "12,34" is not a decimal number"#),
        (b"u1,o1,NaN,7", r#"price "NaN" is not a decimal number"#),
        (b"u1,o1,inf,7", r#"price "inf" is not a decimal number"#),
        (b"u1,o1,.,1700000000000", r#"price "." is not a decimal number"#),
        (b"u1,o1,1.2.3,1700000000000", r#"price "1.2.3" is not a decimal number"#),
        (b"u1,o1,$5,1700000000000", r#"price "$5" is not a decimal number"#),
        (b"u1,o1,\x00,7", r#"price "\0" is not a decimal number"#),
        (b"u1,o1,1e400,7", r#"price "1e400" is beyond ±1000000000000"#),
        (b"u1,o1,1000000000000.01,7", r#"price "1000000000000.01" is beyond ±1000000000000"#),
        (b"u1,o1,1e-19,7", r#"price "1e-19" has more than 18 fraction digits"#),
        (b"u1,o1,1,", "timestamp is empty"),
        (b"u1,o1,1,yesterday", r#"timestamp "yesterday" is not an integer of epoch milliseconds"#),
        (b"u1,o1,1,2024-01-01", r#"timestamp "2024-01-01" is not an integer of epoch milliseconds"#),
        (b"u1,o1,1,17000000000x0", r#"timestamp "17000000000x0" is not an integer of epoch milliseconds"#),
        (
            b"u1,o1,1,99999999999999999",
            "timestamp 99999999999999999 is out of range: epoch milliseconds from -62000000000000 to 253000000000000",
        ),
        (
            b"u1,o1,1,-62000000000001",
            "timestamp -62000000000001 is out of range: epoch milliseconds from -62000000000000 to 253000000000000",
        ),
        (b"u1,o1,\"1\"x,7", "text after a closing quote"),
        (b"u1,o1,\"1\" ,7", "text after a closing quote"),
        (b"u1,o\"1,1,7", "quote inside a field that does not begin with a quote"),
        (b"u1,\"o1,1,7", UNENDED),
    ];
    for (row, reason) in cases {
        for line_break in [&b""[..], b"\n", b"\r\n"] {
            let shown = String::from_utf8_lossy(row);
            let mut records = b"u0,o0,1.00,1700000000000\n".to_vec();
            records.extend_from_slice(row);
            records.extend_from_slice(line_break);
            let parsed = parse(COLUMNS, Envelope::Append, &records);
            assert_eq!(parsed.reasons(), [(1, reason)], "{shown:?}");
            assert_eq!(parsed.rejects[0].raw, row, "{shown:?}");
            assert_eq!((parsed.rejects[0].input, parsed.rejects[0].part), (3, 2));
            assert_eq!((parsed.orders.len(), parsed.lines), (1, 2), "{shown:?}");
        }
    }
}

#[test]
fn broken_quoting_costs_one_line() {
    let good = "u1,o1,1,7\n";
    let cases = [
        ("u1,\"o1,1,7\n", UNENDED),
        ("\"u1\"\"\",\"o1\"2,1,7\n", "text after a closing quote"),
        // The quote seems to be closed by the quote on the next line.
        ("u1,\"o1,1,7\n\"u2\",o2,2,7\n", UNENDED),
    ];
    for (bad, reason) in cases {
        let records = format!("{good}{bad}{good}{good}");
        let parsed = parse(COLUMNS, Envelope::Append, records.as_bytes());
        assert_eq!(parsed.reasons(), [(1, reason)], "{bad:?}");
        assert_eq!(parsed.rejects[0].raw, bad.lines().next().unwrap().as_bytes());
        assert_eq!(parsed.orders.len(), records.lines().count() - 1, "{bad:?}");
        assert_eq!(parsed.lines, records.lines().count() as u64);
    }
}

#[test]
fn records_are_bounded() {
    let good = "u1,o1,1,7\n";
    let too_long = format!("record is longer than {RECORD_BYTES_MAX} bytes");
    let text = |length: usize| "x".repeat(length);
    // In a record `…,o1,1,7` with its line break, seven bytes are outside of the first field.
    let longest = RECORD_BYTES_MAX - 8;
    let too_long_id = |length: usize| format!("user_id is {length} bytes long: the limit is 1024");
    let many = good.repeat(RECORD_BYTES_MAX / good.len());
    // A case holds the first record or its first line, why it is set aside, and how many of its
    // bytes are kept.
    let cases = [
        ("longest line", format!("{},o1,1,7", text(longest)), too_long_id(longest), RECORD_BYTES_MAX - 1),
        ("one byte more", format!("{},o1,1,7", text(longest + 1)), too_long.clone(), RECORD_BYTES_MAX),
        ("10 MB field", format!("{},o1,1,7", text(10_000_000)), too_long.clone(), RECORD_BYTES_MAX),
        (
            "10 MB quoted field",
            format!("\"{}\",o1,1,7", text(10_000_000)),
            too_long.clone(),
            RECORD_BYTES_MAX,
        ),
        (
            "longest of two lines",
            format!("\"a\n{}\",o1,1,7", text(longest - 4)),
            too_long_id(longest - 2),
            RECORD_BYTES_MAX - 1,
        ),
        (
            "two lines and one byte more",
            format!("\"a\n{}\",o1,1,7", text(longest - 3)),
            UNENDED.to_owned(),
            2,
        ),
        ("quote that is never closed", format!("\"a\n{many}"), UNENDED.to_owned(), 2),
    ];
    for (name, record, reason, raw_bytes) in cases {
        let records = format!("{record}\n{good}");
        let parsed = parse(COLUMNS, Envelope::Append, records.as_bytes());
        assert_eq!(parsed.reasons()[0], (0, reason.as_str()), "{name}");
        assert_eq!(parsed.rejects[0].raw, records.as_bytes()[..raw_bytes], "{name}");
        assert!(parsed.orders.len() == records.matches(good).count(), "{name}: reading goes on behind it");
    }
}

#[test]
fn upserts_put_and_delete() {
    let columns = "op,user_id,order_id,price,timestamp";
    let records =
        "put,u1,o1,12.34,1700000000000\ndelete,u1,o1,,\n,u1,a-long-name-of-an-order,1,7\nx,u,o,1,7\n";
    let parsed = parse(columns, Envelope::Upsert, records.as_bytes());
    let puts: Vec<_> = parsed
        .upserts
        .iter()
        .map(|upsert| (upsert.key.order_id.to_string(), upsert.position.offset, upsert.after.is_some()))
        .collect();
    let expected = [("o1", 0, true), ("o1", 30, false), ("a-long-name-of-an-order", 45, true)];
    assert_eq!(puts, expected.map(|(id, offset, puts)| (id.to_owned(), offset, puts)));
    assert!(parsed.upserts.iter().all(|upsert| (upsert.position.round, upsert.position.input) == (1, 3)));
    assert_eq!(parsed.reasons(), [(3, "op \"x\" is neither put nor delete")]);

    let parsed = parse(columns, Envelope::Append, records.as_bytes());
    assert_eq!(
        parsed.reasons(),
        [(1, "op \"delete\" needs --envelope upsert"), (3, "op \"x\" is neither put nor delete")]
    );
    assert_eq!(parsed.orders.len(), 2);
}

#[test]
fn lines_and_rounds_are_counted_by_the_caller_too() {
    let mut parser = CsvParser::new(&header(COLUMNS), context(Envelope::Upsert));
    parser.skip_lines(1);
    parser.set_round(9);
    let parsed = parse_whole(&mut parser, b"u1,o1,1,7\nbad\n");
    assert_eq!(parsed.upserts[0].position.round, 9);
    assert_eq!((parsed.rejects[0].line, parsed.lines), (2, 2));
}

#[test]
fn headers_are_refused_with_the_reason() {
    let names = ColumnNames { price: Some("amount".to_owned()), ..ColumnNames::default() };
    let with_op = ColumnNames { op: Some("kind".to_owned()), ..ColumnNames::default() };
    let default = ColumnNames::default();
    let cases: [(&ColumnNames, &[u8], &str); 13] = [
        (&default, b"", "the header is empty: user_id,order_id,price,timestamp is expected"),
        (&default, b"\xef\xbb\xbf \r", "the header is empty: user_id,order_id,price,timestamp is expected"),
        (
            &default,
            b"user_id;order_id;price;timestamp",
            r#"no column "user_id" in the header "user_id;order_id;price;timestamp": the delimiter must be a comma"#,
        ),
        (
            &default,
            b"user_id\torder_id\tprice\ttimestamp",
            r#"no column "user_id" in the header "user_id\torder_id\tprice\ttimestamp": the delimiter must be a comma"#,
        ),
        (
            &default,
            b"user_id,order_id,price",
            r#"no column "timestamp" in the header user_id,order_id,price: say what it is called with --column-timestamp NAME"#,
        ),
        (
            &default,
            b"User_Id,order_id,amount,timestamp",
            r#"no columns "user_id", "price" in the header User_Id,order_id,amount,timestamp: say what they are called with --column-user-id NAME, --column-price NAME"#,
        ),
        (
            &names,
            b"user_id,order_id,price,timestamp",
            r#"no column "amount" in the header user_id,order_id,price,timestamp: say what it is called with --column-price NAME"#,
        ),
        (
            &with_op,
            b"user_id,order_id,price,timestamp,op",
            r#"no column "kind" in the header user_id,order_id,price,timestamp,op: say what it is called with --column-op NAME"#,
        ),
        (
            &default,
            b"user_id,order_id,price,timestamp,UserId",
            "more than one column user_id in the header user_id,order_id,price,timestamp,UserId",
        ),
        (
            &default,
            b"price,user_id,order_id,price,timestamp",
            "more than one column price in the header price,user_id,order_id,price,timestamp",
        ),
        (&default, b"PAR1\x15\x04\x15\xff", r#"the header "PAR1\u{15}\u{4}\u{15}\xff" is not UTF-8 text"#),
        (
            &default,
            b"\"user_id,order_id",
            r#"the header "\"user_id,order_id" is not CSV: a quoted field begins in this line and does not end as it should within 1048576 bytes"#,
        ),
        (
            &default,
            b"user_id,\"order_id\"x,price,timestamp",
            r#"the header "user_id,\"order_id\"x,price,timestamp" is not CSV: text after a closing quote"#,
        ),
    ];
    for (names, record, reason) in cases {
        let error = Header::parse(record, names).unwrap_err();
        assert_eq!(error.to_string(), reason, "{:?}", String::from_utf8_lossy(record));
    }
}

#[test]
fn headers_may_name_columns_otherwise() {
    let names = ColumnNames { price: Some("amount".to_owned()), ..ColumnNames::default() };
    let parsed =
        Header::parse(b"\xef\xbb\xbftimestamp,\"x,\ny\", amount ,UserId,price,order_id,x,x\r\n", &names);
    let expected = Header { columns: 8, user_id: 3, order_id: 5, price: 2, timestamp: 0, op: None };
    assert_eq!(parsed, Ok(expected));
}
