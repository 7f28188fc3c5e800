//! Reads the dates of requests and prints those of answers.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The most seconds between a request's date and the server's clock.
pub(super) const DATE_SKEW_S_MAX: i64 = 15 * 60;

/// Returns the seconds since 1970 of a date such as `2026-11-22T09:10:38.000Z`. Ignores the digits
/// of the fraction, because one client fills it with something else.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_once('.')?;
    let shaped = seconds.len() == "2026-11-22T09:10:38".len() && seconds.as_bytes().get(10) == Some(&b'T');
    if !shaped || fraction.is_empty() || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let date: DateTime = seconds.parse().ok()?;
    Some(Offset::UTC.to_timestamp(date).ok()?.as_second())
}

/// Prints a time in microseconds since 1970 as headers carry it.
pub(super) fn format_date(at_us: i64) -> String {
    let at = Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{at:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_both_ways() {
        let at_s = 1_795_338_638;
        assert_eq!(format_date(at_s * 1_000_000 + 7_999), "2026-11-22T09:10:38.007Z");
        assert_eq!(format_date(at_s * 1_000_000), "2026-11-22T09:10:38.000Z");
        for date in ["2026-11-22T09:10:38.000Z", "2026-11-22T09:10:38.11229Z", "2026-11-22T09:10:38.1Z"] {
            assert_eq!(parse_date(date), Some(at_s), "{date}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "Z",
            ".Z",
            "2026-11-22T09:10:38Z",
            "2026-11-22T09:10:38.Z",
            "2026-11-22T09:10:38.0",
            "2026-11-22T09:10:38.-1Z",
            "2026-11-22 09:10:38.000Z",
            "2026-13-22T09:10:38.000Z",
            "2026-11-22T25:10:38.000Z",
            "-026-11-22T09:10:38.000Z",
            "Sun, 22 Nov 2026 09:10:38 GMT",
            "2026-11-22T09:10:38é.000Z",
        ] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
