//! Removes what deleted tables leave behind, a little at a time. After a restart the removal goes
//! on.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::commit::Submitter;
use super::engine::{Bytes, Engine, Space};
use super::error::EngineError;
use super::error::{CatalogError, Halt};
use super::format::{META_AUTO, META_LOG_START, META_PURGE, META_TUNNEL, TableId, after_prefix, meta_key};
use super::read::Direction;

/// The most keys that one request removes, so that other writes wait only a short time.
const KEYS_MAX: usize = 2_000;

/// The removal of deleted tables, which [`Background`](super::background::Background) runs.
pub(crate) struct Purge {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) submitter: Submitter,
    /// Receives a message when there is more to do, and is disconnected when the removal is to end.
    pub(crate) woken: Receiver<()>,
}

impl Purge {
    /// Removes what all deleted tables left behind, or returns early if it is to end.
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

    /// Removes everything of a table, and at last the note that it is to be removed.
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

    /// Removes all keys of a space that start with `prefix`.
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
                // The background looks for deleted tables after this anyway.
                Ok(()) => {}
                Err(error) => return error == TryRecvError::Disconnected,
            }
        }
    }
}
