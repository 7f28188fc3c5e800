//! Measures how many files the store has open at its busiest, against the number that others must
//! leave to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::change::RowWrite;
use crate::engine::fjall::BUSY_FILES_MAX;
use crate::read::Selection;
use crate::testing::{TestClock, folder, key, schema, set, write};
use crate::value::Value;
use crate::{Durability, Store};
use testkit::Random;

/// The rows that are written over and over, in no order, so that each merge takes in all levels.
const ROWS: usize = 4_000;
/// The commits of the test, and the rows of each.
const COMMITS: usize = 250;
const COMMIT_ROWS: usize = 16;
/// The bytes of a row.
const ROW_BYTES: usize = 8 << 10;
/// The threads that read meanwhile.
const READERS: u64 = 2;

/// The most files that were open at a time.
#[derive(Debug, Default)]
struct Most {
    /// All files of the store.
    all: usize,
    /// Those that are open beside the ones that are kept open: at most one for each sorted file.
    busy: usize,
    /// Sorted files that are open once more, because they are merged.
    merged: usize,
}

/// Returns the files of a folder that this process has open, once for each time that they are.
fn open_files(folder: &Path) -> Vec<PathBuf> {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap().filter_map(Result::ok);
    // A descriptor may be closed before it is looked at.
    let files = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    files.filter(|file| file.starts_with(folder)).collect()
}

fn measure(folder: &Path, ended: &AtomicBool) -> Most {
    let mut most = Most::default();
    while !ended.load(Ordering::Relaxed) {
        let files = open_files(folder);
        let tables: Vec<&PathBuf> = files
            .iter()
            .filter(|file| file.parent().is_some_and(|parent| parent.ends_with("tables")))
            .collect();
        let once: BTreeSet<&PathBuf> = tables.iter().copied().collect();
        most.all = most.all.max(files.len());
        most.busy = most.busy.max(files.len() - once.len());
        most.merged = most.merged.max(tables.len() - once.len());
    }
    most
}

#[test]
#[cfg(target_os = "linux")]
fn the_files_open_while_all_is_written_merged_and_read_are_those_kept_back() {
    let (folder, clock) = (folder(), TestClock::new());
    let store = Store::open(folder.path(), clock.options(Durability::Relaxed)).unwrap();
    store.create_table(schema("T", true)).unwrap();
    let ended = AtomicBool::new(false);
    let most = thread::scope(|threads| {
        let measured = threads.spawn(|| measure(folder.path(), &ended));
        for seed in 0..READERS {
            let (store, ended) = (&store, &ended);
            threads.spawn(move || {
                let mut random = Random(seed);
                while !ended.load(Ordering::Relaxed) {
                    store.get("T", &key("u", random.below(ROWS) as i64), &Selection::default()).unwrap();
                }
            });
        }
        let mut random = Random(READERS);
        for commit in 0..COMMITS {
            let row = |_| {
                let value = Value::Binary(vec![commit as u8; ROW_BYTES]);
                write("T", key("u", random.below(ROWS) as i64), RowWrite::Put(vec![set("v", value)]))
            };
            for answer in store.write_and_wait((0..COMMIT_ROWS).map(row).collect()) {
                answer.unwrap();
            }
        }
        ended.store(true, Ordering::Relaxed);
        measured.join().unwrap()
    });
    assert!(most.merged >= 4, "files were merged meanwhile: {most:?}");
    assert!(most.busy <= BUSY_FILES_MAX, "{most:?}");
}
