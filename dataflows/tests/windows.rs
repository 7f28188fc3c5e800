//! Tests windows that begin by a clock: random clocks against a walk over their minutes.

use dataflows::{Turn, Window, Windows};
use proptest::prelude::*;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The days that the tests walk over, from the first midnight of UTC on.
const DAYS: i64 = 12;

/// Returns the begins of the windows of this width, minute by minute: what anybody sees who watches
/// the clock and notes when it comes to a multiple of the width, or jumps over one.
fn walk(width_ms: i64, turns: &[Turn]) -> Vec<i64> {
    let offset =
        |at_ms: i64| turns.iter().rev().find(|turn| turn.at_ms <= at_ms).expect("an offset").offset_ms;
    let mut begins = Vec::new();
    let mut latest = offset(-MINUTE_MS) - MINUTE_MS;
    let mut before = latest;
    for at_ms in (0..DAYS * DAY_MS).step_by(MINUTE_MS as usize) {
        let local = at_ms + offset(at_ms);
        // A clock that is not turned shows the time that is due, one that is turned back an earlier.
        let minutes = |from: i64| (from + MINUTE_MS..=local).step_by(MINUTE_MS as usize);
        let came_to = |from: i64| minutes(from).any(|time| time % width_ms == 0);
        let begins_here = match width_ms {
            HOUR_MS => local.rem_euclid(HOUR_MS) == 0 || came_to(before),
            _ => came_to(latest),
        };
        if begins_here {
            begins.push(at_ms);
        }
        latest = latest.max(local);
        before = local;
    }
    begins
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let offset = (-56_i64..=56).prop_map(|quarters| quarters * 15 * MINUTE_MS);
    let turn = (
        1..DAYS * 24 * 60,
        prop_oneof![
            3 => Just(HOUR_MS), 3 => Just(-HOUR_MS), 1 => Just(30 * MINUTE_MS), 1 => Just(-30 * MINUTE_MS),
            1 => Just(DAY_MS), 1 => Just(-DAY_MS), 1 => Just(-23 * MINUTE_MS), 1 => Just(2 * HOUR_MS),
        ],
    );
    (offset, prop::collection::vec(turn, 0..5)).prop_map(|(first, mut turns)| {
        turns.sort_by_key(|(minute, _)| *minute);
        turns.dedup_by_key(|(minute, _)| *minute);
        let mut offset_ms = first;
        let turn = |(minute, by)| {
            offset_ms += by;
            Turn { at_ms: minute * MINUTE_MS, offset_ms }
        };
        std::iter::once(Turn { at_ms: i64::MIN, offset_ms: first })
            .chain(turns.into_iter().map(turn))
            .collect()
    })
}

proptest! {
    #[test]
    fn windows_begin_when_a_walk_sees_them_begin(
        turns in turns(),
        hours in prop::sample::select(vec![1_u32, 2, 3, 4, 6, 8, 12, 24, 48, 72]),
    ) {
        let width_ms = i64::from(hours) * HOUR_MS;
        let windows = Windows::by_clock(hours * HOUR_MS as u32, || turns.clone()).unwrap();
        let begins = walk(width_ms, &turns);
        for pair in begins.windows(2) {
            let (window, next) = (Window { start_ms: pair[0] }, pair[1]);
            prop_assert_eq!(windows.end_ms(window), next, "the end of {:?}", window);
            for at_ms in [pair[0], pair[0] + 1, (pair[0] + next) / 2, next - 1] {
                prop_assert_eq!(windows.containing(at_ms), window, "the window of {}", at_ms);
                prop_assert!(windows.holds(window, at_ms) && !windows.holds(window, next));
            }
        }
    }

    #[test]
    fn other_widths_know_no_clock(turns in turns(), width_ms in 1..u32::MAX) {
        let by_clock = Windows::by_clock(width_ms, || turns).unwrap();
        let is_of_days = [DAY_MS % i64::from(width_ms), i64::from(width_ms) % DAY_MS].contains(&0);
        if i64::from(width_ms) % HOUR_MS != 0 || !is_of_days {
            prop_assert_eq!(by_clock, Windows::of_width(width_ms).unwrap());
        }
    }
}

