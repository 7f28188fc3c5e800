//! Implements the engine with a fjall database. It guards against damage on which fjall would
//! panic, which it would repair by removing data, or which it would read past.

mod cause;
mod layout;
mod readers;
mod reopen;

use std::any::Any;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use ::fjall::config::{BlockSizePolicy, FilterPolicy, FilterPolicyEntry};
use ::fjall::{AbstractTree, CompressionType, Database, Keyspace, KeyspaceCreateOptions, PersistMode};

pub(crate) use ::fjall::Slice as Bytes;

use self::layout::{FORMAT, check_format, check_layout, format_text};
use self::readers::{FjallSnapshot, Parts, Readers};
use super::journal;
use super::{Batch, Engine, Memory, Snapshot, Space};
use crate::error::{CommitError, OpenError};

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

/// An engine on a fjall database.
pub(crate) struct FjallEngine {
    /// The database; `None` while it cannot be opened anew.
    opened: RwLock<Option<Opened>>,
    readers: Arc<Readers>,
    folder: Arc<Path>,
    /// The sequence number from which on no commit was acknowledged; `None` if nothing has failed.
    unacknowledged: Mutex<Option<u64>>,
}

/// A database that is open.
struct Opened {
    database: Database,
    spaces: [Keyspace; 3],
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
            create(store, |_| Ok::<_, OpenError>(()))?;
        }
        check_format(&folder)?;
        check_layout(&folder)?;
        journal::repair(&folder, relaxed)?;
        cause::listen();
        Ok(FjallEngine {
            opened: RwLock::new(Some(open_database(&folder)?)),
            readers: Arc::default(),
            folder: folder.into(),
            unacknowledged: Mutex::default(),
        })
    }

    /// Creates the engine of a store's folder that has none. `next` gives its entries: those of each
    /// space in the order of their keys, and the spaces in that of [`Space::ALL`].
    pub(crate) fn create_of<E: From<OpenError>>(
        store: &Path,
        next: &mut dyn FnMut(Space) -> Result<Option<(Bytes, Bytes)>, E>,
    ) -> Result<(), E> {
        create(store, |opened| {
            let failed = |failure| E::from(unusable(&store.join(ENGINE_NEW), failure));
            for space in Space::ALL {
                let keyspace = &opened.spaces[space.index()];
                let mut ingestion = guarded(|| keyspace.start_ingestion()).map_err(failed)?;
                while let Some((key, value)) = next(space)? {
                    guarded(|| ingestion.write(key, value)).map_err(failed)?;
                }
                guarded(|| ingestion.finish()).map_err(failed)?;
            }
            Ok(())
        })
    }

    /// Removes the engine of a store's folder, and what is left of one that was never finished.
    pub(crate) fn remove_from(store: &Path) -> Result<(), OpenError> {
        for name in [ENGINE, ENGINE_NEW] {
            let folder = store.join(name);
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(OpenError::io(&folder, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs `act` on the database. An error may have left a commit behind that nobody was told of.
    fn on_database(&self, act: impl FnOnce(&Opened) -> Result<(), EngineFailure>) -> Result<(), CommitError> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let Some(opened) = opened.as_ref() else {
            let cause = format!("{} is not open", self.folder.display());
            return Err(CommitError { cause, passes: true });
        };
        let next = opened.database.seqno();
        act(opened).map_err(|error| self.failed(&error, next))
    }
}

impl Opened {
    /// Waits until fjall has written out enough of what is in memory. Without this, a commit would
    /// wait inside fjall, and would wait for ever if writing out has failed.
    fn wait_for_room(&self) -> Result<(), EngineFailure> {
        let full = |space: &Keyspace| {
            space.tree.sealed_memtable_count() >= SEALED_MEMTABLES_MAX
                || space.tree.l0_run_count() >= RUNS_MAX
        };
        while self.spaces.iter().any(full) {
            self.check()?;
            std::thread::sleep(ROOM_POLL);
        }
        Ok(())
    }

    /// Fails if fjall takes no more writes. Costs no more than a lock.
    fn check(&self) -> Result<(), EngineFailure> {
        guarded(|| self.database.persist(PersistMode::Buffer))
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), EngineFailure> {
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
    }
}

impl Engine for FjallEngine {
    fn snapshot(&self) -> Box<dyn Snapshot> {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let parts = opened
            .as_ref()
            .map(|opened| Parts { snapshot: opened.database.snapshot(), spaces: opened.spaces.clone() });
        Box::new(FjallSnapshot::new(parts, self.readers.clone(), self.folder.clone()))
    }

    fn commit(&self, batch: Batch, sync: bool) -> Result<(), CommitError> {
        self.on_database(|opened| opened.commit(batch, sync))
    }

    fn check(&self) -> Result<(), CommitError> {
        self.on_database(Opened::check)
    }

    fn recover(&self) -> Result<(), CommitError> {
        self.reopen()
    }

    fn entries_about(&self) -> u64 {
        let opened = self.opened.read().unwrap_or_else(PoisonError::into_inner);
        let spaces = opened.iter().flat_map(|opened| &opened.spaces);
        spaces.map(|space| space.approximate_len() as u64).sum()
    }

    fn memory(&self) -> Memory {
        // While the database is opened anew, nobody waits for this.
        let opened = self.opened.try_read().ok();
        opened.as_ref().and_then(|opened| opened.as_ref()).map_or_else(Memory::default, |opened| Memory {
            cache_bytes: opened.database.cache_size(),
            memtable_bytes: opened.database.write_buffer_size(),
        })
    }

    fn sync(&self) -> Result<(), CommitError> {
        self.on_database(|opened| guarded(|| opened.database.persist(PersistMode::SyncAll)))
    }
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

/// Creates an engine and fills it. Its folder gets its name last, so that a folder with that name
/// is complete.
fn create<E: From<OpenError>>(store: &Path, fill: impl FnOnce(&Opened) -> Result<(), E>) -> Result<(), E> {
    let new = store.join(ENGINE_NEW);
    let io = |error: io::Error| OpenError::io(&new, &error);
    if new.try_exists().map_err(io)? {
        fs::remove_dir_all(&new).map_err(io)?;
    }
    fill(&open_database(&new)?)?;
    fs::write(new.join(FORMAT), format_text()).map_err(io)?;
    fs::File::open(new.join(FORMAT)).and_then(|file| file.sync_all()).map_err(io)?;
    fs::File::open(&new).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&new, store.join(ENGINE)).map_err(io)?;
    fs::File::open(store).and_then(|file| file.sync_all()).map_err(io)?;
    Ok(())
}

fn open_database(folder: &Path) -> Result<Opened, OpenError> {
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
        Ok(Opened { spaces: [meta?, rows?, log?], database })
    });
    opened.map_err(|failure| unusable(folder, failure))
}

/// Returns why a folder cannot be used as a database.
fn unusable(folder: &Path, failure: EngineFailure) -> OpenError {
    match failure {
        EngineFailure::Error(::fjall::Error::Io(error)) if error.kind() != io::ErrorKind::NotFound => {
            OpenError::io(folder, &error)
        }
        EngineFailure::Error(::fjall::Error::Locked) => {
            OpenError::damaged(folder, "another program has it open")
        }
        failure => OpenError::damaged(folder, &format!("{failure:?}")),
    }
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
