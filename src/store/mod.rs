//! The order store: tables of rows, and the log of their changes, each commit durable before it is acknowledged.
//!
//! Tablestore's data model without Tablestore's wire, which is [`tablestore`](crate::tablestore)'s.
//!
//! ```text
//!  write ─► prepare (caller's thread) ─► commit thread ─► engine: rows + log + meta in one batch
//!  get, range ─► engine's snapshot ─► select, filter ─► borrowed cells
//!  tunnel ─► log
//! ```
//!
//! What is on disk is written down in [`format`](mod@format).

mod catalog;
pub mod change;
mod commit;
mod edit;
mod engine;
pub mod error;
pub mod filter;
mod format;
mod key;
mod lock;
mod log;
pub mod read;
mod row;
pub mod schema;
mod transaction;
pub mod value;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use self::catalog::Table;
use self::commit::{Committer, Finish};
use self::engine::fjall::FjallEngine;
use self::engine::{Engine, Snapshot, Space};
use self::error::{OpenError, StoreError};
use self::format::META_COMMIT;
use self::lock::Lock;
use self::schema::{TableInfo, TableSchema, TableUpdate};
use self::transaction::{Last, Transaction};

pub use self::format::CHANNELS;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Once it is synced to disk.
    #[default]
    Synced,
    /// Once the operating system has it: what was acknowledged last may be lost if the machine stops, not if only this process does.
    /// For loads that can be done again.
    Relaxed,
}

/// Tells the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> i64 + Send + Sync>);

impl Clock {
    /// A clock that calls `now_us` for the microseconds since 1970.
    pub fn new(now_us: impl Fn() -> i64 + Send + Sync + 'static) -> Clock {
        Clock(Arc::new(now_us))
    }

    /// Microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        (self.0)()
    }
}

impl Default for Clock {
    /// The system's.
    fn default() -> Clock {
        Clock::new(|| {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
        })
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({} µs)", self.now_us())
    }
}

/// How a store is opened.
#[derive(Clone, Debug, Default)]
pub struct StoreOptions {
    /// When writes are acknowledged.
    pub durability: Durability,
    /// What time it is; for tests to set.
    pub clock: Clock,
}

/// An open store. Cheap to clone; the last clone to go closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    committer: Committer,
    engine: Arc<dyn Engine>,
    clock: Clock,
    /// Let go last.
    _lock: Option<Lock>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.committer.stop();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("last_commit", &self.last_commit()).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store in a folder, and makes one where there is none.
    ///
    /// Refuses a folder that another process has open, one of another format, and one with damaged files, each by name.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Store, OpenError> {
        fs::create_dir_all(folder).map_err(|error| OpenError::io(folder, &error))?;
        let lock = Lock::acquire(folder)?;
        let engine = Arc::new(FjallEngine::open(folder)?);
        Store::start(engine, options, Some(lock))
            .map_err(|error| OpenError::damaged(folder, &error.to_string()))
    }

    /// Starts on an engine.
    fn start(
        engine: Arc<dyn Engine>,
        options: StoreOptions,
        lock: Option<Lock>,
    ) -> Result<Store, StoreError> {
        let snapshot = engine.snapshot();
        let tables = catalog::load(snapshot.as_ref())?;
        let last = match snapshot.get(Space::Meta, META_COMMIT)? {
            Some(bytes) => Last::decode(&bytes)
                .ok_or_else(|| StoreError::Damaged("the last commit in the space meta".to_owned()))?,
            None => Last::default(),
        };
        drop(snapshot);
        let sync = options.durability == Durability::Synced;
        let clock = options.clock;
        let committer = Committer::start(engine.clone(), tables, last, sync, clock.clone())
            .map_err(|error| StoreError::Damaged(format!("cannot start a thread: {error}")))?;
        Ok(Store { inner: Arc::new(Inner { committer, engine, clock, _lock: lock }) })
    }

    /// Answers what was asked for so far, makes it durable, and refuses all further writes.
    /// The folder's lock is let go with the last clone.
    pub fn close(&self) -> Result<(), StoreError> {
        self.inner.committer.stop();
        match self.failure() {
            Some(reason) => Err(StoreError::ReadOnly(reason)),
            None => Ok(self.inner.engine.sync()?),
        }
    }

    /// Why writes are refused since one failed, and what to do.
    pub fn failure(&self) -> Option<String> {
        self.inner.committer.published.failure().cloned()
    }

    /// Creates a table. Durable when it returns.
    pub fn create_table(&self, schema: TableSchema) -> Result<(), StoreError> {
        self.transact(|transaction| catalog::create(transaction, schema))
    }

    /// Names of all tables, sorted.
    pub fn tables(&self) -> Vec<String> {
        self.inner.committer.published.tables().keys().cloned().collect()
    }

    /// What a table is.
    pub fn table(&self, name: &str) -> Result<Arc<TableInfo>, StoreError> {
        self.find_table(name).map(|table| table.info.clone())
    }

    /// Changes a table. Durable when it returns.
    pub fn update_table(&self, name: &str, update: TableUpdate) -> Result<Arc<TableInfo>, StoreError> {
        let name = name.to_owned();
        self.transact(move |transaction| catalog::update(transaction, &name, update))
            .map(|table| table.info.clone())
    }

    /// Deletes a table with its rows, its log and its tunnels. Durable when it returns; the space is freed by and by.
    pub fn delete_table(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.transact(move |transaction| catalog::delete(transaction, &name))
    }

    /// Number of the last commit.
    pub fn last_commit(&self) -> u64 {
        *self.commits().borrow()
    }

    /// Follows the number of the last commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.committer.published.last()
    }

    /// The clock it was opened with.
    pub(crate) fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// A table as of the last commit.
    pub(crate) fn find_table(&self, name: &str) -> Result<Arc<Table>, StoreError> {
        let tables = self.inner.committer.published.tables();
        tables.get(name).cloned().ok_or_else(|| StoreError::TableMissing(name.to_owned()))
    }

    /// Runs `act` on the commit thread as one request, and returns once its group is durable. An error takes back all that it wrote.
    pub(crate) fn transact<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = channel();
        let act = move |transaction: &mut Transaction<'_>| -> Finish {
            let result = act(transaction);
            if result.is_err() {
                transaction.undo();
            }
            // Nobody is left to be told if sending fails.
            Box::new(move |committed| drop(answer.send(committed.and(result))))
        };
        self.inner.committer.queue(Box::new(act), 0)?;
        // A request whose answer got lost was in a group that panicked.
        answered.recv().unwrap_or_else(|_| Err(StoreError::ReadOnly(self.failure().unwrap_or_default())))
    }

    /// A consistent view of what is committed.
    pub(crate) fn snapshot(&self) -> Box<dyn Snapshot> {
        self.inner.engine.snapshot()
    }
}
