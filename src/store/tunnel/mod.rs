//! Tunnels: the rows and changes of a table, delivered to clients that share the work and say how far they came.
//!
//! ```text
//!             channel BaseData_0                  channels Stream_0 … Stream_3
//!  rows as of the tunnel's own commit   ──then──►  the log's partitions, each from its start on
//!  (base)                                          (stream)
//! ```
//!
//! A client connects, learns by heartbeats which channels are its own ([`assignment`]), reads pages of each from its
//! stored checkpoint on, and checkpoints what it has consumed: delivery is at least once, in order within a channel,
//! and all changes of a row are in one channel.
//!
//! What must not be lost ([`records`]) is durable before it is answered: tunnels, checkpoints, who reads what. Clients
//! so outlive a restart of the store, and get all their time to be heard of again. What is only in memory can be made
//! anew: the views of rows of the start ([`base`]), and who was told that a channel ended.
//!
//! A tunnel keeps the log from its checkpoints on, until no client was heard of for as long as its table keeps changes;
//! then it expires for good ([`retention`]). A reader that comes too late is told so, and never skips.

mod assignment;
mod base;
mod changes;
mod create;
mod model;
mod records;
mod retention;
mod session;
mod stream;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use self::assignment::{ChannelReport, ChannelStatus};
pub use self::changes::{ChangeBatch, ChangeReader, RowChange};
pub(crate) use self::model::{
    ChannelInfo, Checkpoint, Cursor, PageEnd, Place, RecordRef, Sequence, Stage, StartFlag, StreamRange,
    TunnelInfo, TunnelKind, TunnelSpec,
};
pub(crate) use self::session::Sessions;

use self::assignment::End;
use self::records::{
    Definition, Source, TunnelId, checkpoint, checkpoint_key, definitions, exists, fill_random, find,
};
use self::session::{Session, Told};
use super::Store;
use super::catalog::Table;
use super::engine::{Snapshot, Space};
use super::error::StoreError;
use super::log;
use super::meta::{Meta, put};

/// Most tunnels of a table.
pub(crate) const TUNNELS_MAX: usize = 10;
/// Records after which a page ends.
pub(crate) const PAGE_RECORDS_MAX: usize = 1_000;
/// Bytes after which a page ends.
pub(crate) const PAGE_BYTES_MAX: usize = 1 << 20;
/// How far the durable time at which a client was last heard of may lag, in microseconds.
pub(crate) const SAVE_US: i64 = 10 * 60 * 1_000_000;

/// Emits a record and says how many bytes it takes.
pub(crate) type Emit<'e> = &'e mut dyn FnMut(&RecordRef<'_>) -> usize;

/// The tunnels of a store.
pub(crate) struct Tunnels<'s> {
    store: &'s Store,
}

impl Store {
    /// Its tunnels. All calls may wait for the disk.
    pub(crate) fn tunnels(&self) -> Tunnels<'_> {
        Tunnels { store: self }
    }
}

