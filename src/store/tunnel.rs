//! Tunnels deliver the rows and changes of a table to clients, which share the work and report how
//! far they have come.
//!
//! ```text
//!             channel BaseData_0                  channels Stream_0 … Stream_3
//!  rows as of the tunnel's own commit   ──then──►  the log's partitions, each from its start on
//!  (base)                                          (stream)
//! ```
//!
//! A client connects, learns by heartbeats which channels are its own ([`assignment`]), reads pages
//! of each channel from its stored checkpoint on, and sets a checkpoint for what it has consumed.
//! Delivery is at least once and in order within a channel, and all changes of a row are in one
//! channel.
//!
//! What must not be lost ([`records`]) is durable before it is answered: tunnels, checkpoints, and
//! who reads what. So clients outlive a restart of the store, and their time-outs go on. What is
//! only in memory can be made anew: the views of base rows ([`base`]), and who was told that
//! a channel ended.
//!
//! A tunnel keeps the log from its checkpoints on. If no client is heard of for as long as its
//! table keeps changes, it expires for good ([`retention`]). A reader that comes too late is told
//! so, and never skips changes.

mod assignment;
mod base;
mod changes;
mod clients;
mod create;
mod model;
mod page;
mod records;
pub(crate) mod retention;
mod session;
mod shards;
mod stream;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use self::assignment::{ChannelReport, ChannelStatus};
pub use self::changes::{ChangeBatch, ChangeReader};
pub use self::clients::{Claim, UNCONNECTED};
pub use self::model::{
    ChannelInfo, Stage, StartFlag, StreamRange, TunnelDescription, TunnelInfo, TunnelKind, TunnelSpec,
};
pub use self::model::{Checkpoint, Cursor, PageEnd, Place, RecordRef, Sequence};
pub use self::page::{Emit, PageMax};
pub(crate) use self::session::Sessions;
pub use self::shards::Shard;

use self::records::{Definition, RecordSource, TunnelId, checkpoint, definitions, find};
use self::session::Session;
use super::Store;
use super::engine::{Snapshot, Space};
use super::error::{Damage, TunnelError};
use super::log;
use super::meta::Meta;
use super::table::Table;

/// The most tunnels of a table.
pub(crate) const TUNNELS_MAX: usize = 64;
/// By how many microseconds the durable time at which a client was last heard of may lag.
pub(crate) const SAVE_US: i64 = 10 * 60 * 1_000_000;

/// The tunnels of a store.
pub struct Tunnels<'s> {
    store: &'s Store,
}

impl Store {
    /// Returns the tunnels of the store. All their calls may wait for the disk.
    pub fn tunnels(&self) -> Tunnels<'_> {
        Tunnels { store: self }
    }
}

/// A tunnel that a request is about, with its session.
struct Open {
    definition: Definition,
    session: Arc<Mutex<Session>>,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tunnels<'_> {
    /// Creates a tunnel, and switches its table's stream on if it is off. Returns the tunnel's id.
    pub fn create(&self, spec: TunnelSpec) -> Result<String, TunnelError> {
        create::check(&spec)?;
        let definition = self.store.transact(move |transaction| create::create(transaction, spec))?;
        Ok(definition.id.to_string())
    }

    /// Deletes a tunnel. If `id` is given, it must be the id of the tunnel.
    pub fn delete(&self, table: &str, name: &str, id: Option<&str>) -> Result<(), TunnelError> {
        let (table, name, id) = (table.to_owned(), name.to_owned(), id.map(str::to_owned));
        let deleted = self.store.transact(move |transaction| {
            let table = transaction.table(&table)?;
            let found = find(transaction, &table, &name, id.as_deref())?.id;
            for key in transaction.list(&found.key(b""))?.into_keys() {
                transaction.remove(Space::Meta, key);
            }
            Ok::<_, TunnelError>(found)
        })?;
        self.store.tunnel_sessions().forget(deleted);
        Ok(())
    }

