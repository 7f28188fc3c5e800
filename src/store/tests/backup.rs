//! Tests backups of a store in memory: what they show, and that no damage of one goes unseen.

use super::script::{agrees, models, script};
use crate::backup::{self, BackupError, Summary};
use crate::engine::Space;
use crate::engine::faulty::Disk;
use crate::error::Halt;
use crate::key::row_key;
use crate::testing::{START_MS, TestClock, folder, open, rows, schema, set, write};
use crate::value::{KeyRef, KeyValue, Value};
use crate::{Durability, Store};

/// A store after the script, and its clock.
fn scripted() -> (Store, TestClock) {
    let clock = TestClock::new();
    let store = open(&Disk::default(), &clock, Durability::Synced).unwrap();
    script().iter().for_each(|request| request.run(&store, &clock).unwrap());
    crate::testing::until_purged(&store);
    (store, clock)
}

fn taken(store: &Store) -> (Vec<u8>, Summary) {
    let mut bytes = Vec::new();
    let summary = store.back_up(&mut bytes, true, &mut |_| true).unwrap();
    (bytes, summary)
}

fn checked(bytes: &[u8]) -> Result<Summary, BackupError> {
    backup::check(bytes, &mut |_| true)
}

#[test]
fn what_comes_back_is_what_was_there() {
    let (store, clock) = scripted();
    let (bytes, summary) = taken(&store);
    let found = store.check().unwrap();
    assert_eq!(
        (summary.commit, summary.rows, summary.changes),
        (store.last_commit(), found.rows, found.changes)
    );
    assert_eq!(summary.bytes, bytes.len() as u64);
    assert_eq!(checked(&bytes).unwrap(), summary);
    let folder = folder();
    assert_eq!(Store::restore(folder.path(), &bytes[..], &mut |_| true).unwrap(), summary);
    let restored = Store::open(folder.path(), clock.options(Durability::Synced)).unwrap();
    assert_eq!(restored.check().unwrap(), found);
    let requests = script();
    assert!(agrees(&restored, &models(&requests, START_MS)[requests.len()], clock.now_ms()));
    // The numbers of commits go on.
    restored.create_table(schema("More", true)).unwrap();
    assert_eq!(restored.last_commit(), summary.commit + 1);
}

#[test]
fn a_backup_is_as_of_one_commit_whatever_is_written_meanwhile() {
    let (store, clock) = scripted();
    let pair = |value: i64| {
        let change = || crate::change::RowWrite::Put(vec![set("v", value)]);
        vec![
            write("Log", crate::testing::key("a", 900), change()),
            write("Log", crate::testing::key("z", 900), change()),
        ]
    };
    for round in 0..5 {
        let mut blocks = 0;
        let mut bytes = Vec::new();
        // Each block of the backup comes after one more commit.
        store.write_and_wait(pair(round)).into_iter().for_each(|answer| drop(answer.unwrap()));
        let before = store.last_commit();
        let summary = store
            .back_up(&mut bytes, false, &mut |_| {
                blocks += 1;
                true
            })
            .unwrap();
        store.write_and_wait(pair(-round)).into_iter().for_each(|answer| drop(answer.unwrap()));
        assert_eq!(summary.commit, before, "{blocks} blocks");
        let folder = folder();
        Store::restore(folder.path(), &bytes[..], &mut |_| true).unwrap();
        let restored = Store::open(folder.path(), clock.options(Durability::Synced)).unwrap();
        restored.check().unwrap();
        let values: Vec<_> =
            rows(&restored, "Log").into_iter().filter(|row| row.key[1] == KeyValue::Integer(900)).collect();
        assert!(
            values.len() == 2 && values.iter().all(|row| row.cells[0].value == Value::Integer(round)),
            "{values:?}"
        );
    }
}

#[test]
fn each_byte_that_is_flipped_or_missing_is_seen() {
    let (bytes, _) = taken(&scripted().0);
    for at in 0..bytes.len() {
        let cut = checked(&bytes[..at]).unwrap_err();
        assert!(matches!(&cut, BackupError::Damaged(_)), "cut at {at}: {cut}");
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        let seen = checked(&flipped).unwrap_err();
        assert!(matches!(&seen, BackupError::Damaged(_)), "flipped at {at}: {seen}");
    }
    let more = checked(&[&bytes[..], &[0]].concat()).unwrap_err().to_string();
    assert_eq!(more, format!("it goes on after its end at byte {}", bytes.len()));
}

#[test]
fn a_store_that_is_damaged_gives_no_backup() {
    let (store, _) = scripted();
    let table = store.find_table("Log").unwrap().id;
    store
        .transact(move |transaction| {
            let key = row_key(table, [KeyRef::String("a"), KeyRef::Integer(7)]);
            transaction.put(Space::Rows, key, b"no row".to_vec());
            Ok::<_, Halt>(())
        })
        .unwrap();
    let mut bytes = Vec::new();
    let error = store.back_up(&mut bytes, true, &mut |_| true).unwrap_err();
    assert!(matches!(&error, BackupError::Store(damage) if damage.0.contains("table \"Log\"")), "{error}");
    // Who reads it is told why it has no end.
    let told = checked(&bytes).unwrap_err();
    assert!(matches!(&told, BackupError::Failed(reason) if *reason == error.to_string()), "{told}");
}

#[test]
fn who_breaks_off_leaves_no_store() {
    let (store, clock) = scripted();
    let (bytes, _) = taken(&store);
    let folder = folder();
    for blocks in 0.. {
        let mut left = blocks;
        let restored = Store::restore(folder.path(), &bytes[..], &mut |_| {
            left -= 1;
            left >= 0
        });
        match restored {
            Ok(_) => {
                assert!(blocks > 2, "{blocks}");
                break;
            }
            Err(error) => assert!(matches!(error, BackupError::Stopped), "{error}"),
        }
        assert!(!Store::is_in(folder.path()), "{blocks}");
    }
    assert!(matches!(
        Store::restore(folder.path(), &bytes[..], &mut |_| true),
        Err(BackupError::Exists(there)) if there == folder.path()
    ));
    Store::open(folder.path(), clock.options(Durability::Synced)).unwrap().check().unwrap();
}
