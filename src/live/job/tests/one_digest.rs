//! Checks that one log of changes gives one result, however it is run.

use crate::job::testing::*;
use testkit::Random;

/// The number of requests in the log.
const REQUESTS: usize = 120;

/// The milliseconds by which the clock is set before each third of the log.
const STEADY: [i64; 3] = [0, 0, 0];
const JUMPING: [i64; 3] = [400 * 86_400_000, -2_000 * 86_400_000, 1];

/// Runs the log in three parts. Each has other workers, and begins after the part before has ended.
/// The clock is set in between.
fn run(workers: [usize; 3], changes_max: usize, clock_ms: [i64; 3]) -> String {
    let mut random = Random(20_261_122);
    let mut fixture = Fixture::with_orders(config(workers[0], changes_max));
    for third in 0..3 {
        if third > 0 {
            fixture.restart(config(workers[third], changes_max));
        }
        fixture.clock.advance_ms(clock_ms[third]);
        for _ in 0..REQUESTS / 3 {
            fixture.write(any_request(&mut random));
        }
        // The last third runs to its end. The others end wherever the job is then.
        if third == 2 {
            fixture.check();
        }
    }
    dump(&fixture.store.view().unwrap())
}

#[test]
fn for_any_number_of_workers_batch_size_and_restarts() {
    let expected = run([1, 1, 1], 10_000, STEADY);
    assert!(expected.lines().count() > 20, "{expected}");
    for workers in [1, 2, 4, 8] {
        for changes_max in [1, 7, 1_000] {
            let found = run([workers, 9 - workers.min(8), workers], changes_max, STEADY);
            assert_eq!(found, expected, "{workers} workers, batches of {changes_max}");
        }
    }
}

#[test]
fn whatever_the_clock_does() {
    let expected = run([1, 1, 1], 10_000, STEADY);
    for workers in [1, 2] {
        assert_eq!(run([workers; 3], 7, JUMPING), expected, "{workers} workers");
    }
}
