//! What the live job tells of itself, for metrics, demo and page.

use std::time::{Duration, Instant};

use dataflows::views::VIEWS;
use dataflows::{Change, Epoch, Totals, ViewId};

use super::late::Late;

/// What the job is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// It has just begun.
    #[default]
    Starting,
    /// The table of orders is not there; the job begins once it is.
    Waiting,
    /// A table is not as it must be: says which, and what to do. The job goes on once it is.
    Blocked(String),
    /// It reads the whole order table; so many rows so far.
    Rebuilding(u64),
    /// Results follow the orders.
    Running,
    /// It cannot go on: says why, and what to do. The store serves on.
    Failed(String),
    /// It was asked to stop, and has.
    Stopped,
}

/// The job as of now. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Status {
    /// What it is doing.
    pub phase: Phase,
    /// Results are those of the orders as of all commits below this one.
    pub upper: u64,
    /// All orders.
    pub total: Totals,
    /// Rows of each view, by the list of views.
    pub rows: [u64; VIEWS.len()],
    /// Orders that are set aside now.
    pub rejects: u64,
    /// Changes of orders that went into the graph since the start: an order placed, corrected or deleted is one.
    pub changes: u64,
    /// Commits of results since the start.
    pub commits: u64,
    /// How often it began to follow the orders since the start: once, and again each time that tables came or went. What the
    /// results were before that is told by no [`Committed`].
    pub sittings: u64,
    /// Since when there have been commits that the results do not hold; none where they hold all.
    pub behind_since: Option<Instant>,
    /// Whether the results hold all that was committed when the job began.
    pub caught_up: bool,
    /// Bytes that the graph's totals take, about.
    pub state_bytes: u64,
}

impl Default for Status {
    fn default() -> Status {
        Status {
            phase: Phase::default(),
            upper: 0,
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
    /// Rows of a view.
    pub fn rows(&self, view: ViewId) -> u64 {
        self.rows[view.index()]
    }
}

/// One epoch, once its results are durable.
#[derive(Clone, Debug)]
pub struct Committed {
    /// The last commit of orders that it holds.
    pub epoch: Epoch,
    /// Changes of orders in it.
    pub orders: usize,
    /// Rows of results that changed, sorted by key.
    pub changes: Vec<Change>,
    /// Records that crossed from one operator of the graph to another because of it, on all workers.
    pub records: u64,
    /// From the orders' entry into the graph until all of its changes were there.
    pub in_graph: Duration,
    /// When its results became durable.
    pub at: Instant,
    /// Changes of orders in it that came late.
    pub late: Late,
}
