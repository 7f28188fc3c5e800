//! The recount that runs beside a live job for as long as that does, pass after pass, with a small share of one core.
//!
//! One thread. Without commits it sleeps; after one it waits a moment, so that the results of it are there too, and makes a pass of
//! a [`Rolling`] recount. After each slice it pauses for as long as its share asks for; only while a view is kept open to compare the results it
//! does not, and makes up for that afterwards. What a pass found is published, and where it is news, logged.

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

/// From a commit until the pass that it calls for: its results are mostly there by then.
const SETTLE: Duration = Duration::from_millis(50);
/// From an error until the next try.
const ERROR_PAUSE: Duration = Duration::from_secs(30);

/// How the recount runs.
#[derive(Clone, Copy, Debug)]
pub struct AlwaysOnConfig {
    /// Share of one core that it takes at most, over time: above 0 and at most 1.
    pub share_max: f64,
    /// Rows, and changes, of one slice at most, at least 1; more than [`PAGE_ROWS_MAX`] rows it does not have.
    pub rows_max: usize,
    /// From the beginning of a pass to that of the next, at least.
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
    /// Whether each row of the results was what it must be; then all views without a filter add up to the total.
    pub is_equal: bool,
    /// Orders, recounted.
    pub orders: u64,
    /// Rows of each view, recounted, by the list of views.
    pub rows: [u64; VIEWS.len()],
    /// Rows that differed.
    pub differing: u64,
    /// The first of them, in words.
    pub first_difference: Option<String>,
    /// When the pass was done, in epoch milliseconds.
    pub at_ms: i64,
    /// How long it took, with all pauses.
    pub took: Duration,
}

/// A running recount. Ends when it is dropped, within a slice.
#[derive(Debug)]
pub struct AlwaysOn {
    verified: watch::Receiver<Option<Verification>>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl AlwaysOn {
    /// Starts it on the store that a live job writes its results to.
    ///
    /// # Errors
    /// Where the system gives no thread.
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

    /// What the last pass found; none before the first is done.
    pub fn follow(&self) -> watch::Receiver<Option<Verification>> {
        self.verified.clone()
    }
}

impl Drop for AlwaysOn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            // Its panics are caught and told.
            let _ = thread.join();
        }
    }
}

/// The thread of its own.
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
                    // It fails only with the store, which this thread holds.
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

/// What a panic carries.
type Panic = Box<dyn Any + Send>;

/// When it goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    /// Once there is a commit after this one.
    pub(super) after: Option<u64>,
    /// And not before that.
    pub(super) not_before: Instant,
}

/// What its thread does.
pub(super) struct Life {
    store: Store,
    config: AlwaysOnConfig,
    rolling: Rolling,
    pace: Pace,
    publish: watch::Sender<Option<Verification>>,
    /// The error that was told last, until a pass is done.
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

    /// Makes one step.
    pub(super) fn turn(&mut self) -> Next {
        let before = worked();
        let rows_max = self.config.rows_max.max(1);
        let step = catch_unwind(AssertUnwindSafe(|| self.rolling.step(rows_max)));
        let now = Instant::now();
        self.pace.spend(worked().saturating_sub(before), now);
        self.next(step, now)
    }

    /// When to go on after a step that came to this.
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
