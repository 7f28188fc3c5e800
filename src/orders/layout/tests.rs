use std::collections::HashSet;

use jiff::civil::Date;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The years that the windows of days are held against.
const YEARS: std::ops::Range<i16> = 2001..2031;

/// Returns 200 zones of the database, spread over all of them.
fn zones() -> Vec<Zone> {
    let names: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    let zones: Vec<Zone> = names.iter().filter_map(|name| Zone::parse(name).ok()).collect();
    assert!(zones.len() > 400, "{} zones", zones.len());
    (0..200).map(|number| zones[number * zones.len() / 200].clone()).collect()
}

fn layout(zone: &Zone, width_ms: i64) -> Layout {
    Layout::new(zone.clone(), u32::try_from(width_ms).unwrap()).unwrap()
}

fn utc_ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().as_millisecond()
}

/// Returns the first instant of a day in a zone by the calendar: the first of its midnights, or the
/// instant at which the clock jumps over it.
fn midnight_ms(zone: &TimeZone, day: Date) -> i64 {
    let midnight = day.at(0, 0, 0, 0);
    let at = |offset: jiff::tz::Offset| offset.to_timestamp(midnight).unwrap();
    match zone.to_ambiguous_timestamp(midnight).offset() {
        AmbiguousOffset::Unambiguous { offset } => at(offset).as_millisecond(),
        AmbiguousOffset::Fold { before, .. } => at(before).as_millisecond(),
        AmbiguousOffset::Gap { before, .. } => {
            let jump = zone.preceding(at(before) + Span::new().nanoseconds(1)).next().unwrap();
            jump.timestamp().as_millisecond()
        }
    }
}

#[test]
fn days_are_those_of_the_calendar_in_200_zones_over_30_years() {
    let mut longer_or_shorter = HashSet::new();
    for zone in zones() {
        let days = layout(&zone, DAY_MS).windows;
        let calendar = TimeZoneDatabase::bundled().get(zone.name()).unwrap_or(TimeZone::UTC);
        let mut day = Date::new(YEARS.start, 1, 1).unwrap();
        let mut start_ms = midnight_ms(&calendar, day);
        while day.year() < YEARS.end {
            let tomorrow = day.tomorrow().unwrap();
            let end_ms = midnight_ms(&calendar, tomorrow);
            // Samoa and Tokelau left out a day of December 2011.
            if end_ms > start_ms {
                let window = Window { start_ms };
                let middle_ms = start_ms + (end_ms - start_ms) / 2;
                for at_ms in [start_ms, middle_ms, end_ms - 1] {
                    assert_eq!(days.containing(at_ms), window, "{zone:?} {day}: {at_ms}");
                }
                assert_eq!(days.end_ms(window), end_ms, "{zone:?} {day}");
                longer_or_shorter.insert((end_ms - start_ms) / MINUTE_MS);
            }
            (day, start_ms) = (tomorrow, end_ms);
        }
    }
    let minutes = [23, 24, 25].map(|hours| hours * 60);
    assert!(minutes.iter().all(|minutes| longer_or_shorter.contains(minutes)), "{longer_or_shorter:?}");
}

/// Returns the begins of windows in `[from_ms, to_ms)`, minute by minute: what anybody sees who
/// watches a clock of the zone and notes when it comes to a multiple of the width, or jumps over
/// one. An hour that comes twice counts twice.
fn walk(zone: &Zone, width_ms: i64, from_ms: i64, to_ms: i64) -> Vec<i64> {
    let local = |at_ms: i64| at_ms + zone.offset_ms(at_ms);
    let (mut begins, mut before) = (Vec::new(), local(from_ms - MINUTE_MS));
    let mut latest = before;
    for at_ms in (from_ms..to_ms).step_by(MINUTE_MS as usize) {
        let now = local(at_ms);
        let after = if width_ms == HOUR_MS { before } else { latest };
        let comes = now.div_euclid(width_ms) > after.div_euclid(width_ms) && now > after;
        if comes || (width_ms == HOUR_MS && now.rem_euclid(HOUR_MS) == 0) {
            begins.push(at_ms);
        }
        (before, latest) = (now, latest.max(now));
    }
    begins
}

#[test]
fn windows_around_each_turn_of_a_clock_are_those_of_a_walk_over_its_minutes() {
    let (from_ms, to_ms) = (utc_ms("2001-01-01T00:00:00Z"), utc_ms("2031-01-01T00:00:00Z"));
    let mut turned = 0;
    for zone in zones() {
        let layouts = [1, 2, 6, 8, 24, 72].map(|hours| layout(&zone, hours * HOUR_MS));
        let turns =
            zone.turns().into_iter().map(|turn| turn.at_ms).filter(|at_ms| (from_ms..to_ms).contains(at_ms));
        // The rules repeat: of each zone, a few turns are walked over.
        for at_ms in turns.step_by(7) {
            turned += 1;
            for Layout { windows, .. } in &layouts {
                let width_ms = windows.width_ms();
                // At this distance from a turn, the walk knows the latest time that the clock showed.
                let begins =
                    walk(&zone, width_ms, at_ms - 3 * HOUR_MS - width_ms, at_ms + 3 * HOUR_MS + width_ms);
                for pair in begins.windows(2) {
                    let window = Window { start_ms: pair[0] };
                    assert_eq!(windows.containing(pair[0]), window, "{zone:?} {width_ms}");
                    assert_eq!(windows.containing(pair[1] - 1), window, "{zone:?} {width_ms}");
                    assert_eq!(windows.end_ms(window), pair[1], "{zone:?} {width_ms}");
                }
            }
        }
    }
    assert!(turned > 500, "{turned} turns");
}

