use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

/// Returns the epoch milliseconds of a time in UTC.
fn utc_ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

#[test]
fn times_print_in_their_zone() {
    for (zone, at, expected) in [
        ("UTC", "2026-01-02T03:04:05Z", "2026-01-02 03:04:05"),
        ("UTC", "1969-12-31T23:59:30Z", "1969-12-31 23:59:30"),
        ("UTC", "0005-04-20T17:46:40Z", "0005-04-20 17:46:40"),
        ("UTC", "9987-05-04T02:13:20Z", "9987-05-04 02:13:20"),
        ("+08:00", "2026-01-02T20:00:00Z", "2026-01-03 04:00:00"),
        ("-03:30", "2026-01-02T00:00:00Z", "2026-01-01 20:30:00"),
        ("Asia/Shanghai", "2026-01-02T20:00:00Z", "2026-01-03 04:00:00"),
        ("Europe/Berlin", "2026-07-01T12:00:00Z", "2026-07-01 14:00:00"),
        // The clock goes from 02:00 to 03:00: no instant is printed with a time in between.
        ("Europe/Berlin", "2026-03-29T00:59:30Z", "2026-03-29 01:59:30"),
        ("Europe/Berlin", "2026-03-29T01:00:00Z", "2026-03-29 03:00:00"),
        // The clock goes from 03:00 to 02:00: this hour comes twice.
        ("Europe/Berlin", "2026-10-25T00:30:00Z", "2026-10-25 02:30:00"),
        ("Europe/Berlin", "2026-10-25T00:59:30Z", "2026-10-25 02:59:30"),
        ("Europe/Berlin", "2026-10-25T01:00:00Z", "2026-10-25 02:00:00+01:00"),
        ("Europe/Berlin", "2026-10-25T01:30:00Z", "2026-10-25 02:30:00+01:00"),
        ("Europe/Berlin", "2026-10-25T01:59:59Z", "2026-10-25 02:59:59+01:00"),
        ("Europe/Berlin", "2026-10-25T02:00:00Z", "2026-10-25 03:00:00"),
        // Before standard time was introduced, offsets had seconds.
        ("Europe/Berlin", "1850-01-01T00:00:00Z", "1850-01-01 00:53:28"),
        // Lord Howe Island turns its clock by half an hour.
        ("Australia/Lord_Howe", "2026-04-04T15:00:00Z", "2026-04-05 01:30:00+10:30"),
    ] {
        assert_eq!(Zone::parse(zone).unwrap().format(utc_ms(at)), expected, "{zone} {at}");
    }
}

#[test]
fn the_offset_is_that_of_the_zone_at_the_time() {
    for (zone, at, minutes) in [
        ("UTC", "2026-01-02T03:04:05Z", 0),
        ("-03:30", "2026-01-02T00:00:00Z", -210),
        ("Europe/Berlin", "2026-01-01T12:00:00Z", 60),
        ("Europe/Berlin", "2026-07-01T12:00:00Z", 120),
    ] {
        assert_eq!(Zone::parse(zone).unwrap().offset_ms(utc_ms(at)), minutes * 60_000, "{zone} {at}");
    }
    assert_eq!(Zone::parse("Europe/Berlin").unwrap().offset_ms(i64::MAX), 0);
}

#[test]
fn milliseconds_print_only_when_asked() {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    let mut text = Vec::new();
    zone.push(&mut text, utc_ms("2026-10-25T01:30:00.250Z"), true);
    assert_eq!(text, b"2026-10-25 02:30:00.250+01:00");
    assert_eq!(Zone::default().format(-1), "1969-12-31 23:59:59");
    text.clear();
    Zone::default().push(&mut text, -1, true);
    assert_eq!(text, b"1969-12-31 23:59:59.999");
}

#[test]
fn times_beyond_the_calendar_print_as_numbers() {
    for at_ms in [i64::MIN, i64::MAX, -62_135_596_800_001] {
        assert_eq!(Zone::default().format(at_ms), at_ms.to_string());
    }
    assert_eq!(Zone::default().format(-62_135_596_800_000), "0001-01-01 00:00:00");
}

