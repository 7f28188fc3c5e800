//! Lets a disk be full at every commit in turn, and then gives it room: writes come back within the
//! same store, what was acknowledged is there, and what was refused is not.

use std::thread;

use super::model::Model;
use super::script::{Request, agrees, models, script};
use crate::engine::faulty::{Disk, Fault};
use crate::error::{CatalogError, Halt};
use crate::testing::{START_MS, TestClock, is_purged, open};
use crate::{Durability, Store};

#[test]
fn writes_come_back_at_each_commit_once_there_is_room() {
    let requests = script();
    let models = models(&requests, START_MS);
    for durability in [Durability::Synced, Durability::Relaxed] {
        for fault in Fault::PASSING {
            let ended = (0..1_000).find(|commit| !full_at(*commit, fault, durability, &requests, &models));
            assert!(ended.is_some_and(|commits| commits >= requests.len()), "{fault:?}: {ended:?}");
        }
    }
}

/// Runs the script on a disk that is full at one commit. Returns false if the script ended before.
fn full_at(
    commit: usize,
    fault: Fault,
    durability: Durability,
    requests: &[Request],
    models: &[Model],
) -> bool {
    let (disk, clock) = (Disk::default(), TestClock::new());
    disk.fail(commit, fault);
    let store = open(&disk, &clock, durability).unwrap();
    let context = format!("commit {commit}, {fault:?}");
    let mut was_full = false;
    for (request, before) in requests.iter().zip(models) {
        while let Err(error) = request.run(&store, &clock) {
            assert!(!was_full, "{context}: it is full once only");
            was_full = true;
            clock.advance_ms(-1);
            assert!(matches!(&error, CatalogError::Halted(Halt::Failed(_))), "{context}: {error:?}");
            gets_room(&store, &disk, &clock, before, &context);
        }
    }
    while !was_full && !disk.has_failed() && !is_purged(&store) {
        thread::yield_now();
    }
    if disk.has_failed() {
        // The removal of a deleted table was the last commit.
        was_full = true;
        while store.refusal().is_none() {
            thread::yield_now();
        }
        gets_room(&store, &disk, &clock, &models[requests.len()], &context);
    }
    assert!(agrees(&store, &models[requests.len()], clock.now_ms()), "{context}");
    store.check().unwrap();
    store.close().unwrap();
    assert!(!disk.was_ignored(), "{context}");
    drop(store);
    disk.restart();
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.check().unwrap();
    assert!(agrees(&store, &models[requests.len()], clock.now_ms()), "{context}");
    was_full
}

/// Checks that writes are refused and reads go on, makes room, and waits for writes to come back.
fn gets_room(store: &Store, disk: &Disk, clock: &TestClock, model: &Model, context: &str) {
    let refusal = store.refusal().unwrap();
    assert!(refusal.passes && refusal.reason.contains("the disk is full"), "{context}: {refusal:?}");
    assert!(refusal.reason.ends_with("it takes them again by itself once that has passed"), "{refusal:?}");
    let refused = store.stats().refused;
    assert!(agrees(store, model, clock.now_ms()), "{context}");
    let late = store.create_table(crate::testing::schema("Late", false));
    assert!(matches!(late, Err(CatalogError::Halted(Halt::Failed(_)))), "{context}: {late:?}");
    // The removal of a deleted table may be refused meanwhile too.
    assert!(store.stats().refused > refused, "{context}");
    disk.make_room();
    while store.refusal().is_some() {
        thread::yield_now();
    }
    assert!(agrees(store, model, clock.now_ms()), "{context}");
}

#[test]
fn what_does_not_pass_is_never_written_over() {
    for fault in Fault::ALL.into_iter().filter(|fault| *fault != Fault::StopsAfter) {
        let (disk, clock) = (Disk::default(), TestClock::new());
        disk.fail(0, fault);
        let store = open(&disk, &clock, Durability::Synced).unwrap();
        let request = &script()[0];
        assert!(request.run(&store, &clock).is_err());
        disk.make_room();
        let mut refusals = store.refusals();
        assert!(refusals.borrow_and_update().as_ref().is_some_and(|refusal| !refusal.passes), "{fault:?}");
        for _ in 0..20 {
            assert!(request.run(&store, &clock).is_err());
        }
        assert!(!refusals.has_changed().unwrap() && !disk.was_ignored(), "{fault:?}");
    }
}
