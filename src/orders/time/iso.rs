//! Reads ISO 8601 times in the forms that programs write, without allocation: the first sixteen
//! bytes in one word, all else byte by byte.
//!
//! ```text
//! 2026-11-28 | 2026-11-28T14:05[:09[.123456789]][ ][Z | UTC | +02[[:]00]]
//! ```
//!
//! The `T` may be a blank, the point a comma, and letters may be small. `None` means that the text
//! is no such time.

/// A time as it is spelled.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) struct Iso {
    /// What the clock shows, as epoch milliseconds of UTC. Finer digits are cut off.
    pub(super) local_ms: i64,
    /// How far the clock is ahead of UTC, in milliseconds; `None` if the text does not tell.
    pub(super) offset_ms: Option<i64>,
}

/// The number of bytes of `2026-11-28T14:05`.
const HEAD_BYTES: usize = 16;

/// What the bytes of the head are compared with. A digit becomes its value, a mark becomes 0.
const HEAD: u128 = u128::from_le_bytes(*b"0000-00-00T00:00");

/// The bits of the marks that have one spelling.
const MARKS: u128 = u128::from_le_bytes([0, 0, 0, 0, 255, 0, 0, 255, 0, 0, 0, 0, 0, 255, 0, 0]);

/// The bits of the `T`, which has several spellings.
const T: u128 = u128::from_le_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0]);

const HIGH_BITS: u128 = u128::from_ne_bytes([0x80; HEAD_BYTES]);

/// Lifts every byte above 9 to its high bit.
const TO_HIGH_BIT: u128 = u128::from_ne_bytes([0x80 - 10; HEAD_BYTES]);

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;

/// Reads a time that has no blanks around it.
#[inline]
pub(super) fn parse(text: &[u8]) -> Option<Iso> {
    let Some((head, tail)) = text.split_first_chunk() else { return date(text) };
    let (days, hour, minute) = parse_head(head)?;
    let (second_ms, zone) = parse_seconds(tail)?;
    let local_ms = days * DAY_MS + hour * HOUR_MS + minute * MINUTE_MS + second_ms;
    let offset_ms = if zone.is_empty() { None } else { Some(parse_zone(zone)?) };
    Some(Iso { local_ms, offset_ms })
}

/// Reads a date alone, which is its midnight.
#[cold]
fn date(text: &[u8]) -> Option<Iso> {
    let mut head = *b"0000-00-00T00:00";
    head[..10].copy_from_slice(text.first_chunk::<10>().filter(|date| date.len() == text.len())?);
    let (days, ..) = parse_head(&head)?;
    Some(Iso { local_ms: days * DAY_MS, offset_ms: None })
}

/// Returns the days since 1970-01-01, the hour and the minute.
#[inline]
fn parse_head(head: &[u8; HEAD_BYTES]) -> Option<(i64, i64, i64)> {
    if !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let digits = (u128::from_le_bytes(*head) ^ HEAD) & !T;
    // Only a byte that has its high bit already can cause a carry.
    let not_digits = (digits.wrapping_add(TO_HIGH_BIT) | digits) & HIGH_BITS;
    if not_digits | digits & MARKS != 0 {
        return None;
    }
    // Each pair of digits becomes a number in the place of its first digit.
    let pairs = (digits * 10 + (digits >> 8)).to_le_bytes();
    let year = i64::from(pairs[0]) * 100 + i64::from(pairs[2]);
    let days = days_since_1970(year, pairs[5], pairs[8])?;
    (pairs[11] < 24 && pairs[14] < 60).then_some((days, i64::from(pairs[11]), i64::from(pairs[14])))
}

