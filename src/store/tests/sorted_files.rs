//! Tests sorted files, which hold what no longer fits in memory: damaged ones, and a disk that
//! takes no more of them.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::change::{ColumnChange, RowWrite, Write};
use crate::error::{Damage, Halt, OpenError, ReadError, WriteError};
use crate::read::{Direction, Selection};
use crate::testing::{START_MS, TestClock, all, folder, key, rows, scan, schema, write};
use crate::value::Value;
use crate::{Durability, Store};
use testkit::Random;

fn open(folder: &TempDir, clock: &TestClock) -> Result<Store, OpenError> {
    Store::open(folder.path(), clock.options(Durability::Synced))
}

/// Returns a write of a row of 64 KiB. A few of them fill the memory for new rows.
fn row(id: i64) -> Write {
    let value = Value::Binary(vec![id as u8; 64 << 10]);
    let change = ColumnChange::Put { value, version: Some(START_MS) };
    write("T", key("u", id), RowWrite::Put(vec![("v".to_owned(), change)]))
}

/// Creates a store with rows in sorted files as well as in a journal: more than fits in the memory
/// for new rows.
fn large_workload() -> (TempDir, TestClock) {
    let (folder, clock) = (folder(), TestClock::new());
    let store = open(&folder, &clock).unwrap();
    store.create_table(schema("T", false)).unwrap();
    for id in 0..40 {
        store.write_and_wait(vec![row(id)]).into_iter().for_each(|answer| drop(answer.unwrap()));
    }
    drop(store);
    // What was in full memtables is written out by now or at the next start.
    open(&folder, &clock).unwrap();
    (folder, clock)
}

#[test]
fn a_flipped_byte_of_any_file_gives_the_rows_or_a_refusal() {
    let (folder, clock) = large_workload();
    let expected = rows(&open(&folder, &clock).unwrap(), "T");
    assert_eq!(expected.len(), 40);
    let mut random = Random(1);
    let files: Vec<PathBuf> = files(folder.path());
    assert!(files.iter().any(|path| path.to_string_lossy().contains("tables/")), "{files:?}");
    // Lock files contain no data, and journals have tests of their own.
    let names = ["LOCK", "lock"];
    let files = files.iter().filter(|path| !names.iter().any(|name| path.ends_with(name)));
    for path in files.filter(|path| path.extension().is_none_or(|extension| extension != "jnl")) {
        // Files are merged meanwhile, so some are gone.
        let Ok(length) = fs::metadata(path).map(|found| found.len()) else { continue };
        for _ in 0..4 {
            // Half of the flips are among the last bytes, which say where the others are.
            let span = if random.below(2) == 0 { length } else { length.min(400) };
            let Some(at) = length.checked_sub(1 + random.below(span.max(1) as usize) as u64) else {
                continue;
            };
            if !flip(path, at) {
                break;
            }
            let outcome =
                open(&folder, &clock).map(|store| scan(&store, all(&store, "T", Direction::Forward)));
            match outcome {
                Ok(Ok(found)) => assert!(found == expected, "{}, byte {at}", path.display()),
                Ok(Err(ReadError::Damaged(Damage(message)))) => {
                    assert!(message.contains("engine"), "{message}")
                }
                Err(OpenError::Damaged { path: named, .. } | OpenError::Io { path: named, .. }) => {
                    assert!(named.starts_with(folder.path()), "{named:?}");
                }
                other => panic!("{}, byte {at}: {other:?}", path.display()),
            }
            flip(path, at);
        }
    }
    assert_eq!(rows(&open(&folder, &clock).unwrap(), "T"), expected);
}

/// Flips a bit of a file. Returns false if the file does not exist.
fn flip(path: &Path, at: u64) -> bool {
    let Ok(mut file) = fs::OpenOptions::new().read(true).write(true).open(path) else { return false };
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 0x10]).unwrap();
    true
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

#[test]
fn writes_are_refused_and_reads_go_on_where_memory_cannot_be_written_out() {
    let (folder, clock) = (folder(), TestClock::new());
    let store = open(&folder, &clock).unwrap();
    store.create_table(schema("T", false)).unwrap();
    // No sorted file can be made in their folder, while the journal is sound.
    let tables = folder.path().join("engine/keyspaces/2/tables");
    fs::remove_dir_all(&tables).unwrap();
    fs::write(&tables, b"no folder").unwrap();
    let refused =
        (0..400).find_map(|id| store.write_and_wait(vec![row(id)]).remove(0).err().map(|error| (id, error)));
    let (count, error) = refused.unwrap();
    assert!(
        matches!(&error, WriteError::Halted(Halt::Failed(message)) if message.ends_with("restart")),
        "{error}"
    );
    assert!(store.get("T", &key("u", count - 1), &Selection::default()).unwrap().is_some());
    drop(store);
    // Once this is repaired, everything that was acknowledged is there.
    fs::remove_file(&tables).unwrap();
    let store = open(&folder, &clock).unwrap();
    assert!(rows(&store, "T").len() >= count as usize);
}
