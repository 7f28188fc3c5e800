//! What the store does by itself, now and then: it lets tunnels expire and removes changes that nobody needs any more.
//!
//! One thread, which sleeps in between and ends with the store. What it does is cut into commits of bounded size, so
//! that requests get their turn.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::tunnel::retention;
use super::{Inner, Store};

/// Time between two turns.
const TURN: Duration = Duration::from_secs(60);

/// The thread's handle.
pub(crate) struct Background {
    stop: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the thread. It does not keep the store from ending.
    pub(crate) fn start(store: Weak<Inner>) -> std::io::Result<Background> {
        let (stop, stopped) = channel::<()>();
        let run = move || {
            while stopped.recv_timeout(TURN) == Err(RecvTimeoutError::Timeout) {
                let Some(inner) = store.upgrade() else { break };
                // What fails now is due again at the next turn; why writes fail, the store says to those who write.
                let _ = retention::turn(&Store { inner });
            }
        };
        let thread = thread::Builder::new().name("store-background".to_owned()).spawn(run)?;
        Ok(Background { stop: Mutex::new(Some(stop)), thread: Mutex::new(Some(thread)) })
    }

    /// Ends the thread, after the turn it may be at.
    pub(crate) fn stop(&self) {
        drop(self.stop.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The store may end with the clone that a turn had.
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic of a turn took nothing with it.
            let _ = thread.join();
        }
    }
}
