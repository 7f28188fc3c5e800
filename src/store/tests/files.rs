//! Tests real files that are cut, flipped, missing, or of another program. The store must open with
//! what was acknowledged, or name the file.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::model::Model;
use super::script::{Request, agrees, models, script};
use crate::error::OpenError;
use crate::testing::{START_MS, TestClock, folder, schema, until_purged};
use crate::{Durability, Store};
use testkit::Random;

/// A limit above the number of bytes in the journal of the script.
const JOURNAL_BYTES_MAX: usize = 64 << 10;

/// The files and models that a workload left.
struct Left {
    folder: TempDir,
    clock: TestClock,
    models: Vec<Model>,
    /// The bytes of the journal after each number of requests.
    ends: Vec<usize>,
}

fn journal(folder: &Path) -> PathBuf {
    folder.join("engine/0.jnl")
}

/// Returns the journal up to its last byte that is not zero.
fn journal_bytes(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = fs::File::open(journal(folder)).unwrap();
    file.take(JOURNAL_BYTES_MAX as u64).read_to_end(&mut bytes).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    assert!(end < JOURNAL_BYTES_MAX);
    bytes.truncate(end);
    bytes
}

fn workload() -> Left {
    let (folder, clock, requests) = (folder(), TestClock::new(), script());
    let store = Store::open(folder.path(), clock.options(Durability::Synced)).unwrap();
    let mut ends = vec![0];
    for request in &requests {
        request.run(&store, &clock).unwrap();
        until_purged(&store);
        ends.push(journal_bytes(folder.path()).len());
    }
    drop(store);
    Left { folder, clock, models: models(&requests, START_MS), ends }
}

/// Returns a copy of a store's folder with another journal.
fn copy(from: &Path, journal_bytes: &[u8]) -> TempDir {
    fn copy_folder(from: &Path, to: &Path, journal: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let from = entry.unwrap().path();
            let to = to.join(from.file_name().unwrap());
            if from.is_dir() {
                copy_folder(&from, &to, journal);
            } else if from != journal {
                fs::copy(&from, &to).unwrap();
            }
        }
    }
    let to = folder();
    copy_folder(from, to.path(), &journal(from));
    fs::write(journal(to.path()), journal_bytes).unwrap();
    to
}

fn open(folder: &TempDir, clock: &TestClock) -> Result<Store, OpenError> {
    Store::open(folder.path(), clock.options(Durability::Synced))
}

impl Left {
    /// Returns the greatest number of requests whose result a store agrees with.
    fn agreeing(&self, store: &Store) -> Option<usize> {
        (0..self.models.len()).rev().find(|count| agrees(store, &self.models[*count], self.clock.now_ms()))
    }
}

#[test]
fn a_journal_cut_anywhere_gives_what_was_whole() {
    let left = workload();
    let (whole, requests_run) = (journal_bytes(left.folder.path()), script());
    let mut random = Random(1);
    let ends = left.ends.iter().flat_map(|end| [*end, end.saturating_sub(1), end + 1]);
    let cuts: Vec<usize> = ends.chain((0..20).map(|_| random.below(whole.len()))).collect();
    for (number, cut) in cuts.into_iter().filter(|cut| *cut <= whole.len()).enumerate() {
        // A file that was made larger in advance ends with zeros; another file just ends.
        let mut bytes = whole[..cut].to_vec();
        bytes.resize(if number % 2 == 0 { cut } else { whole.len() + 100 }, 0);
        let folder = copy(left.folder.path(), &bytes);
        let store = open(&folder, &left.clock).unwrap();
        store.check().unwrap();
        let requests = left.ends.iter().rposition(|end| *end <= cut).unwrap();
        // The length of the journal after a deletion was measured once the removal of the rows was
        // done too.
        let deletes = matches!(requests_run.get(requests), Some(Request::Delete(_)));
        let is_after = |requests: usize| agrees(&store, &left.models[requests], left.clock.now_ms());
        assert!(is_after(requests) || deletes && is_after(requests + 1), "cut at {cut}");
        // The store goes on from there.
        Request::Create(schema("More", true)).run(&store, &TestClock::new()).unwrap();
        drop(store);
        assert!(open(&folder, &left.clock).unwrap().tables().contains(&"More".to_owned()));
    }
}

