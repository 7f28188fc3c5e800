//! Tests the promise: the same results, exact, at every epoch, whatever the shape of the run.

mod harness;

use dataflows::{Amount, Diff, Id, Order, OrderKey, OrderState, Turn, Windows};
use harness::{Log, Shape, differs_from_count_total, expected, run};

/// A small random number generator (Steele, Lea and Flood's SplitMix64). Its seed is printed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// The milliseconds of 30 days, which is the longest time by which an order comes late.
const LATE_MS_MAX: u64 = 30 * 24 * 3_600_000;

fn order_key(random: &mut Random, keys: u64) -> OrderKey {
    let order = random.below(keys);
    // The order's key determines its user. Some names are too long to be inline.
    let user = order % 97;
    let user_id =
        if user.is_multiple_of(5) { format!("user-with-a-long-name-{user}") } else { format!("u{user}") };
    let order_id = if order.is_multiple_of(3) { format!("order-{order:020}") } else { format!("o{order}") };
    OrderKey { user_id: Id::new(&user_id), order_id: Id::new(&order_id) }
}

fn order_state(random: &mut Random, line: usize) -> OrderState {
    let now_ms = line as i64 * 40;
    let late = if random.below(10) == 0 { random.below(LATE_MS_MAX) } else { random.below(2_000) };
    let price = match random.below(20) {
        0 => Amount::ZERO,
        1 => Amount::from_units(-(random.below(1 << 60) as i128)),
        2 => Amount::from_units(i128::from(random.next()) << 36),
        _ => Amount::from_decimal(random.below(50_000) as i64, 2).expect("a price in cents"),
    };
    OrderState { at_ms: now_ms - late as i64, price }
}

/// Returns a log of puts, corrections and cancels, in which all three are common.
fn upserts(seed: u64, lines: usize) -> Vec<(OrderKey, Option<OrderState>)> {
    let mut random = Random(seed);
    let keys = (lines as u64 / 3).max(1);
    (0..lines)
        .map(|line| {
            let key = order_key(&mut random, keys);
            let gone = random.below(6) == 0;
            let state = order_state(&mut random, line);
            (key, (!gone).then_some(state))
        })
        .collect()
}

/// Returns the same history as a source gives it that knows the row before a change.
fn updates(log: &[(OrderKey, Option<OrderState>)]) -> Vec<(Order, Diff)> {
    let mut live = std::collections::HashMap::new();
    let mut updates = Vec::new();
    for (key, state) in log {
        let order = |state: OrderState| Order {
            user_id: key.user_id.clone(),
            at_ms: state.at_ms,
            price: state.price,
        };
        let before: Option<OrderState> = live.insert(key.clone(), *state).flatten();
        updates.extend(before.map(|state| (order(state), -1)));
        updates.extend(state.map(|state| (order(state), 1)));
    }
    updates
}

fn holds(log: &Log, windows: &Windows, shape: Shape, seed: u64) {
    let (delivered, expected) = (run(log, windows, shape), expected(log, windows, shape));
    for (ours, fold) in delivered.iter().zip(&expected) {
        assert_eq!(ours, fold, "seed {seed}, {shape:?}: the epoch differs from the reference fold");
    }
    assert_eq!(delivered.len(), expected.len(), "seed {seed}, {shape:?}: epochs delivered");
}

/// Checks that every shape agrees with the reference fold at every epoch, for both kinds of source.
fn every_shape(lines: usize, epoch_lines: usize) {
    let seed = 20_261_122;
    let log = upserts(seed, lines);
    for log in [Log::Updates(updates(&log)), Log::Upserts(log)] {
        for workers in [1, 2, 4, 8] {
            for processes in [1, 2] {
                let epoch_lines = epoch_lines.min(log.len());
                let shape = Shape { workers, processes, epoch_lines, feed_lines: 2_000 };
                holds(&log, &Windows::default(), shape, seed);
            }
        }
    }
}

#[test]
fn every_epoch_of_one_line_equals_the_reference() {
    every_shape(200_000, 1);
}

#[test]
fn every_epoch_of_seven_lines_equals_the_reference() {
    every_shape(200_000, 7);
}

#[test]
fn every_epoch_of_a_thousand_lines_equals_the_reference() {
    every_shape(200_000, 1000);
}

#[test]
fn one_epoch_of_all_lines_equals_the_reference() {
    every_shape(200_000, usize::MAX);
}

/// Windows of a day, on a clock that is turned by an hour each week.
#[test]
fn windows_by_a_clock_equal_the_reference() {
    const WEEK_MS: i64 = 7 * 24 * 3_600_000;
    let turn = |week: i64| Turn { at_ms: week * WEEK_MS + 3_600_000, offset_ms: (week % 2 + 1) * 3_600_000 };
    let first = Turn { at_ms: i64::MIN, offset_ms: 3_600_000 };
    let turns: Vec<Turn> = std::iter::once(first).chain((-9..9).map(turn)).collect();
    let windows = Windows::by_clock(24 * 3_600_000, || turns).expect("a width");
    let seed = 20_261_128;
    let log = Log::Updates(updates(&upserts(seed, 50_000)));
    for (workers, processes, epoch_lines) in [(1, 1, 7), (2, 2, 1_000), (4, 1, 100)] {
        holds(&log, &windows, Shape { workers, processes, epoch_lines, feed_lines: 2_000 }, seed);
    }
}

/// Checks that the views give what differential itself computes from every single order, at every
/// epoch.
#[test]
fn every_epoch_equals_count_total() {
    let seed = 7;
    let log = updates(&upserts(seed, 20_000));
    for (workers, epoch_lines) in [(1, 1), (2, 7), (4, 1000), (8, 100), (3, log.len())] {
        let shape = Shape { workers, processes: 1, epoch_lines, feed_lines: 2_000 };
        let differences = differs_from_count_total(&log, &Windows::default(), shape);
        assert!(
            differences.is_empty(),
            "seed {seed}, {shape:?}: {:?}",
            &differences[..differences.len().min(5)]
        );
    }
}
