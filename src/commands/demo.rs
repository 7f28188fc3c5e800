//! `orderflow demo`: one command and nothing to prepare. It runs an instance with a day of made-up orders behind it and
//! more as they come, which people watch on its page; `demo recompute` shows what single changes of many orders cost.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

use super::Failure;
use super::up::Signals;
use ::live::job::{JobWatch, Phase};
use live::LiveArgs;
use recompute::RecomputeArgs;

mod follow;
mod history;
mod line;
mod live;
mod load;
mod recompute;
mod results;
mod written;

/// How close to each other signals are one.
const SIGNALS_AT_ONCE: Duration = Duration::from_millis(200);

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    /// Another demo than the live one.
    #[command(subcommand)]
    pub command: Option<DemoCommand>,
    /// Flags of the live one.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Another demo.
#[derive(Clone, Debug, Subcommand)]
pub enum DemoCommand {
    /// Change single ones of a million orders, and show which rows of the results change, and what it costs
    Recompute(RecomputeArgs),
}

/// Runs a demo.
///
/// # Errors
/// [`Failure`]: 1 where the results do not agree, 2 for flags that cannot be, 3 where disk or port fail, 130 where it was
/// interrupted before its end.
pub fn demo(args: &DemoArgs) -> Result<(), Failure> {
    match &args.command {
        None => live::live(&args.live),
        Some(DemoCommand::Recompute(args)) => recompute::recompute(args),
    }
}

/// Where a demo keeps its store: a folder of the user's, or a temporary one.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// That of `--data`; without it, a temporary one.
    fn of(data: Option<&Path>) -> Result<Folder, Failure> {
        if let Some(data) = data {
            return Ok(Folder { path: data.to_owned(), temporary: None });
        }
        let temporary = tempfile::Builder::new()
            .prefix("orderflow-demo-")
            .tempdir()
            .map_err(|error| Failure::new(3, format!("cannot make a temporary folder: {error}")))?;
        Ok(Folder { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    /// Refuses a folder with anything in it.
    fn check_empty(&self) -> Result<(), Failure> {
        let shown = self.path.display();
        match fs::read_dir(&self.path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(Failure::new(
                2,
                format!(
                    "{shown} is not empty: this demo needs a store of its own; name a new folder, or none"
                ),
            )),
            Ok(false) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::new(2, format!("{shown} cannot be read: {error}"))),
        }
    }

    /// Removes it, if it is a temporary one. The store must have been closed.
    fn remove(self) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(3, format!("cannot remove {}: {error}", self.path.display()))
        };
        self.temporary.map_or(Ok(()), |temporary| temporary.close().map_err(cannot))
    }
}

/// Waits for signals to stop. Those that come at once are one: some programs send them to a process and to its group.
struct Interrupts {
    signals: Signals,
    last: Option<Instant>,
}

impl Interrupts {
    async fn next(&mut self) {
        loop {
            self.signals.next().await;
            let before = self.last.replace(Instant::now());
            if before.is_none_or(|before| before.elapsed() > SIGNALS_AT_ONCE) {
                return;
            }
        }
    }
}

/// A runtime, and the signals to stop: from now on they are heard where they are waited for, and end nothing by themselves.
fn runtime() -> Result<(Runtime, Interrupts), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let signals = {
        let _inside = runtime.enter();
        Signals::new().map_err(environment)?
    };
    Ok((runtime, Interrupts { signals, last: None }))
}

/// An environment that failed.
fn environment(error: impl fmt::Display) -> Failure {
    Failure::new(3, error)
}

/// Waits until the results hold all commits up to this one.
async fn caught_up(watch: &JobWatch, commit: u64) -> Result<(), Failure> {
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

/// Runs what waits for the disk.
async fn off_the_runtime<T: Send + 'static, E: fmt::Display + Send + 'static>(
    act: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    spawn_blocking(act).await.map_err(environment)?.map_err(environment)
}
