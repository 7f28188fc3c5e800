//! Runs the store's own work in the background: it removes what deleted tables left behind, lets
//! tunnels expire, and removes changes that are no longer needed.
//!
//! This is one thread, which sleeps between its turns and ends with the store. Its work is divided
//! into commits of limited size, so that requests get their turn in between.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::commit::Submitter;
use super::engine::Engine;
use super::purge::Purge;
use super::tunnel::retention;
use super::{Inner, Store};

/// The time between two turns.
const TURN: Duration = Duration::from_secs(60);

/// The owner of the background thread.
pub(crate) struct Background {
    wake: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Background {
    /// Starts the thread, which first removes what is left from before. The thread does not keep
    /// the store open.
    pub(crate) fn start(
        store: Weak<Inner>,
        engine: Arc<dyn Engine>,
        submitter: Submitter,
    ) -> std::io::Result<Background> {
        let (wake, woken) = channel();
        let run = move || {
            let purge = Purge { engine, submitter, woken };
            loop {
                // What fails now is tried again at the next turn. The store reports failed writes
                // to its callers.
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

    /// Wakes the thread to look for deleted tables.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.wake.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // Sending fails only if the thread has ended.
            let _ = wake.send(());
        }
    }

    /// Ends the thread after its current request, and waits for that if `wait` is true.
    pub(crate) fn stop(&self, wait: bool) {
        drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last clone of the store may be the one that a turn holds, and then this runs on the
        // background thread itself.
        if let Some(thread) = thread.filter(|thread| wait && thread.thread().id() != thread::current().id()) {
            // A panic of a turn leaves nothing half done.
            let _ = thread.join();
        }
    }
}
