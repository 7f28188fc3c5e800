//! The order store: tables of rows, and the log of their changes. Every commit is durable before it
//! is acknowledged, unless the store was opened with [`Durability::Relaxed`].
//!
//! The store has the data model of Tablestore. The wire protocol is in the room
//! `tablestore`.
//!
//! ```text
//!  write ─► prepare (caller's thread) ─► commit thread ─► engine: rows + log + meta in one batch
//!  get, range ─► engine's snapshot ─► select, filter ─► borrowed cells
//!  tunnel ─► log
//! ```
//!
//! [`format`](mod@format) describes what is on disk.

pub mod append;
mod apply;
mod background;
pub mod backup;
mod catalog;
pub mod change;
pub mod changes;
mod check;
mod check_key;
mod commit;
mod direction;
pub mod edit;
pub(crate) mod engine;
pub mod error;
pub mod filter;
pub mod format;
mod key;
mod lock;
pub mod log;
mod meta;
mod options;
mod prepare;
mod purge;
pub mod read;
mod row;
mod rows;
pub mod schema;
mod select;
mod splits;
mod stats;
pub mod table;
mod time_to_live;
mod transaction;
pub mod tunnel;
pub mod value;
pub mod view;

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::watch;

use self::append::Reserved;
use self::background::Background;
use self::backup::Restoring;
use self::change::{Write, Written};
use self::commit::{Committer, Finish};
use self::engine::fjall::FjallEngine;
use self::engine::{Engine, Snapshot};
use self::error::{
    CatalogError, CloseError, Damage, Halt, NoTable, OpenError, ReadError, Refusal, WriteError,
};
use self::lock::{Lock, Marker};
use self::prepare::{Prepared, prepare};
use self::read::{RangeRead, Selection};
use self::schema::{TableInfo, TableSchema, TableUpdate};
use self::table::Table;
use self::transaction::{Transaction, last_of};
use self::value::{CellRef, KeyRef, NamedKey, PrimaryKey, Row};

pub use self::check::Checked;
pub use self::engine::fjall::{OPEN_FILES_MAX, READING_THREADS_MAX, panic_message};
pub use self::format::CHANNELS;
pub use self::options::{Clock, Durability, StoreOptions};
pub use self::splits::SPLIT_POINTS_MAX;
pub use self::stats::{DURATION_BOUNDS, Durations, Stats};

/// An open store. It is cheap to clone, and dropping the last clone closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    committer: Committer,
    engine: Arc<dyn Engine>,
    clock: Clock,
    reserved: Reserved,
    tunnels: tunnel::Sessions,
    background: OnceLock<Background>,
    /// The store's folder, which is released last; `None` for a store in memory.
    held: Option<Held>,
}

/// The lock and the marker that a store holds in its folder while it is open.
struct Held {
    /// The marker to clear once everything is synced.
    marker: Option<Marker>,
    _lock: Lock,
}

