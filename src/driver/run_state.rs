//! Holds the state of a run that the workers of this process share.

use std::sync::{Arc, Mutex, PoisonError};

use timely::worker::Worker;

use crate::config::RunConfig;
use crate::error::Abort;
use crate::sink::{Limits, ResultSink};
use crate::table::Table;
use files::ingest::Plan;
use files::sinks::{Output, UpdateWriter};
use terminal::progress::ProgressCounters;

/// The state of a run that all workers of this process share.
pub(super) struct RunState {
    pub(super) config: RunConfig,
    pub(super) plan: Plan,
    pub(super) tables: Vec<Table>,
    pub(super) counters: Arc<ProgressCounters>,
    pub(super) abort: Abort,
    /// The output; `None` once the first worker has taken it, or if there is none.
    pub(super) output: Mutex<Option<Output>>,
}

impl RunState {
    pub(super) fn abort(&self) -> &Abort {
        &self.abort
    }

    /// Returns this worker's index among the workers that share the inputs, and the number of those
    /// workers.
    pub(super) fn share(&self, worker: &Worker) -> (usize, usize) {
        if self.config.local_input {
            let workers = self.config.cluster.workers;
            (worker.index() % workers, workers)
        } else {
            (worker.index(), worker.peers())
        }
    }

    pub(super) fn take_sink(&self) -> ResultSink {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let config = &self.config;
        let updates = config.follow_tick.map(|_| UpdateWriter::new(std::io::stdout(), config.layout.clone()));
        let limits = Limits { fail_on_reject: config.fail_on_reject, max_rejects: config.max_rejects };
        ResultSink::new(output, updates, limits, self.abort.clone())
            .unwrap_or_else(|error| self.abort.fail(&error))
    }

    /// Adds the contents of a block to the counters that the progress bar shows.
    pub(super) fn count(&self, bytes: u64, orders: u64, rejected: u64) {
        self.counters.add(bytes, orders, rejected);
        self.abort().control.report(self.counters.load());
    }
}
