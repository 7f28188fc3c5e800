//! Tests times in text and numbers, with every unit, zone and a format.

use proptest::prelude::*;

use super::*;

fn form(unit: TimeUnit, zone: &str, format: Option<&str>) -> TimeForm {
    TimeForm::new(unit, Zone::parse(zone).unwrap(), format.map(str::to_owned)).unwrap()
}

/// 2024-01-15 10:23:45 UTC.
const AT_MS: i64 = 1_705_314_225_000;

#[test]
fn numbers_count_the_unit() {
    use TimeUnit::{Microseconds, Milliseconds, Nanoseconds, Seconds};
    for (unit, text, at_ms) in [
        (Milliseconds, "1705314225000", AT_MS),
        (Milliseconds, " +1705314225000\t", AT_MS),
        (Milliseconds, "1.705314225e12", AT_MS),
        (Milliseconds, "1705314225000.0", AT_MS),
        (Milliseconds, "-1", -1),
        (Milliseconds, "0", 0),
        (Milliseconds, "0e999", 0),
        (Milliseconds, "0000000000000000000000000000000000000000000007", 7),
        (Milliseconds, "70000000000000000000000000000000000000000e-40", 7),
        (Seconds, "1705314225", AT_MS),
        (Seconds, "1705314225.123999", AT_MS + 123),
        (Seconds, "1.705314225123e9", AT_MS + 123),
        (Seconds, "-0.0001", -1),
        (Seconds, "-1e-999", -1),
        (Microseconds, "1705314225000999", AT_MS),
        (Microseconds, "-1", -1),
        (Nanoseconds, "1705314225000999999", AT_MS),
        (Nanoseconds, "1705314225000000000.0", AT_MS),
    ] {
        assert_eq!(form(unit, "UTC", None).parse(text.as_bytes()), Ok(at_ms), "{text} {unit}");
    }
}

#[test]
fn texts_that_are_no_times_have_a_reason() {
    use TimeUnit::{Microseconds, Milliseconds, Seconds};
    let neither = |unit: &str| {
        format!("is neither a number of {unit} nor an ISO 8601 time (--timestamp-format reads others)")
    };
    let range = "is out of range: epoch milliseconds from -62000000000000 to 253000000000000";
    for (unit, text, reason) in [
        (Milliseconds, "", "timestamp is empty".to_owned()),
        (Milliseconds, " ", "timestamp is empty".to_owned()),
        (Milliseconds, "yesterday", format!("timestamp \"yesterday\" {}", neither("milliseconds"))),
        (Milliseconds, "-", format!("timestamp \"-\" {}", neither("milliseconds"))),
        (Milliseconds, ".", format!("timestamp \".\" {}", neither("milliseconds"))),
        (Milliseconds, "1.2.3", format!("timestamp \"1.2.3\" {}", neither("milliseconds"))),
        (Milliseconds, "1e", format!("timestamp \"1e\" {}", neither("milliseconds"))),
        (Milliseconds, "12/1/2010 8:26", format!("timestamp \"12/1/2010 8:26\" {}", neither("milliseconds"))),
        (Seconds, "2024-02-30", format!("timestamp \"2024-02-30\" {}", neither("seconds"))),
        (Milliseconds, "2.5", "timestamp \"2.5\" is not a whole number of milliseconds".to_owned()),
        (Microseconds, "1e-400", "timestamp \"1e-400\" is not a whole number of microseconds".to_owned()),
        (Milliseconds, "-62000000000001", format!("timestamp -62000000000001 {range}")),
        (Milliseconds, "1e400", format!("timestamp 1e400 {range}")),
        (Milliseconds, "-1e30", format!("timestamp -1e30 {range}")),
        (Milliseconds, "0001-01-01", format!("timestamp 0001-01-01 {range}")),
        (
            Milliseconds,
            "1705314225000000",
            format!(
                "timestamp 1705314225000000 {range}; if it counts microseconds, give --timestamp-unit us"
            ),
        ),
        (
            Seconds,
            "1705314225000",
            format!("timestamp 1705314225000 {range}; if it counts milliseconds, give --timestamp-unit ms"),
        ),
    ] {
        assert_eq!(form(unit, "UTC", None).parse(text.as_bytes()), Err(reason), "{text}");
    }
}

#[test]
fn local_times_are_of_the_zone_of_the_inputs() {
    for (zone, text, at_ms) in [
        ("UTC", "2024-01-15 10:23:45", AT_MS),
        ("+08:00", "2024-01-15 18:23:45", AT_MS),
        ("Europe/Berlin", "2024-01-15 11:23:45", AT_MS),
        ("Europe/Berlin", "2024-01-15 10:23:45Z", AT_MS),
        ("Europe/Berlin", "2024-01-15 05:23:45 -0500", AT_MS),
        ("America/New_York", "2024-01-15T05:23:45", AT_MS),
        ("Asia/Shanghai", "2024-01-15", AT_MS - (18 * 3600 + 23 * 60 + 45) * 1000),
        // The clock is turned back: 02:30 comes twice, and the first is meant.
        ("Europe/Berlin", "2026-10-25 02:30", 1_792_888_200_000),
        // It is turned forward: there is no 02:30, and what the clock shows an hour after 01:30 is meant.
        ("Europe/Berlin", "2026-03-29 02:30", 1_774_747_800_000),
        ("Europe/Berlin", "2026-03-29 03:30", 1_774_747_800_000),
    ] {
        assert_eq!(form(TimeUnit::default(), zone, None).parse(text.as_bytes()), Ok(at_ms), "{text} {zone}");
    }
}