impl Inner {
    /// Ends the threads and makes everything durable.
    fn close(&self) -> Result<(), CloseError> {
        if let Some(background) = self.background.get() {
            // The last clone may be dropped in an answer on the commit thread. The background may
            // be waiting for that thread, so this must not wait for the background.
            background.stop(!self.committer.is_current());
        }
        self.committer.stop();
        if let Some(refusal) = self.committer.published.refusal().borrow().as_ref() {
            return Err(CloseError::Failed(refusal.reason.clone()));
        }
        self.engine.sync()?;
        match self.held.as_ref().and_then(|held| held.marker.as_ref()) {
            Some(marker) => marker.clear().map_err(|error| CloseError::NotSynced(Damage(error.to_string()))),
            None => Ok(()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A caller that wants to know the error calls `Store::close`.
        let _ = self.close();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("last_commit", &self.last_commit()).finish_non_exhaustive()
    }
}

impl Store {
    /// Returns whether a folder contains a store, so that [`Store::open`] would not have to create
    /// it.
    pub fn is_in(folder: &Path) -> bool {
        FjallEngine::is_in(folder)
    }

    /// Opens the store in a folder, and creates it if there is none.
    ///
    /// Refuses a folder that another process has open, a folder in another format, and a folder
    /// with damaged files. The error names the folder or file.
    pub fn open(folder: &Path, options: StoreOptions) -> Result<Store, OpenError> {
        fs::create_dir_all(folder).map_err(|error| OpenError::io(folder, &error))?;
        let lock = Lock::acquire(folder)?;
        Restoring::check(folder)?;
        let relaxed = options.durability == Durability::Relaxed;
        let marker = Marker::new(folder);
        let engine = Arc::new(FjallEngine::open(folder, marker.is_set()?)?);
        // The engine has checked and synced the journal, so the marker may change.
        if relaxed {
            marker.set()?
        } else {
            marker.clear()?
        }
        let held = Held { marker: relaxed.then_some(marker), _lock: lock };
        Store::start(engine, options, Some(held))
            .map_err(|error| OpenError::damaged(folder, &error.to_string()))
    }

    /// Starts a store on an engine.
    fn start(engine: Arc<dyn Engine>, options: StoreOptions, held: Option<Held>) -> Result<Store, Damage> {
        let snapshot = engine.snapshot();
        let tables = catalog::load(snapshot.as_ref())?;
        let last = last_of(snapshot.as_ref())?;
        drop(snapshot);
        let sync = options.durability == Durability::Synced;
        let clock = options.clock;
        let thread = |error| Damage(format!("cannot start a thread: {error}"));
        let committer =
            Committer::start(engine.clone(), tables, last, sync, clock.clone()).map_err(thread)?;
        let submitter = committer.submitter().clone();
        let tunnels = tunnel::Sessions::new(clock.now_us());
        let background = OnceLock::new();
        let (engine_of_store, reserved) = (engine.clone(), Reserved::default());
        let inner = Arc::new(Inner {
            committer,
            engine: engine_of_store,
            clock,
            reserved,
            tunnels,
            background,
            held,
        });
        let background = Background::start(Arc::downgrade(&inner), engine, submitter).map_err(thread)?;
        inner.background.get_or_init(|| background);
        Ok(Store { inner })
    }

    /// Answers all requests so far, makes them durable, and refuses all further writes. The
    /// folder's lock is released when the last clone is dropped.
    pub fn close(&self) -> Result<(), CloseError> {
        self.inner.close()
    }

    /// Returns why writes are refused and what to do; `None` while they are taken.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusals().borrow().clone()
    }

    /// Returns a receiver that follows why writes are refused; its value is `None` while they are
    /// taken. A failure of the engine's own threads is told within 2 s, also while nobody writes.
    pub fn refusals(&self) -> watch::Receiver<Option<Refusal>> {
        self.inner.committer.published.refusal()
    }

    /// Creates a table. The table is durable when this returns.
    pub fn create_table(&self, schema: TableSchema) -> Result<(), CatalogError> {
        self.transact(|transaction| catalog::create(transaction, schema))
    }

    /// Returns the names of all tables, sorted.
    pub fn tables(&self) -> Vec<String> {
        self.inner.committer.published.tables().keys().cloned().collect()
    }

    /// Returns the description of a table.
    pub fn table(&self, name: &str) -> Result<Arc<TableInfo>, NoTable> {
        self.find_table(name).map(|table| table.info.clone())
    }

    /// Changes a table. The change is durable when this returns.
    pub fn update_table(&self, name: &str, update: TableUpdate) -> Result<Arc<TableInfo>, CatalogError> {
        let (name, reserved) = (name.to_owned(), self.inner.reserved.clone());
        self.transact(move |transaction| {
            if update.options.is_some() && reserved.contains(&name) {
                return Err(CatalogError::Reserved(name));
            }
            catalog::update(transaction, &name, update)
        })
        .map(|table| table.info.clone())
    }

    /// Deletes a table with its rows, its log and its tunnels. The deletion is durable when this
    /// returns. The disk space is freed later, in the background.
    pub fn delete_table(&self, name: &str) -> Result<(), CatalogError> {
        let name = name.to_owned();
        self.transact(move |transaction| catalog::delete(transaction, &name))?;
        if let Some(background) = self.inner.background.get() {
            background.wake();
        }
        Ok(())
    }

    /// Queues a request of writes. Calls `done` with an answer for each write, in order, once all
    /// writes that took place are durable.
    ///
    /// One request is one commit, and each of its writes takes place or is refused by itself. This
    /// checks and encodes the writes on the caller's thread and never waits. `done` runs on the
    /// commit thread and must be quick. The queue has no limit of its own: the caller limits how
    /// much it queues.
    pub fn write(
        &self,
        writes: Vec<Write>,
        done: impl FnOnce(Vec<Result<Written, WriteError>>) + Send + 'static,
    ) {
        let tables = self.inner.committer.published.tables();
        let count = writes.len();
        let mut bytes = 0;
        let prepared: Vec<Result<Prepared, WriteError>> = writes
            .into_iter()
            .map(|write| {
                bytes += write.bytes();
                let table = tables.get(&write.table).cloned();
                prepare(table.ok_or_else(|| NoTable(write.table.clone()))?, write)
            })
            .collect();
        // If the request cannot be queued, this thread calls `done` itself.
        let done = Arc::new(Mutex::new(Some(done)));
        let answer = done.clone();
        let published = self.inner.committer.published.clone();
        let reserved = self.inner.reserved.clone();
        let act = move |transaction: &mut Transaction<'_>| -> Finish {
            let answers = published.guard(|| apply_all(transaction, prepared, &reserved));
            Box::new(move |committed| {
                let answers = match committed {
                    Ok(()) => answers,
                    Err(halt) => vec![Err(halt.into()); answers.len()],
                };
                if let Some(done) = take(&answer) {
                    done(answers);
                }
            })
        };
        if let Err(halt) = self.inner.committer.submitter().queue(Box::new(act), bytes)
            && let Some(done) = take(&done)
        {
            done(vec![Err(halt.into()); count]);
        }
    }

