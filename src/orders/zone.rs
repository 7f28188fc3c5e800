//! The time zone in which windows are printed, and by whose clocks windows of days begin.
//!
//! Two different instants are never printed alike. When the clock is turned back, a local time
//! comes twice: the first is printed plainly, the second with its offset appended, as in
//! `2026-10-25 02:30:00+01:00`. Zones come from the IANA database that is compiled into the binary
//! and never from the machine, so the same flags print the same bytes on every machine.

use std::fmt;

use dataflows::Turn;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone, TimeZoneDatabase};

/// The length of the longest printed time within the years 1 to 9999. Other times may be longer.
const PRINTED_BYTES_MAX: usize = "2026-10-25 02:30:00.000+01:00:00".len();

/// A time zone: UTC, a fixed offset from UTC, or a zone of the IANA database.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    zone: TimeZone,
    /// The offset from UTC, if it is the same at all times.
    fixed: Option<Offset>,
}

/// The error for a name that belongs to no time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZoneError {
    name: String,
}

impl fmt::Display for ZoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.name;
        write!(
            f,
            "unknown time zone {name:?}: give UTC, an offset like +08:00, or an IANA name like Europe/Berlin"
        )
    }
}

impl std::error::Error for ZoneError {}

impl Default for Zone {
    fn default() -> Zone {
        Zone { name: "UTC".to_owned(), zone: TimeZone::UTC, fixed: Some(Offset::UTC) }
    }
}

impl PartialEq for Zone {
    fn eq(&self, other: &Zone) -> bool {
        self.name == other.name
    }
}

impl Eq for Zone {}

impl Zone {
    /// Returns the zone with this name: `UTC`, an offset `+HH:MM` or `-HH:MM` of less than a day,
    /// or an IANA name in upper or lower case. A zero offset is `UTC`.
    ///
    /// # Errors
    /// Returns [`ZoneError`] for any other name.
    pub fn parse(name: &str) -> Result<Zone, ZoneError> {
        let unknown = || ZoneError { name: name.to_owned() };
        if name.eq_ignore_ascii_case("UTC") {
            return Ok(Zone::default());
        }
        if name.starts_with(['+', '-']) {
            let seconds = parse_offset_seconds(name.as_bytes()).ok_or_else(unknown)?;
            if seconds == 0 {
                return Ok(Zone::default());
            }
            let offset = Offset::from_seconds(seconds).map_err(|_| unknown())?;
            return Ok(Zone { name: name.to_owned(), zone: TimeZone::fixed(offset), fixed: Some(offset) });
        }
        let zone = TimeZoneDatabase::bundled().get(name).map_err(|_| unknown())?;
        let name = zone.iana_name().filter(|_| !zone.is_unknown()).ok_or_else(unknown)?.to_owned();
        let fixed = zone.to_fixed_offset().ok();
        Ok(Zone { name, zone, fixed })
    }

    /// Returns the name by which [`Zone::parse`] finds this zone again, in its usual spelling.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how far the clocks of this zone are ahead of UTC at `at_ms` (epoch ms), in
    /// milliseconds. It is zero for a time that no clock shows.
    pub fn offset_ms(&self, at_ms: i64) -> i64 {
        let offset = Timestamp::from_millisecond(at_ms).map(|at| self.zone.to_offset(at));
        offset.map_or(0, |offset| i64::from(offset.seconds()) * 1_000)
    }

    /// Returns what the clocks of this zone show at all times: each change of their offset, in
    /// ascending order.
    ///
    /// Cost: reads the rules of the zone up to the year 9999, which are some 16,000 changes for a zone
    /// with summer time.
    pub fn turns(&self) -> Vec<Turn> {
        let turn = |at_ms, offset: Offset| Turn { at_ms, offset_ms: i64::from(offset.seconds()) * 1_000 };
        let mut turns = vec![turn(i64::MIN, self.zone.to_offset(Timestamp::MIN))];
        if self.fixed.is_none() {
            let following = self.zone.following(Timestamp::MIN);
            turns.extend(following.map(|change| turn(change.timestamp().as_millisecond(), change.offset())));
            // Not all changes in the database are changes of the offset.
            turns.dedup_by_key(|turn| turn.offset_ms);
        }
        turns
    }

