//! Checks that the recount in slices finds what a plain recount of its last view finds, whatever is
//! written in between.

use std::time::Duration;

use super::*;
use crate::job::{Job, JobConfig, JobWatch};
use crate::verify::rolling::{Rolling, Step, UNDONE_MAX};
use crate::verify::testing::{create, layout};

/// What happens between two slices.
#[derive(Clone, Debug)]
enum Event {
    Orders(Vec<Write>),
    /// The results become those of the orders.
    Results,
    /// A row of a result table is spoilt. The numbers choose the table, the row and the way to
    /// spoil it.
    Spoil(usize, prop::sample::Index, prop::sample::Index),
    /// The table of orders is deleted, and then made again if this is true.
    Delete(bool),
    /// The log is cut.
    Cut,
}

fn event() -> impl Strategy<Value = Event> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        12 => prop::collection::vec(order_write(), 1..5).prop_map(Event::Orders),
        4 => Just(Event::Results),
        1 => (0..4_usize, index(), index()).prop_map(|(table, row, how)| Event::Spoil(table, row, how)),
        1 => any::<bool>().prop_map(Event::Delete),
        1 => Just(Event::Cut),
    ]
}

fn orders_are_there(store: &Store) -> bool {
    store.table(ORDER_SOURCE).is_ok()
}

fn happen(store: &Store, event: &Event) {
    match event {
        Event::Orders(writes) => {
            if !orders_are_there(store) {
                create(store, ORDER_SOURCE);
            }
            commit(store, writes.clone());
        }
        Event::Results => {
            Results::of(store).write(store);
            if !orders_are_there(store) {
                let notes = vec![(HEAD_KEY.to_vec(), None)];
                store.append(Append { notes, ..Append::default() }).unwrap();
            }
        }
        Event::Spoil(table, row, how) => {
            let table = RESULT_TABLES[*table];
            let rows = rows(store, table);
            let row = (!rows.is_empty()).then(|| row.get(&rows));
            commit(store, vec![how.get(&spoilers(table, row)).clone()]);
        }
        Event::Delete(again) => {
            if orders_are_there(store) {
                store.delete_table(ORDER_SOURCE).unwrap();
            }
            again.then(|| create(store, ORDER_SOURCE));
        }
        Event::Cut => {
            if orders_are_there(store) {
                log_anew(store, true);
            }
        }
    }
}

/// Makes steps until a pass is done, and calls `between` between any two of them. Compares what the
/// pass found with a plain recount of its last view. Returns `None` if nothing can be compared,
/// however many steps are made.
fn pass(
    store: &Store,
    rolling: &mut Rolling,
    rows_max: usize,
    mut between: impl FnMut(),
) -> Option<Verified> {
    let (mut plain, mut waited) = (None, None);
    loop {
        match rolling.step(rows_max).unwrap() {
            Step::More => {}
            Step::Held => _ = plain.get_or_insert_with(|| verify(store, 1_000)),
            Step::Done { verified, .. } => {
                let plain = plain.unwrap();
                // Without orders, `upper` is that of the last commit, which may be a later one by
                // now: what is left of a deleted table is removed bit by bit.
                assert!(orders_are_there(store) || plain.upper >= verified.upper);
                let upper = if plain.total.orders == 0 { verified.upper } else { plain.upper };
                assert_eq!(verified, Verified { upper, ..plain });
                return Some(verified);
            }
            Step::Wait(seen) if waited == Some(seen) => return None,
            Step::Wait(seen) => waited = Some(seen),
        }
        between();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_is_written_meanwhile_the_last_view_is_recounted(
        before in history(),
        events in prop::collection::vec(event(), 0..40),
        rows_max in prop::sample::select(vec![1, 2, 7, 1_000]),
    ) {
        let dir = folder();
        let store = store(dir.path());
        before.into_iter().for_each(|writes| commit(&store, writes));
        Results::of(&store).write(&store);
        let mut rolling = Rolling::new(store.clone());
        let mut events = events.iter();
        while events.len() > 0 {
            pass(&store, &mut rolling, rows_max, || {
                events.next().into_iter().for_each(|event| happen(&store, event));
            });
        }
        // Whatever the recount was doing, it comes to compare, and finds the truth.
        happen(&store, &Event::Results);
        for _ in 0..2 {
            let is_compared = pass(&store, &mut rolling, rows_max, || {}).is_some();
            prop_assert!(is_compared);
        }
        let verified = pass(&store, &mut rolling, rows_max, || {}).unwrap();
        prop_assert!(verified.is_equal(), "{:?}", verified);
    }
}

#[test]
fn rows_that_were_read_are_read_anew_once_the_log_was_cut() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, (0..5).map(|user| order(&format!("u{user}"), "o", 1.0, 0)).collect());
    Results::of(&store).write(&store);
    let mut rolling = Rolling::new(store.clone());
    (0..3).for_each(|_| assert!(matches!(rolling.step(1), Ok(Step::More))));
    log_anew(&store, false);
    commit(&store, vec![order("u0", "o", 8.0, 0)]);
    // The results cannot be compared before they are those of the orders again.
    assert_eq!(pass(&store, &mut rolling, 1, || {}), None);
    log_anew(&store, true);
    assert_eq!(pass(&store, &mut rolling, 1, || {}), None);
    Results::of(&store).write(&store);
    let verified = pass(&store, &mut rolling, 1, || {}).unwrap();
    assert!(verified.is_equal() && verified.total.amount.to_string() == "12.00", "{verified:?}");
}