/// The days of each month, of February in a common year. There is no month 0.
const DAYS_IN_MONTH: [u8; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar; `None` if there is no such
/// date.
#[inline]
fn days_since_1970(year: i64, month: u8, day: u8) -> Option<i64> {
    // Months in a table and days that all months have first: hardly a branch depends on the date.
    let days_in_month = *DAYS_IN_MONTH.get(usize::from(month))?;
    if day.wrapping_sub(1) >= days_in_month && !(month == 2 && day == 29 && is_leap(year)) {
        return None;
    }
    // Years are counted from March on, so that the day that some of them have more is the last.
    let month = i64::from(month);
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let days_before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    const DAYS_BEFORE_1970: i64 = 719_468;
    Some(days_before_year + days_before_month + i64::from(day) - 1 - DAYS_BEFORE_1970)
}

/// Reads the seconds, if there are any. Returns them in milliseconds, and what follows them.
#[inline]
fn parse_seconds(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b':', s1, s2, rest @ ..] = text else { return Some((0, text)) };
    // A leap second counts as the second before it, because epoch milliseconds have none.
    let second = two_digits(*s1, *s2).filter(|second| *second <= 60)?.min(59);
    let [b'.' | b',', fraction @ ..] = rest else { return Some((second * 1_000, rest)) };
    // Milliseconds are the usual fraction.
    if let [m1, m2, m3, rest @ ..] = fraction
        && !rest.first().is_some_and(u8::is_ascii_digit)
        && let (Some(high), true) = (two_digits(*m1, *m2), m3.is_ascii_digit())
    {
        return Some((second * 1_000 + high * 10 + i64::from(m3 - b'0'), rest));
    }
    let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let digit = |at: usize| if at < digits { i64::from(fraction[at] - b'0') } else { 0 };
    let ms = digit(0) * 100 + digit(1) * 10 + digit(2);
    Some((second * 1_000 + ms, &fraction[digits..]))
}

/// Reads a zone with at most one blank before it. Returns how far it is ahead of UTC, in
/// milliseconds.
#[inline]
fn parse_zone(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text.strip_prefix(b" ").unwrap_or(text) {
        [b'Z' | b'z'] | [b'U' | b'u', b'T' | b't', b'C' | b'c'] => return Some(0),
        [sign, h1, h2] => (sign, two_digits(*h1, *h2)?, 0),
        [sign, h1, h2, m1, m2] | [sign, h1, h2, b':', m1, m2] => {
            (sign, two_digits(*h1, *h2)?, two_digits(*m1, *m2)?)
        }
        _ => return None,
    };
    let ahead_ms = hours * HOUR_MS + minutes * MINUTE_MS;
    match sign {
        b'+' if hours < 24 && minutes < 60 => Some(ahead_ms),
        b'-' if hours < 24 && minutes < 60 => Some(-ahead_ms),
        _ => None,
    }
}