    /// Returns the time, in epoch milliseconds, at which clocks of this zone show what those of UTC
    /// show at `local_ms`.
    ///
    /// When the clock is turned back, the first of two such times is returned. When it is turned
    /// forward over `local_ms`, the time is as if it had not been turned yet.
    #[inline]
    pub fn instant_of_local_ms(&self, local_ms: i64) -> i64 {
        match self.fixed {
            Some(offset) => local_ms - i64::from(offset.seconds()) * 1_000,
            None => self.instant_by_rules(local_ms),
        }
    }

    fn instant_by_rules(&self, local_ms: i64) -> i64 {
        let local = Timestamp::from_millisecond(local_ms).map(|at| Offset::UTC.to_datetime(at));
        let at = local.and_then(|local| self.zone.to_ambiguous_timestamp(local).compatible());
        // A time beyond those that jiff knows is out of range for an order too.
        at.map_or(local_ms, |at| at.as_millisecond())
    }

    /// Returns `at_ms` (epoch ms) as `YYYY-MM-DD HH:MM:SS` in this zone. Milliseconds are cut off.
    ///
    /// The second of two equal local times has its offset appended. A time before the year 1 or
    /// after the year 9999, which no order has, is printed as the plain number of milliseconds.
    pub fn format(&self, at_ms: i64) -> String {
        let mut text = Vec::with_capacity(PRINTED_BYTES_MAX);
        self.push(&mut text, at_ms, false);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Appends `at_ms` (epoch ms) as [`Zone::format`] prints it; `with_ms` adds `.mmm` after the
    /// seconds.
    pub fn push(&self, out: &mut Vec<u8>, at_ms: i64, with_ms: bool) {
        let printed = Timestamp::from_millisecond(at_ms).ok().and_then(|at| {
            let offset = self.fixed.unwrap_or_else(|| self.zone.to_offset(at));
            let local = offset.to_datetime(at);
            (1..=9999).contains(&local.year()).then_some((offset, local))
        });
        let Some((offset, local)) = printed else {
            out.extend_from_slice(at_ms.to_string().as_bytes());
            return;
        };
        push_local(out, local);
        if with_ms {
            let millisecond = at_ms.rem_euclid(1000);
            let [m2, m3] = two_digits((millisecond % 100) as u8);
            out.extend_from_slice(&[b'.', b'0' + (millisecond / 100) as u8, m2, m3]);
        }
        if self.fixed.is_none() && !self.is_first(local, offset) {
            push_offset(out, offset);
        }
    }

    /// Returns the instant that [`Zone::push`] prints as `text`, in epoch milliseconds; a text
    /// without milliseconds means the whole second. Returns `None` if no instant is printed so.
    pub fn instant_ms(&self, text: &str) -> Option<i64> {
        if let Ok(at_ms) = text.parse() {
            return (self.format(at_ms) == text).then_some(at_ms);
        }
        // The text is "YYYY-MM-DD HH:MM:SS", then ".mmm" if milliseconds are printed, then an
        // offset if one is needed.
        let (seconds, rest) = text.split_at_checked("YYYY-MM-DD HH:MM:SS".len())?;
        let has_ms = rest.starts_with('.');
        let (ms, offset) = if has_ms { rest.split_at_checked(".mmm".len())? } else { ("", rest) };
        let local: DateTime = format!("{seconds}{ms}").parse().ok()?;
        let offset = match offset {
            "" => match self.zone.to_ambiguous_timestamp(local).offset() {
                AmbiguousOffset::Unambiguous { offset } => offset,
                AmbiguousOffset::Fold { before, .. } | AmbiguousOffset::Gap { before, .. } => before,
            },
            offset => Offset::from_seconds(parse_printed_offset(offset)?).ok()?,
        };
        let at_ms = offset.to_timestamp(local).ok()?.as_millisecond();
        let mut printed = Vec::with_capacity(PRINTED_BYTES_MAX);
        self.push(&mut printed, at_ms, has_ms);
        (printed == text.as_bytes()).then_some(at_ms)
    }

    /// Returns whether `offset` is the offset that a reader assumes for `local` when none is
    /// printed.
    ///
    /// At most one offset is assumed, so no two instants are printed alike, whatever the zone's
    /// history.
    fn is_first(&self, local: DateTime, offset: Offset) -> bool {
        let usual = match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset,
            AmbiguousOffset::Fold { before, .. } | AmbiguousOffset::Gap { before, .. } => before,
        };
        usual == offset
    }
}

