//! Recounts beside a live job, pass after pass, with a small share of one core.
//!
//! It has one thread, which sleeps while there are no commits. After a commit the thread waits a
//! moment for its results, and then makes a pass of a [`Rolling`] recount. After each slice it
//! pauses for as long as its share demands. It does not pause while it keeps a view open to compare
//! the results, and makes up for that afterwards. What a pass found is published, and logged if it
//! is news.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dataflows::views::VIEWS;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until};

use super::pace::{Pace, worked};
use super::rolling::{Rolling, Step};
use super::{Verified, VerifyError};
use store::Store;
use store::panic_message;
use store::read::PAGE_ROWS_MAX;

/// The time from a commit until its pass begins: by then, its results are mostly there.
const SETTLE: Duration = Duration::from_millis(50);
/// The time from an error until the next attempt.
const ERROR_PAUSE: Duration = Duration::from_secs(30);

/// The configuration of the recount.
#[derive(Clone, Copy, Debug)]
pub struct AlwaysOnConfig {
    /// The greatest share of one core that the recount takes over time, above 0 and at most 1.
    pub share_max: f64,
    /// The most rows, and the most changes, of one slice, at least 1. A slice never has more than
    /// [`PAGE_ROWS_MAX`] rows.
    pub rows_max: usize,
    /// The shortest time from the beginning of a pass to that of the next.
    pub interval: Duration,
}

impl Default for AlwaysOnConfig {
    fn default() -> AlwaysOnConfig {
        AlwaysOnConfig { share_max: 0.05, rows_max: PAGE_ROWS_MAX, interval: Duration::from_secs(1) }
    }
}

/// What one pass found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// The last commit of orders that the results held.
    pub epoch: u64,
    /// Whether each row of the results was right. Then all views without a filter add up to the
    /// total.
    pub is_equal: bool,
    /// The number of orders that were counted.
    pub orders: u64,
    /// The number of rows of each view that were counted, in the order of the list of views.
    pub rows: [u64; VIEWS.len()],
    /// The number of rows that differed.
    pub differing: u64,
    /// The first row that differed, in words.
    pub first_difference: Option<String>,
    /// The time (epoch ms) at which the pass was done.
    pub at_ms: i64,
    /// The time that the pass took, with all pauses.
    pub took: Duration,
}

/// A running recount. It ends when it is dropped, after the slice that is being read.
#[derive(Debug)]
pub struct AlwaysOn {
    verified: watch::Receiver<Option<Verification>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl AlwaysOn {
    /// Starts a recount of the results that a live job writes to this store.
    ///
    /// # Errors
    /// Returns an error if the system cannot start a thread.
    pub fn start(store: Store, config: AlwaysOnConfig) -> io::Result<AlwaysOn> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let (publish, verified) = watch::channel(None);
        let (stop, stopping) = watch::channel(false);
        let commits = store.commits();
        let life = Life::new(store, config, publish);
        let thread = Builder::new()
            .name("recount".to_owned())
            .spawn(move || run(life, commits, stopping, &runtime))?;
        Ok(AlwaysOn { verified, stop, thread: Some(thread) })
    }

    /// Returns a receiver of what the last pass found; `None` before the first pass is done.
    pub fn follow(&self) -> watch::Receiver<Option<Verification>> {
        self.verified.clone()
    }
}

impl Drop for AlwaysOn {
    fn drop(&mut self) {
        // The thread may have ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // Panics of the steps are caught and logged.
            let _ = thread.join();
        }
    }
}

/// Runs the thread of the recount.
fn run(
    mut life: Life,
    mut commits: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
    runtime: &Runtime,
) {
    while !*stop.borrow() {
        let Next { after, not_before } = life.turn();
        if after.is_none() && not_before <= Instant::now() {
            continue;
        }
        runtime.block_on(async {
            let due = async {
                if let Some(after) = after {
                    // This fails only if the store is gone, but this thread holds it.
                    let _ = commits.wait_for(|last| *last > after).await;
                    sleep(SETTLE).await;
                }
                sleep_until(not_before.into()).await;
            };
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => {}
                () = due => {}
            }
        });
    }
}

/// The payload of a panic.
type Panic = Box<dyn Any + Send>;

/// The time at which the thread goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    /// The thread waits for a commit after this one; `None` means it waits for none.
    pub(super) after: Option<u64>,
    /// The thread also waits until this time.
    pub(super) not_before: Instant,
}

/// The state of the recount's thread.
pub(super) struct Life {
    store: Store,
    config: AlwaysOnConfig,
    rolling: Rolling,
    pace: Pace,
    publish: watch::Sender<Option<Verification>>,
    /// The error that was logged last; `None` once a pass is done.
    told: Option<String>,
}

impl Life {
    pub(super) fn new(
        store: Store,
        config: AlwaysOnConfig,
        publish: watch::Sender<Option<Verification>>,
    ) -> Life {
        let pace = Pace::new(config.share_max, Instant::now());
        Life { rolling: Rolling::new(store.clone()), store, config, pace, publish, told: None }
    }

    /// Makes one step. Returns when to make the next one.
    pub(super) fn turn(&mut self) -> Next {
        let before = worked();
        let rows_max = self.config.rows_max.max(1);
        let step = catch_unwind(AssertUnwindSafe(|| self.rolling.step(rows_max)));
        let now = Instant::now();
        self.pace.spend(worked().saturating_sub(before), now);
        self.next(step, now)
    }

    /// Returns when to go on after a step with this outcome.
    pub(super) fn next(&mut self, step: Result<Result<Step, VerifyError>, Panic>, now: Instant) -> Next {
        let rested = now + self.pace.pause();
        match step {
            Ok(Ok(Step::More)) => Next { after: None, not_before: rested },
            Ok(Ok(Step::Held)) => Next { after: None, not_before: now },
            Ok(Ok(Step::Wait(seen))) => Next { after: Some(seen), not_before: rested },
            Ok(Ok(Step::Done { verified, took, seen })) => {
                self.done(&verified, took);
                let next_pass = now + self.config.interval.saturating_sub(took);
                Next { after: Some(seen), not_before: rested.max(next_pass) }
            }
            Ok(Err(error)) => self.failed(error.to_string(), now),
            Err(panic) => {
                self.rolling = Rolling::new(self.store.clone());
                self.failed(format!("internal error: {}", panic_message(panic.as_ref())), now)
            }
        }
    }

    fn done(&mut self, verified: &Verified, took: Duration) {
        self.told = None;
        let found = Verification::new(verified, took);
        let was_equal = self.publish.borrow().as_ref().is_none_or(|before| before.is_equal);
        let Verification { epoch, differing, .. } = found;
        if let Some(difference) = found.first_difference.as_ref().filter(|_| was_equal) {
            tracing::error!(epoch, differing, "the results are not those of the orders: {difference}");
        } else if found.is_equal && !was_equal {
            tracing::info!(epoch, "the results are those of the orders again");
        }
        self.publish.send_replace(Some(found));
    }

    fn failed(&mut self, error: String, now: Instant) -> Next {
        if self.told.as_ref() != Some(&error) {
            tracing::error!("the results are not verified for now: {error}");
            self.told = Some(error);
        }
        Next { after: None, not_before: now + ERROR_PAUSE }
    }
}

impl Verification {
    fn new(verified: &Verified, took: Duration) -> Verification {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Verification {
            epoch: verified.upper.saturating_sub(1),
            is_equal: verified.is_equal(),
            orders: verified.total.orders.unsigned_abs(),
            rows: verified.rows,
            differing: verified.differing,
            first_difference: verified.differences.first().map(ToString::to_string),
            at_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
            took,
        }
    }
}