#[test]
fn a_format_reads_what_nothing_else_does() {
    for (format, zone, text, at_ms) in [
        ("%m/%d/%Y %H:%M", "UTC", "1/15/2024 10:23", Ok(AT_MS - 45_000)),
        ("%d.%m.%Y %H:%M:%S", "Europe/Berlin", "15.01.2024 11:23:45", Ok(AT_MS)),
        ("%m/%d/%y, %I:%M:%S %p", "UTC", "01/15/24, 10:23:45 AM", Ok(AT_MS)),
        ("%Y%m%dT%H%M%S%z", "Europe/Berlin", "20240115T102345+0000", Ok(AT_MS)),
        ("%Y-%m-%d %H:%M:%S %Q", "UTC", "2024-01-15 11:23:45 Europe/Berlin", Ok(AT_MS)),
        ("%d %b %Y", "UTC", "15 Jan 2024", Ok(1_705_276_800_000)),
        ("%s", "UTC", "1705314225", Ok(AT_MS)),
        (
            "%m/%d/%Y %H:%M",
            "UTC",
            "15/1/2024 10:23",
            Err("timestamp \"15/1/2024 10:23\" is not in the form \"%m/%d/%Y %H:%M\""),
        ),
        (
            "%m/%d/%Y",
            "UTC",
            "1705314225000",
            Err("timestamp \"1705314225000\" is not in the form \"%m/%d/%Y\""),
        ),
    ] {
        let parsed = form(TimeUnit::default(), zone, Some(format)).parse(text.as_bytes());
        assert_eq!(parsed, at_ms.map_err(str::to_owned), "{format}: {text}");
    }
    for format in ["", "%", "%H:%M", "%d %k %~", "%c", "%Y-%m"] {
        let refused = TimeForm::new(TimeUnit::default(), Zone::default(), Some(format.to_owned()));
        assert!(refused.is_err(), "{format:?}");
    }
}

#[test]
fn numbers_with_a_type_are_as_their_text() {
    for unit in TimeUnit::ALL {
        let form = form(unit, "UTC", None);
        for number in [0, 1, -1, 1_705_314_225, AT_MS, -AT_MS, AT_MS * 1_000, AT_MS * 1_000_000] {
            let text = form.parse(number.to_string().as_bytes());
            assert_eq!(form.of_integer(number), text, "{number} {unit}");
            assert_eq!(form.of_scaled(number.into(), 0).ok(), text.clone().ok(), "{number} {unit}");
            assert_eq!(
                form.of_scaled(i128::from(number) * 1000, 3).ok(),
                text.clone().ok(),
                "{number} {unit}"
            );
            assert_eq!(form.of_double(number as f64).ok(), text.ok(), "{number} {unit}");
        }
    }
    let seconds = form(TimeUnit::Seconds, "UTC", None);
    assert_eq!(seconds.of_double(1_705_314_225.5), Ok(AT_MS + 500));
    assert_eq!(seconds.of_scaled(17_053_142_255, 1), Ok(AT_MS + 500));
    let ms = TimeForm::default();
    assert_eq!(ms.of_double(0.5), Err("timestamp \"0.5\" is not a whole number of milliseconds".to_owned()));
    assert_eq!(ms.of_double(f64::NAN), Err("timestamp NaN is not a number of milliseconds".to_owned()));
    assert!(ms.of_double(1e300).unwrap_err().contains("is out of range"));
    assert!(ms.of_double(f64::NEG_INFINITY).is_err());
}

proptest! {
    #[test]
    fn a_format_prints_and_reads_back(at_ms in -1_000_000_000_000..4_000_000_000_000_i64) {
        let format = "%d.%m.%Y %H:%M:%S.%3f";
        let printed = Timestamp::from_millisecond(at_ms).unwrap().strftime(format).to_string();
        prop_assert_eq!(form(TimeUnit::default(), "UTC", Some(format)).parse(printed.as_bytes()), Ok(at_ms));
    }

    #[test]
    fn decimals_are_those_of_amounts(text in "[+-]?[0-9]{0,20}[.]?[0-9]{0,9}(e[+-]?[0-9]{1,2})?") {
        // Amounts are read by other code, from -10^12 to 10^12.
        let number = decimal(text.as_bytes());
        match dataflows::Amount::parse(text.as_bytes()) {
            Ok(amount) => {
                let (mantissa, exponent) = number.ok_or_else(|| TestCaseError::fail(text.clone()))?;
                let units = dataflows::Amount::parse(format!("{mantissa}e{exponent}").as_bytes());
                prop_assert_eq!(units, Ok(amount), "{}", text);
            }
            Err(dataflows::AmountError::Empty | dataflows::AmountError::NotDecimal) => prop_assert_eq!(number, None),
            Err(_) => prop_assert!(number.is_some()),
        }
    }
}