/// Returns the seconds of an offset spelled `+HH:MM` or `-HH:MM`; `None` for any other text.
fn parse_offset_seconds(text: &[u8]) -> Option<i32> {
    let &[sign, h1, h2, b':', m1, m2] = text else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i32::from(byte - b'0'));
    let (hours, minutes) = (digit(h1)? * 10 + digit(h2)?, digit(m1)? * 10 + digit(m2)?);
    let seconds = (hours * 60 + minutes) * 60;
    (hours < 24 && minutes < 60).then_some(if sign == b'-' { -seconds } else { seconds })
}

/// Returns the seconds of an offset as [`push_offset`] prints it; `None` for any other text.
fn parse_printed_offset(text: &str) -> Option<i32> {
    let (minutes, seconds) = text.split_at_checked("+HH:MM".len())?;
    let whole = parse_offset_seconds(minutes.as_bytes())?;
    let seconds: i32 = match seconds.strip_prefix(':') {
        Some(seconds) => seconds.parse().ok()?,
        None => 0,
    };
    Some(if text.starts_with('-') { whole - seconds } else { whole + seconds })
}

/// Appends the day of UTC that holds this instant as `YYYY-MM-DD`; before the year 1 and after
/// 9999, the plain number of milliseconds.
pub(super) fn push_utc_date(out: &mut Vec<u8>, at_ms: i64) {
    let start = out.len();
    Zone::default().push(out, at_ms, false);
    if out[start..].contains(&b' ') {
        out.truncate(start + "YYYY-MM-DD".len());
    }
}

fn push_local(out: &mut Vec<u8>, local: DateTime) {
    let year = local.year().unsigned_abs();
    let [c1, c2] = two_digits((year / 100) as u8);
    let [y1, y2] = two_digits((year % 100) as u8);
    let [n1, n2] = two_digits(local.month().unsigned_abs());
    let [d1, d2] = two_digits(local.day().unsigned_abs());
    let [h1, h2] = two_digits(local.hour().unsigned_abs());
    let [m1, m2] = two_digits(local.minute().unsigned_abs());
    let [s1, s2] = two_digits(local.second().unsigned_abs());
    out.extend_from_slice(&[
        c1, c2, y1, y2, b'-', n1, n2, b'-', d1, d2, b' ', h1, h2, b':', m1, m2, b':', s1, s2,
    ]);
}

/// Appends an offset as `+HH:MM` or `-HH:MM`, with `:SS` appended for historical offsets that have
/// seconds.
fn push_offset(out: &mut Vec<u8>, offset: Offset) {
    let seconds = offset.seconds();
    out.push(if seconds < 0 { b'-' } else { b'+' });
    let seconds = seconds.unsigned_abs();
    out.extend_from_slice(&two_digits((seconds / 3600) as u8));
    out.push(b':');
    out.extend_from_slice(&two_digits((seconds / 60 % 60) as u8));
    if !seconds.is_multiple_of(60) {
        out.push(b':');
        out.extend_from_slice(&two_digits((seconds % 60) as u8));
    }
}

/// Returns the two decimal digits of a number below 100.
fn two_digits(value: u8) -> [u8; 2] {
    [b'0' + value / 10, b'0' + value % 10]
}

#[cfg(test)]
mod tests;
