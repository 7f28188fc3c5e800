//! Parses the flags of time that several commands share: durations, the width of windows, and their
//! zone.

use orders::{Layout, Zone};
use serde::Serializer;

use super::Failure;

/// The widest window as error messages give it; exactly it is 2^32 - 1 milliseconds.
const WINDOW_MAX: &str = "49d";

/// Parses a duration as people type it, and returns it in milliseconds. It is a whole number
/// followed by ms, s, m, h or d.
///
/// # Errors
/// Returns a sentence that says what to type instead.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let ms =
        number.parse::<u64>().ok().zip(unit_ms).and_then(|(number, unit_ms)| number.checked_mul(unit_ms));
    ms.ok_or_else(|| "expected a whole number and a unit, such as 500ms, 30s, 10m, 12h or 30d".to_owned())
}

/// Serializes milliseconds as text that names the unit, such as `30000 ms`.
///
/// # Errors
/// Returns the serializer's error.
pub fn as_ms<S: Serializer>(ms: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{ms} ms"))
}

/// Returns where windows begin and how their keys are printed, from the flags `--window` (in
/// milliseconds) and `--timezone`.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 that names the flag, or the zone that is unknown.
pub fn layout(window_ms: u64, timezone: &str) -> Result<Layout, Failure> {
    let too_long = format!("--window can be at most {WINDOW_MAX}");
    let width = u32::try_from(window_ms).map_err(|_| Failure::new(2, too_long))?;
    let zone = Zone::parse(timezone).map_err(|error| Failure::new(2, error))?;
    Layout::new(zone, width).ok_or_else(|| Failure::new(2, "--window must not be 0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2d", 172_800_000)] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for text in
            ["", "s", "30", "-1s", "1.5s", "30 s", "99999999999999999999s", "30w", "99999999999999999d"]
        {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }
}