#[test]
fn names_are_found_in_any_case_and_kept_in_their_usual_spelling() {
    for (name, expected) in [
        ("UTC", "UTC"),
        ("utc", "UTC"),
        ("+00:00", "UTC"),
        ("-00:00", "UTC"),
        ("+08:00", "+08:00"),
        ("-23:59", "-23:59"),
        ("europe/berlin", "Europe/Berlin"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
    ] {
        let zone = Zone::parse(name).unwrap();
        assert_eq!(zone.name(), expected);
        assert_eq!(Zone::parse(zone.name()).unwrap(), zone);
    }
}

#[test]
fn other_names_are_refused() {
    for name in
        ["", " UTC", "Berlin", "local", "Etc/Unknown", "+8:00", "+0800", "+24:00", "+08:60", "+", "+aa:bb"]
    {
        let error = Zone::parse(name).expect_err(name);
        assert_eq!(
            error.to_string(),
            format!(
                "unknown time zone {name:?}: give UTC, an offset like +08:00, or an IANA name like Europe/Berlin"
            )
        );
    }
}

#[test]
fn windows_around_every_turn_of_a_clock_print_differently() {
    for (name, from, to) in [
        ("Europe/Berlin", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z"),
        ("America/New_York", "2026-10-31T00:00:00Z", "2026-11-03T00:00:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T00:00:00Z", "2026-04-06T00:00:00Z"),
        // Samoa skipped a whole day.
        ("Pacific/Apia", "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z"),
        // Amsterdam used local mean time, whose offset has seconds.
        ("Europe/Amsterdam", "1937-06-30T00:00:00Z", "1937-07-02T00:00:00Z"),
    ] {
        let zone = Zone::parse(name).unwrap();
        let starts = (utc_ms(from)..utc_ms(to)).step_by(30_000);
        let printed: HashSet<String> = starts.clone().map(|at_ms| zone.format(at_ms)).collect();
        assert_eq!(printed.len(), starts.count(), "{name}");
    }
}

proptest! {
    #[test]
    fn instants_print_differently(
        zone in prop::sample::select(vec!["Europe/Berlin", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Tehran"]),
        at_s in -4_000_000_000_i64..4_000_000_000,
        by_s in prop::sample::select(vec![1800_i64, 3600, 7200, 86_400, 30]),
    ) {
        let zone = Zone::parse(zone).unwrap();
        prop_assert_ne!(zone.format(at_s * 1000), zone.format((at_s + by_s) * 1000));
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(at_ms in -70_000_000_000_000_i64..260_000_000_000_000, zone in 0_usize..5, with_ms: bool) {
        let name = ["UTC", "Europe/Berlin", "-03:30", "Australia/Lord_Howe", "Africa/Monrovia"][zone];
        let zone = Zone::parse(name).unwrap();
        let at_ms = if with_ms { at_ms } else { at_ms.div_euclid(1_000) * 1_000 };
        let mut text = Vec::new();
        zone.push(&mut text, at_ms, with_ms);
        let text = String::from_utf8(text).unwrap();
        prop_assert_eq!(zone.instant_ms(&text), Some(at_ms), "{} {}", name, text);
    }
}

#[test]
fn both_of_two_equal_local_times_read_back() {
    let zone = Zone::parse("Europe/Berlin").unwrap();
    for minute in 0..180 {
        let at_ms = utc_ms("2026-10-25T00:00:00Z") + minute * 60_000;
        assert_eq!(zone.instant_ms(&zone.format(at_ms)), Some(at_ms), "{minute}");
    }
    let local = "2026-03-29 02:30:00";
    assert_eq!(zone.instant_ms(local), None, "no clock shows it");
    for text in [
        "",
        "x",
        "2026-10-25",
        "2026-10-25T02:30:00",
        "2026-10-25 02:30:00+02:00",
        "2026-13-25 02:30:00",
        "+5",
        "٢",
    ] {
        assert_eq!(zone.instant_ms(text), None, "{text:?}");
    }
    assert_eq!(Zone::default().instant_ms(&i64::MAX.to_string()), Some(i64::MAX));
}
