//! Checks the recount beside a live job: it follows the orders, sleeps without commits, and logs
//! what is news.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::rolling::{settle, start_job};
use super::*;
use crate::verify::always::{Life, Next};
use store::error::{Damage, ReadError};

/// Creates a recount without a thread of its own, and a receiver of what it publishes.
fn life(store: &Store) -> (Life, watch::Receiver<Option<Verification>>) {
    let (publish, verified) = watch::channel(None);
    let config = AlwaysOnConfig { rows_max: 2, ..AlwaysOnConfig::default() };
    (Life::new(store.clone(), config, publish), verified)
}

/// Makes steps without pauses until the recount would wait for a commit. Returns that commit.
fn until_it_waits(life: &mut Life) -> u64 {
    loop {
        if let Next { after: Some(seen), .. } = life.turn() {
            return seen;
        }
    }
}

/// Waits for a verification for which `is` holds.
fn until(
    verified: &mut watch::Receiver<Option<Verification>>,
    is: impl Fn(&Verification) -> bool,
) -> Verification {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let found = runtime.block_on(async {
        let found = verified.wait_for(|verified| verified.as_ref().is_some_and(&is));
        tokio::time::timeout(Duration::from_secs(60), found).await.unwrap().unwrap().clone()
    });
    found.unwrap()
}

/// Returns what `act` logs on this thread, from level INFO on, one message a line.
fn logged(act: impl FnOnce()) -> String {
    let written = Arc::new(Mutex::new(Vec::new()));
    let lines = Lines(written.clone());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .without_time()
        .with_level(false)
        .with_target(false)
        .with_writer(move || lines.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, act);
    String::from_utf8(written.lock().unwrap().clone()).unwrap()
}

#[derive(Clone)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_change_is_verified_and_without_commits_no_pass_begins() {
    let dir = folder();
    let store = store(dir.path());
    let (mut life, mut verified) = life(&store);
    // There are no results yet.
    assert_eq!(until_it_waits(&mut life), store.last_commit());
    assert_eq!(*verified.borrow(), None);
    for users in 1..4 {
        commit(&store, vec![order(&format!("u{users}"), "o", 1.0, 0)]);
        Results::of(&store).write(&store);
        // After one pass it waits for a commit that is not there yet.
        assert_eq!(until_it_waits(&mut life), store.last_commit());
        assert!(verified.has_changed().unwrap());
        let found = verified.borrow_and_update().clone().unwrap();
        assert_eq!((found.rows[0], found.rows[2], found.orders, found.is_equal), (users, 1, users, true));
        assert_eq!(found.epoch, store.last_commit() - 1);
    }
}

#[test]
fn passes_keep_their_distance_and_their_share() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, (0..9).map(|user| order(&format!("u{user}"), "o", 1.0, 0)).collect());
    Results::of(&store).write(&store);
    let (publish, _verified) = watch::channel(None);
    let config = AlwaysOnConfig { share_max: 1e-6, rows_max: 1, interval: Duration::from_secs(3_600) };
    let mut life = Life::new(store.clone(), config, publish);
    let begun = Instant::now();
    let mut paused = false;
    let last = loop {
        let next = life.turn();
        // Once the first burst is used up, a microsecond of work costs a second of pause.
        paused |= next.not_before > Instant::now() + Duration::from_secs(10);
        if next.after.is_some() {
            break next;
        }
    };
    assert!(last.not_before >= begun + Duration::from_secs(3_590));
    while !paused {
        commit(&store, vec![order("u", "o", 1.0, 0)]);
        paused |= life.turn().not_before > Instant::now() + Duration::from_secs(10);
    }
}

#[test]
fn a_difference_is_said_once_and_so_is_its_end() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u\u{1b}", "o", 1.0, 0), order("v", "o", 1.0, 0)]);
    let results = Results::of(&store);
    results.write(&store);
    let text = logged(|| {
        let (mut life, verified) = life(&store);
        let mut pass = || {
            until_it_waits(&mut life);
            verified.borrow().clone().unwrap()
        };
        assert!(pass().is_equal);
        for row in rows(&store, "OrderBatchSink") {
            commit(&store, vec![write("OrderBatchSink", &row.key, RowWrite::Delete)]);
            let found = pass();
            assert!(!found.is_equal && found.differing > 0 && found.first_difference.is_some(), "{found:?}");
        }
        for _ in 0..2 {
            results.write(&store);
            let found = pass();
            assert_eq!((found.is_equal, found.differing, found.first_difference), (true, 0, None));
        }
    });
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let named = "the results are not those of the orders: OrderBatchSink (UserId u\\u{1b}): the row says absent; the \
                 recount says count 1, totalPrice 1.0, totalPriceExact 1.00";
    assert!(lines[0].contains(named), "{text}");
    assert!(lines[1].contains("the results are those of the orders again"), "{text}");
}

#[test]
fn what_goes_wrong_is_said_once_and_tried_again() {
    let dir = folder();
    let store = store(dir.path());
    Results::of(&store).write(&store);
    let text = logged(|| {
        let (mut life, verified) = life(&store);
        for _ in 0..2 {
            for _ in 0..3 {
                let damaged = VerifyError::Read(ReadError::Damaged(Damage("a row".to_owned())));
                let now = Instant::now();
                let next = life.next(Ok(Err(damaged)), now);
                assert!(next.after.is_none() && next.not_before > now + Duration::from_secs(1));
            }
            life.next(Err(Box::new("index out of bounds")), Instant::now());
            until_it_waits(&mut life);
            assert!(verified.borrow().as_ref().unwrap().is_equal);
        }
    });
    let said: Vec<bool> =
        text.lines().map(|line| line.contains("internal error: index out of bounds")).collect();
    assert_eq!(said, [false, true, false, true], "{text}");
}

#[test]
fn it_follows_a_live_job_and_ends_when_dropped() {
    let dir = folder();
    let store = store(dir.path());
    let job = start_job(&store);
    let always_on = AlwaysOn::start(store.clone(), AlwaysOnConfig::default()).unwrap();
    let mut verified = always_on.follow();
    for users in 1..4 {
        commit(&store, vec![order(&format!("u{users}"), "o", 0.1, 0)]);
        settle(&store, &job.watch());
        let found = until(&mut verified, |found| found.rows[0] == users);
        assert!(found.is_equal && found.orders == users, "{found:?}");
    }
    // The recount is in the middle of a pause of hours.
    let config = AlwaysOnConfig { interval: Duration::from_secs(36_000), ..AlwaysOnConfig::default() };
    let patient = AlwaysOn::start(store.clone(), config).unwrap();
    until(&mut patient.follow(), |_| true);
    commit(&store, vec![order("u", "o", 0.1, 0)]);
    let begun = Instant::now();
    drop((patient, always_on));
    assert!(begun.elapsed() < Duration::from_secs(30));
    // The thread has ended, and the sender with it.
    assert!(verified.has_changed().is_err());
}
