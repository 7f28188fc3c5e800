//! Reads event times as people write them: as numbers of any unit, as ISO 8601, or in a format that
//! the user gives.
//!
//! ```text
//! --timestamp-format given?  yes ─► by the format alone
//!          no ─► a whole number? ─► by --timestamp-unit
//!             ─► ISO 8601?       ─► with the zone in it, else in --input-timezone
//! ```
//!
//! Anything finer than a millisecond is cut off, towards the past.

mod iso;

use std::fmt;

use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::Offset;
use jiff::{Timestamp, tz};
use serde::{Deserialize, Serialize, Serializer};

use crate::Zone;
use crate::rules::{AT_MS_MAX, AT_MS_MIN, Cut, Quoted, out_of_range, trim_blanks};

/// What a number counts since 1970-01-01 00:00:00 UTC.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeUnit {
    /// Seconds, which may have a fraction.
    Seconds,
    /// Milliseconds.
    #[default]
    Milliseconds,
    /// Microseconds.
    Microseconds,
    /// Nanoseconds.
    Nanoseconds,
}

impl TimeUnit {
    /// All units, the longest first.
    pub const ALL: [TimeUnit; 4] =
        [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds];

    /// Returns the name of the unit in flags.
    pub fn flag(self) -> &'static str {
        match self {
            TimeUnit::Seconds => "s",
            TimeUnit::Milliseconds => "ms",
            TimeUnit::Microseconds => "us",
            TimeUnit::Nanoseconds => "ns",
        }
    }

    /// Returns the number `k` by which a unit is 10^k milliseconds.
    fn tens_of_ms(self) -> i32 {
        match self {
            TimeUnit::Seconds => 3,
            TimeUnit::Milliseconds => 0,
            TimeUnit::Microseconds => -3,
            TimeUnit::Nanoseconds => -6,
        }
    }

    /// Returns so many of this unit in milliseconds. A time that no number holds is out of range.
    #[inline]
    pub fn to_ms(self, count: i64) -> i64 {
        match self {
            TimeUnit::Seconds => count.saturating_mul(1_000),
            TimeUnit::Milliseconds => count,
            TimeUnit::Microseconds => count.div_euclid(1_000),
            TimeUnit::Nanoseconds => count.div_euclid(1_000_000),
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeUnit::Seconds => "seconds",
            TimeUnit::Milliseconds => "milliseconds",
            TimeUnit::Microseconds => "microseconds",
            TimeUnit::Nanoseconds => "nanoseconds",
        })
    }
}

/// How the inputs of a run spell event times. One description for all forms of files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TimeForm {
    unit: TimeUnit,
    #[serde(serialize_with = "as_name")]
    zone: Zone,
    format: Option<String>,
}

