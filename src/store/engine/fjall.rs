//! Implements the engine with a fjall database. It guards against damage on which fjall would
//! panic, which it would repair by removing data, or which it would read past.

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::fjall::config::{BlockSizePolicy, FilterPolicy, FilterPolicyEntry};
use ::fjall::{
    AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode, Readable,
};

pub(crate) use ::fjall::Slice as Bytes;

use super::journal;
use super::{Batch, Engine, Entry, Memory, Scan, Snapshot, Space};
use crate::direction::Direction;
use crate::error::{EngineError, OpenError};
use crate::format::FORMAT_VERSION;

/// The bytes of blocks kept in memory.
const CACHE_BYTES: u64 = 64 << 20;
/// The sorted files that are kept open between reads. A file of a merged level has 64 MB.
const CACHED_FILES_MAX: usize = 128;
/// The most files that an engine opens beside those that are kept open: the inputs of a merge, one
/// for each file, the file that it writes, the one that is written out meanwhile, journals, lists of
/// files, the lock.
///
/// Measured: 33, of them 30 inputs of a merge, while 157 MB of rows and their changes were written as
/// fast as the engine took them, counted over and over in `/proc/self/fd`, on 2 cores. A merge takes
/// in the files of the first level, at most [`RUNS_MAX`], and those below that overlap with them;
/// the rest is for the latter.
pub(crate) const BUSY_FILES_MAX: usize = 80;
/// The most threads that may read a store at a time. Each may open a file beside those that are
/// kept open.
pub const READING_THREADS_MAX: usize = 64;
/// The most files that a store has open at a time.
pub const OPEN_FILES_MAX: usize = CACHED_FILES_MAX + BUSY_FILES_MAX + READING_THREADS_MAX;
/// The bytes of new rows, and of new changes, that are gathered in memory before they are written
/// to a sorted file. Tests use a small limit, so that they get such files.
const MEMTABLE_BYTES_MAX: u64 = if cfg!(test) { 1 << 20 } else { 16 << 20 };
/// The bytes of journals on disk after which memory is written out to shorten them.
const JOURNAL_BYTES_MAX: u64 = 256 << 20;
/// The bytes of a block of a sorted file.
const BLOCK_BYTES: u32 = 8 << 10;

/// The number of full memtables waiting to be written out at which commits wait. fjall itself waits
/// at 4.
const SEALED_MEMTABLES_MAX: usize = 3;
/// The number of sorted files not yet merged with others at which commits wait. fjall itself waits
/// at 30.
const RUNS_MAX: usize = 28;
/// The time between two looks of a waiting commit.
const ROOM_POLL: Duration = Duration::from_millis(2);

/// The name of the engine's folder within the store's folder.
const ENGINE: &str = "engine";
/// The name of the engine's folder while it is being created.
const ENGINE_NEW: &str = "engine.new";
/// The name of the file in the engine's folder that names the format.
const FORMAT: &str = "FORMAT";

/// An engine on a fjall database.
pub(crate) struct FjallEngine {
    database: Database,
    spaces: [Keyspace; 3],
    folder: PathBuf,
}

impl FjallEngine {
    /// Returns whether a store's folder contains an engine.
    pub(crate) fn is_in(store: &Path) -> bool {
        store.join(ENGINE).is_dir()
    }

    /// Opens the engine of a store's folder, and creates it if there is none. The caller must hold
    /// the folder's lock.
    ///
    /// `relaxed` says that commits may not have been synced one by one, so that any of the last
    /// ones may be partly lost.
    pub(crate) fn open(store: &Path, relaxed: bool) -> Result<FjallEngine, OpenError> {
        let folder = store.join(ENGINE);
        if !folder.try_exists().map_err(|error| OpenError::io(&folder, &error))? {
            create(store, &folder)?;
        }
        check_format(&folder)?;
        check_layout(&folder)?;
        journal::repair(&folder, relaxed)?;
        open_database(&folder)
    }

