//! The thread of the job: it waits for the tables, starts from the checkpoint or the order table,
//! and follows the changes.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use dataflows::{Change, Order};
use tokio::runtime::Runtime;
use tokio::sync::{broadcast, watch};
use tracing::{info, warn};

use super::JobConfig;
use super::change::OrderChanges;
use super::checkpoint::{Checkpoint, Found, Rejects, load};
use super::failure::JobFailure;
use super::recorded::Head;
use super::sink::{Sink, empty};
use super::status::{Committed, Phase, Status};
use super::tables::{Look, Wanted};
use cluster::Workers;
use host::{BLOCK_RECORDS_MAX, Done, GraphShape, Host};
use order_tables::{ORDER_SOURCE, RESULT_TABLES, RejectRow, order_of};
use store::Store;
use store::changes::ChangeRef;
use store::error::{ReadError, Refusal, WriteError};
use store::format::TableId;
use store::tunnel::{ChangeBatch, ChangeReader};
use store::value::{KeyRef, PrimaryKey};
use store::view::View;

/// The number of rows between two checks whether to stop, while the order table is read.
const ROWS_BETWEEN_LOOKS: u64 = 65_536;

/// About the number of bytes of a row's totals in the graph: entry, slot and note of the epoch.
const STATE_ENTRY_BYTES: u64 = 72;

/// How a sitting ends.
enum End {
    /// The job was asked to stop.
    Stop,
    /// The tables, or the log, are no longer what the sitting began with.
    Again,
}

/// The state of the job's thread.
pub(super) struct Life {
    pub(super) store: Store,
    pub(super) config: JobConfig,
    pub(super) status: watch::Sender<Status>,
    pub(super) committed: broadcast::Sender<Arc<Committed>>,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) runtime: Runtime,
    /// The last commit when the job began.
    pub(super) begun_at: u64,
    pub(super) wanted: Wanted,
}

/// A sitting: the graph and the sink between two changes of the tables.
struct Sitting {
    host: Host,
    sink: Sink,
    tables: Vec<TableId>,
    /// The results are those of the orders as of all commits below this one.
    upper: u64,
}

