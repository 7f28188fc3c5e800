//! The live job: the order table's changes through the graph into the result tables, each epoch in one commit.

mod recorded;
pub mod status;

use std::fmt;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::sinks::Layout;
use crate::store::Store;
use crate::store::error::StoreError;

pub use recorded::Recorded;
#[cfg(test)]
pub(crate) use recorded::{HEAD_KEY, Head};
pub use status::{Committed, Phase, Status};

/// Changes that go into the graph as one epoch where nothing else is said.
pub const CHANGES_MAX: usize = 10_000;

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
    Store(StoreError),
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
        let _ = (store, config);
        let (committed, _) = broadcast::channel(1_024);
        Ok(Job { watch: JobWatch { status: watch::Sender::new(Status::default()).subscribe(), committed } })
    }

    /// What others need to follow it.
    pub fn watch(&self) -> JobWatch {
        self.watch.clone()
    }

    /// Ends it after the epoch that is under way, and frees the result tables. Returns once it has ended.
    pub fn stop(self) {}
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
