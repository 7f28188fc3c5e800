//! Logs the phases of the live job.

use dataflows::views::{USERS, WINDOWS};
use tokio::sync::watch;

use live::job::{Phase, Status};
use order_tables::ORDER_SOURCE;

/// A follower of a job that logs each new phase as one line.
#[derive(Debug)]
pub(super) struct Phases {
    /// The status of the job; `None` if there is no job, and once the job has ended.
    status: Option<watch::Receiver<Status>>,
    said: Phase,
}

impl Phases {
    /// Creates a follower of the job with this status. Its present phase counts as new.
    pub(super) fn of(mut status: Option<watch::Receiver<Status>>) -> Phases {
        if let Some(status) = status.as_mut() {
            status.mark_changed();
        }
        Phases { status, said: Phase::Starting }
    }

    /// Waits until the status of the job changes, and logs its phase if that is new. Waits for ever
    /// if there is no job.
    pub(super) async fn next(&mut self) {
        let Some(status) = self.status.as_mut() else { return std::future::pending().await };
        if status.changed().await.is_err() {
            self.status = None;
            return;
        }
        let now = status.borrow_and_update().clone();
        // The number of rows that were rebuilt so far is in the metrics, not in the log.
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
    let Status { upper, rejects, .. } = status;
    match &status.phase {
        Phase::Starting => tracing::info!("job: starting"),
        Phase::Waiting => {
            tracing::info!("job: waiting for the table {ORDER_SOURCE}: `orderflow init` makes it");
        }
        Phase::Blocked(reason) => tracing::warn!("job: blocked: {reason}"),
        Phase::Rebuilding(_) => tracing::info!("job: rebuilding the results from all orders"),
        Phase::Running => {
            let (users, windows) = (status.rows(USERS), status.rows(WINDOWS));
            tracing::info!(upper, users, windows, rejects, "job: running, results follow the orders");
        }
        Phase::Failed(reason) => tracing::error!("job: failed, the store serves on: {reason}"),
        Phase::Stopped => tracing::info!("job: stopped"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::log::LogFormat::{self, Json, Text};
    use crate::program::log::LogLevel;
    use crate::program::log::tests::logged;

    /// Returns what is logged while a job goes through these phases.
    fn said(form: LogFormat, phases: Vec<Phase>) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = |phase| {
            let mut status = Status { phase, upper: 7, ..Status::default() };
            (status.rows[USERS.index()], status.rows[WINDOWS.index()]) = (3, 2);
            status
        };
        logged(form, LogLevel::Info, || {
            runtime.block_on(async {
                let job = watch::Sender::new(Status::default());
                let mut phases_said = Phases::of(Some(job.subscribe()));
                phases_said.next().await;
                for phase in phases {
                    job.send_replace(status(phase));
                    phases_said.next().await;
                }
                // Once the job is gone, nothing more is logged, and its status is not asked for in
                // a busy loop.
                drop(job);
                phases_said.next().await;
                tokio::select! {
                    biased;
                    () = phases_said.next() => panic!("it says more"),
                    () = std::future::ready(()) => {}
                }
            });
        })
    }

    #[test]
    fn each_phase_is_said_once() {
        let reason = || "table OrderSource has another key".to_owned();
        let phases = vec![
            Phase::Starting,
            Phase::Waiting,
            Phase::Waiting,
            Phase::Blocked(reason()),
            Phase::Blocked(reason()),
            Phase::Blocked("other".to_owned()),
            Phase::Rebuilding(0),
            Phase::Rebuilding(10_000),
            Phase::Running,
            Phase::Running,
            Phase::Failed(reason()),
            Phase::Stopped,
        ];
        let expected = [
            "job: waiting for the table OrderSource: `orderflow init` makes it",
            "job: blocked: table OrderSource has another key",
            "job: blocked: other",
            "job: rebuilding the results from all orders",
            "job: running, results follow the orders upper=7 users=3 windows=2 rejects=0",
            "job: failed, the store serves on: table OrderSource has another key",
            "job: stopped",
        ];
        let text = said(Text, phases);
        assert_eq!(text.lines().map(|line| &line["orderflow: ".len()..]).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn numbers_are_fields_for_machines() {
        let text = said(Json, vec![Phase::Running]);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "job: running, results follow the orders");
        assert_eq!((&line["upper"], &line["users"], &line["windows"]), (&7.into(), &3.into(), &2.into()));
    }
}