#[inline]
fn two_digits(one: u8, two: u8) -> Option<i64> {
    (one.is_ascii_digit() && two.is_ascii_digit()).then(|| i64::from(one - b'0') * 10 + i64::from(two - b'0'))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use jiff::civil::{Date, DateTime};
    use jiff::tz::Offset;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Option<(i64, Option<i64>)> {
        parse(text.as_bytes()).map(|iso| (iso.local_ms, iso.offset_ms))
    }

    #[test]
    fn forms_found_in_files() {
        const AT_MS: i64 = 1_705_314_225_000; // 2024-01-15 10:23:45 UTC
        for (text, expected) in [
            ("2024-01-15T10:23:45Z", Some((AT_MS, Some(0)))),
            ("2024-01-15t10:23:45z", Some((AT_MS, Some(0)))),
            ("2024-01-15 10:23:45", Some((AT_MS, None))),
            ("2024-01-15 10:23:45 UTC", Some((AT_MS, Some(0)))),
            ("2024-01-15T10:23:45.000Z", Some((AT_MS, Some(0)))),
            ("2024-01-15T10:23:45.1239999+02:00", Some((AT_MS + 123, Some(7_200_000)))),
            ("2024-01-15T10:23:45,5", Some((AT_MS + 500, None))),
            ("2024-01-15 10:23:45.123456789", Some((AT_MS + 123, None))),
            ("2024-01-15 10:23:45 -0500", Some((AT_MS, Some(-18_000_000)))),
            ("2024-01-15 10:23:45+00", Some((AT_MS, Some(0)))),
            ("2024-01-15 10:23", Some((AT_MS - 45_000, None))),
            ("2024-01-15T10:23Z", Some((AT_MS - 45_000, Some(0)))),
            ("2024-01-15 10:23 +05:30", Some((AT_MS - 45_000, Some(19_800_000)))),
            ("2024-01-15", Some((1_705_276_800_000, None))),
            ("2024-02-29T23:59:60Z", Some((1_709_251_199_000, Some(0)))),
            ("1969-12-31T23:59:59.999Z", Some((-1, Some(0)))),
            ("2023-02-29", None),
            ("2024-00-15", None),
            ("2024-13-15", None),
            ("2024-01-32", None),
            ("2024-01-15T24:00", None),
            ("2024-01-15T10:60", None),
            ("2024-01-15T10:23:61", None),
            ("2024-01-15T10:23:45.", None),
            ("2024-01-15T10:23:45.1234567890", None),
            ("2024-01-15T10:23:45  Z", None),
            ("2024-01-15T10:23:45+24:00", None),
            ("2024-01-15T10:23:45 CET", None),
            ("2024-01-15T10:23:45+2:00", None),
            ("2024-01-15T10", None),
            ("2024-01-15X10:23:45", None),
            ("2024/01/15 10:23:45", None),
            ("20240115T102345Z", None),
            ("2024-01-1", None),
            ("", None),
        ] {
            assert_eq!(at(text), expected, "{text}");
        }
    }

    #[test]
    fn every_day_of_ten_thousand_years_follows_the_one_before() {
        let mut days = parse(b"0000-01-01").map(|iso| iso.local_ms / DAY_MS).unwrap();
        for year in 0..10_000 {
            for month in 1..=12_u8 {
                for day in 1..=32_u8 {
                    let date = Date::new(year, month as i8, day as i8).ok();
                    let ours = days_since_1970(year.into(), month, day);
                    assert_eq!(ours, date.map(|_| days), "{year}-{month}-{day}");
                    days += i64::from(date.is_some());
                }
            }
        }
    }

    fn at_of(local: DateTime, offset_ms: Option<i64>) -> (i64, Option<i64>) {
        let at = Offset::UTC.to_timestamp(local).unwrap();
        (at.as_nanosecond().div_euclid(1_000_000) as i64, offset_ms)
    }

    proptest! {
        #[test]
        fn times_agree_with_jiff(
            local_ms in -62_135_596_800_000..253_402_300_800_000_i64,
            nanoseconds in 0..1_000_000_i32,
            digits in 0_usize..=9,
            t in "[Tt ]",
            zone in prop_oneof!["", "Z", "z", "[+-](0[0-9]|1[0-9]|2[0-3])(:?[0-5][0-9])?"],
        ) {
            let at = Timestamp::from_millisecond(local_ms).unwrap();
            let local = Offset::UTC.to_datetime(at);
            let fraction = format!(".{:03}{nanoseconds:06}", local.millisecond());
            let fraction = if digits == 0 { "" } else { &fraction[..=digits] };
            let text = format!("{}{t}{}{fraction}{zone}", local.date(), local.strftime("%H:%M:%S"));
            let parsed = parse(text.as_bytes()).map(|iso| (iso.local_ms, iso.offset_ms));
            if zone.is_empty() {
                let theirs: DateTime = text.parse().unwrap();
                prop_assert_eq!(parsed, Some(at_of(theirs, None)), "{}", text);
            } else {
                let theirs: Timestamp = text.parse().unwrap();
                let (local_ms, offset_ms) = parsed.ok_or_else(|| TestCaseError::fail(text.clone()))?;
                let ours = local_ms - offset_ms.unwrap_or(i64::MAX);
                prop_assert_eq!(ours, theirs.as_nanosecond().div_euclid(1_000_000) as i64, "{}", text);
            }
        }

        #[test]
        fn what_is_read_is_a_time_to_jiff_too(text in "[0-9]{4}-[0-3][0-9]-[0-3][0-9]([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?)?") {
            let theirs = text.parse::<DateTime>().ok().map(|local| {
                Offset::UTC.to_timestamp(local).unwrap().as_nanosecond().div_euclid(1_000_000) as i64
            });
            prop_assert_eq!(parse(text.as_bytes()).map(|iso| iso.local_ms), theirs, "{}", text);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn one_strange_byte_is_found(place in 0_usize..23, byte: u8) {
            let mut text = *b"2024-01-15T10:23:45.123";
            text[place] = byte;
            let theirs = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<DateTime>().ok());
            let ours = parse(&text).filter(|iso| iso.offset_ms.is_none());
            let expected = theirs.map(|local| at_of(local, None).0);
            prop_assert_eq!(ours.map(|iso| iso.local_ms), expected, "{}", String::from_utf8_lossy(&text));
        }
    }
}