    /// Returns the tunnels of a table, or of all tables, sorted by table and name.
    pub fn list(&self, table: Option<&str>) -> Result<Vec<TunnelInfo>, TunnelError> {
        let names = match table {
            Some(table) => vec![table.to_owned()],
            None => self.store.tables(),
        };
        let mut infos = Vec::new();
        for name in names {
            let found = match self.store.find_table(&name) {
                Ok(found) => found,
                // The table was deleted in between.
                Err(_) if table.is_none() => continue,
                Err(error) => return Err(error.into()),
            };
            let snapshot = self.store.snapshot();
            let mut definitions = definitions(snapshot.as_ref(), found.id)?;
            definitions.sort_by(|one, other| one.name.cmp(&other.name));
            for definition in definitions {
                match self.open(definition.id) {
                    Ok(open) => infos.push(self.info(&open, &found)),
                    Err(TunnelError::Missing(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(infos)
    }

    /// Describes a tunnel and its channels. If `id` is given, it must be the id of the tunnel.
    pub fn describe(
        &self,
        table: &str,
        name: &str,
        id: Option<&str>,
    ) -> Result<TunnelDescription, TunnelError> {
        let table = self.store.find_table(table)?;
        let snapshot = self.store.snapshot();
        let open = self.open(find(snapshot.as_ref(), &table, name, id)?.id)?;
        let now_us = self.store.clock().now_us();
        let assignment = {
            let mut session = open.lock();
            session.settle(now_us);
            session.assignment.clone()
        };
        let mut channels = Vec::new();
        for (index, (share, source)) in assignment.shares().iter().zip(open.definition.sources()).enumerate()
        {
            let Checkpoint { cursor, .. } = checkpoint(snapshot.as_ref(), &open.definition, index, source)?;
            channels.push(ChannelInfo {
                channel: share.channel.clone(),
                base: source == RecordSource::Base,
                status: assignment.described(share),
                client: share.client.clone(),
                consumed_to_us: self.consumed_to_us(
                    snapshot.as_ref(),
                    &open.definition,
                    source,
                    &cursor,
                    now_us,
                )?,
                consumed: cursor.records,
            });
        }
        Ok(TunnelDescription { tunnel: self.info(&open, &table), channels })
    }

    fn info(&self, open: &Open, table: &Table) -> TunnelInfo {
        let mut session = open.lock();
        session.settle(self.store.clock().now_us());
        let Definition { id, table: name_of_table, name, kind, range, created_us, .. } =
            open.definition.clone();
        TunnelInfo {
            id: id.to_string(),
            table: name_of_table,
            name,
            kind,
            range,
            stream_id: table.info.stream_id.clone().unwrap_or_default(),
            stage: match kind {
                TunnelKind::Stream => Stage::Stream,
                TunnelKind::BaseAndStream if !session.assignment.base_open() => Stage::Stream,
                _ => Stage::BaseData,
            },
            expired: self.is_expired(&session, table),
            created_us,
        }
    }

    /// Returns the time, in microseconds since 1970, before which everything was consumed from a
    /// channel.
    fn consumed_to_us(
        &self,
        snapshot: &dyn Snapshot,
        definition: &Definition,
        source: RecordSource,
        cursor: &Cursor,
        now_us: i64,
    ) -> Result<i64, Damage> {
        match (source, &cursor.place) {
            (RecordSource::Stream(partition), Place::Stream(from)) => {
                match log::scan(snapshot, definition.id.table, partition, *from).next() {
                    Some(entry) => Ok(entry?.record()?.time_us),
                    None => Ok(now_us),
                }
            }
            (_, Place::Finished) => Ok(now_us),
            _ => Ok(definition.created_us),
        }
    }

    /// Returns the tunnel's table. Returns an error if the table was deleted in between, even if a
    /// table with this name was created again.
    fn table_of(&self, definition: &Definition) -> Result<Arc<Table>, TunnelError> {
        match self.store.find_table(&definition.table) {
            Ok(table) if table.id == definition.id.table => Ok(table),
            _ => Err(TunnelError::Missing(definition.id.to_string())),
        }
    }

    fn open_text(&self, tunnel: &str) -> Result<Open, TunnelError> {
        let id = TunnelId::parse(tunnel).ok_or_else(|| TunnelError::Missing(tunnel.to_owned()))?;
        self.open(id)
    }

    fn open(&self, id: TunnelId) -> Result<Open, TunnelError> {
        let snapshot = self.store.snapshot();
        let sessions = self.store.tunnel_sessions();
        let Some(definition) = snapshot.as_ref().record::<Definition>(&id.key(b"d"))? else {
            sessions.forget(id);
            return Err(TunnelError::Missing(id.to_string()));
        };
        let session = sessions.of(snapshot.as_ref(), &definition)?;
        Ok(Open { definition, session })
    }

    fn is_expired(&self, session: &Session, table: &Table) -> bool {
        session.is_expired(retention::kept_us(table), self.store.clock().now_us())
    }
}
