//! Writes orders to an instance, and prints a line a second about how its results follow, until the
//! demo is to end. Then waits until the results hold all orders, and adds them up.

use std::io::{ErrorKind, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use super::line::{Shown, line};
use super::results::Sums;
use super::runtime::{Interrupts, caught_up, environment, off_the_runtime};
use super::written::{Counters, Speed};
use crate::commands::generate::{self, Load};
use crate::commands::{Failure, init, say};
use crate::program::signals::INTERRUPTED;
use live::job::{JobWatch, Phase};
use store::Store;
use tablestore::client::Client;

/// The time from one line to the next.
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// An instance, and the orders to write to it.
pub(super) struct Follow {
    /// The text that is printed once the instance runs.
    pub(super) intro: String,
    /// The orders to write.
    pub(super) load: Load,
    /// How long to write the orders; `None` means until a signal comes.
    pub(super) ends_after: Option<Duration>,
    /// A client of the instance.
    pub(super) client: Client,
    /// The store of the instance.
    pub(super) store: Store,
    /// The job of the instance.
    pub(super) watch: JobWatch,
}

/// The numbers that the lines are made from.
struct Seen {
    started: Instant,
    counters: Arc<Counters>,
    speed: Speed,
}

impl Follow {
    /// Writes the orders, and waits until the results hold the last one. Returns the sums of the
    /// results.
    ///
    /// # Errors
    /// Returns [`Failure`] with exit code 3 if the store or the job fails, 130 if a signal comes
    /// while the results do not hold all orders yet.
    pub(super) async fn run(&self, interrupts: &mut Interrupts) -> Result<Sums, Failure> {
        tokio::select! {
            ready = self.ready() => ready?,
            () = interrupts.next() => return Err(Failure::new(INTERRUPTED, "stopped before the first order")),
        }
        say(&self.intro)?;
        let mut seen = self.follow(interrupts).await?;
        tokio::select! {
            settled = caught_up(&self.watch, self.store.last_commit()) => settled?,
            () = interrupts.next() => {
                return Err(Failure::new(INTERRUPTED, "stopped before the results held all orders"));
            }
        }
        // The results hold all orders now, though the job may not have looked for more yet.
        print(&Shown { behind: None, ..seen.shown(&self.watch) })?;
        let view = self.store.view().map_err(environment)?;
        off_the_runtime(move || Sums::of(&view)).await
    }

    /// Makes the tables, and waits until the results hold the orders that are there.
    async fn ready(&self) -> Result<(), Failure> {
        init::make(&self.client, &mut |_| Ok(())).await?;
        caught_up(&self.watch, self.store.last_commit()).await
    }

    /// Writes the orders and prints the lines, until it is time to end and all orders that were
    /// written are acknowledged.
    async fn follow(&self, interrupts: &mut Interrupts) -> Result<Seen, Failure> {
        let started = Instant::now();
        let counters = Arc::new(Counters::default());
        let mut seen = Seen { started, counters: Arc::clone(&counters), speed: Speed::default() };
        seen.speed.sample(started, self.watch.status().changes);
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let mut writing = pin!(generate::write(self.load.clone(), &self.client, counters, async {
            // This ends with an error if the sender is dropped, which also means to stop.
            let _ = stopped.await;
        }));
        let ends_at = started + self.ends_after.unwrap_or_default();
        let mut ticks = interval_at((started + LINE_INTERVAL).into(), LINE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                written = &mut writing => return written.map(|()| seen),
                _ = ticks.tick() => {
                    if !print(&seen.shown(&self.watch))? {
                        stop = None;
                    }
                    seen.check(&self.watch)?;
                }
                () = interrupts.next() => if stop.take().is_none() {
                    return Err(Failure::new(INTERRUPTED, "stopped before all orders were acknowledged"));
                },
                () = sleep_until(ends_at.into()), if stop.is_some() && self.ends_after.is_some() => stop = None,
            }
        }
    }
}

impl Seen {
    /// Returns what the next line shows.
    fn shown(&mut self, watch: &JobWatch) -> Shown {
        let (now, status) = (Instant::now(), watch.status());
        Shown {
            running_for: now.duration_since(self.started),
            phase: status.phase,
            total: status.total,
            epoch: status.upper.saturating_sub(1),
            behind: status.behind_since.map(|since| now.saturating_duration_since(since)),
            orders_per_second: self.speed.sample(now, status.changes),
            written: self.counters.so_far(),
            rejects: status.rejects,
        }
    }

    /// Fails if the job has failed, or if the store refused an order.
    fn check(&self, watch: &JobWatch) -> Result<(), Failure> {
        if let Phase::Failed(reason) = watch.status().phase {
            return Err(Failure::new(3, reason));
        }
        match self.counters.refused() {
            None => Ok(()),
            Some(refused) => Err(Failure::new(3, format!("the store refused an order: {refused}"))),
        }
    }
}

/// Prints a line. Returns false if nobody is left to read it.
fn print(shown: &Shown) -> Result<bool, Failure> {
    let mut out = std::io::stdout();
    match out.write_all(line(shown).as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::new(3, format!("cannot print: {error}"))),
    }
}
