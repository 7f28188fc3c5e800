//! Writes orders to an instance and shows how its results follow, until it is to end; then sees that the results hold all
//! orders, and adds them up.

use std::io::{ErrorKind, Write as _};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval_at, sleep_until};

use super::render::{self, SHOWN_MAX, Shown};
use super::results::Sums;
use super::screen::Screen;
use super::written::{Counters, Speed, now_ms};
use super::{Interrupts, caught_up, environment, off_the_runtime};
use crate::commands::generate::{self, Load};
use crate::commands::up::INTERRUPTED;
use crate::commands::{Failure, init, say};
use live::feed::{Board, Rank};
use live::job::{JobWatch, Phase};
use order_tables::ResultError;
use orders::Layout;
use store::Store;
use store::view::View;
use tablestore::client::Client;

/// How often the view is drawn, and how often a line is printed where it cannot be.
const DRAW_INTERVAL: Duration = Duration::from_millis(200);
const LINE_INTERVAL: Duration = Duration::from_secs(1);

/// An instance, and what to do with it.
pub(super) struct Follow {
    /// What is said once it runs.
    pub(super) intro: String,
    /// The orders to write.
    pub(super) load: Load,
    /// How long to write them; none until a signal comes.
    pub(super) ends_after: Option<Duration>,
    /// A client of the instance.
    pub(super) client: Client,
    /// How its windows are printed.
    pub(super) layout: Layout,
    /// Its store.
    pub(super) store: Store,
    /// Its job.
    pub(super) watch: JobWatch,
}

/// What the view is made of.
struct Seen {
    started: Instant,
    board: Board,
    counters: Arc<Counters>,
    speed: Speed,
    /// When results last became durable.
    durable_at: Option<Instant>,
}

impl Follow {
    /// From the first order to the results that hold the last one.
    ///
    /// # Errors
    /// [`Failure`]: 3 where the store or the job fails, 130 where a signal comes while the results do not hold all orders yet.
    pub(super) async fn run(&self, interrupts: &mut Interrupts) -> Result<Sums, Failure> {
        tokio::select! {
            ready = self.ready() => ready?,
            () = interrupts.next() => return Err(Failure::new(INTERRUPTED, "stopped before the first order")),
        }
        say(&self.intro)?;
        let mut view = Output::of_stdout();
        let seen = self.follow(interrupts, &mut view).await?;
        let settled = tokio::select! {
            settled = self.settled() => settled?,
            () = interrupts.next() => {
                return Err(Failure::new(INTERRUPTED, "stopped before the results held all orders"));
            }
        };
        let layout = self.layout.clone();
        let (board, sums) = off_the_runtime(move || {
            Ok::<_, ResultError>((Board::read(&settled, &layout)?, Sums::of(&settled)?))
        })
        .await?;
        view.show(&Seen { board, ..seen }.shown(&self.watch))?;
        Ok(sums)
    }

    /// Makes the tables and waits until the results follow the orders that are there.
    async fn ready(&self) -> Result<(), Failure> {
        init::make(&self.client, &mut |_| Ok(())).await?;
        caught_up(&self.watch, self.store.last_commit()).await
    }

    /// Writes the orders and shows the results until it is time to end and all that was written is acknowledged.
    async fn follow(&self, interrupts: &mut Interrupts, view: &mut Output) -> Result<Seen, Failure> {
        let mut committed = self.watch.committed();
        let started = Instant::now();
        let counters = Arc::new(Counters::new(self.layout.width));
        let mut seen = Seen {
            started,
            board: self.read().await?,
            counters: Arc::clone(&counters),
            speed: Speed::default(),
            durable_at: None,
        };
        seen.speed.sample(started, self.watch.status().changes);
        let (stop, stopped) = oneshot::channel::<()>();
        let mut stop = Some(stop);
        let mut writing = pin!(generate::write(self.load.clone(), &self.client, counters, async {
            // Also where the sender is dropped.
            let _ = stopped.await;
        }));
        let ends_at = started + self.ends_after.unwrap_or_default();
        let mut ticks = interval_at((started + view.interval()).into(), view.interval());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                written = &mut writing => return written.map(|()| seen),
                epoch = committed.recv() => match epoch {
                    Ok(epoch) => {
                        seen.board.apply(&epoch);
                        seen.durable_at = Some(epoch.at);
                    }
                    Err(RecvError::Lagged(_)) => seen.board = self.read().await?,
                    Err(RecvError::Closed) => return Err(Failure::new(3, "the job has ended")),
                },
                _ = ticks.tick() => {
                    if seen.board.is_short(SHOWN_MAX) {
                        seen.board = self.read().await?;
                    }
                    if !view.show(&seen.shown(&self.watch))? {
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

    /// What the result tables say now.
    async fn read(&self) -> Result<Board, Failure> {
        let (store, layout) = (self.store.clone(), self.layout.clone());
        off_the_runtime(move || Board::read(&store.view()?, &layout)).await
    }

    /// A view in which the results hold all that was written.
    async fn settled(&self) -> Result<View, Failure> {
        caught_up(&self.watch, self.store.last_commit()).await?;
        self.store.view().map_err(environment)
    }
}

impl Seen {
    /// What there is to show of it now.
    fn shown(&mut self, watch: &JobWatch) -> Shown {
        let (now, status) = (Instant::now(), watch.status());
        let (last_windows, later_windows) = self.board.last_windows(now_ms(), SHOWN_MAX);
        Shown {
            running_for: now.duration_since(self.started),
            phase: status.phase,
            total: self.board.total(),
            users: self.board.user_count(),
            windows: self.board.window_count(),
            epoch: self.board.epoch(),
            age: self.durable_at.map(|at| now.saturating_duration_since(at)),
            behind: status.behind_since.map(|since| now.saturating_duration_since(since)),
            orders_per_second: self.speed.sample(now, status.changes),
            written: self.counters.so_far(),
            rejects: status.rejects,
            top_users: self.board.top_users(Rank::Amount, SHOWN_MAX),
            last_windows,
            later_windows,
        }
    }

    /// Whether job and store do what they should.
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

/// Where the view goes.
enum Output {
    /// A terminal: over what was shown before.
    Screen(Screen),
    /// Anything else: a line each time.
    Lines,
}

impl Output {
    fn of_stdout() -> Output {
        Screen::of_stdout().map_or(Output::Lines, Output::Screen)
    }

    fn interval(&self) -> Duration {
        match self {
            Output::Screen(_) => DRAW_INTERVAL,
            Output::Lines => LINE_INTERVAL,
        }
    }

    /// Shows it; false where nobody is left to see.
    fn show(&mut self, shown: &Shown) -> Result<bool, Failure> {
        let done = match self {
            Output::Screen(screen) => {
                let (rows, columns) = screen.size();
                screen.draw(&render::lines(shown, rows, columns))
            }
            Output::Lines => {
                let mut out = std::io::stdout();
                out.write_all(render::line(shown).as_bytes()).and_then(|()| out.flush())
            }
        };
        match done {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Failure::new(3, format!("cannot print: {error}"))),
        }
    }
}