fn as_name<S: Serializer>(zone: &Zone, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

impl TimeForm {
    /// Creates a form: `unit` is what numbers count, `zone` is where times are local that do not
    /// tell their zone, and `format` is jiff's `strptime` format of all times, if there is one.
    ///
    /// # Errors
    /// Returns what is wrong with the format, as the end of a sentence.
    pub fn new(unit: TimeUnit, zone: Zone, format: Option<String>) -> Result<TimeForm, String> {
        if let Some(format) = &format {
            check_format(format)?;
        }
        Ok(TimeForm { unit, zone, format })
    }

    /// Returns what numbers count.
    pub fn unit(&self) -> TimeUnit {
        self.unit
    }

    /// Returns whether a number is a time in epoch milliseconds.
    #[inline]
    pub fn counts_ms(&self) -> bool {
        self.unit == TimeUnit::Milliseconds && self.format.is_none()
    }

    /// Returns whether times may be spelled as ISO 8601, because no format is given.
    #[inline]
    pub fn allows_iso(&self) -> bool {
        self.format.is_none()
    }

    /// Returns the time that a text spells, in epoch milliseconds. Spaces and tabs around it are
    /// ignored.
    ///
    /// # Errors
    /// Returns the reason if it spells no time, or one outside [`AT_MS_MIN`] to [`AT_MS_MAX`].
    pub fn parse(&self, text: &[u8]) -> Result<i64, String> {
        let text = trim_blanks(text);
        if text.is_empty() {
            return Err("timestamp is empty".to_owned());
        }
        if let Some(format) = &self.format {
            let at_ms = self.parse_format(format, text).ok_or_else(|| {
                format!("timestamp {} is not in the form {}", Quoted(text), Quoted(format.as_bytes()))
            })?;
            return self.checked(at_ms, &Cut(text));
        }
        if let Some(number) = short_number(text) {
            return self.of_integer(number);
        }
        if let Some(at_ms) = self.iso_ms(text) {
            return self.checked(at_ms, &Cut(text));
        }
        match decimal(text) {
            Some(number) => self.of_decimal(number, text),
            None => Err(format!(
                "timestamp {} is neither a number of {} nor an ISO 8601 time (--timestamp-format reads others)",
                Quoted(text),
                self.unit
            )),
        }
    }

    /// Returns the time of an ISO 8601 text without blanks around it, in epoch milliseconds; `None`
    /// if the text is no such time. The range is not checked.
    #[inline]
    pub fn iso_ms(&self, text: &[u8]) -> Option<i64> {
        let iso::Iso { local_ms, offset_ms } = iso::parse(text)?;
        Some(match offset_ms {
            Some(offset_ms) => local_ms - offset_ms,
            None => self.local_ms(local_ms),
        })
    }

    /// Returns the time, in epoch milliseconds, at which the clocks of the inputs' zone show what
    /// those of UTC show at `local_ms`.
    #[inline]
    pub fn local_ms(&self, local_ms: i64) -> i64 {
        self.zone.instant_of_local_ms(local_ms)
    }

    /// Returns the time of a number that has a type already, in epoch milliseconds.
    ///
    /// # Errors
    /// Returns the reason if it is outside [`AT_MS_MIN`] to [`AT_MS_MAX`].
    pub fn of_integer(&self, number: i64) -> Result<i64, String> {
        self.checked(self.unit.to_ms(number), &number)
    }

    /// Returns the time of a double, in epoch milliseconds. It must be a whole number, unless it
    /// counts seconds.
    ///
    /// # Errors
    /// Returns the reason if it is none, or if the time is outside [`AT_MS_MIN`] to [`AT_MS_MAX`].
    pub fn of_double(&self, number: f64) -> Result<i64, String> {
        if number.fract() == 0.0 && number.abs() < i64::MAX as f64 {
            return self.of_integer(number as i64);
        }
        let text = format!("{number:?}");
        match decimal(text.as_bytes()) {
            Some(number) => self.of_decimal(number, text.as_bytes()),
            None => Err(format!("timestamp {text} is not a number of {}", self.unit)),
        }
    }

    /// Returns the time of the number `mantissa × 10^-scale`, in epoch milliseconds.
    ///
    /// # Errors
    /// Fails as [`TimeForm::of_double`] does.
    pub fn of_scaled(&self, mantissa: i128, scale: u32) -> Result<i64, String> {
        let exponent = -i64::from(scale);
        self.of_decimal((mantissa, exponent), format!("{mantissa}e{exponent}").as_bytes())
    }

    /// `text` is the number as it is shown.
    fn of_decimal(&self, (mantissa, exponent): (i128, i64), text: &[u8]) -> Result<i64, String> {
        if mantissa == 0 {
            return Ok(0);
        }
        let is_whole = exponent >= 0 || power(-exponent).is_some_and(|power| mantissa % power == 0);
        if !is_whole && self.unit != TimeUnit::Seconds {
            let shown = Quoted(text);
            return Err(format!("timestamp {shown} is not a whole number of {}", self.unit));
        }
        let exponent = exponent.saturating_add(self.unit.tens_of_ms().into());
        let at_ms = match (power(exponent.saturating_abs()), exponent >= 0) {
            (Some(power), true) => mantissa.saturating_mul(power),
            (Some(power), false) => mantissa.div_euclid(power),
            // Whatever the mantissa is, the number is beyond the range or next to zero.
            (None, true) => mantissa.signum().saturating_mul(i128::MAX),
            (None, false) => mantissa.signum().min(0),
        };
        let at_ms = at_ms.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        self.checked(at_ms, &Cut(text))
    }

    fn parse_format(&self, format: &str, text: &[u8]) -> Option<i64> {
        let parts = BrokenDownTime::parse(format, text).ok()?;
        if let Some(at) = parts.timestamp() {
            return Some(floor_ms(at));
        }
        let local = parts.to_date().ok()?.to_datetime(parts.to_time().ok()?);
        if let Some(offset) = parts.offset() {
            return offset.to_timestamp(local).ok().map(floor_ms);
        }
        if let Some(name) = parts.iana_time_zone() {
            let zone = tz::TimeZoneDatabase::bundled().get(name).ok()?;
            return zone.to_ambiguous_timestamp(local).compatible().ok().map(floor_ms);
        }
        Some(self.local_ms(floor_ms(Offset::UTC.to_timestamp(local).ok()?)))
    }

    /// `shown` is the time as the input has it.
    fn checked(&self, at_ms: i64, shown: &dyn fmt::Display) -> Result<i64, String> {
        if (AT_MS_MIN..=AT_MS_MAX).contains(&at_ms) {
            return Ok(at_ms);
        }
        let reason = out_of_range(shown);
        let Ok(number) = shown.to_string().parse() else { return Err(reason) };
        let fits = TimeUnit::ALL.into_iter().find(|unit| is_recent(unit.to_ms(number)));
        Err(match fits.filter(|unit| self.format.is_none() && *unit != self.unit) {
            Some(unit) => format!("{reason}; if it counts {unit}, give --timestamp-unit {}", unit.flag()),
            None => reason,
        })
    }
}

/// Returns whether an order may well have been placed at this time: between February 1970 and the
/// year 2200.
pub fn is_recent(at_ms: i64) -> bool {
    /// 1970-02-01 and 2200-01-01.
    const RECENT_MS: std::ops::Range<i64> = 2_678_400_000..7_258_118_400_000;
    RECENT_MS.contains(&at_ms)
}

fn floor_ms(at: Timestamp) -> i64 {
    at.as_nanosecond().div_euclid(1_000_000) as i64
}

fn power(exponent: i64) -> Option<i128> {
    u32::try_from(exponent).ok().and_then(|exponent| 10_i128.checked_pow(exponent))
}

/// Reads a number of at most 18 digits.
#[inline]
fn short_number(text: &[u8]) -> Option<i64> {
    let fits = (1..=18).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// Reads a decimal number as mantissa and exponent of ten; `None` if the text is none. Digits
/// beyond the 38th that are not zero make it none too.
fn decimal(text: &[u8]) -> Option<(i128, i64)> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (digits, mut exponent) = match digits.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&digits[..at], std::str::from_utf8(&digits[at + 1..]).ok()?.parse().ok()?),
        None => (digits, 0_i64),
    };
    let (mut mantissa, mut any, mut after_point, mut zeros) = (0_i128, false, false, 0_u32);
    for byte in digits {
        match byte {
            b'.' if !after_point => after_point = true,
            b'0'..=b'9' => {
                any = true;
                exponent = exponent.checked_sub(i64::from(after_point))?;
                // Zeros are held back, so that those at the end go to the exponent.
                if *byte == b'0' {
                    zeros += u32::from(mantissa != 0);
                } else {
                    let moved =
                        10_i128.checked_pow(zeros + 1).and_then(|power| mantissa.checked_mul(power))?;
                    mantissa = moved.checked_add(i128::from(byte - b'0'))?;
                    zeros = 0;
                }
            }
            _ => return None,
        }
    }
    let exponent = exponent.checked_add(zeros.into())?;
    any.then_some((if negative { -mantissa } else { mantissa }, exponent))
}

/// Refuses a format that does not read back what it prints, or does not tell a date.
fn check_format(format: &str) -> Result<(), String> {
    let sample = jiff::civil::date(2026, 11, 28).at(14, 5, 9, 0).to_zoned(tz::TimeZone::UTC);
    let sample = sample.map_err(|error| error.to_string())?;
    let read = jiff::fmt::strtime::format(format, &sample)
        .and_then(|printed| BrokenDownTime::parse(format, &printed))
        .and_then(|parts| if parts.timestamp().is_some() { Ok(()) } else { parts.to_date().map(drop) });
    read.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