#[test]
fn a_turned_clock_makes_longer_and_shorter_windows() {
    // At 02:00 of the second day the clock is put to 03:00, and at 03:00 of the eighth to 02:00.
    let forward = Turn { at_ms: DAY_MS + HOUR_MS, offset_ms: 2 * HOUR_MS };
    let back = Turn { at_ms: 7 * DAY_MS + HOUR_MS, offset_ms: HOUR_MS };
    let turns = [Turn { at_ms: i64::MIN, offset_ms: HOUR_MS }, forward, back];
    for (hours, at_ms, expected) in [
        (24, DAY_MS, 23),
        (24, 2 * DAY_MS, 24),
        (24, 7 * DAY_MS, 25),
        (48, DAY_MS, 47),
        (6, DAY_MS, 5),
        (6, 7 * DAY_MS, 7),
        (1, DAY_MS + HOUR_MS, 1),
        (1, 7 * DAY_MS, 1),
        (1, 7 * DAY_MS + HOUR_MS, 1),
    ] {
        let windows = Windows::by_clock(hours * HOUR_MS as u32, || turns.to_vec()).unwrap();
        let window = windows.containing(at_ms);
        assert_eq!((windows.end_ms(window) - window.start_ms) / HOUR_MS, expected, "{hours} h at {at_ms}");
    }
}

#[test]
fn the_ends_of_time_have_windows() {
    let turns = [Turn { at_ms: i64::MIN, offset_ms: -HOUR_MS }, Turn { at_ms: 0, offset_ms: HOUR_MS }];
    let windows = Windows::by_clock(24 * HOUR_MS as u32, || turns.to_vec()).unwrap();
    for at_ms in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
        let window = windows.containing(at_ms);
        assert!(window.start_ms <= at_ms && windows.holds(window, at_ms), "{at_ms}");
        assert!(
            at_ms.saturating_sub(window.start_ms) <= DAY_MS && windows.end_ms(window) >= at_ms,
            "{at_ms}"
        );
    }
}

#[test]
fn the_digest_of_a_clock_is_what_it_has_always_been() {
    let turns = [Turn { at_ms: i64::MIN, offset_ms: 0 }, Turn { at_ms: 7 * HOUR_MS, offset_ms: HOUR_MS }];
    let digest = |turns: &[Turn], hours: u32| {
        Windows::by_clock(hours * HOUR_MS as u32, || turns.to_vec()).unwrap().clock_digest()
    };
    assert_eq!(digest(&turns, 24), Some(1_862_014_688_822_842_511), "it is stored with results");
    assert_eq!(digest(&turns, 24), digest(&turns, 6), "it is that of the clock alone");
    assert_ne!(digest(&turns[..1], 12), digest(&turns, 12));
    assert_eq!(digest(&turns, 5), None, "these windows do not begin by the clock");
}

#[test]
fn stretches_are_those_that_touch_a_span() {
    let turn = |at_ms| Turn { at_ms, offset_ms: at_ms % 7 * HOUR_MS };
    let turns = [turn(i64::MIN), turn(100), turn(201), turn(302)];
    let windows = Windows::by_clock(24 * HOUR_MS as u32, || turns.to_vec()).unwrap();
    let from = |from_ms, to_ms| {
        windows.stretches(from_ms, to_ms).iter().map(|stretch| stretch.from_ms).collect::<Vec<_>>()
    };
    assert_eq!(from(0, 100), [i64::MIN]);
    assert_eq!(from(0, 101), [i64::MIN, 100]);
    assert_eq!(from(100, 302), [100, 201]);
    assert_eq!(from(302, 302), [302]);
    assert_eq!(from(400, i64::MAX), [302]);
    assert_eq!(Windows::default().stretches(0, 1), []);
}