    /// Does the same as [`Store::write`], waits for the answers and returns them.
    pub fn write_and_wait(&self, writes: Vec<Write>) -> Vec<Result<Written, WriteError>> {
        let count = writes.len();
        let (answer, answered) = channel();
        // If sending fails, nobody waits for the answers any more.
        self.write(writes, move |answers| drop(answer.send(answers)));
        answered.recv().unwrap_or_else(|_| vec![Err(self.inner.committer.published.lost().into()); count])
    }

    /// Reads one row. Returns `None` if the row does not exist or has nothing that the selection
    /// asks for.
    pub fn get(&self, table: &str, key: &NamedKey, selection: &Selection) -> Result<Option<Row>, ReadError> {
        let table = self.find_table(table)?;
        rows::get(self.snapshot().as_ref(), &table, key, selection, self.inner.clock.now_us() / 1_000)
    }

    /// Reads a page of a range in one scan. Returns the key at which the next page starts, or
    /// `None` at the end of the range.
    ///
    /// Passes each row, borrowed, to `emit`, which returns how many bytes it made of the row. These
    /// bytes count towards [`PAGE_BYTES_MAX`](read::PAGE_BYTES_MAX). A page may be empty without
    /// being the last, so that a filter that few rows pass does not make one page scan for ever.
    pub fn range(
        &self,
        read: &RangeRead,
        emit: &mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> usize,
    ) -> Result<Option<PrimaryKey>, ReadError> {
        let table = self.find_table(&read.table)?;
        rows::range(self.snapshot().as_ref(), &table, read, self.inner.clock.now_us() / 1_000, emit)
    }

    /// Reads everything and checks that the rows of each table are what its log has made them, as
    /// far as the log reaches back. Takes memory for all keys in the log of one table at a time.
    pub fn check(&self) -> Result<Checked, Damage> {
        let snapshot = self.snapshot();
        let mut checked = Checked::default();
        for table in catalog::load(snapshot.as_ref())?.values() {
            check::check_table(snapshot.as_ref(), table, &mut checked)?;
        }
        Ok(checked)
    }

    /// Returns the number of the last commit.
    pub fn last_commit(&self) -> u64 {
        *self.commits().borrow()
    }

    /// Returns a receiver that follows the number of the last commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.inner.committer.published.last()
    }

    /// Returns the clock that the store was opened with.
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// Returns the names of the tables that callers may not write.
    pub(crate) fn reserved(&self) -> &Reserved {
        &self.inner.reserved
    }

    /// Returns what is kept in memory about the tunnels in use.
    pub(crate) fn tunnel_sessions(&self) -> &tunnel::Sessions {
        &self.inner.tunnels
    }

    /// Returns a table as of the last commit.
    pub fn find_table(&self, name: &str) -> Result<Arc<Table>, NoTable> {
        let tables = self.inner.committer.published.tables();
        tables.get(name).cloned().ok_or_else(|| NoTable(name.to_owned()))
    }

    /// Runs `act` on the commit thread as one request and returns once its group is durable. If
    /// `act` returns an error, everything that it wrote is undone.
    pub(crate) fn transact<T: Send + 'static, E: From<Halt> + Send + 'static>(
        &self,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        self.inner.committer.submitter().transact(act)
    }

    /// Returns a consistent snapshot of what is committed.
    pub(crate) fn snapshot(&self) -> Box<dyn Snapshot> {
        self.inner.engine.snapshot()
    }
}

/// Applies each write of a request by itself and returns the answers in order.
fn apply_all(
    transaction: &mut Transaction<'_>,
    prepared: Vec<Result<Prepared, WriteError>>,
    reserved: &Reserved,
) -> Vec<Result<Written, WriteError>> {
    let mut answers = Vec::with_capacity(prepared.len());
    for (index, prepared) in (0..).zip(prepared) {
        answers.push(prepared.and_then(|prepared| {
            let table = prepared.table.name();
            if reserved.contains(table) {
                return Err(WriteError::Reserved(table.to_owned()));
            }
            apply::apply(transaction, prepared, index)
        }));
    }
    if !transaction.changed() {
        // The request makes no commit of its own, so its answers name the last commit.
        let last = transaction.number() - 1;
        answers.iter_mut().flatten().for_each(|written| written.commit = last);
    }
    answers
}

fn take<T>(slot: &Mutex<Option<T>>) -> Option<T> {
    slot.lock().unwrap_or_else(PoisonError::into_inner).take()
}
