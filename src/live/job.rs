//! The live job: the order table's changes through the graph into the result tables, each epoch in one commit.
//!
//! ```text
//!  OrderSource ─ log ─► ChangeReader ─► Changes ─► Graph ─► Sink ─► result tables + checkpoint + upper, in ONE commit
//!               [lower, upper)     before −1, after +1          └─► OrderRejects
//! ```
//!
//! An epoch is the number of the last commit that it holds; no clock takes part in a result. What is in flight is bounded by the
//! batch, which grows with what has come while the one before was under way. Without changes everything sleeps.
//!
//! The checkpoint is the totals by key, in the same commit as the results, so a start costs live users and windows, not orders.
//! One that is missing, damaged, of another version or too old for the log is made anew from the order table.
//!
//! What the job does when tables change under it: without `OrderSource` there are no orders, so results and checkpoint go, and it
//! waits; a result table that was deleted is made again with all its rows; a table in another form than it must have blocks the job
//! until it is gone or mended. The job reads the log itself: tunnels are for other programs, and may come and go.

mod change;
mod checkpoint;
mod fault;
mod late;
mod reconcile;
mod recorded;
mod run;
mod sink;
pub mod status;
mod tables;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use dataflows::ViewId;
use tokio::sync::{broadcast, watch};

use self::run::Life;
use self::tables::Wanted;
use orders::Layout;
use store::Store;
use store::error::Damage;

pub use late::{LATE_ROWS_MAX, Late, LateChange, Placed};
#[cfg(test)]
pub(crate) use recorded::HEAD_KEY;
pub(crate) use recorded::Head;
pub use recorded::Recorded;
pub use status::{Committed, Phase, Status};

/// Changes that go into the graph as one epoch where nothing else is said.
pub const CHANGES_MAX: usize = 10_000;

/// Epochs that a follower may be behind before it misses some.
const EPOCHS_UNREAD_MAX: usize = 1_024;

/// How the job runs.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// Worker threads of the graph, at least 1.
    pub workers: usize,
    /// Width of the windows and the zone that they are printed in.
    pub layout: Layout,
    /// Changes after which a batch ends with their commit: what is in flight at most, but for one large commit.
    pub changes_max: usize,
}

/// Why a job does not start.
#[derive(Debug)]
pub enum JobError {
    /// The results that are there have other windows, or another zone.
    Layout(String),
    /// The store cannot be read.
    Store(Damage),
    /// The system gives no thread.
    System(std::io::Error),
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::Layout(message) => f.write_str(message),
            JobError::Store(error) => error.fmt(f),
            JobError::System(error) => write!(f, "cannot start a thread: {error}"),
        }
    }
}

impl std::error::Error for JobError {}

impl JobError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            JobError::Layout(_) => 2,
            _ => 3,
        }
    }
}

/// A running job. Ends when it is dropped.
#[derive(Debug)]
pub struct Job {
    watch: JobWatch,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// Looks at a job.
#[derive(Clone, Debug)]
pub struct JobWatch {
    status: watch::Receiver<Status>,
    committed: broadcast::Sender<Arc<Committed>>,
}

impl Job {
    /// Starts it; results follow the orders from the moment that its status says so.
    ///
    /// # Errors
    /// [`JobError`], before anything is written.
    pub fn start(store: Store, config: JobConfig) -> Result<Job, JobError> {
        check_layout(&store, &config.layout)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(JobError::System)?;
        let (status, seen) = watch::channel(Status::default());
        let (stop, stopping) = watch::channel(false);
        let (committed, _) = broadcast::channel(EPOCHS_UNREAD_MAX);
        let watch = JobWatch { status: seen, committed: committed.clone() };
        let begun_at = store.last_commit();
        let life = Life {
            store,
            config,
            status,
            committed,
            stop: stopping,
            runtime,
            begun_at,
            wanted: Wanted::new(),
        };
        let thread =
            Builder::new().name("job".to_owned()).spawn(move || live(life)).map_err(JobError::System)?;
        Ok(Job { watch, stop, thread: Some(thread) })
    }

    /// What others need to follow it.
    pub fn watch(&self) -> JobWatch {
        self.watch.clone()
    }

    /// Ends it after the epoch that is under way, and frees the result tables. Returns once it has ended.
    pub fn stop(self) {}
}

impl Drop for Job {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and told.
            let _ = thread.join();
        }
    }
}

/// The job's thread.
fn live(mut life: Life) {
    let ended = catch_unwind(AssertUnwindSafe(|| life.run()));
    let phase = match ended {
        Ok(Ok(())) => match life.store.reserve(&[]) {
            Ok(()) | Err(_) => Phase::Stopped,
        },
        Ok(Err(fault)) => Phase::Failed(fault.to_string()),
        Err(_) => Phase::Failed("internal error in the live job; start again".to_owned()),
    };
    life.status.send_modify(|status| status.phase = phase);
}

/// Refuses to go on with results that have other windows, or another zone, than is asked for.
fn check_layout(store: &Store, layout: &Layout) -> Result<(), JobError> {
    let view = store.view().map_err(JobError::Store)?;
    let Some(Ok(head)) = Head::read(&view).map_err(JobError::Store)? else { return Ok(()) };
    let is_there =
        |of: &ViewId| view.find_table(of.table).is_some_and(|table| head.tables.contains(&table.id.0));
    let windows = ViewId::all().filter(|of| of.has_windows() && is_there(of)).map(|of| of.table);
    let windows = windows.collect::<Vec<_>>().join(" and ");
    match head.layout().filter(|_| !windows.is_empty() && !head.has_windows(layout)) {
        None => Ok(()),
        Some(kept) => Err(JobError::Layout(format!(
            "the results that are there have windows of {} ms in the zone {}, not of {} ms in {}: say --window {}ms --timezone {}, \
             or delete the table {windows} first, served with --no-job",
            kept.width.ms(),
            kept.zone.name(),
            layout.width.ms(),
            layout.zone.name(),
            kept.width.ms(),
            kept.zone.name(),
        ))),
    }
}

impl JobWatch {
    /// What it is doing now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Follows its status.
    pub fn follow(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Epochs from now on, each once its results are durable. Who is too slow is told how many it missed.
    pub fn committed(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.committed.subscribe()
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
