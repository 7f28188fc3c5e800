//! What those who look at the results get: a board as of one epoch, and a frame for what changed since the one before.
//!
//! ```text
//!  job ─ an epoch, once it is durable ─► board ─┬─► frames, at most ten a second ─► followers
//!      ─ its status ───────────────────► state ─┘     (the last are kept, for those who come back)
//!  recount ─ verified ─────────────────►
//! ```
//!
//! A frame holds whole rows as of its epoch, so it may be seen twice, or after a later one of another source, without harm:
//! the row of the higher epoch is right. A follower who is too slow for the frames that are kept gets all anew. What
//! is kept is bounded, whatever the number of followers, users, windows and orders.

mod board;
mod follow;
mod frames;
mod late;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dataflows::Totals;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

pub use self::board::{Board, Rank, SHOWN_MAX, epoch_of};
pub use self::frames::Follower;
use self::frames::Frames;
use self::late::LateSeen;
pub use self::state::State;
use crate::job::{JobWatch, LateChange, Status};
use crate::verify::Verification;
use orders::Layout;
use store::Store;

/// Users that a frame shows, by each rank.
pub const LEADERS_MAX: usize = 50;

/// Longest wait for the tables to be read anew.
const RENEWAL_TIME_MAX: Duration = Duration::from_secs(10);

/// Follows the results. Ends where it is dropped.
#[derive(Debug)]
pub struct Feed {
    watch: FeedWatch,
    _task: JoinSet<()>,
}

/// Looks at what a [`Feed`] has. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FeedWatch(Arc<Shared>);

/// What the feed and all who look at it share.
struct Shared {
    store: Store,
    layout: Layout,
    seen: Mutex<Seen>,
    /// Number of the last frame.
    news: watch::Sender<u64>,
    /// Somebody asked for more rows than the board has left.
    wanted: Notify,
    /// The board was read anew.
    renewed: Notify,
}

/// All as of one epoch.
struct Seen {
    board: Board,
    status: Status,
    verified: Option<Verification>,
    /// When the epoch's results became durable, in epoch milliseconds; none before this process began.
    changed_ms: Option<i64>,
    late: LateSeen,
    frames: Frames,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Feed {
    /// Follows the results of this job, which prints its windows so. Must be called in a runtime of tokio.
    ///
    /// Cost: one scan of the users and windows, then work by rows that changed; a row takes part in a frame only if it is a
    /// window's or a leader's.
    pub fn start(
        store: Store,
        layout: Layout,
        job: &JobWatch,
        verified: watch::Receiver<Option<Verification>>,
    ) -> Feed {
        let seen = Seen {
            board: Board::empty(&layout),
            status: job.status(),
            verified: None,
            changed_ms: None,
            late: LateSeen::default(),
            frames: Frames::default(),
        };
        let shared = Arc::new(Shared {
            store,
            layout,
            seen: Mutex::new(seen),
            news: watch::Sender::new(0),
            wanted: Notify::new(),
            renewed: Notify::new(),
        });
        let mut task = JoinSet::new();
        task.spawn(follow::follow(shared.clone(), job.follow(), job.committed(), verified));
        Feed { watch: FeedWatch(shared), _task: task }
    }

    /// Looks at it.
    pub fn watch(&self) -> FeedWatch {
        self.watch.clone()
    }
}

impl FeedWatch {
    /// As of when all is, and how the job fares.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// All orders, and as of which epoch.
    pub fn total(&self) -> (u64, Totals) {
        let seen = self.0.seen();
        (seen.board.epoch(), seen.board.total())
    }

    /// The users who rank highest, at most so many and [`SHOWN_MAX`], and as of which epoch. Where too many of the rows that
    /// were kept are gone, waits for the tables to be read anew; fewer come where that takes too long, as once the job has ended.
    pub async fn top_users(&self, rank: Rank, shown: usize) -> (u64, Vec<(String, Totals)>) {
        let shown = shown.min(SHOWN_MAX);
        let renewed = self.0.renewed.notified();
        if self.0.seen().board.is_short(shown) {
            self.0.wanted.notify_one();
            let _ = timeout(RENEWAL_TIME_MAX, renewed).await;
        }
        let seen = self.0.seen();
        (seen.board.epoch(), seen.board.top_users(rank, shown))
    }

    /// The last late changes, last first, at most so many; and the epoch that all of them are in.
    pub fn late(&self, shown: usize) -> (u64, Vec<LateChange>) {
        let seen = self.0.seen();
        (seen.board.epoch(), seen.late.last(shown))
    }

    /// How many late changes landed in a window since this process began.
    pub fn late_in(&self, start_ms: i64) -> u64 {
        self.0.seen().late.in_window(start_ms)
    }

    /// How windows are printed.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// The store that it follows.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Follows the frames: those after the one of this epoch if they are still kept, or else all as of now, and then each
    /// frame.
    pub fn follow(&self, after: Option<u64>) -> Follower {
        Follower::new(self.0.clone(), after)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // What a panic may have left is a board of some epoch, read anew at the next chance.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        self.store.clock().now_us().div_euclid(1_000)
    }

    fn state(&self) -> State {
        State::of(&self.seen(), &self.layout, self.now_ms())
    }
}

#[cfg(test)]
mod tests;
