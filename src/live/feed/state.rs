//! The state in every frame and every heartbeat: as of when the results are, and how the job is
//! doing.

use serde::Serialize;

use super::Seen;
use orders::Layout;

/// The state as followers get it. Times are epoch milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// The last commit of orders that the results hold.
    pub epoch: u64,
    /// The time at which its results became durable; `None` if that was before this process began.
    pub changed_ms: Option<i64>,
    /// The time at which this state was made.
    pub now_ms: i64,
    /// The number of all orders.
    pub count: i64,
    /// The exact amount of all orders.
    pub total_price_exact: String,
    /// The number of users with orders.
    pub users: u64,
    /// The number of windows with orders.
    pub windows: u64,
    /// The number of orders that are set aside.
    pub rejects: u64,
    /// The number of windows with orders that begin after now.
    pub ahead: u64,
    /// Whether more windows than that begin after now.
    pub ahead_is_more: bool,
    /// The first instant of the farthest of them; `None` if there are none.
    pub ahead_ms: Option<i64>,
    /// The number of changes of orders that came late since `late_since_ms`.
    pub late: u64,
    /// The time since when late changes are counted: the start of this process.
    pub late_since_ms: i64,
    /// What the job is doing, in a word.
    pub phase: &'static str,
    /// Details of the phase: why the job does not go on, or how far it is with rebuilding.
    pub reason: Option<String>,
    /// Why the store refuses writes, and what to do; `None` while it takes them.
    pub refusing: Option<String>,
    /// The milliseconds since when there have been orders that the results do not hold; 0 if they
    /// hold all.
    pub behind_ms: u64,
    /// The epoch of the last recount; `None` before the first.
    pub verified_epoch: Option<u64>,
    /// Whether the last recount found all results right.
    pub verified_equal: Option<bool>,
    /// The time at which the last recount was done.
    pub verified_ms: Option<i64>,
    /// The width of the windows in milliseconds.
    pub width_ms: i64,
    /// The zone that windows are printed in.
    pub zone: String,
    /// The version of the program.
    pub version: &'static str,
}

impl State {
    /// Returns the state of what is known at `now_ms` (epoch ms). `refusing` says why the store
    /// refuses writes.
    pub(super) fn of(seen: &mut Seen, layout: &Layout, now_ms: i64, refusing: Option<String>) -> State {
        let ahead = seen.board.ahead(now_ms);
        let Seen { board, status, verified, changed_ms, late, since_ms, .. } = seen;
        State {
            epoch: board.epoch(),
            changed_ms: *changed_ms,
            now_ms,
            count: board.total().orders,
            total_price_exact: board.total().amount.to_string(),
            users: board.user_count(),
            windows: board.window_count(),
            rejects: status.rejects,
            ahead: ahead.count,
            ahead_is_more: ahead.is_more,
            ahead_ms: ahead.farthest_ms,
            late: late.count(),
            late_since_ms: *since_ms,
            phase: status.phase.name(),
            reason: status.phase.reason(),
            refusing,
            behind_ms: status.behind_since.map_or(0, |since| since.elapsed().as_millis() as u64),
            verified_epoch: verified.as_ref().map(|verified| verified.epoch),
            verified_equal: verified.as_ref().map(|verified| verified.is_equal),
            verified_ms: verified.as_ref().map(|verified| verified.at_ms),
            width_ms: layout.windows.width_ms(),
            zone: layout.zone.name().to_owned(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}
