//! Tests columns of times and ids in every type that files have them in, and rows in other forms
//! than the usual one.

use orders::{TimeForm, TimeUnit, Zone};

use super::*;
use crate::ingest::ColumnNames;

fn time(unit: TimeUnit, zone: &str) -> RowForm {
    let time = TimeForm::new(unit, Zone::parse(zone).unwrap(), None).unwrap();
    RowForm { time, ..RowForm::default() }
}

/// Returns the orders of a file whose column `timestamp` is of this type and has these values.
fn times(form: &RowForm, timestamp: &str, values: Values) -> Vec<String> {
    let rows = values.len();
    let schema = format!("required int32 user_id; required int32 price; required {timestamp};");
    let group = vec![Values::Int32(vec![1; rows]), Values::Int32(vec![1; rows]), values];
    let block = read_bytes_as(&file(&schema, default_properties(), &[group]), form.clone()).unwrap();
    shown(&block).into_iter().map(|order| order.trim_start_matches("1 1.00 ").to_owned()).collect()
}

#[test]
fn times_are_stored_in_many_ways() {
    use TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
    const MS: i64 = 1_705_314_225_123;
    let at = |ms: i64| vec![ms.to_string()];
    let (utc, berlin) = (|unit| time(unit, "UTC"), time(Milliseconds, "Europe/Berlin"));
    let day_ms = 86_400_000_u64;
    let nanoseconds = (MS as u64 % day_ms) * 1_000_000 + 999_999;
    for (form, timestamp, values, expected) in [
        (utc(Milliseconds), "int64 timestamp", Values::Int64(vec![MS]), at(MS)),
        (utc(Seconds), "int64 timestamp", Values::Int64(vec![MS / 1_000]), at(MS - 123)),
        (utc(Seconds), "int32 timestamp", Values::Int32(vec![1_705_314_225]), at(MS - 123)),
        (utc(Microseconds), "int64 timestamp", Values::Int64(vec![MS * 1_000 + 999]), at(MS)),
        (utc(Nanoseconds), "int64 timestamp", Values::Int64(vec![MS * 1_000_000 + 1]), at(MS)),
        (utc(Milliseconds), "int64 timestamp (INTEGER(64,false))", Values::Int64(vec![MS]), at(MS)),
        // A TIMESTAMP says itself what it counts.
        (utc(Seconds), "int64 timestamp (TIMESTAMP(MILLIS,true))", Values::Int64(vec![MS]), at(MS)),
        (utc(Seconds), "int64 timestamp (TIMESTAMP(MICROS,true))", Values::Int64(vec![MS * 1_000]), at(MS)),
        (
            utc(Seconds),
            "int64 timestamp (TIMESTAMP(NANOS,true))",
            Values::Int64(vec![MS * 1_000_000]),
            at(MS),
        ),
        (utc(Milliseconds), "int64 timestamp (TIMESTAMP_MICROS)", Values::Int64(vec![-1]), at(-1)),
        (berlin.clone(), "int64 timestamp (TIMESTAMP(MILLIS,true))", Values::Int64(vec![MS]), at(MS)),
        (
            berlin.clone(),
            "int64 timestamp (TIMESTAMP(MILLIS,false))",
            Values::Int64(vec![MS]),
            at(MS - 3_600_000),
        ),
        (
            berlin.clone(),
            "int64 timestamp (TIMESTAMP(MICROS,false))",
            Values::Int64(vec![MS * 1_000]),
            at(MS - 3_600_000),
        ),
        (utc(Milliseconds), "int64 timestamp (TIMESTAMP(MILLIS,false))", Values::Int64(vec![MS]), at(MS)),
        (
            utc(Milliseconds),
            "int32 timestamp (DATE)",
            Values::Int32(vec![0, -1]),
            vec!["0".into(), "-86400000".into()],
        ),
        (berlin.clone(), "int32 timestamp (DATE)", Values::Int32(vec![0]), at(-3_600_000)),
        (
            berlin.clone(),
            "int96 timestamp",
            Values::Int96(vec![(nanoseconds, MS / day_ms as i64), (0, -1)]),
            vec![MS.to_string(), "-86400000".into()],
        ),
        (
            utc(Milliseconds),
            "double timestamp",
            Values::Double(vec![MS as f64, -1.0]),
            vec![MS.to_string(), "-1".into()],
        ),
        (utc(Seconds), "double timestamp", Values::Double(vec![1_705_314_225.123]), at(MS)),
        (
            utc(Milliseconds),
            "double timestamp",
            Values::Double(vec![0.5, f64::NAN]),
            vec![
                "0 timestamp \"0.5\" is not a whole number of milliseconds".into(),
                "1 timestamp NaN is not a number of milliseconds".into(),
            ],
        ),
        (utc(Milliseconds), "int64 timestamp (DECIMAL(18,2))", Values::Int64(vec![MS * 100]), at(MS)),
        (utc(Seconds), "int64 timestamp (DECIMAL(18,3))", Values::Int64(vec![MS]), at(MS)),
        (
            utc(Milliseconds),
            "fixed_len_byte_array(16) timestamp (DECIMAL(38,0))",
            Values::Fixed(vec![i128::from(MS).to_be_bytes().into()]),
            at(MS),
        ),
        (
            utc(Milliseconds),
            "int64 timestamp (DECIMAL(18,1))",
            Values::Int64(vec![15]),
            vec!["0 timestamp \"15e-1\" is not a whole number of milliseconds".into()],
        ),
        (
            berlin,
            "binary timestamp (UTF8)",
            Values::Text(vec!["2024-01-15T10:23:45.123Z", "2024-01-15 11:23:45.123", "1705314225123"]),
            vec![MS.to_string(); 3],
        ),
        (
            utc(Milliseconds),
            "int64 timestamp",
            Values::Int64(vec![MS * 1_000]),
            vec![
                "0 timestamp 1705314225123000 is out of range: epoch milliseconds from -62000000000000 to \
                 253000000000000; if it counts microseconds, give --timestamp-unit us"
                    .into(),
            ],
        ),
    ] {
        assert_eq!(times(&form, timestamp, values), expected, "{timestamp} {}", form.time.unit());
    }
}