    /// Waits until fjall has written out enough of what is in memory. Without this, a commit would
    /// wait inside fjall, and would wait for ever if writing out has failed.
    fn wait_for_room(&self) -> Result<(), EngineError> {
        let full = |space: &Keyspace| {
            space.tree.sealed_memtable_count() >= SEALED_MEMTABLES_MAX
                || space.tree.l0_run_count() >= RUNS_MAX
        };
        while self.spaces.iter().any(full) {
            guarded(|| self.database.persist(PersistMode::Buffer))
                .map_err(|error| self.error("cannot write to", &error))?;
            std::thread::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// Turns an error of the library into ours.
    fn error(&self, doing: &str, error: &dyn std::fmt::Debug) -> EngineError {
        EngineError(format!("{doing} {}: {error:?}", self.folder.display()))
    }
}

impl Engine for FjallEngine {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        Box::new(FjallSnapshot {
            snapshot: self.database.snapshot(),
            spaces: self.spaces.clone(),
            folder: self.folder.clone(),
        })
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineError> {
        self.wait_for_room()?;
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        guarded(|| {
            let mut batched = self.database.batch().durability(Some(mode));
            for write in batch.writes {
                let space = &self.spaces[write.space.index()];
                match write.value {
                    Some(value) => batched.insert(space, write.key, value),
                    None => batched.remove(space, write.key),
                }
            }
            batched.commit()
        })
        .map_err(|error| self.error("cannot write to", &error))
    }

    fn memory(&self) -> Memory {
        Memory { cache_bytes: self.database.cache_size(), memtable_bytes: self.database.write_buffer_size() }
    }

    fn sync(&self) -> Result<(), EngineError> {
        guarded(|| self.database.persist(PersistMode::SyncAll))
            .map_err(|error| self.error("cannot sync", &error))
    }
}

/// A snapshot of what a fjall database held at one moment.
struct FjallSnapshot {
    snapshot: ::fjall::Snapshot,
    spaces: [Keyspace; 3],
    folder: PathBuf,
}

impl Snapshot for FjallSnapshot {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        guarded(|| self.snapshot.get(&self.spaces[space.index()], key))
            .map_err(|error| unreadable(space, &self.folder, &error))
    }

    fn scan(&self, space: Space, lower: &[u8], upper: &[u8], direction: Direction) -> Scan {
        if lower >= upper {
            return Box::new(std::iter::empty());
        }
        let folder = self.folder.clone();
        match guarded(|| Ok(self.snapshot.range(&self.spaces[space.index()], lower..upper))) {
            Ok(entries) => Box::new(FjallScan { entries, direction, space, folder, ended: false }),
            Err(error) => Box::new(std::iter::once(Err(unreadable(space, &folder, &error)))),
        }
    }
}

/// An iterator over the entries of one keyspace. It ends after the first error.
struct FjallScan {
    entries: ::fjall::Iter,
    direction: Direction,
    space: Space,
    folder: PathBuf,
    ended: bool,
}

impl Iterator for FjallScan {
    type Item = Result<Entry, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let (entries, direction) = (&mut self.entries, self.direction);
        let next = guarded(|| {
            let guard = match direction {
                Direction::Forward => entries.next(),
                Direction::Backward => entries.next_back(),
            };
            guard.map(::fjall::Guard::into_inner).transpose()
        });
        match next {
            Ok(Some((key, value))) => Some(Ok(Entry { key, value })),
            Ok(None) => None,
            Err(error) => {
                self.ended = true;
                Some(Err(unreadable(self.space, &self.folder, &error)))
            }
        }
    }
}

fn unreadable(space: Space, folder: &Path, error: &EngineFailure) -> EngineError {
    EngineError(format!("cannot read the {} in {}: {error:?}", space.name(), folder.display()))
}

/// An error of fjall, or the message of a panic, which some damaged files cause.
enum EngineFailure {
    Error(::fjall::Error),
    Panic(String),
}

impl std::fmt::Debug for EngineFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EngineFailure::Error(error) => write!(f, "{error:?}"),
            EngineFailure::Panic(message) => f.write_str(message),
        }
    }
}

/// Runs `act` and returns a panic as an error. This is sound because what fjall shares between
/// threads poisons itself, or refuses all further writes.
fn guarded<T>(act: impl FnOnce() -> ::fjall::Result<T>) -> Result<T, EngineFailure> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(EngineFailure::Error),
        Err(panic) => Err(EngineFailure::Panic(panic_message(panic.as_ref()))),
    }
}

