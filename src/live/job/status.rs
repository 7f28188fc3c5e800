//! What the live job reports about itself, for metrics, demo and page.

use std::time::{Duration, Instant};

use dataflows::views::VIEWS;
use dataflows::{Change, Epoch, Totals, ViewId};

use super::late::Late;
use super::recorded::Head;

/// What the job is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The job has just begun.
    #[default]
    Starting,
    /// The table of orders does not exist. The job begins once it does.
    Waiting,
    /// A table is not as the job needs it. The text says which one, and what to do. The job goes on
    /// once the table is corrected.
    Blocked(String),
    /// The job reads the whole order table, and has read this many rows.
    Rebuilding(u64),
    /// The results follow the orders.
    Running,
    /// The job cannot go on. The text says why, and what to do. The store still serves.
    Failed(String),
    /// The job was asked to stop, and has ended.
    Stopped,
}

impl Phase {
    /// The names of all phases.
    pub const NAMES: [&str; 7] =
        ["starting", "waiting", "blocked", "rebuilding", "running", "failed", "stopped"];

    /// Returns the name of the phase, in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Starting => "starting",
            Phase::Waiting => "waiting",
            Phase::Blocked(_) => "blocked",
            Phase::Rebuilding(_) => "rebuilding",
            Phase::Running => "running",
            Phase::Failed(_) => "failed",
            Phase::Stopped => "stopped",
        }
    }

    /// Returns why the job does not go on, or how far it is with rebuilding.
    pub fn reason(&self) -> Option<String> {
        match self {
            Phase::Blocked(reason) | Phase::Failed(reason) => Some(reason.clone()),
            Phase::Rebuilding(rows) => Some(format!("{rows} orders so far")),
            Phase::Starting | Phase::Waiting | Phase::Running | Phase::Stopped => None,
        }
    }
}

/// The status of the job. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    /// What the job is doing.
    pub phase: Phase,
    /// The results are those of the orders as of all commits below this one.
    pub upper: u64,
    /// Whether `total` and `rows` are known. They are not until the job has read its results back.
    pub is_counted: bool,
    /// The count and amount of all orders; zero until they are known.
    pub total: Totals,
    /// The number of rows of each view, in the order of the list of views; zero until they are
    /// known.
    pub rows: [u64; VIEWS.len()],
    /// The number of orders that are set aside now.
    pub rejects: u64,
    /// The number of changes of orders that went into the graph since the start. An order placed,
    /// corrected or deleted is one change.
    pub changes: u64,
    /// The number of commits of results since the start.
    pub commits: u64,
    /// How often the job began to follow the orders since the start: once, and again each time that
    /// tables were deleted or made. No [`Committed`] tells of changes of results before that.
    pub sittings: u64,
    /// The time since when there have been commits that the results do not hold; `None` if they
    /// hold all.
    pub behind_since: Option<Instant>,
    /// Whether the results hold all that was committed before the job began.
    pub caught_up: bool,
    /// About the number of bytes of the graph's totals.
    pub state_bytes: u64,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            phase: Phase::default(),
            upper: 0,
            is_counted: false,
            total: Totals::ZERO,
            rows: [0; VIEWS.len()],
            rejects: 0,
            changes: 0,
            commits: 0,
            sittings: 0,
            behind_since: None,
            caught_up: false,
            state_bytes: 0,
        }
    }
}

impl Status {
    /// Returns the status of a job that has just begun, where there are results already.
    pub(super) fn of(head: &Head) -> Status {
        Status { upper: head.upper, rejects: head.rejects, ..Status::default() }
    }

    /// Returns the number of rows of a view.
    pub fn rows(&self, view: ViewId) -> u64 {
        self.rows[view.index()]
    }
}

/// An epoch whose results are durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The last commit of orders in the epoch.
    pub epoch: Epoch,
    /// The number of changes of orders in the epoch.
    pub orders: usize,
    /// The rows of results that changed, sorted by key.
    pub changes: Vec<Change>,
    /// The number of records that crossed from one operator of the graph to another for this epoch,
    /// on all workers.
    pub records: u64,
    /// The time from the orders' entry into the graph until all changes of results were there.
    pub in_graph: Duration,
    /// The time at which the results became durable.
    pub at: Instant,
    /// The changes of orders in the epoch that came late.
    pub late: Late,
}