#[test]
fn windows_of_days_and_hours_print_from_midnight_on() {
    for (zone, hours, at, begin, end) in [
        ("Asia/Shanghai", 24, "2023-11-14T22:13:20Z", "2023-11-15 00:00:00", "2023-11-16 00:00:00"),
        ("UTC", 24, "2023-11-14T22:13:20Z", "2023-11-14 00:00:00", "2023-11-15 00:00:00"),
        ("+08:00", 24, "2023-11-14T22:13:20Z", "2023-11-15 00:00:00", "2023-11-16 00:00:00"),
        ("Europe/Berlin", 24, "2026-03-29T12:00:00Z", "2026-03-29 00:00:00", "2026-03-30 00:00:00"),
        ("Europe/Berlin", 24, "2026-10-25T12:00:00Z", "2026-10-25 00:00:00", "2026-10-26 00:00:00"),
        ("Europe/Berlin", 6, "2026-10-25T02:00:00Z", "2026-10-25 00:00:00", "2026-10-25 06:00:00"),
        ("Europe/Berlin", 1, "2026-10-25T00:30:00Z", "2026-10-25 02:00:00", "2026-10-25 02:00:00+01:00"),
        ("Europe/Berlin", 1, "2026-10-25T01:30:00Z", "2026-10-25 02:00:00+01:00", "2026-10-25 03:00:00"),
        ("Asia/Kolkata", 1, "2026-10-25T00:40:00Z", "2026-10-25 06:00:00", "2026-10-25 07:00:00"),
        // The clock goes from midnight to one.
        ("America/Sao_Paulo", 24, "2018-11-04T12:00:00Z", "2018-11-04 01:00:00", "2018-11-05 00:00:00"),
        // The clock goes from one to midnight: the day has begun an hour before.
        ("America/Havana", 24, "2026-11-01T12:00:00Z", "2026-11-01 00:00:00", "2026-11-02 00:00:00"),
        // The clock goes from a minute after midnight back to the day before.
        ("America/St_Johns", 24, "2006-10-29T02:45:00Z", "2006-10-29 00:00:00", "2006-10-30 00:00:00"),
        // No clock showed 30 December.
        ("Pacific/Apia", 24, "2011-12-30T09:59:59Z", "2011-12-29 00:00:00", "2011-12-31 00:00:00"),
        // Days are counted from 1 January 1970 on.
        ("Asia/Shanghai", 48, "1970-01-01T00:00:00Z", "1970-01-01 00:00:00", "1970-01-03 00:00:00"),
        ("Europe/Berlin", 7 * 24, "2026-11-28T00:00:00Z", "2026-11-26 00:00:00", "2026-12-03 00:00:00"),
        // Widths that do not divide a day know no midnight.
        ("Asia/Shanghai", 5, "1970-01-01T00:00:00Z", "1970-01-01 08:00:00", "1970-01-01 13:00:00"),
        ("Asia/Shanghai", 36, "1970-01-01T00:00:00Z", "1970-01-01 08:00:00", "1970-01-02 20:00:00"),
    ] {
        let layout = layout(&Zone::parse(zone).unwrap(), hours * HOUR_MS);
        let start_ms = layout.windows.containing(utc_ms(at)).start_ms;
        assert_eq!((&*layout.begin(start_ms), &*layout.end(start_ms)), (begin, end), "{zone} {hours} h {at}");
        assert_eq!(layout.start_ms(begin), Some(start_ms), "{zone} {hours} h {at}");
    }
}

#[test]
fn windows_of_less_than_an_hour_are_the_same_in_all_zones() {
    for zone in ["Europe/Berlin", "Asia/Kolkata", "+05:45"] {
        for width_ms in [1, 30_000, 15 * MINUTE_MS, 59 * MINUTE_MS, 90 * MINUTE_MS, 7 * HOUR_MS] {
            let layout = layout(&Zone::parse(zone).unwrap(), width_ms);
            assert_eq!(Some(layout.windows), Windows::of_width(width_ms as u32), "{zone} {width_ms}");
        }
    }
}

#[test]
fn what_was_recorded_is_found_again_or_not_at_all() {
    let zone = || Zone::parse("Asia/Shanghai").unwrap();
    let days = layout(&zone(), DAY_MS);
    let clock = days.windows.clock_digest();
    assert_eq!(Layout::recorded(zone(), DAY_MS as u32, clock), Some(days));
    // Other rules of the zone, and results of the first version, whose days began at 08:00.
    assert_eq!(Layout::recorded(zone(), DAY_MS as u32, clock.map(|digest| !digest)), None);
    let old = Layout::recorded(zone(), DAY_MS as u32, None).unwrap();
    assert_eq!(old.begin(old.windows.containing(0).start_ms), "1970-01-01 08:00:00");
    assert_eq!(Layout::recorded(zone(), 0, None), None);
}
