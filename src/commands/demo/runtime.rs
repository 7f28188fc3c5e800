//! The runtime of a demo, and what a demo waits for on it.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use crate::commands::Failure;
use crate::program::signals::Signals;
use live::job::{JobWatch, Phase};
use store::READING_THREADS_MAX;

/// The longest time between two signals that count as one.
const SIGNALS_AT_ONCE: Duration = Duration::from_millis(200);

/// A receiver of signals to stop. Signals that come at the same time count as one, because some
/// programs send them to a process and to its group.
pub(super) struct Interrupts {
    signals: Signals,
    last: Option<Instant>,
}

impl Interrupts {
    pub(super) async fn next(&mut self) {
        loop {
            self.signals.next().await;
            let before = self.last.replace(Instant::now());
            if before.is_none_or(|before| before.elapsed() > SIGNALS_AT_ONCE) {
                return;
            }
        }
    }
}

/// Creates a runtime and a receiver of signals to stop. From now on a signal is heard only by the
/// receiver, and ends nothing by itself.
pub(super) fn runtime() -> Result<(Runtime, Interrupts), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(READING_THREADS_MAX)
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    Ok((runtime, Interrupts { signals: Signals::new(), last: None }))
}

/// Returns a failure of the environment, with exit code 3.
pub(super) fn environment(error: impl fmt::Display) -> Failure {
    Failure::new(3, error)
}

/// Waits until the results hold all commits up to `commit`.
pub(super) async fn caught_up(watch: &JobWatch, commit: u64) -> Result<(), Failure> {
    let mut status = watch.follow();
    loop {
        let now = status.borrow_and_update().clone();
        match now.phase {
            Phase::Running if now.upper > commit => return Ok(()),
            Phase::Blocked(reason) | Phase::Failed(reason) => return Err(Failure::new(3, reason)),
            _ => {}
        }
        status.changed().await.map_err(|_| Failure::new(3, "the job has ended"))?;
    }
}

/// Runs what waits for the disk on a thread that may block.
pub(super) async fn off_the_runtime<T: Send + 'static, E: fmt::Display + Send + 'static>(
    act: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(act).await.map_err(environment)?.map_err(environment)
}
