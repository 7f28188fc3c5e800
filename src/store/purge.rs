//! Removes what deleted tables leave behind, a little at a time, and goes on with it after a restart.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use super::commit::Submitter;
use super::engine::{Bytes, Engine, EngineError, Space};
use super::error::StoreError;
use super::format::{META_AUTO, META_LOG_START, META_PURGE, META_TUNNEL, TableId, after_prefix, meta_key};
use super::read::Direction;

/// Most keys that one request removes, so that writes of others wait but little.
const KEYS_MAX: usize = 2_000;

/// The thread that does it.
pub(crate) struct Purger {
    wake: Mutex<Option<Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Purger {
    /// Starts it; it first looks for what is left from before.
    pub(crate) fn start(engine: Arc<dyn Engine>, submitter: Submitter) -> std::io::Result<Purger> {
        let (wake, woken) = channel();
        let worker = Worker { engine, submitter, woken };
        let thread = thread::Builder::new().name("store-purge".to_owned()).spawn(move || worker.run())?;
        Ok(Purger { wake: Mutex::new(Some(wake)), thread: Mutex::new(Some(thread)) })
    }

    /// Lets it look for deleted tables.
    pub(crate) fn wake(&self) {
        if let Some(wake) = self.wake.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            // It fails only if the thread has ended, as it does with the store's first failure.
            let _ = wake.send(());
        }
    }

    /// Ends it after the request that it is at, and waits for that if `wait` says so.
    pub(crate) fn stop(&self, wait: bool) {
        drop(self.wake.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|_| wait) {
            // It does not panic, and has nothing to tell.
            let _ = thread.join();
        }
    }
}

struct Worker {
    engine: Arc<dyn Engine>,
    submitter: Submitter,
    woken: Receiver<()>,
}

/// Why it ends.
struct Ended;

impl From<EngineError> for Ended {
    fn from(_: EngineError) -> Ended {
        // What cannot be read now is left for the next start.
        Ended
    }
}

impl From<StoreError> for Ended {
    fn from(_: StoreError) -> Ended {
        // The store takes no more writes: whoever writes is told why.
        Ended
    }
}

impl Worker {
    fn run(self) {
        while let Ok(()) = self.purge_all() {
            if self.woken.recv().is_err() {
                return;
            }
        }
    }

    fn purge_all(&self) -> Result<(), Ended> {
        let snapshot = self.engine.snapshot();
        let tables = snapshot.scan(Space::Meta, &[META_PURGE], &[META_PURGE + 1], Direction::Forward);
        for table in tables {
            let key = table?.key;
            if let Some(id) = key.get(1..).and_then(|id| id.try_into().ok()) {
                self.purge(TableId(u32::from_be_bytes(id)))?;
            }
        }
        Ok(())
    }

    /// Removes all of a table, and last the note that it is to be removed.
    fn purge(&self, table: TableId) -> Result<(), Ended> {
        self.remove(Space::Rows, &table.bytes())?;
        self.remove(Space::Log, &table.bytes())?;
        for kind in [META_AUTO, META_LOG_START, META_TUNNEL] {
            self.remove(Space::Meta, &meta_key(kind, table))?;
        }
        let note = meta_key(META_PURGE, table);
        Ok(self.submitter.transact(move |transaction| {
            transaction.remove(Space::Meta, note);
            Ok(())
        })?)
    }

    /// Removes all keys that start with `prefix`.
    fn remove(&self, space: Space, prefix: &[u8]) -> Result<(), Ended> {
        let snapshot = self.engine.snapshot();
        let upper = after_prefix(prefix).unwrap_or_default();
        let mut entries = snapshot.scan(space, prefix, &upper, Direction::Forward);
        loop {
            let keys: Vec<Bytes> = entries
                .by_ref()
                .take(KEYS_MAX)
                .map(|entry| entry.map(|entry| entry.key))
                .collect::<Result<_, _>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            self.submitter.transact(move |transaction| {
                keys.into_iter().for_each(|key| transaction.remove(space, key));
                Ok(())
            })?;
            if self.is_stopped() {
                return Err(Ended);
            }
        }
    }

    fn is_stopped(&self) -> bool {
        loop {
            match self.woken.try_recv() {
                // It will look for deleted tables anyway.
                Ok(()) => {}
                Err(error) => return error == std::sync::mpsc::TryRecvError::Disconnected,
            }
        }
    }
}
