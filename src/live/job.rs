//! Runs the live job: the changes of the order table go through the graph into the result tables,
//! each epoch in one commit.
//!
//! ```text
//!  OrderSource ─ log ─► ChangeReader ─► OrderChanges ─► Graph ─► Sink ─► result tables + checkpoint + upper, in ONE commit
//!               [lower, upper)     before −1, after +1               └─► OrderRejects
//! ```
//!
//! The number of an epoch is that of the last commit in it; no clock takes part in a result. The
//! changes in flight are bounded by the batch, which grows with what was committed while the batch
//! before was processed. Without changes all threads sleep.
//!
//! The checkpoint consists of the totals by key, in the same commit as the results. So the cost of
//! a start grows with the users and windows that have orders, not with the orders. A checkpoint
//! that is missing, damaged, of another version or too old for the log is made anew from the order
//! table.
//!
//! Tables may change while the job runs. Without `OrderSource` there are no orders, so the job
//! removes results and checkpoint, and waits. A result table that was deleted is made again with
//! all its rows. A table in another form than the job needs blocks the job until the table is
//! deleted or corrected. The job reads the log itself: tunnels are for other programs, and may come
//! and go.

mod change;
mod checkpoint;
mod failure;
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
use std::time::{Duration, Instant};

use dataflows::ViewId;
use tokio::sync::{broadcast, watch};

use self::run::Life;
use self::tables::Wanted;
use orders::Layout;
use store::Store;
use store::error::Damage;
use store::view::View;

pub use late::{LATE_ROWS_MAX, Late, LateChange, Placed};
#[cfg(test)]
pub(crate) use recorded::HEAD_KEY;
pub(crate) use recorded::Head;
pub use recorded::Recorded;
pub use status::{Committed, Phase, Status};

/// The number of changes after which a batch ends, unless the user gives another.
pub const CHANGES_MAX: usize = 10_000;

/// The number of epochs that a follower may be behind before it misses some.
const EPOCHS_UNREAD_MAX: usize = 1_024;

/// The time between two looks whether a job that is to stop has ended.
const STOP_POLL: Duration = Duration::from_millis(5);

/// The configuration of the job.
#[derive(Clone, Debug)]
pub struct JobConfig {
    /// The number of worker threads of the graph, at least 1.
    pub workers: usize,
    /// The width of the windows, and the zone that they are printed in.
    pub layout: Layout,
    /// The number of changes after which a batch ends. It ends with a whole commit, so a large
    /// commit may exceed this number.
    pub changes_max: usize,
}

/// Why a job does not start.
#[derive(Debug)]
pub enum JobError {
    /// The existing results have other windows, or another zone.
    Layout(String),
    /// The store cannot be read.
    Store(Damage),
    /// The system cannot start a thread.
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
    /// Returns the exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            JobError::Layout(_) => 2,
            _ => 3,
        }
    }
}

/// A running job. It ends when it is dropped.
#[derive(Debug)]
pub struct Job {
    watch: JobWatch,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A handle to look at a job. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct JobWatch {
    status: watch::Receiver<Status>,
    committed: broadcast::Sender<Arc<Committed>>,
}

impl Job {
    /// Starts a job. The results follow the orders once its status is [`Phase::Running`].
    ///
    /// # Errors
    /// Returns [`JobError`] before anything is written.
    pub fn start(store: Store, config: JobConfig) -> Result<Job, JobError> {
        let view = store.view().map_err(JobError::Store)?;
        let head = Head::read(&view).map_err(JobError::Store)?.and_then(Result::ok);
        if let Some(head) = &head {
            check_layout(&view, head, &config.layout)?;
        }
        drop(view);
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(JobError::System)?;
        let (status, seen) = watch::channel(head.map_or_else(Status::default, |head| Status::of(&head)));
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

    /// Returns a handle to follow the job with.
    pub fn watch(&self) -> JobWatch {
        self.watch.clone()
    }

    /// Ends the job after the epoch that is being processed, and frees the result tables. Returns
    /// once the job has ended.
    pub fn stop(self) {}

    /// Ends the job as [`Job::stop`] does. If it has not begun to follow the orders yet, waits for
    /// that at most `start_time_max`; then it is left to itself, and whatever it still writes is
    /// whole or refused.
    pub fn stop_within(mut self, start_time_max: Duration) {
        let _ = self.stop.send(true);
        let began = Instant::now();
        let starts = || matches!(self.watch.status().phase, Phase::Starting | Phase::Rebuilding(_));
        while self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) && starts() {
            if began.elapsed() >= start_time_max {
                self.thread = None;
                return;
            }
            std::thread::sleep(STOP_POLL);
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        // The job may have ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is caught and reported in the status.
            let _ = thread.join();
        }
    }
}

/// Runs the thread of the job.
fn live(mut life: Life) {
    let ended = catch_unwind(AssertUnwindSafe(|| life.run()));
    let phase = match ended {
        Ok(Ok(())) => match life.store.reserve(&[]) {
            Ok(()) | Err(_) => Phase::Stopped,
        },
        Ok(Err(failure)) => Phase::Failed(failure.to_string()),
        Err(_) => Phase::Failed("internal error in the live job; start again".to_owned()),
    };
    life.status.send_modify(|status| status.phase = phase);
}

/// Refuses to go on with results that have other windows, or another zone, than `layout`.
fn check_layout(view: &View, head: &Head, layout: &Layout) -> Result<(), JobError> {
    let is_there =
        |of: &ViewId| view.find_table(of.table).is_some_and(|table| head.tables.contains(&table.id.0));
    let windows = ViewId::all().filter(|of| of.has_windows() && is_there(of)).map(|of| of.table);
    let windows = windows.collect::<Vec<_>>().join(" and ");
    match head.windows_printed().filter(|_| !windows.is_empty() && !head.has_windows(layout)) {
        None => Ok(()),
        Some((zone, width_ms)) => Err(JobError::Layout(format!(
            "the results that are there have windows of {} ms in the zone {}, not of {} ms in {}: say --window {}ms --timezone {}, \
             or delete the table {windows} first, served with --no-job",
            width_ms,
            zone.name(),
            layout.windows.width_ms(),
            layout.zone.name(),
            width_ms,
            zone.name(),
        ))),
    }
}

impl JobWatch {
    /// Returns the status of the job as of now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Returns a receiver that is told each change of the status.
    pub fn follow(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Returns a receiver of the epochs from now on, each once its results are durable. A receiver
    /// that is too slow is told how many epochs it missed.
    pub fn committed(&self) -> broadcast::Receiver<Arc<Committed>> {
        self.committed.subscribe()
    }
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
