//! Serves the results to those who look at them: a board as of one epoch, and a frame for what
//! changed since the frame before.
//!
//! ```text
//!  job ─ an epoch, once it is durable ─► board ─┬─► frames, at most ten a second ─► followers
//!      ─ its status ───────────────────► state ─┘     (the last are kept, for those who come back)
//!  recount ─ verified ─────────────────►
//! ```
//!
//! A frame holds whole rows as of its epoch. So a follower may see it twice, or after a later one
//! from another source, without harm: the row of the higher epoch is right. A follower who is too
//! slow for the frames that are kept gets a snapshot of everything. What is kept is bounded,
//! whatever the number of followers, users, windows and orders.

mod ahead;
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
use self::frames::Frames;
pub use self::frames::{FollowFrom, Follower};
use self::late::LateSeen;
pub use self::state::State;
use crate::job::{JobWatch, LateChange, Status};
use crate::verify::Verification;
use orders::Layout;
use store::Store;

/// The number of users that a frame shows, by each rank.
pub const LEADERS_MAX: usize = 50;

/// The longest time to wait for the tables to be read anew.
const RENEWAL_TIME_MAX: Duration = Duration::from_secs(10);

/// A feed that follows the results. It ends when it is dropped.
#[derive(Debug)]
pub struct Feed {
    watch: FeedWatch,
    _task: JoinSet<()>,
}

/// A handle to look at a [`Feed`]. It is cheap to clone.
#[derive(Clone, Debug)]
pub struct FeedWatch(Arc<Shared>);

/// What the feed shares with all who look at it.
struct Shared {
    store: Store,
    layout: Layout,
    seen: Mutex<Seen>,
    /// The number of frames so far. Each follower has a receiver.
    news: watch::Sender<u64>,
    /// Notified when somebody asks for more rows than the board has left.
    wanted: Notify,
    /// Notified when the board was read anew.
    renewed: Notify,
}

/// What is known of the results, all as of one epoch.
struct Seen {
    board: Board,
    status: Status,
    verified: Option<Verification>,
    /// The time (epoch ms) at which the epoch's results became durable; `None` if that was before
    /// this process began.
    changed_ms: Option<i64>,
    /// The time (epoch ms) at which this feed began to count late changes.
    since_ms: i64,
    late: LateSeen,
    frames: Frames,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Feed {
    /// Starts to follow the results of a job, which prints its windows by `layout`. Must be called
    /// in a runtime of tokio.
    ///
    /// Cost: one scan of the users and windows, then work for each row that changes. Only rows of
    /// windows and of leaders are part of frames.
    pub fn start(
        store: Store,
        layout: Layout,
        job: &JobWatch,
        verified: watch::Receiver<Option<Verification>>,
    ) -> Feed {
        let since_ms = now_ms(&store);
        let seen = Seen {
            board: Board::empty(since_ms),
            status: job.status(),
            verified: None,
            changed_ms: None,
            since_ms,
            late: LateSeen::default(),
            frames: Frames::since(since_ms),
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

    /// Returns a handle to look at the feed.
    pub fn watch(&self) -> FeedWatch {
        self.watch.clone()
    }
}

impl FeedWatch {
    /// Returns as of when the results are, and how the job is doing.
    pub fn state(&self) -> State {
        self.0.state()
    }

    /// Returns the epoch, and the totals of all orders as of it.
    pub fn total(&self) -> (u64, Totals) {
        let seen = self.0.seen();
        (seen.board.epoch(), seen.board.total())
    }

    /// Returns the epoch, and the users who rank highest as of it, at most `shown` and
    /// [`SHOWN_MAX`]. If too many of the rows that were kept are gone, waits for the tables to be
    /// read anew, at most 10 s. Returns fewer users if that takes longer, for example because the
    /// tables cannot be read.
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

    /// Returns the epoch, and the last late changes up to it, at most `shown`, the last one first.
    pub fn late(&self, shown: usize) -> (u64, Vec<LateChange>) {
        let seen = self.0.seen();
        (seen.board.epoch(), seen.late.last(shown))
    }

    /// Returns the number of late changes in a window since this process began. `start_ms` is the
    /// window's first instant (epoch ms).
    pub fn late_in(&self, start_ms: i64) -> u64 {
        self.0.seen().late.in_window(start_ms)
    }

    /// Returns how windows are printed.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Returns the store of the results.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Returns a follower of the frames.
    pub fn follow(&self, from: FollowFrom) -> Follower {
        Follower::new(self.0.clone(), from)
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        // A panic may have left a board of some other epoch. It is read anew at the next occasion.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> i64 {
        now_ms(&self.store)
    }

    fn state(&self) -> State {
        let (now_ms, refusing) = (self.now_ms(), self.refusing());
        State::of(&mut self.seen(), &self.layout, now_ms, refusing)
    }

    fn refusing(&self) -> Option<String> {
        self.store.refusal().map(|refusal| refusal.reason)
    }
}

/// Returns the time by the clock of a store, in epoch milliseconds.
fn now_ms(store: &Store) -> i64 {
    store.clock().now_us().div_euclid(1_000)
}

#[cfg(test)]
mod tests;
