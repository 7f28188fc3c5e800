//! As of when the results are, and how the job fares: what every frame and every heartbeat says.

use serde::Serialize;

use super::Seen;
use crate::job::{Phase, Status};
use orders::Layout;

/// The state, as followers get it. Times are epoch milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The last commit of orders that the results hold.
    pub epoch: u64,
    /// When its results became durable; none before this process began.
    pub changed_ms: Option<i64>,
    /// When this was said.
    pub now_ms: i64,
    /// All orders.
    pub count: i64,
    /// What they come to.
    pub total_price_exact: String,
    /// Users with orders.
    pub users: u64,
    /// Windows with orders.
    pub windows: u64,
    /// Orders that are set aside.
    pub rejects: u64,
    /// Changes of orders since this process began that came late.
    pub late: u64,
    /// What the job is doing, in a word.
    pub phase: &'static str,
    /// Why it does not go on.
    pub reason: Option<String>,
    /// For how long there have been orders that the results do not hold.
    pub behind_ms: u64,
    /// The epoch of the last recount; none before the first.
    pub verified_epoch: Option<u64>,
    /// Whether all results were what it found.
    pub verified_equal: Option<bool>,
    /// When it was done.
    pub verified_ms: Option<i64>,
    /// Width of windows in milliseconds.
    pub width_ms: i64,
    /// The zone that windows are printed in.
    pub zone: String,
    /// Version of the program.
    pub version: &'static str,
}

impl State {
    /// What is seen at this time.
    pub(super) fn of(seen: &Seen, layout: &Layout, now_ms: i64) -> State {
        let Seen { board, status, verified, changed_ms, late, .. } = seen;
        let (phase, reason) = phase(status);
        State {
            epoch: board.epoch(),
            changed_ms: *changed_ms,
            now_ms,
            count: board.total().orders,
            total_price_exact: board.total().amount.to_string(),
            users: board.user_count(),
            windows: board.window_count(),
            rejects: status.rejects,
            late: late.count(),
            phase,
            reason,
            behind_ms: status.behind_since.map_or(0, |since| since.elapsed().as_millis() as u64),
            verified_epoch: verified.as_ref().map(|verified| verified.epoch),
            verified_equal: verified.as_ref().map(|verified| verified.is_equal),
            verified_ms: verified.as_ref().map(|verified| verified.at_ms),
            width_ms: layout.width.ms(),
            zone: layout.zone.name().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn phase(status: &Status) -> (&'static str, Option<String>) {
    match &status.phase {
        Phase::Starting => ("starting", None),
        Phase::Waiting => ("waiting", None),
        Phase::Blocked(reason) => ("blocked", Some(reason.clone())),
        Phase::Rebuilding(rows) => ("rebuilding", Some(format!("{rows} orders so far"))),
        Phase::Running => ("running", None),
        Phase::Failed(reason) => ("failed", Some(reason.clone())),
        Phase::Stopped => ("stopped", None),
    }
}
