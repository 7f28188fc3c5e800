//! Tests the protocol's vectors in both directions, and rows that nobody may send.

use super::*;
use store::change::{ColumnChange, RowWrite};
use store::value::{CellRef, KeyPart, KeyValue, NamedKey, Value};

/// Returns the bytes of hex digits, which may be separated by spaces.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

const KEY: &str = "75000000 01
    03 04 06000000 557365724964 05 0b000000 03 06000000 757365725f41 0a ba
    03 04 07000000 4f726465724964 05 11000000 03 0c000000 6f726465722d303030303031 0a d1";

fn key() -> NamedKey {
    let part = |value: &str| KeyPart::Value(KeyValue::String(value.to_owned()));
    vec![("UserId".to_owned(), part("user_A")), ("OrderId".to_owned(), part("order-000001"))]
}

fn put(name: &str, value: Value, version: Option<i64>) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version })
}

struct Vector {
    name: &'static str,
    hex: String,
    key: NamedKey,
    change: RowWrite,
    form: WriteForm,
}

fn writes() -> Vec<Vector> {
    let change = |name: &str, change| (name.to_owned(), change);
    vec![
        Vector {
            name: "A, put",
            hex: format!(
                "{KEY} 02 03 04 05000000 7072696365  05 09000000 01 0000000000002940  0a 21
                 03 04 09000000 74696d657374616d70  05 09000000 00 0068e5cf8b010000  0a 66 09 64"
            ),
            key: key(),
            change: RowWrite::Put(vec![
                put("price", Value::Double(12.5), None),
                put("timestamp", Value::Integer(1_700_000_000_000), None),
            ]),
            form: WriteForm::Put,
        },
        Vector {
            name: "B, delete",
            hex: format!("{KEY} 08 09 c5"),
            key: key(),
            change: RowWrite::Delete,
            form: WriteForm::Delete,
        },
        Vector {
            name: "C, update",
            hex: format!(
                "{KEY} 02 03 04 05000000 7072696365 05 09000000 01 0000000000002340 0a a3
                 03 04 03000000 6f6c64 06 03 07 0068e5cf8b010000 0a 6f
                 03 04 09000000 74696d657374616d70 06 01 0a cf
                 03 04 01000000 6e 05 09000000 00 0500000000000000 06 04 0a 00 09 9e"
            ),
            key: key(),
            change: RowWrite::Update(vec![
                put("price", Value::Double(9.5), None),
                change("old", ColumnChange::DeleteVersion(1_700_000_000_000)),
                change("timestamp", ColumnChange::DeleteAll),
                change("n", ColumnChange::Increment(5)),
            ]),
            form: WriteForm::Update,
        },
        Vector {
            name: "E, types",
            hex: "75000000 01 03 04 05000000 636f756e74 05 09000000 00 feffffffffffffff 0a 2c
                  02 03 04 01000000 62 05 02000000 02 01 0a 3e
                  03 04 01000000 73 05 07000000 03 02000000 c3a9 0a 00
                  03 04 01000000 78 05 07000000 07 02000000 00ff 0a af
                  03 04 01000000 64 05 09000000 01 0000000000000080 07 0700000000000000 0a 06 09 a5"
                .to_owned(),
            key: vec![("count".to_owned(), KeyPart::Value(KeyValue::Integer(-2)))],
            change: RowWrite::Put(vec![
                put("b", Value::Boolean(true), None),
                put("s", Value::String("é".to_owned()), None),
                put("x", Value::Binary(vec![0x00, 0xff]), None),
                put("d", Value::Double(-0.0), Some(7)),
            ]),
            form: WriteForm::Put,
        },
    ]
}

#[test]
fn writes_both_ways() {
    for Vector { name, hex, key, change, form } in writes() {
        let buffer = bytes(&hex);
        assert_eq!(encode_change(&key, &change), buffer, "{name}");
        let read = parse_change(&buffer, form).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", ChangedRow { key, change, ..read }), "{name}");
        for other in [WriteForm::Put, WriteForm::Update, WriteForm::Delete] {
            // A put is also an update. No other form fits two kinds of write.
            let fits = other == form || (form, other) == (WriteForm::Put, WriteForm::Update);
            assert_eq!(parse_change(&buffer, other).is_ok(), fits, "{name} as {other:?}");
        }
    }
}

#[test]
fn keys_both_ways() {
    let bounds = "75000000 01 03 04 06000000 557365724964 05 01000000 09 0a e9
                  03 04 07000000 4f726465724964 05 01000000 0a 0a 2e 09 8c";
    let bounds_key = vec![("UserId".to_owned(), KeyPart::Min), ("OrderId".to_owned(), KeyPart::Max)];
    let auto = vec![
        ("k".to_owned(), KeyPart::AutoIncrement),
        ("b".to_owned(), KeyPart::Value(KeyValue::Binary(vec![1]))),
    ];
    for (name, hex, key) in [("B", format!("{KEY} 09 c2"), key()), ("D", bounds.to_owned(), bounds_key)] {
        assert_eq!(encode_key(&key), bytes(&hex), "{name}");
        assert_eq!(parse_key(&bytes(&hex)).unwrap(), key, "{name}");
        // One client sends its bounds with zeros at the end.
        assert_eq!(parse_key(&bytes(&format!("{hex} 00 00"))).unwrap(), key, "{name} and stray zeros");
    }
    assert_eq!(parse_key(&encode_key(&auto)).unwrap(), auto);
}

