//! Removes what deleted tables leave behind, a little at a time, and goes on with it after a restart.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::commit::Submitter;
use super::engine::{Bytes, Engine, Space};
use super::error::EngineError;
use super::error::{CatalogError, Halt};
use super::format::{META_AUTO, META_LOG_START, META_PURGE, META_TUNNEL, TableId, after_prefix, meta_key};
use super::read::Direction;

/// Most keys that one request removes, so that writes of others wait but little.
const KEYS_MAX: usize = 2_000;

/// How it is done, by [`Background`](super::background::Background).
pub(crate) struct Purge {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) submitter: Submitter,
    /// Woken when there is more to do; disconnected when it is to end.
    pub(crate) woken: Receiver<()>,
}

impl Purge {
    /// Removes what all deleted tables left behind, until it is to end.
    pub(crate) fn all(&self) -> Result<(), CatalogError> {
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
    fn purge(&self, table: TableId) -> Result<(), CatalogError> {
        self.remove(Space::Rows, &table.bytes())?;
        self.remove(Space::Log, &table.bytes())?;
        for kind in [META_AUTO, META_LOG_START, META_TUNNEL] {
            self.remove(Space::Meta, &meta_key(kind, table))?;
        }
        let note = meta_key(META_PURGE, table);
        self.submitter.transact(move |transaction| {
            transaction.remove(Space::Meta, note);
            Ok(())
        })
    }

    /// Removes all keys that start with `prefix`.
    fn remove(&self, space: Space, prefix: &[u8]) -> Result<(), CatalogError> {
        let snapshot = self.engine.snapshot();
        let upper = after_prefix(prefix).unwrap_or_default();
        let mut entries = snapshot.scan(space, prefix, &upper, Direction::Forward);
        loop {
            let keys: Vec<Bytes> = entries
                .by_ref()
                .take(KEYS_MAX)
                .map(|entry| entry.map(|entry| entry.key))
                .collect::<Result<_, EngineError>>()?;
            if keys.is_empty() {
                return Ok(());
            }
            self.submitter.transact(move |transaction| {
                keys.into_iter().for_each(|key| transaction.remove(space, key));
                Ok::<_, Halt>(())
            })?;
            if self.is_stopped() {
                return Err(Halt::Closing.into());
            }
        }
    }

    fn is_stopped(&self) -> bool {
        loop {
            match self.woken.try_recv() {
                // It will look for deleted tables anyway.
                Ok(()) => {}
                Err(error) => return error == TryRecvError::Disconnected,
            }
        }
    }
}
