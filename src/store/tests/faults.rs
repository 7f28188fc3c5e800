//! Lets a disk fail at every commit in turn, in every way. What was acknowledged must be there
//! after it, and nothing may be there in part.

use std::thread;

use super::model::Model;
use super::script::{Request, agrees, models, script};
use crate::change::{ColumnChange, RowWrite};
use crate::engine::Space;
use crate::engine::faulty::{Disk, Fault};
use crate::error::{CatalogError, CloseError, Halt};
use crate::testing::{START_MS, TestClock, key, memory_store, open, rows, schema, set, write};
use crate::{Durability, Store};

const CALLERS: usize = 4;
const CALLER_REQUESTS: usize = 12;

#[test]
fn each_commit_of_a_script_fails_in_each_way() {
    let requests = script();
    let models = models(&requests, START_MS);
    for fault in Fault::ALL {
        let failed = (0..1_000).find(|commit| !fail_at(*commit, fault, &requests, &models));
        // There are commits of the requests, and of the removal of a deleted table.
        assert!(failed.is_some_and(|commits| commits >= requests.len()), "{fault:?}: {failed:?}");
    }
}

/// Runs the script with one fault. Returns false if the script ended before the fault.
fn fail_at(commit: usize, fault: Fault, requests: &[Request], models: &[Model]) -> bool {
    let (disk, clock) = (Disk::default(), TestClock::new());
    disk.fail(commit, fault);
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    let mut acknowledged = 0;
    let mut error = None;
    for request in requests {
        match request.run(&store, &clock) {
            Ok(()) => acknowledged += 1,
            Err(refusal) => error = Some(refusal),
        }
        if disk.has_failed() {
            break;
        }
    }
    if !disk.has_failed() {
        // Only the removal of a deleted table may be left to do. It is then done before the store
        // is closed or at its next start.
        return false;
    }
    let context = format!("commit {commit}, {fault:?}, {acknowledged} acknowledged");
    if fault != Fault::StopsAfter {
        refuses_writes_and_reads_on(&store, error.as_ref(), &models[acknowledged], &clock, &context);
    }
    drop(store);
    assert!(!disk.was_ignored(), "{context}");
    disk.restart();
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.check().unwrap();
    let found = (acknowledged..=requests.len().min(acknowledged + 1))
        .find(|requests| agrees(&store, &models[*requests], clock.now_ms()));
    assert!(found.is_some(), "{context}");
    true
}

fn refuses_writes_and_reads_on(
    store: &Store,
    error: Option<&CatalogError>,
    model: &Model,
    clock: &TestClock,
    context: &str,
) {
    // The removal of a deleted table may be what failed, so that the next request is told.
    let refusal = store.create_table(schema("Late", false));
    assert!(matches!(refusal, Err(CatalogError::Halted(Halt::Failed(_)))), "{context}: {refusal:?}");
    assert!(error.is_none_or(|error| Err(error.clone()) == refusal), "{context}: {error:?}");
    let refusal = store.refusal().unwrap();
    assert!(refusal.reason.ends_with("restart") && !refusal.passes, "{refusal:?}");
    assert!(agrees(store, model, clock.now_ms()), "{context}");
    store.check().unwrap();
    assert!(matches!(store.close(), Err(CloseError::Failed(_))), "{context}");
}

#[test]
fn each_shared_commit_fails_in_each_way() {
    for fault in Fault::ALL {
        let failed = (0..1_000).find(|commit| !callers_fail_at(*commit, fault));
        // There is at least one commit each for the table and for the requests of one caller.
        assert!(failed.is_some_and(|commits| commits > CALLER_REQUESTS), "{fault:?}: {failed:?}");
    }
}

/// Runs several callers at once, each with rows of its own. Returns false if they ended before the
/// fault.
fn callers_fail_at(commit: usize, fault: Fault) -> bool {
    let (disk, clock) = (Disk::default(), TestClock::new());
    disk.fail(commit, fault);
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    let created = store.create_table(schema("Log", true)).is_ok();
    let acknowledged: Vec<usize> = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| (caller, &store))
            .map(|(c, s)| scope.spawn(move || call(s, c)))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).collect()
    });
    let failed = disk.has_failed();
    drop(store);
    disk.restart();
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.check().unwrap();
    if !created && store.tables().is_empty() {
        return failed;
    }
    let rows = rows(&store, "Log");
    for (caller, acknowledged) in acknowledged.into_iter().enumerate() {
        let name = crate::value::KeyValue::String(caller_name(caller));
        let found: Vec<i64> = rows
            .iter()
            .filter(|row| row.key[0] == name)
            .map(|row| match row.cells[0].value {
                crate::value::Value::Integer(value) => value,
                _ => panic!("not what was written"),
            })
            .collect();
        // Each request sets both rows of its caller.
        let expected = |request: usize| if request == 0 { vec![] } else { vec![request as i64; 2] };
        let context = format!("commit {commit}, {fault:?}, {acknowledged} acknowledged, {found:?} found");
        assert!(found == expected(acknowledged) || found == expected(acknowledged + 1), "{context}");
    }
    failed
}

