//! What the store does by itself, now and then: it removes what deleted tables left behind, lets tunnels expire, and
//! removes changes that nobody needs any more.
//!
//! One thread, which sleeps in between and ends with the store. What it does is cut into commits of bounded size, so
//! that requests get their turn.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::commit::Submitter;
use super::engine::Engine;
use super::purge::Purge;
use super::tunnel::retention;
use super::{Inner, Store};

/// Time between two turns.
const TURN: Duration = Duration::from_secs(60);

/// The thread's handle.
pub(crate) struct Background {
    wake: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the thread, which first looks for what is left from before. It does not keep the store from ending.
    pub(crate) fn start(
        store: Weak<Inner>,
        engine: Arc<dyn Engine>,
        submitter: Submitter,
    ) -> std::io::Result<Background> {
        let (wake, woken) = channel();
        let run = move || {
            let purge = Purge { engine, submitter, woken };
            loop {
                // What fails now is due again at the next turn; why writes fail, the store says to those who write.
                let _ = purge.all();
                match purge.woken.recv_timeout(TURN) {
                    Ok(()) => {}
                    Err(RecvTimeoutError::Timeout) => {
                        let Some(inner) = store.upgrade() else { return };
                        let _ = retention::turn(&Store { inner });
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let thread = thread::Builder::new().name("store-background".to_owned()).spawn(run)?;
        Ok(Background { wake: Mutex::new(Some(wake)), thread: Mutex::new(Some(thread)) })
    }

    /// Lets it look for deleted tables.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.wake.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // It fails only if the thread has ended.
            let _ = wake.send(());
        }
    }

    /// Ends the thread after the request that it is at, and waits for that if `wait` says so.
    pub(crate) fn stop(&self, wait: bool) {
        drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The store may end with the clone that a turn had.
        if let Some(thread) = thread.filter(|thread| wait && thread.thread().id() != thread::current().id()) {
            // A panic of a turn took nothing with it.
            let _ = thread.join();
        }
    }
}
