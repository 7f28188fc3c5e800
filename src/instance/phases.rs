//! Says what becomes of the job.

use tokio::sync::watch;

use crate::job::{Job, Phase, Status};
use crate::order_tables::ORDER_SOURCE;

/// Follows the phases of a job, and says each new one in a line.
#[derive(Debug)]
pub(super) struct Phases {
    /// None without a job, and once it has ended.
    status: Option<watch::Receiver<Status>>,
    said: Phase,
}

impl Phases {
    pub(super) fn of(job: Option<&Job>) -> Phases {
        let status = job.map(|job| {
            let mut status = job.watch().follow();
            // What it is by now is to be said too.
            status.mark_changed();
            status
        });
        Phases { status, said: Phase::Starting }
    }

    /// Waits until the job's status changes, for ever where there is none, and says so if it is another phase.
    pub(super) async fn next(&mut self) {
        let Some(status) = self.status.as_mut() else { return std::future::pending().await };
        if status.changed().await.is_err() {
            self.status = None;
            return;
        }
        let now = status.borrow_and_update().clone();
        // The rows so far are for metrics.
        let is_same = match (&self.said, &now.phase) {
            (Phase::Rebuilding(_), Phase::Rebuilding(_)) => true,
            (said, now) => said == now,
        };
        if !is_same {
            say(&now);
            self.said = now.phase;
        }
    }
}

fn say(status: &Status) {
    let Status { upper, users, windows, rejects, .. } = status;
    match &status.phase {
        Phase::Starting => tracing::info!("job: starting"),
        Phase::Waiting => {
            tracing::info!("job: waiting for the table {ORDER_SOURCE}: `orderflow init` makes it");
        }
        Phase::Blocked(reason) => tracing::warn!("job: blocked: {reason}"),
        Phase::Rebuilding(_) => tracing::info!("job: rebuilding the results from all orders"),
        Phase::Running => {
            tracing::info!(upper, users, windows, rejects, "job: running, results follow the orders");
        }
        Phase::Failed(reason) => tracing::error!("job: failed, the store serves on: {reason}"),
        Phase::Stopped => tracing::info!("job: stopped"),
    }
}