impl Life {
    /// Runs until the job is asked to stop.
    pub(super) fn run(&mut self) -> Result<(), JobFailure> {
        loop {
            let refusals = self.store.refusals();
            match self.sit() {
                Ok(End::Stop) => return Ok(()),
                Ok(End::Again) => {}
                // A table was deleted while the job wrote to it. The next look finds out which one.
                Err(failure) if failure.is_of_changed_tables() => {}
                // What was read or written was cut off, and can be again.
                Err(_) if self.await_writes(refusals) => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Waits for the tables, and follows the orders until the job is to stop or to begin again.
    fn sit(&mut self) -> Result<End, JobFailure> {
        let Some(tables) = self.await_tables()? else { return Ok(End::Stop) };
        self.store.reserve(&RESULT_TABLES)?;
        match self.begin(tables)? {
            Some(mut sitting) => self.follow(&mut sitting),
            None => Ok(End::Again),
        }
    }

    /// Waits while the store refuses writes for a cause that may pass. Returns whether it has
    /// refused them at all since `refusals` was made, and refuses them no longer; true also if the
    /// job is to stop.
    fn await_writes(&mut self, mut refusals: watch::Receiver<Option<Refusal>>) -> bool {
        let has_changed = refusals.has_changed().unwrap_or(false);
        let refusal = refusals.borrow_and_update().clone();
        let Some(Refusal { reason, passes }) = refusal else { return has_changed };
        if !passes {
            return false;
        }
        self.tell(Phase::Blocked(reason));
        let stop = &mut self.stop;
        self.runtime.block_on(async {
            tokio::select! {
                // Either wait fails only if its sender is gone. Then there is nothing to wait for.
                _ = stop.wait_for(|stop| *stop) => true,
                refusal = refusals.wait_for(|refusal| refusal.as_ref().is_none_or(|refusal| !refusal.passes)) => {
                    refusal.is_ok_and(|refusal| refusal.is_none())
                }
            }
        })
    }

    /// Returns the time of the store's clock (epoch ms).
    fn now_ms(&self) -> i64 {
        self.store.clock().now_us().div_euclid(1_000)
    }

    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }

    fn tell(&self, phase: Phase) {
        self.status.send_if_modified(|status| {
            let differs = status.phase != phase;
            status.phase = phase;
            differs
        });
    }

    /// Waits for a commit after `seen`. Returns false if the job is to stop instead.
    fn await_commit(&mut self, seen: u64) -> bool {
        let mut commits = self.store.commits();
        let stop = &mut self.stop;
        self.runtime.block_on(async {
            tokio::select! {
                // Either wait fails only if its sender is gone. Then there is nothing to wait for.
                _ = stop.wait_for(|stop| *stop) => false,
                more = commits.wait_for(|last| *last > seen) => more.is_ok(),
            }
        })
    }

    /// Waits until all tables are as the job needs them. Returns `None` if the job is to stop
    /// instead.
    fn await_tables(&mut self) -> Result<Option<Vec<TableId>>, JobFailure> {
        loop {
            if self.stopping() {
                return Ok(None);
            }
            let view = self.store.view()?;
            let seen = view.last_commit();
            let look = self.wanted.look(|name| view.find_table(name));
            match look {
                Look::Ready(tables) => return Ok(Some(tables)),
                Look::Incomplete => self.wanted.complete(&self.store)?,
                Look::Missing | Look::Wrong(_) => {
                    self.store.reserve(&[])?;
                    self.forget_gone(&view)?;
                    self.status.send_modify(|status| match look {
                        Look::Wrong(reason) => status.phase = Phase::Blocked(reason),
                        _ => *status = without_orders(status, seen + 1),
                    });
                    if !self.await_commit(seen) {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Deletes the results of a table of orders that is no longer there.
    fn forget_gone(&self, view: &View) -> Result<(), JobFailure> {
        let Some(head) = Head::read(view)? else { return Ok(()) };
        let source = view.find_table(ORDER_SOURCE).map(|table| table.id.0);
        if head.is_ok_and(|head| head.tables.first().copied() == source) {
            return Ok(());
        }
        info!("table {ORDER_SOURCE} was deleted, and the results of its orders with it");
        match empty(&self.store, view, &self.config.layout) {
            // A table was deleted in the meantime.
            Err(JobFailure::Write(WriteError::NoTable(_))) => Ok(()),
            done => done,
        }
    }

    /// Starts the graph from the checkpoint, or else from the order table. Returns `None` if the
    /// tables have changed, or if the job is to stop.
    fn begin(&mut self, tables: Vec<TableId>) -> Result<Option<Sitting>, JobFailure> {
        let view = self.store.view()?;
        if self.wanted.look(|name| view.find_table(name)) != Look::Ready(tables.clone()) {
            return Ok(None);
        }
        let kept = self.usable(&view, &tables)?;
        let is_kept = kept.is_some();
        let upper = kept.as_ref().map_or(view.last_commit() + 1, |kept| kept.head.upper.max(1));
        let workers = Workers::threads(self.config.workers);
        let shape = GraphShape { upserts: false, kept: true, windows: self.config.layout.windows.clone() };
        let mut host = Host::start(workers, shape, upper - 1)
            .map_err(|error| JobFailure::Graph(format!("cannot start the workers of the graph: {error}")))?;
        let loaded = match kept {
            Some(kept) => Some(keep(&mut host, upper, kept)?),
            None => self.rebuild(&mut host, &view, upper)?,
        };
        let Some((rows, rejects)) = loaded else { return Ok(None) };
        let mut sink = Sink::new(self.store.clone(), self.config.layout.clone(), tables.clone());
        if sink.start(&view, upper, &rows, &rejects, is_kept)? && is_kept {
            warn!("result tables were not as they had been written, and are again");
        }
        Ok(Some(Sitting { host, sink, tables, upper }))
    }

    /// Returns the checkpoint if the job can go on from it. Otherwise logs why not.
    fn usable(&self, view: &View, tables: &[TableId]) -> Result<Option<Checkpoint>, JobFailure> {
        let reason = match load(view)? {
            Found::Nothing => {
                info!("no checkpoint yet: reading the order table");
                return Ok(None);
            }
            Found::Unusable(unusable) => unusable.to_string(),
            Found::Whole(kept) => {
                if kept.head.tables.first() != tables.first().map(|id| &id.0) {
                    "it is of another table of orders".to_owned()
                } else if !kept.head.has_windows(&self.config.layout) {
                    "it is of other windows".to_owned()
                } else if !kept.head.has_clock(&self.config.layout) {
                    "its windows begin at other times".to_owned()
                } else {
                    match view.check_changes(ORDER_SOURCE, kept.head.upper.max(1)) {
                        Ok(()) => return Ok(Some(kept)),
                        Err(ReadError::NotKept(gone)) => gone.to_string(),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
        };
        warn!("the checkpoint cannot be used: {reason}; reading the order table anew");
        Ok(None)
    }

    /// Reads the whole order table into the graph. Returns `None` if the job is to stop.
    #[allow(clippy::type_complexity)] // The rows and rejects of the first epoch, as of `keep`.
    fn rebuild(
        &self,
        host: &mut Host,
        view: &View,
        upper: u64,
    ) -> Result<Option<(Vec<Change>, Rejects)>, JobFailure> {
        let (epoch, mut rows) = (upper - 1, 0_u64);
        let mut block: Vec<(Order, u64, i64)> = Vec::with_capacity(BLOCK_RECORDS_MAX);
        let mut rejected: Vec<(PrimaryKey, String)> = Vec::new();
        let (mut lost, mut stopped) = (None, false);
        self.tell(Phase::Rebuilding(0));
        view.each_row(ORDER_SOURCE, None, &mut |key, cells| {
            match order_of(key, cells) {
                Ok(order) => block.push((order, epoch, 1)),
                Err(reason) => rejected.push((key.iter().copied().map(KeyRef::to_value).collect(), reason)),
            }
            if block.len() == BLOCK_RECORDS_MAX {
                let full = std::mem::replace(&mut block, Vec::with_capacity(BLOCK_RECORDS_MAX));
                lost = host.orders(full).err();
            }
            rows += 1;
            if rows.is_multiple_of(ROWS_BETWEEN_LOOKS) {
                self.tell(Phase::Rebuilding(rows));
                stopped = self.stopping();
            }
            if lost.is_some() || stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        if let Some(lost) = lost {
            return Err(lost.into());
        }
        if stopped {
            return Ok(None);
        }
        self.tell(Phase::Rebuilding(rows));
        host.orders(block)?;
        let mut rejects = Rejects::new();
        for (key, reason) in rejected {
            let commit = view.written_at(ORDER_SOURCE, &key)?.unwrap_or(epoch);
            rejects.insert(key.clone(), RejectRow { key, reason, commit });
        }
        Ok(Some((host.finish(upper)?.changes, rejects)))
    }

    /// Follows the changes, a batch at a time, until the job is to stop or to begin again.
    fn follow(&mut self, sitting: &mut Sitting) -> Result<End, JobFailure> {
        let mut reader = ChangeReader::new(self.store.clone(), ORDER_SOURCE, sitting.upper);
        self.show(sitting, None);
        self.status.send_modify(|status| {
            status.phase = Phase::Running;
            status.sittings += 1;
        });
        loop {
            if self.stopping() {
                return Ok(End::Stop);
            }
            if self.wanted.look(|name| self.store.find_table(name).ok())
                != Look::Ready(sitting.tables.clone())
            {
                return Ok(End::Again);
            }
            let last = self.store.last_commit();
            let none_yet = || OrderChanges::new(self.now_ms(), self.config.layout.windows.clone());
            let mut order_changes = None;
            // The clock is read when the first change is seen: that time decides which changes are
            // late.
            let mut push = |commit, change: &ChangeRef<'_>| {
                order_changes.get_or_insert_with(none_yet).push(commit, change);
            };
            match reader.next_batch(self.config.changes_max, &mut push)? {
                None => {
                    self.status.send_modify(|status| status.behind_since = None);
                    self.await_commit(last);
                }
                Some(batch) => {
                    let upper = batch.upper;
                    self.status.send_if_modified(|status| {
                        status.behind_since.get_or_insert_with(Instant::now);
                        false
                    });
                    let commit = self.take(sitting, batch, order_changes.unwrap_or_else(none_yet))?;
                    sitting.upper = upper;
                    // That commit contains nothing but these results.
                    if commit == Some(upper) {
                        reader.skip_to(upper + 1);
                        sitting.upper += 1;
                    }
                    self.show(sitting, commit);
                }
            }
        }
    }

    /// Sends a batch through the graph and writes its results. Returns the number of their commit;
    /// `None` if no result changed.
    fn take(
        &self,
        sitting: &mut Sitting,
        batch: ChangeBatch,
        mut order_changes: OrderChanges,
    ) -> Result<Option<u64>, JobFailure> {
        let (epoch, orders) = (batch.upper - 1, batch.changes);
        let diffs = order_changes.take_orders(epoch);
        let OrderChanges { rejects, rejects_diff, late, .. } = order_changes;
        if diffs.is_empty() && rejects.is_empty() {
            return Ok(None);
        }
        let since = Instant::now();
        sitting.host.orders(diffs)?;
        let Done { changes, records } = sitting.host.finish(batch.upper)?;
        let in_graph = since.elapsed();
        let commit =
            sitting.sink.commit(batch.upper, &changes, rejects.into_iter().collect(), rejects_diff)?;
        self.status.send_if_modified(|status| {
            status.changes += orders as u64;
            false
        });
        let at = Instant::now();
        let committed = Committed { epoch, orders, changes, records, in_graph, at, late };
        // It is no error if nobody listens.
        let _ = self.committed.send(Arc::new(committed));
        Ok(commit)
    }

    /// Updates the status with what the results hold now.
    fn show(&self, sitting: &Sitting, commit: Option<u64>) {
        let counts = sitting.sink.counts;
        self.status.send_modify(|status| {
            status.upper = sitting.upper;
            status.is_counted = true;
            status.total = counts.total;
            status.rows = counts.rows;
            status.rejects = counts.rejects;
            status.commits += u64::from(commit.is_some());
            status.caught_up |= sitting.upper > self.begun_at;
            status.state_bytes = counts.rows.iter().sum::<u64>() * STATE_ENTRY_BYTES;
        });
    }
}

/// Returns the status while there is no table of orders: there are no orders, so the results hold
/// all of them. The counters since the start stay.
fn without_orders(status: &Status, upper: u64) -> Status {
    let Status { changes, commits, sittings, .. } = *status;
    Status {
        phase: Phase::Waiting,
        upper,
        is_counted: true,
        changes,
        commits,
        sittings,
        caught_up: true,
        ..Status::default()
    }
}

/// Loads a checkpoint into the graph. Returns its rows and rejects.
fn keep(host: &mut Host, upper: u64, kept: Checkpoint) -> Result<(Vec<Change>, Rejects), JobFailure> {
    let Checkpoint { totals, rejects, .. } = kept;
    host.keep(totals)?;
    Ok((host.finish(upper)?.changes, rejects))
}