#[test]
fn a_flipped_byte_of_the_journal_gives_a_prefix_or_the_journals_name() {
    let left = workload();
    let whole = journal_bytes(left.folder.path());
    let mut random = Random(1);
    let last = left.ends.len() - 2;
    let (mut refused, mut opened) = (0, 0);
    for number in 0..100 {
        let mut bytes = whole.clone();
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
        // This also tests half of a torn write: a part of its end never reached the disk.
        if number % 4 == 0 {
            let end = (at + 512).min(bytes.len());
            bytes[at..end].fill(0);
        }
        let folder = copy(left.folder.path(), &bytes);
        match open(&folder, &left.clock) {
            Ok(store) => {
                store.check().unwrap();
                let requests = left.agreeing(&store);
                assert!(requests.is_some(), "flipped at {at}");
                // Only what looks like the torn end of the last commit may be given up.
                assert!(requests.is_some_and(|requests| requests >= last), "flipped at {at}: {requests:?}");
                opened += 1;
            }
            Err(OpenError::Damaged { path, .. }) => {
                assert_eq!(path, journal(folder.path()), "flipped at {at}");
                refused += 1;
            }
            Err(other) => panic!("flipped at {at}: {other}"),
        }
    }
    assert!(refused > 50 && opened > 0, "{refused} refused, {opened} opened");
}

#[test]
fn any_torn_end_is_given_up_where_commits_were_not_synced() {
    let left = workload();
    let mut bytes = journal_bytes(left.folder.path());
    // Of two commits that were written, the later one reached the disk whole and the earlier one
    // did not.
    let (start, end) = (left.ends[left.ends.len() - 3], left.ends[left.ends.len() - 2]);
    bytes[start + 20..end].fill(0);
    let folder = copy(left.folder.path(), &bytes);
    assert!(matches!(open(&folder, &left.clock), Err(OpenError::Damaged { .. })));
    fs::write(folder.path().join("RELAXED"), b"").unwrap();
    let store = open(&folder, &left.clock).unwrap();
    assert_eq!(left.agreeing(&store), Some(left.ends.len() - 3));
    assert!(!folder.path().join("RELAXED").exists());
}

#[test]
fn relaxed_stores_say_so_until_all_is_synced() {
    let (folder, clock) = (folder(), TestClock::new());
    let marker = folder.path().join("RELAXED");
    let store = Store::open(folder.path(), clock.options(Durability::Relaxed)).unwrap();
    store.create_table(schema("T", true)).unwrap();
    assert!(marker.exists());
    store.close().unwrap();
    assert!(!marker.exists());
    drop(store);
    assert_eq!(open(&folder, &clock).unwrap().tables(), ["T"]);
}

#[test]
fn missing_and_foreign_files_are_refused_by_name() {
    let left = workload();
    let bytes = journal_bytes(left.folder.path());
    let mut parts: Vec<String> = vec!["FORMAT".to_owned(), "version".to_owned(), "lock".to_owned()];
    parts.extend((0..4).map(|keyspace| format!("keyspaces/{keyspace}/current")));
    parts.push("keyspaces/2".to_owned());
    for part in parts {
        let folder = copy(left.folder.path(), &bytes);
        let path = folder.path().join("engine").join(&part);
        if path.is_dir() {
            fs::remove_dir_all(&path).unwrap()
        } else {
            fs::remove_file(&path).unwrap()
        }
        match open(&folder, &left.clock) {
            Err(OpenError::Damaged { path: named, .. }) => {
                assert!(named.starts_with(&path), "{part}: {named:?}")
            }
            other => panic!("{part}: {other:?}"),
        }
        assert!(folder.path().join("engine/keyspaces/3/current").exists() || part.contains('3'));
    }
    let folder = copy(left.folder.path(), &bytes);
    fs::write(folder.path().join("engine/FORMAT"), "orderflow store, format 7\n").unwrap();
    let refusal = open(&folder, &left.clock).unwrap_err();
    assert!(matches!(refusal, OpenError::Version { found: 7, .. }), "{refusal}");
    assert!(refusal.to_string().contains("format 7"), "{refusal}");
}

#[test]
fn a_folder_that_was_never_finished_is_made_anew() {
    let (folder, clock) = (folder(), TestClock::new());
    fs::create_dir_all(folder.path().join("engine.new/keyspaces/1")).unwrap();
    fs::write(folder.path().join("engine.new/0.jnl"), b"something").unwrap();
    let store = open(&folder, &clock).unwrap();
    assert!(store.tables().is_empty());
    assert!(!folder.path().join("engine.new").exists());
}

#[test]
fn one_process_has_a_folder_and_the_next_is_told_which() {
    let (folder, clock) = (folder(), TestClock::new());
    let store = open(&folder, &clock).unwrap();
    let refusal = open(&folder, &clock).unwrap_err();
    let holder = Some(std::process::id());
    assert_eq!(refusal, OpenError::Locked { folder: folder.path().to_owned(), holder });
    assert!(refusal.to_string().contains(&format!("process {}", std::process::id())), "{refusal}");
    let clone = store.clone();
    drop(store);
    assert!(open(&folder, &clock).is_err());
    drop(clone);
    open(&folder, &clock).unwrap();
}