#[test]
fn a_record_of_a_stream_both_ways() {
    let buffer = bytes(&format!(
        "{KEY} 02 03 04 05000000 7072696365 05 09000000 01 0000000000002940 07 7b68e5cf8b010000 0a c8
         03 04 09000000 74696d657374616d70 05 09000000 00 0068e5cf8b010000 07 7b68e5cf8b010000 0a 6d
         0b 18000000 0c 13000000 0d 00000000 0e 40222018240a0600 0f 07000000 09 07"
    ));
    let version = 1_700_000_000_123;
    let cells = [
        CellRef { name: "price", value: ValueRef::Double(12.5), version },
        CellRef { name: "timestamp", value: ValueRef::Integer(1_700_000_000_000), version },
    ];
    let sequence = Sequence { epoch: 0, at_us: 1_700_000_000_123_456, row_index: 7 };
    let mut writer = Writer::new();
    let mut row = writer.row();
    row.key("UserId", KeyRef::String("user_A"));
    row.key("OrderId", KeyRef::String("order-000001"));
    cells.iter().for_each(|cell| row.cell(*cell));
    row.end_as(false, Some(sequence));
    assert_eq!(writer.finish(), buffer);

    let read = Rows::of(&buffer).unwrap().only().unwrap();
    assert_eq!(read.sequence, Some(sequence));
    assert_eq!(read.named_key(), key());
    assert_eq!(read.stored_row().unwrap().cells[1].value, Value::Integer(1_700_000_000_000));
    assert!(parse_change(&buffer, WriteForm::Put).is_err(), "a caller may not send a sequence");
}

#[test]
fn bare_values_both_ways() {
    let values = [
        ("01 0000000000002940", ValueRef::Double(12.5)),
        ("00 0500000000000000", ValueRef::Integer(5)),
        ("02 01", ValueRef::Boolean(true)),
        ("03 02000000 c3a9", ValueRef::String("é")),
        ("07 02000000 00ff", ValueRef::Binary(&[0x00, 0xff])),
    ];
    for (hex, value) in values {
        assert_eq!(write_bare(value), bytes(hex));
        assert_eq!(parse_bare(&bytes(hex)).unwrap(), value);
        assert!(parse_bare(&bytes(&format!("{hex} 00"))).is_err(), "{hex} and more");
    }
    for hex in ["", "09", "0b", "00 05", "03 ffffffff 61", "03 01000000 ff", "02 02", "2a"] {
        assert!(parse_bare(&bytes(hex)).is_err(), "{hex}");
    }
}

#[test]
fn several_rows_behind_one_header() {
    let mut writer = Writer::new();
    for number in 0..3 {
        let mut row = writer.row();
        row.key("k", KeyRef::Integer(number));
        row.cell(CellRef { name: "a", value: ValueRef::String("text"), version: number });
        row.end();
    }
    let buffer = writer.finish();
    let rows: Vec<RowParts<'_>> = Rows::of(&buffer).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[2].key, [("k", PartRef::Value(KeyRef::Integer(2)))]);
    assert!(Rows::of(&buffer).unwrap().only().is_err());
    assert_eq!(Rows::of(&[]).unwrap().count(), 0);
    assert!(Writer::new().finish().is_empty(), "no row is no bytes, not a header");
}

#[test]
fn more_cells_than_a_reader_takes_are_counted_not_kept() {
    let cells = |count: usize| {
        RowWrite::Put((0..count).map(|n| put(&n.to_string(), Value::Boolean(true), None)).collect())
    };
    assert!(parse_change(&encode_change(&key(), &cells(1_024)), WriteForm::Put).is_ok());
    let refused = parse_change(&encode_change(&key(), &cells(1_025)), WriteForm::Put);
    assert_eq!(refused, Err(Malformed::TooManyCells(1_025)));
    assert_eq!(parse_key(&encode_change(&key(), &cells(3))), Err(Malformed::TooManyCells(3)));
}

#[test]
fn every_cut_and_every_wrong_byte_is_refused() {
    for Vector { name, hex, form, .. } in writes() {
        let buffer = bytes(&hex);
        for end in 0..buffer.len() {
            assert!(parse_change(&buffer[..end], form).is_err(), "{name} cut at {end}");
            for flip in 1..=255 {
                let mut wrong = buffer.clone();
                wrong[end] ^= flip;
                // A checksum of 8 bits finds every error that lies within 8 bits.
                assert!(parse_change(&wrong, form).is_err(), "{name} with {flip:#x} at {end}");
            }
        }
    }
}

#[test]
fn rows_that_mean_nothing_are_refused_with_a_reason() {
    let cell = |parts: &str| format!("{KEY} 02 03 04 01000000 6e {parts}");
    let cases = [
        (String::new(), "holds no row"),
        ("75000000".to_owned(), "holds no row"),
        ("76000000 01".to_owned(), "does not start with 75 00 00 00"),
        ("75000000 01 09 00".to_owned(), "must have key columns"),
        ("75000000 02".to_owned(), "must start with tag 01"),
        (cell("0a 00"), "checksum of column 'n'"),
        (cell("0a 0d"), "attribute column 'n' mixes"),
        (cell("05 09000000 03 ffffffff 00"), "in the middle"),
        (cell("05 ffffffff 03 01000000 61 0a 00"), "contradict"),
        (cell("05 02000000 02 02 0a 00"), "neither 0 nor 1"),
        (cell("05 01000000 2a 0a 00"), "unknown type 0x2a"),
        (format!("{KEY} 02 03 04 ffffffff 6e"), "in the middle"),
        (format!("{KEY} 09 c2 {}", KEY.trim_start_matches("75000000")), "expected a row checksum"),
        (format!("{KEY} 09 c2 05"), "must start with tag 01"),
        (format!("{KEY} 09 c3"), "row checksum"),
    ];
    for (hex, reason) in cases {
        let refused = parse_change(&bytes(&hex), WriteForm::Update).unwrap_err().to_string();
        assert!(refused.contains(reason), "{hex}: {refused}");
    }
}