#[test]
fn results_of_tables_that_are_gone_are_not_compared() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", 1.0, 0), order("u", "bad", f64::NAN, 0)]);
    Results::of(&store).write(&store);
    let mut rolling = Rolling::new(store.clone());
    for table in RESULT_TABLES.into_iter().chain([ORDER_SOURCE]) {
        assert!(pass(&store, &mut rolling, 1, || {}).is_some_and(|verified| verified.is_equal()), "{table}");
        // A job would make the table first, and its rows later.
        store.delete_table(table).unwrap();
        assert_eq!(pass(&store, &mut rolling, 1, || {}), None, "{table}");
        create(&store, table);
        assert_eq!(pass(&store, &mut rolling, 1, || {}), None, "{table}");
        Results::of(&store).write(&store);
    }
    let verified = pass(&store, &mut rolling, 1, || {}).unwrap();
    assert!(verified.is_equal() && verified.total.orders == 0, "{verified:?}");
}

#[test]
fn results_that_are_far_behind_are_waited_for() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", 1.0, 0)]);
    Results::of(&store).write(&store);
    let mut rolling = Rolling::new(store.clone());
    for price in 0..=UNDONE_MAX {
        assert!(pass(&store, &mut rolling, 2, || {}).is_some_and(|verified| verified.is_equal()));
        commit(&store, vec![order("u", "o", price as f64, 0)]);
    }
    for _ in 0..3 {
        assert_eq!(pass(&store, &mut rolling, 2, || {}), None);
    }
    Results::of(&store).write(&store);
    assert!(pass(&store, &mut rolling, 2, || {}).is_some_and(|verified| verified.is_equal()));
}

/// Waits until the results hold all commits.
pub(super) fn settle(store: &Store, job: &JobWatch) {
    let (last, mut status) = (store.last_commit(), job.follow());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let caught_up = status.wait_for(|status| status.upper > last);
        tokio::time::timeout(Duration::from_secs(60), caught_up).await.unwrap().unwrap();
    });
}

pub(super) fn start_job(store: &Store) -> Job {
    Job::start(store.clone(), JobConfig { workers: 1, layout: layout(), changes_max: 100 }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn beside_a_live_job_no_difference_is_found(
        // The client may change tables as it likes, but cannot write rows of the results.
        events in prop::collection::vec((event(), 0..5_usize), 1..200),
        rows_max in prop::sample::select(vec![1, 3, 1_000]),
    ) {
        let dir = folder();
        let store = store(dir.path());
        let job = start_job(&store);
        let mut rolling = Rolling::new(store.clone());
        for (event, table) in &events {
            match event {
                Event::Results | Event::Spoil(..) => _ = store.delete_table(RESULT_TABLES[table % 4]),
                event => happen(&store, event),
            }
            for _ in 0..*table {
                if let Step::Done { verified, .. } = rolling.step(rows_max).unwrap() {
                    prop_assert!(verified.is_equal(), "{:?}", verified);
                }
            }
        }
        happen(&store, &Event::Orders(vec![order("u", "o", 1.0, 0)]));
        let last = store.last_commit();
        settle(&store, &job.watch());
        let verified = loop {
            match rolling.step(rows_max).unwrap() {
                Step::Done { verified, .. } if verified.upper > last => break verified,
                Step::Done { verified, .. } => prop_assert!(verified.is_equal(), "{:?}", verified),
                Step::More | Step::Held => {}
                Step::Wait(seen) => prop_assert!(seen < last, "nothing to compare as of commit {}", seen),
            }
        };
        prop_assert!(verified.is_equal() && verified.total.orders > 0, "{:?}", verified);
    }
}