/// A tunnel that a request is about.
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
    /// Creates a tunnel and switches its table's stream on where it is off. Gives the tunnel's id.
    pub(crate) fn create(&self, spec: TunnelSpec) -> Result<String, StoreError> {
        create::check(&spec)?;
        let definition = self.store.transact(move |transaction| create::create(transaction, spec))?;
        // The sooner a view is taken, the less has to be undone in it.
        if definition.kind != TunnelKind::Stream {
            self.store.tunnel_sessions().views.of(self.store, &definition);
        }
        Ok(definition.id.to_string())
    }

    /// Deletes a tunnel. An `id`, if given, must be its own.
    pub(crate) fn delete(&self, table: &str, name: &str, id: Option<&str>) -> Result<(), StoreError> {
        let (table, name, id) = (table.to_owned(), name.to_owned(), id.map(str::to_owned));
        let deleted = self.store.transact(move |transaction| {
            let table = transaction.table(&table)?;
            let found = find(transaction, &table, &name, id.as_deref())?.id;
            for key in transaction.list(&found.key(b""))?.into_keys() {
                transaction.remove(Space::Meta, key);
            }
            Ok(found)
        })?;
        self.store.tunnel_sessions().forget(deleted);
        Ok(())
    }

    /// The tunnels of a table, or of all tables, by table and name.
    pub(crate) fn list(&self, table: Option<&str>) -> Result<Vec<TunnelInfo>, StoreError> {
        let names = match table {
            Some(table) => vec![table.to_owned()],
            None => self.store.tables(),
        };
        let mut infos = Vec::new();
        for name in names {
            let found = match self.store.find_table(&name) {
                Ok(found) => found,
                // Deleted in between.
                Err(_) if table.is_none() => continue,
                Err(error) => return Err(error),
            };
            let snapshot = self.store.snapshot();
            let mut definitions = definitions(snapshot.as_ref(), found.id)?;
            definitions.sort_by(|one, other| one.name.cmp(&other.name));
            for definition in definitions {
                match self.open(definition.id) {
                    Ok(open) => infos.push(self.info(&open, &found)),
                    Err(StoreError::TunnelMissing(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(infos)
    }

    /// A tunnel and its channels. An `id`, if given, must be its own.
    pub(crate) fn describe(
        &self,
        table: &str,
        name: &str,
        id: Option<&str>,
    ) -> Result<(TunnelInfo, Vec<ChannelInfo>), StoreError> {
        let table = self.store.find_table(table)?;
        let snapshot = self.store.snapshot();
        let open = self.open(find(snapshot.as_ref(), &table, name, id)?.id)?;
        let now_us = self.store.clock().now_us();
        let mut assignment = open.lock().assignment.clone();
        assignment.drop_silent(now_us);
        let mut channels = Vec::new();
        for (index, (share, source)) in assignment.shares().iter().zip(open.definition.sources()).enumerate()
        {
            let Checkpoint { cursor, .. } = checkpoint(snapshot.as_ref(), &open.definition, index, source)?;
            channels.push(ChannelInfo {
                channel: share.channel.clone(),
                base: source == Source::Base,
                status: share.status,
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
        Ok((self.info(&open, &table), channels))
    }

    fn info(&self, open: &Open, table: &Table) -> TunnelInfo {
        let session = open.lock();
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

    /// Everything older was consumed from a channel.
    fn consumed_to_us(
        &self,
        snapshot: &dyn Snapshot,
        definition: &Definition,
        source: Source,
        cursor: &Cursor,
        now_us: i64,
    ) -> Result<i64, StoreError> {
        match (source, &cursor.place) {
            (Source::Stream(partition), Place::Stream(from)) => {
                match log::scan(snapshot, definition.id.table, partition, *from).next() {
                    Some(entry) => Ok(entry?.record()?.time_us),
                    None => Ok(now_us),
                }
            }
            (_, Place::Finished) => Ok(now_us),
            _ => Ok(definition.created_us),
        }
    }

    /// Connects a client and gives its id.
    pub(crate) fn connect(&self, tunnel: &str, timeout_s: Option<i64>) -> Result<String, StoreError> {
        let open = self.open_text(tunnel)?;
        let mut session = self.live(&open)?;
        let mut random = [0; 16];
        fill_random(&mut random)?;
        let client = format!("{:032x}", u128::from_be_bytes(random));
        let mut assignment = session.assignment.clone();
        let now_us = self.store.clock().now_us();
        assignment.drop_silent(now_us);
        assignment.connect(client.clone(), timeout_s, now_us)?;
        session.save(self.store, &open.definition, assignment, Vec::new())?;
        Ok(client)
    }

    /// Takes in what a client says of its channels and answers with those it has from now on.
    pub(crate) fn heartbeat(
        &self,
        tunnel: &str,
        client: &str,
        reports: &[ChannelReport],
    ) -> Result<Vec<ChannelReport>, StoreError> {
        let open = self.open_text(tunnel)?;
        let mut session = self.live(&open)?;
        let mut assignment = session.assignment.clone();
        let ends = session.ends(client);
        let answer = assignment.heartbeat(client, reports, &ends, self.store.clock().now_us())?;
        // A client that ends a channel has consumed it, checkpoint or not.
        let mut checkpoints = Vec::new();
        for (index, (share, end)) in assignment.shares().iter().zip(&ends).enumerate() {
            if let (ChannelStatus::Terminated, End::Told, Some(told)) =
                (share.status, end, session.told(index))
            {
                checkpoints.push((index, told.cursor.clone()));
            }
        }
        session.save(self.store, &open.definition, assignment, checkpoints)?;
        if !session.assignment.base_open() {
            self.store.tunnel_sessions().views.forget(open.definition.id);
        }
        Ok(answer)
    }

    /// Drops a client at its own wish.
    pub(crate) fn shut_down(&self, tunnel: &str, client: &str) -> Result<(), StoreError> {
        let open = self.open_text(tunnel)?;
        let mut session = open.lock();
        let mut assignment = session.assignment.clone();
        assignment.drop_silent(self.store.clock().now_us());
        assignment.shut_down(client)?;
        session.save(self.store, &open.definition, assignment, Vec::new())
    }

    /// The stored checkpoint of a channel that the client has.
    pub(crate) fn checkpoint(
        &self,
        tunnel: &str,
        client: &str,
        channel: &str,
    ) -> Result<Checkpoint, StoreError> {
        let open = self.open_text(tunnel)?;
        let (_session, index, source) = self.held(&open, client, channel)?;
        checkpoint(self.store.snapshot().as_ref(), &open.definition, index, source)
    }

    /// Sets the checkpoint of a channel that the client has. Durable when it returns. `number` must be above the stored one.
    pub(crate) fn set_checkpoint(
        &self,
        tunnel: &str,
        client: &str,
        channel: &str,
        cursor: Cursor,
        number: i64,
    ) -> Result<(), StoreError> {
        let open = self.open_text(tunnel)?;
        let (mut session, index, source) = self.held(&open, client, channel)?;
        self.check_place(source, &cursor.place)?;
        if let (Source::Stream(partition), Place::Stream(position)) = (source, &cursor.place) {
            let table = self.table_of(&open.definition)?;
            stream::check_kept(self.store.snapshot().as_ref(), &table, partition, *position)?;
        }
        let finished = cursor.place == Place::Finished;
        let cursor = match session.told(index) {
            // `finished` does not tell how many records there were.
            Some(told) if finished && told.client == client => told.cursor.clone(),
            _ => cursor,
        };
        let (definition, channel) = (open.definition.clone(), channel.to_owned());
        self.store.transact(move |transaction| {
            exists(transaction, definition.id)?;
            let before = checkpoint(transaction, &definition, index, source)?;
            if number <= before.number {
                return Err(StoreError::CheckpointOutOfOrder(format!(
                    "checkpoint {number} of channel {channel:?} is not above the stored one, {}",
                    before.number
                )));
            }
            put(transaction, checkpoint_key(definition.id, index), &Checkpoint { cursor, number })
        })?;
        session.set_consumed(index, finished);
        Ok(())
    }

    /// Emits a page of records of a channel that the client has. A page ends after [`PAGE_RECORDS_MAX`] records and
    /// [`PAGE_BYTES_MAX`] bytes.
    pub(crate) fn read(
        &self,
        tunnel: &str,
        client: &str,
        channel: &str,
        from: Cursor,
        emit: Emit<'_>,
    ) -> Result<PageEnd, StoreError> {
        let open = self.open_text(tunnel)?;
        let (session, index, source) = self.held(&open, client, channel)?;
        drop(session);
        let table = self.table_of(&open.definition)?;
        self.check_place(source, &from.place)?;
        let end = match (source, from.place) {
            (Source::Base, Place::Base(key)) => {
                let view = self.store.tunnel_sessions().views.of(self.store, &open.definition);
                let mut view = view.lock().unwrap_or_else(PoisonError::into_inner);
                view.page(&table, key, from.records, self.store.clock().now_us(), emit)?
            }
            (Source::Stream(partition), Place::Stream(position)) => {
                let from = stream::From { position, records: from.records, time_us: from.time_us };
                stream::page(self.store, &table, &open.definition, partition, from, emit)?
            }
            (_, place) => PageEnd { next: Cursor { place, ..from }, more: false },
        };
        if end.next.place == Place::Finished {
            let told = Told { client: client.to_owned(), cursor: end.next.clone() };
            open.lock().set_told(index, told);
        }
        Ok(end)
    }

    /// Refuses a place that cannot be one of the channel's.
    fn check_place(&self, source: Source, place: &Place) -> Result<(), StoreError> {
        match (source, place) {
            (_, Place::Finished) | (Source::Base, Place::Base(_)) => Ok(()),
            (Source::Stream(_), Place::Stream(position)) => {
                // What a snapshot shows may not have been announced yet.
                let last = stream::last_of(self.store.snapshot().as_ref())?.commit;
                if position.commit <= last + 1 {
                    return Ok(());
                }
                let message =
                    format!("the token names commit {}, and the last one is {last}", position.commit);
                Err(StoreError::Invalid(message))
            }
            _ => Err(StoreError::Invalid("the token is that of a channel of another type".to_owned())),
        }
    }

    /// The tunnel's table, unless it was deleted, and perhaps created anew, in between.
    fn table_of(&self, definition: &Definition) -> Result<Arc<Table>, StoreError> {
        match self.store.find_table(&definition.table) {
            Ok(table) if table.id == definition.id.table => Ok(table),
            _ => Err(StoreError::TunnelMissing(definition.id.to_string())),
        }
    }

    fn open_text(&self, tunnel: &str) -> Result<Open, StoreError> {
        let id = TunnelId::parse(tunnel).ok_or_else(|| StoreError::TunnelMissing(tunnel.to_owned()))?;
        self.open(id)
    }

    fn open(&self, id: TunnelId) -> Result<Open, StoreError> {
        let snapshot = self.store.snapshot();
        let sessions = self.store.tunnel_sessions();
        let Some(definition) = snapshot.as_ref().record::<Definition>(&id.key(b"d"))? else {
            sessions.forget(id);
            return Err(StoreError::TunnelMissing(id.to_string()));
        };
        let session = sessions.of(snapshot.as_ref(), &definition, self.store.clock().now_us())?;
        Ok(Open { definition, session })
    }

    /// Locks a tunnel for a client's request, which keeps it from expiring.
    fn live<'o>(&self, open: &'o Open) -> Result<MutexGuard<'o, Session>, StoreError> {
        let mut session = open.lock();
        let table = self.table_of(&open.definition)?;
        if self.is_expired(&session, &table) {
            return Err(StoreError::TunnelExpired(format!(
                "tunnel \"{}\" of table \"{}\" was left alone for longer than the table keeps changes; create it anew",
                open.definition.name, open.definition.table
            )));
        }
        session.active_us = session.active_us.max(self.store.clock().now_us());
        Ok(session)
    }

    /// Locks a tunnel for a request about a channel that the client has.
    fn held<'o>(
        &self,
        open: &'o Open,
        client: &str,
        channel: &str,
    ) -> Result<(MutexGuard<'o, Session>, usize, Source), StoreError> {
        let mut session = self.live(open)?;
        session.assignment.drop_silent(self.store.clock().now_us());
        let index = session.assignment.held(client, channel)?;
        let source = open.definition.sources().get(index).copied();
        let source = source.ok_or_else(|| StoreError::ResourceGone(format!("no channel {channel:?}")))?;
        Ok((session, index, source))
    }

    fn is_expired(&self, session: &Session, table: &Table) -> bool {
        session.is_expired(retention::kept_us(table), self.store.clock().now_us())
    }
}
