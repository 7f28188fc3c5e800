//! Takes up the signals that ask the program to stop: SIGINT and SIGTERM.
//!
//! The first process of a container gets no signal that it has not asked for. So `main` takes the
//! signals up before anything else, for every command. While no part of the program listens, a
//! signal ends the process at once: whatever a command is about to start can be cut off there, as
//! by a power failure. A command that has something to bring to an end listens, by [`Signals`].

use std::io;
use std::sync::LazyLock;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::log;

/// The exit code of a program that was interrupted before its end.
pub const INTERRUPTED: u8 = 130;

/// The time that a command has to end after a signal, where it may be waiting for what never comes.
pub const STOP_TIME_MAX: Duration = Duration::from_secs(1);

/// The number of signals since the start. Whoever holds a receiver listens.
static HEARD: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// Takes the signals up. From now on none of them ends the process by its default action.
///
/// # Errors
/// Returns the operating system's error. Then the default actions stand.
pub fn take_up() -> io::Result<()> {
    let (ready, taken) = channel();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if let Err(error) = listen(&ready) {
            // Nobody waits for a second answer.
            let _ = ready.send(Err(error));
        }
    })?;
    taken.recv().map_err(io::Error::other)?
}

/// Waits for signals on a thread of its own, so that no other work delays what they ask for.
fn listen(ready: &Sender<io::Result<()>>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let _ = ready.send(Ok(()));
        loop {
            tokio::select! {
                _ = interrupts.recv() => {}
                _ = terminations.recv() => {}
            }
            if HEARD.receiver_count() == 0 {
                log::last_words(&"interrupted");
                std::process::exit(INTERRUPTED.into());
            }
            HEARD.send_modify(|heard| *heard += 1);
        }
    })
}

/// Listens to signals from now on. As long as the receiver lives, a signal adds 1 to its value and
/// does not end the process.
pub fn hear() -> watch::Receiver<u64> {
    HEARD.subscribe()
}

/// The signals since this was made. As long as it lives, no signal ends the process.
#[derive(Debug)]
pub struct Signals {
    heard: watch::Receiver<u64>,
    taken: u64,
}

impl Signals {
    /// Begins to listen.
    #[allow(clippy::new_without_default)] // This does something.
    pub fn new() -> Signals {
        let mut heard = hear();
        let taken = *heard.borrow_and_update();
        Signals { heard, taken }
    }

    /// Waits for the next signal. Those that have come meanwhile, since this was last called, count
    /// as one.
    pub async fn next(&mut self) {
        let taken = self.taken;
        // The sender is never dropped, so this does not fail.
        if let Ok(heard) = self.heard.wait_for(|heard| *heard > taken).await {
            self.taken = *heard;
        }
    }
}
