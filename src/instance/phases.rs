//! Says what becomes of the job.

use tokio::sync::watch;

use crate::commands::tell;
use crate::job::{Job, Phase, Status};

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
    let line = match &status.phase {
        Phase::Starting => "job: starting".to_owned(),
        Phase::Waiting => "job: waiting for the table OrderSource: `orderflow init` makes it".to_owned(),
        Phase::Blocked(reason) => format!("job: blocked: {reason}"),
        Phase::Rebuilding(_) => "job: rebuilding the results from the table of orders".to_owned(),
        Phase::Running => "job: running: the results follow the orders".to_owned(),
        Phase::Failed(reason) => format!("job: failed, the store serves on: {reason}"),
        Phase::Stopped => "job: stopped".to_owned(),
    };
    tell(&format!("orderflow: {line}"));
}