fn caller_name(caller: usize) -> String {
    format!("caller {caller}")
}

/// Sends requests until one is refused. Returns how many were acknowledged.
fn call(store: &Store, caller: usize) -> usize {
    let name = caller_name(caller);
    let request = |request: usize| {
        let change = RowWrite::Put(vec![set("v", request as i64)]);
        (0..2).map(|id| write("Log", key(&name, id), change.clone())).collect::<Vec<_>>()
    };
    let acknowledged = |number: &usize| store.write_and_wait(request(*number)).iter().all(Result::is_ok);
    (1..=CALLER_REQUESTS).take_while(acknowledged).count()
}

#[test]
fn what_is_not_synced_may_be_lost_but_nothing_is_torn() {
    let (disk, clock) = (Disk::default(), TestClock::new());
    let requests = script();
    let (first, second) = requests.split_at(8);
    let models = models(&requests, START_MS);
    let store = open(&disk, &clock, Durability::Relaxed).unwrap();
    first.iter().for_each(|request| request.run(&store, &clock).unwrap());
    store.close().unwrap();
    let store = open(&disk, &clock, Durability::Relaxed).unwrap();
    assert!(agrees(&store, &models[8], clock.now_ms()));
    second.iter().for_each(|request| request.run(&store, &clock).unwrap());
    assert!(agrees(&store, &models[requests.len()], clock.now_ms()));
    // The power fails while the store is open.
    disk.fail(0, Fault::StopsAfter);
    assert!(Request::Delete("Plain").run(&store, &clock).is_ok());
    drop(store);
    disk.restart();
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    assert!(agrees(&store, &models[8], clock.now_ms()));
}

#[test]
fn a_panic_on_the_commit_thread_fails_the_store_and_nobody_waits() {
    let store = memory_store();
    let panicked = store.transact(|_| -> Result<(), Halt> { panic!("a fault of ours") });
    assert!(matches!(panicked, Err(Halt::Failed(message)) if message.contains("a fault of ours")));
    assert!(matches!(store.create_table(schema("T", false)), Err(CatalogError::Halted(Halt::Failed(_)))));
    assert!(store.tables().is_empty());
}

#[test]
fn a_deleted_table_is_removed_whole_also_after_a_restart() {
    let (disk, clock) = (Disk::default(), TestClock::new());
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.create_table(schema("T", true)).unwrap();
    for batch in 0..25 {
        let row =
            |id: i64| write("T", key("u", batch * 200 + id), RowWrite::Put(vec![("v".to_owned(), one(id))]));
        store
            .write_and_wait((0..200).map(row).collect())
            .into_iter()
            .for_each(|answer| drop(answer.unwrap()));
    }
    // The machine stops during the removal: the first commit deletes the table, the second removes
    // a first part.
    disk.fail(2, Fault::StopsAfter);
    store.delete_table("T").unwrap();
    until(|| disk.has_failed());
    drop(store);
    disk.restart();
    assert_eq!(disk.entries(Space::Log), 5_000);
    assert!((1..5_000).contains(&disk.entries(Space::Rows)));

    let store = open(&disk, &clock, Durability::Synced).unwrap();
    until(|| disk.entries(Space::Rows) + disk.entries(Space::Log) == 0);
    // Only the last commit and the next table id are left.
    until(|| disk.entries(Space::Meta) == 2);
    store.create_table(schema("T", true)).unwrap();
    assert!(rows(&store, "T").is_empty());
}

fn one(value: i64) -> ColumnChange {
    ColumnChange::Put { value: value.into(), version: None }
}

/// Waits until `done` returns true because of work in the background.
fn until(done: impl Fn() -> bool) {
    while !done() {
        thread::yield_now();
    }
}
