//! Tests of the CSV parser on cases written by hand.

use dataflows::Order;

use super::reference::reference;
use super::*;
use crate::ingest::testing::{EPOCH, Parsed, context, context_of, parse_in_cuts, parse_whole};
use crate::ingest::{ColumnNames, Envelope, RowForm};
use testkit::Random;

fn header(record: &str) -> Header {
    Header::parse(record.as_bytes(), &RowForm::default(), b',').unwrap()
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
    assert_eq!(whole, reference(&header, &RowForm { envelope, ..RowForm::default() }, records).0);
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
    let neither =
        "is neither a number of milliseconds nor an ISO 8601 time (--timestamp-format reads others)";
    let neither = |text: &str| format!("timestamp {text:?} {neither}");
    let cases: [(&[u8], &str); 31] = [
        (b"u1,o1,12.34", "3 fields instead of 4"),
        (b"u1", "1 field instead of 4"),
        (b" ", "1 field instead of 4"),
        (b"u1,o1,12.34,7,", "5 fields instead of 4"),
        (b"u1,o1,12,34,7", "5 fields instead of 4"),
        (b",o1,1,7", "user_id is empty"),
        (b",o1,1,1700000000000", "user_id is empty"),
        (b"caf\xe9,o1,1,1700000000000", r#"user_id "caf\xe9" is not valid UTF-8"#),
        (b"u1,\xff,1,1700000000000", r#"order_id "\xff" is not valid UTF-8"#),
        (b"u1,o1,,1700000000000", "price is empty"),
        (b"u1,o1, ,7", "price is empty"),
        (
            b"u1,o1,\"12,34\",7",
            r#"price "12,34" has a comma: if that is the decimal mark give --decimal-comma, if it marks thousands leave it out"#,
        ),
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
        (b"u1,o1,1,yesterday", &neither("yesterday")),
        (b"u1,o1,1,1/1/2024", &neither("1/1/2024")),
        (b"u1,o1,1,17000000000x0", &neither("17000000000x0")),
        (
            b"u1,o1,1,99999999999999999",
            "timestamp 99999999999999999 is out of range: epoch milliseconds from -62000000000000 to 253000000000000; \
             if it counts nanoseconds, give --timestamp-unit ns",
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
fn an_order_needs_no_id_where_each_line_is_an_order() {
    for (columns, record) in [
        (COLUMNS, "u1,,1,1700000000000\n"),
        (COLUMNS, "u1,\"\",1,7\n"),
        ("user_id,price,timestamp", "u1,1,1700000000000\n"),
        ("user_id,price,timestamp", "\"u1\",1,7"),
    ] {
        let parsed = parse(columns, Envelope::Append, record.as_bytes());
        assert_eq!((parsed.orders.len(), parsed.reasons()), (1, vec![]), "{record}");
    }
    let parsed = parse(COLUMNS, Envelope::Upsert, b"u1,,1,1700000000000\nu1,\"\",1,7\n");
    assert_eq!(parsed.reasons(), [(0, "order_id is empty"), (1, "order_id is empty")]);
}

/// Parses the records of an input in another form than the usual one.
fn parse_as(form: &RowForm, columns: &str, records: &str) -> Parsed {
    let header = Header::parse(columns.as_bytes(), form, form.delimiter.unwrap_or(b',')).unwrap();
    let parsed = parse_whole(&mut CsvParser::new(&header, context_of(form.clone())), records.as_bytes());
    assert_eq!(parsed, reference(&header, form, records.as_bytes()).0);
    parsed
}

fn orders(parsed: &Parsed) -> Vec<String> {
    let shown = |order: &Order| format!("{} {} {}", order.user_id, order.price, order.at_ms);
    parsed.orders.iter().map(|(order, ..)| shown(order)).collect()
}

#[test]
fn values_in_other_forms() {
    let comma = RowForm { delimiter: Some(b';'), decimal_mark: DecimalMark::Comma, ..RowForm::default() };
    let columns = COLUMNS.replace(',', ";");
    let parsed = parse_as(&comma, &columns, "u;o;12,34;2024-01-15 10:23\nu;o;1.5;7\n\"a;b\";o;3;7\n");
    assert_eq!(orders(&parsed), ["u 12.34 1705314180000", "a;b 3.00 7"]);
    assert!(parsed.rejects[0].reason.starts_with(r#"price "1.5" has a point"#));

    let guests = RowForm { guest: Some("guest".to_owned()), ..RowForm::default() };
    let parsed = parse_as(&guests, COLUMNS, ",o,1,1700000000000\n\"\",o,2,7\nu,o,3,7\n");
    assert_eq!(orders(&parsed), ["guest 1.00 1700000000000", "guest 2.00 7", "u 3.00 7"]);

    let mut quantities = RowForm::default();
    quantities.names.quantity = Some("n".to_owned());
    let rows = "u,3,1.10,1700000000000\nu,-2,1.10,7\nu,1000000000000,2,7\nu,x,1,7\nu,,1,7\n";
    let parsed = parse_as(&quantities, "user_id,n,price,timestamp", rows);
    assert_eq!(orders(&parsed), ["u 3.30 1700000000000", "u -2.20 7"]);
    assert_eq!(
        parsed.reasons(),
        [
            (2, "price 2.00 times quantity 1000000000000.00 is beyond ±1000000000000"),
            (3, r#"quantity "x" is not a decimal number"#),
            (4, "quantity is empty"),
        ]
    );
}

/// Rows of both usual forms of times, in stretches longer than a block.
#[test]
fn forms_of_times_may_change_within_a_file() {
    let mut records = String::new();
    for at in 0..3_000 {
        let at_ms = 1_700_000_000_000_i64 + at;
        let iso = format!("2023-11-14T22:13:{:02}.{:03}Z", 20 + at / 1_000, at % 1_000);
        let text = if at / 750 % 2 == 0 { at_ms.to_string() } else { iso };
        records += &format!("u{at},o{at},1.00,{text}\n");
    }
    let parsed = parse(COLUMNS, Envelope::Append, records.as_bytes());
    assert_eq!((parsed.orders.len(), parsed.reasons()), (3_000, vec![]));
    for (at, (order, ..)) in parsed.orders.iter().enumerate() {
        assert_eq!(order.at_ms, 1_700_000_000_000 + at as i64);
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
    let of = |names: ColumnNames| RowForm { names, ..RowForm::default() };
    let names = of(ColumnNames { price: Some("amount".to_owned()), ..ColumnNames::default() });
    let with_op = of(ColumnNames { op: Some("kind".to_owned()), ..ColumnNames::default() });
    let with_id = of(ColumnNames { order_id: Some("id".to_owned()), ..ColumnNames::default() });
    let with_quantity = of(ColumnNames { quantity: Some("n".to_owned()), ..ColumnNames::default() });
    let upsert = RowForm { envelope: Envelope::Upsert, ..RowForm::default() };
    let semicolon = RowForm { delimiter: Some(b';'), ..RowForm::default() };
    let default = RowForm::default();
    let cases: [(&RowForm, &[u8], &str); 18] = [
        (&default, b"", "the header is empty: user_id,order_id,price,timestamp is expected"),
        (&default, b"\xef\xbb\xbf \r", "the header is empty: user_id,order_id,price,timestamp is expected"),
        (
            &default,
            b"user_id;order_id;price;timestamp",
            r#"no column "user_id" in the header "user_id;order_id;price;timestamp": give --delimiter ';'"#,
        ),
        (
            &default,
            b"user_id\torder_id\tprice\ttimestamp",
            r#"no column "user_id" in the header "user_id\torder_id\tprice\ttimestamp": give --delimiter tab"#,
        ),
        (
            &semicolon,
            b"user_id,order_id,price,timestamp",
            r#"no column "user_id" in the header "user_id,order_id,price,timestamp": give --delimiter ','"#,
        ),
        (
            &default,
            b"user_id|price|timestamp",
            r#"no column "user_id" in the header "user_id|price|timestamp": give --delimiter '|'"#,
        ),
        (
            &upsert,
            b"user_id,price,timestamp",
            r#"no column "order_id" in the header user_id,price,timestamp: say what it is called with --column-order-id NAME"#,
        ),
        (
            &with_id,
            b"user_id,order_id,price,timestamp",
            r#"no column "id" in the header user_id,order_id,price,timestamp: say what it is called with --column-order-id NAME"#,
        ),
        (
            &with_quantity,
            b"user_id,price,timestamp,quantity",
            r#"no column "n" in the header user_id,price,timestamp,quantity: say what it is called with --column-quantity NAME"#,
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
    for (form, record, reason) in cases {
        let error = Header::parse(record, form, form.delimiter.unwrap_or(b',')).unwrap_err();
        assert_eq!(error.to_string(), reason, "{:?}", String::from_utf8_lossy(record));
    }
}

#[test]
fn headers_may_name_columns_otherwise() {
    let names = ColumnNames { price: Some("amount".to_owned()), ..ColumnNames::default() };
    let form = RowForm { names, ..RowForm::default() };
    let header = b"\xef\xbb\xbftimestamp,\"x,\ny\", amount ,UserId,price,order_id,x,x\r\n";
    let parsed = Header::parse(header, &form, b',');
    let expected = Header {
        columns: 8,
        delimiter: b',',
        user_id: 3,
        order_id: Some(5),
        price: 2,
        timestamp: 0,
        op: None,
        quantity: None,
    };
    assert_eq!(parsed, Ok(expected));
}