#[test]
fn ids_may_be_uuids_and_fixed_bytes() {
    let schema = "required fixed_len_byte_array(16) user_id (UUID); required fixed_len_byte_array(3) order_id; \
                  required int32 price; required int64 timestamp;";
    let uuid: Vec<u8> = (0..16).map(|at| at * 0x11).collect();
    let group = || {
        vec![
            Values::Fixed(vec![uuid.clone(), vec![0; 16]]),
            Values::Fixed(vec![b"abc".to_vec(), "ü1".as_bytes().to_vec()]),
            Values::Int32(vec![1, 2]),
            Values::Int64(vec![7, 8]),
        ]
    };
    for dictionary in [true, false] {
        let bytes = file(schema, default_properties().set_dictionary_enabled(dictionary), &[group()]);
        let block = read_bytes(&bytes, Envelope::Upsert).unwrap();
        let keys: Vec<_> = block
            .upserts
            .iter()
            .map(|upsert| format!("{} {}", upsert.key.user_id, upsert.key.order_id))
            .collect();
        assert_eq!(
            keys,
            ["00112233-4455-6677-8899-aabbccddeeff abc", "00000000-0000-0000-0000-000000000000 ü1"]
        );
    }
}

#[test]
fn quantities_guests_and_orders_without_ids() {
    let schema =
        "optional binary user_id (UTF8); required double price; optional int32 n; required int64 timestamp;";
    let group = vec![
        Values::Nulls(vec![1, 0, 1, 1, 1], Box::new(Values::Text(vec!["u", "", "v", "w"]))),
        Values::Double(vec![1.1, 2.0, 3.0, f64::NAN, 1e12]),
        Values::Nulls(vec![1, 1, 1, 0, 1], Box::new(Values::Int32(vec![3, -1, 2, 7]))),
        Values::Int64(vec![1, 2, 3, 4, 5]),
    ];
    let bytes = file(schema, default_properties(), &[group]);
    let names = ColumnNames { quantity: Some("n".to_owned()), ..ColumnNames::default() };
    let mut form = RowForm { names, ..RowForm::default() };
    let too_large = "4 price 1000000000000.00 times quantity 7.00 is beyond ±1000000000000";
    assert_eq!(
        shown(&read_bytes_as(&bytes, form.clone()).unwrap()),
        [
            "u 3.30 1",
            "1 user_id is empty",
            "2 user_id is empty",
            "3 price NaN is not a finite number",
            too_large
        ]
    );
    form.guest = Some("guest".to_owned());
    assert_eq!(
        shown(&read_bytes_as(&bytes, form).unwrap()),
        ["u 3.30 1", "guest -2.00 2", "guest 6.00 3", "3 price NaN is not a finite number", too_large]
    );
    let form = RowForm { guest: Some("guest".to_owned()), ..RowForm::default() };
    assert_eq!(shown(&read_bytes_as(&bytes, form).unwrap())[..2], ["u 1.10 1", "guest 2.00 2"]);
    let refused = read_bytes(&bytes, Envelope::Upsert).map(|_| ()).unwrap_err();
    assert_eq!(
        refused,
        "orders.parquet: there is no column order_id in user_id, price, n, timestamp; name it with --column-order-id"
    );
}