/// Returns the message of a panic.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// Creates an empty engine. Its folder gets its name last, so that a folder with that name is
/// complete.
fn create(store: &Path, folder: &Path) -> Result<(), OpenError> {
    let new = store.join(ENGINE_NEW);
    let io = |error: io::Error| OpenError::io(&new, &error);
    if new.try_exists().map_err(io)? {
        fs::remove_dir_all(&new).map_err(io)?;
    }
    drop(open_database(&new)?);
    fs::write(new.join(FORMAT), format_text()).map_err(io)?;
    fs::File::open(new.join(FORMAT)).and_then(|file| file.sync_all()).map_err(io)?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&new, folder).map_err(io)?;
    fs::File::open(store).and_then(|file| file.sync_all()).map_err(io)
}

fn format_text() -> String {
    format!("orderflow store, format {FORMAT_VERSION}\n")
}

fn check_format(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(FORMAT);
    let found = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::damaged(&path, "it is missing"),
        _ => OpenError::io(&path, &error),
    })?;
    let found = String::from_utf8_lossy(&found);
    if found == format_text() {
        return Ok(());
    }
    let version =
        found.trim_end().strip_prefix("orderflow store, format ").and_then(|text| text.parse().ok());
    match version {
        Some(version) => Err(OpenError::Version { folder: folder.to_owned(), found: version }),
        None => Err(OpenError::damaged(&path, "it does not name a format")),
    }
}

/// Refuses a folder of which parts are missing. fjall would take the parts that are left for
/// remains of something unfinished and remove them.
fn check_layout(folder: &Path) -> Result<(), OpenError> {
    for part in ["version", "lock"] {
        let path = folder.join(part);
        if !path.try_exists().map_err(|error| OpenError::io(&path, &error))? {
            return Err(OpenError::damaged(&path, "it is missing"));
        }
    }
    // Keyspace 0 belongs to fjall and holds the names and options of the others.
    (0..=Space::ALL.len()).try_for_each(|id| check_manifest(&folder.join(format!("keyspaces/{id}"))))
}

/// Checks the list of a keyspace's files against its hash, which fjall writes but does not check.
/// fjall would remove the files that a damaged list leaves out.
fn check_manifest(keyspace: &Path) -> Result<(), OpenError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::damaged(path, "it is missing"),
            _ => OpenError::io(path, &error),
        })
    };
    let current = keyspace.join("current");
    let bytes = read(&current)?;
    let parts = bytes.split_first_chunk().and_then(|(id, hash)| Some((id, hash.split_first_chunk()?)));
    let Some((id, (hash, [0]))) = parts else {
        return Err(OpenError::damaged(&current, "it has not the form of a version"));
    };
    let manifest = keyspace.join(format!("v{}", u64::from_le_bytes(*id)));
    if xxhash_rust::xxh3::xxh3_128(&read(&manifest)?) != u128::from_le_bytes(*hash) {
        return Err(OpenError::damaged(&manifest, "its hash is not that in the file \"current\""));
    }
    Ok(())
}

fn open_database(folder: &Path) -> Result<FjallEngine, OpenError> {
    let opened = guarded(|| {
        let database = Database::builder(folder)
            .cache_size(CACHE_BYTES)
            .max_cached_files(Some(CACHED_FILES_MAX))
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .journal_compression(CompressionType::None)
            .manual_journal_persist(true)
            .worker_threads(2)
            .open()?;
        let [meta, rows, log] = Space::ALL.map(|space| database.keyspace(space.name(), || options(space)));
        Ok(FjallEngine { spaces: [meta?, rows?, log?], database, folder: folder.to_owned() })
    });
    opened.map_err(|failure| match failure {
        EngineFailure::Error(::fjall::Error::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
            OpenError::io(folder, &error)
        }
        EngineFailure::Error(::fjall::Error::Locked) => {
            OpenError::damaged(folder, "another program has it open")
        }
        failure => OpenError::damaged(folder, &format!("{failure:?}")),
    })
}

fn options(space: Space) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default()
        .manual_journal_persist(true)
        .max_memtable_size(MEMTABLE_BYTES_MAX)
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES));
    match space {
        Space::Meta | Space::Rows => options,
        // Changes are found by scans and not by key. No filter would be used, so none is built.
        Space::Log => options.filter_policy(FilterPolicy::all(FilterPolicyEntry::None)),
    }
}
