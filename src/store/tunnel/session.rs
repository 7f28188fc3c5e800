//! Holds what is kept in memory about the tunnels in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::Store;
use super::super::engine::{Snapshot, Space};
use super::super::error::{Damage, TunnelError};
use super::super::meta::{Meta, parse, put};
use super::SAVE_US;
use super::assignment::{Assignment, End};
use super::base::BaseViews;
use super::model::{Checkpoint, Cursor, Place};
use super::records::{Definition, Life, RecordSource, TunnelId, checkpoint, checkpoint_key, exists};

/// The tunnels in use, and their base views.
pub(crate) struct Sessions {
    /// When the store was opened, in microseconds since 1970.
    opened_us: i64,
    map: Mutex<HashMap<TunnelId, Arc<Mutex<Session>>>>,
    pub(super) base_views: BaseViews,
}

impl Sessions {
    /// Creates the sessions of a store that is opened now. No tunnel is in use yet.
    pub(crate) fn new(opened_us: i64) -> Sessions {
        Sessions { opened_us, map: Mutex::default(), base_views: BaseViews::default() }
    }

    /// Returns the session of a tunnel. If the tunnel is not in use yet, its session is loaded from
    /// what is stored.
    pub(super) fn of(
        &self,
        snapshot: &dyn Snapshot,
        definition: &Definition,
    ) -> Result<Arc<Mutex<Session>>, Damage> {
        let mut map = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = map.get(&definition.id) {
            return Ok(session.clone());
        }
        let session = Arc::new(Mutex::new(Session::load(snapshot, definition, self.opened_us)?));
        map.insert(definition.id, session.clone());
        Ok(session)
    }

    /// Forgets a tunnel that was deleted.
    pub(super) fn forget(&self, tunnel: TunnelId) {
        self.map.lock().unwrap_or_else(PoisonError::into_inner).remove(&tunnel);
        self.base_views.forget(tunnel);
    }
}

/// A client that was told that a channel has no more records.
pub(super) struct Told {
    pub(super) client: String,
    /// The cursor at the end of the channel.
    pub(super) cursor: Cursor,
}

/// The state of a tunnel in use that is kept in memory.
pub(super) struct Session {
    pub(super) assignment: Assignment,
    /// The assignment as it is stored.
    stored: Vec<u8>,
    /// The life of the tunnel as it is stored.
    pub(super) life: Life,
    /// When a client was last heard of, in microseconds since 1970.
    pub(super) active_us: i64,
    /// Whether the checkpoint of each channel is its end.
    consumed: Vec<bool>,
    /// The client that was last told of each channel's end.
    told: Vec<Option<Told>>,
}

impl Session {
    fn load(snapshot: &dyn Snapshot, definition: &Definition, opened_us: i64) -> Result<Session, Damage> {
        let sources = definition.sources();
        let key = definition.id.key(b"a");
        let (mut assignment, stored_bytes) = match snapshot.value(&key)? {
            Some(bytes) => (parse::<Assignment>(&key, &bytes)?, bytes.to_vec()),
            None => {
                let channels = sources.iter().map(|source| (source.channel(), *source == RecordSource::Base));
                (Assignment::new(channels), Vec::new())
            }
        };
        assignment.reopen(opened_us);
        let life: Life = snapshot.record(&definition.id.key(b"l"))?.unwrap_or_default();
        let mut consumed = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            consumed.push(checkpoint(snapshot, definition, index, *source)?.cursor.place == Place::Finished);
        }
        let told = sources.iter().map(|_| None).collect();
        Ok(Session { assignment, stored: stored_bytes, active_us: life.active_us, life, consumed, told })
    }

    /// Drops the clients whose time-out has passed, and terminates the channels that were read to
    /// their ends and that no client has.
    pub(super) fn settle(&mut self, now_us: i64) {
        self.assignment.drop_silent(now_us);
        self.assignment.end_consumed(&self.consumed);
    }

    /// Returns whether each channel was read to its end, from the point of view of a client.
    pub(super) fn ends(&self, client: &str) -> Vec<End> {
        let ends = self.consumed.iter().zip(&self.told).map(|(consumed, told)| match (consumed, told) {
            (true, _) => End::Consumed,
            (false, Some(told)) if told.client == client => End::Told,
            _ => End::Ahead,
        });
        ends.collect()
    }

    /// Returns the client that was last told of a channel's end.
    pub(super) fn told(&self, channel: usize) -> Option<&Told> {
        self.told.get(channel)?.as_ref()
    }

    /// Remembers the client that was told of a channel's end.
    pub(super) fn set_told(&mut self, channel: usize, told: Told) {
        if let Some(before) = self.told.get_mut(channel) {
            *before = Some(told);
        }
    }

    /// Remembers whether a channel's checkpoint is its end.
    pub(super) fn set_consumed(&mut self, channel: usize, consumed: bool) {
        if let Some(before) = self.consumed.get_mut(channel) {
            *before = consumed;
        }
    }

    /// Replaces the assignment, once it and the ends of channels that came with it are durable.
    pub(super) fn save(
        &mut self,
        store: &Store,
        definition: &Definition,
        assignment: Assignment,
        ended: Vec<(usize, Cursor)>,
    ) -> Result<(), TunnelError> {
        let bytes = serde_json::to_vec(&assignment)
            .map_err(|error| Damage(format!("clients of tunnel \"{}\": {error}", definition.name)))?;
        let changed = bytes != self.stored || !ended.is_empty();
        if changed || self.active_us.saturating_sub(self.life.active_us) >= SAVE_US {
            let life = Life { active_us: self.active_us, expired: false };
            let channels: Vec<usize> = ended.iter().map(|(channel, _)| *channel).collect();
            match self.write(store, definition, bytes.clone(), life.clone(), ended) {
                Ok(()) => (self.stored, self.life) = (bytes, life),
                Err(error) if changed => return Err(error),
                // If only the time at which a client was heard of cannot be stored, the request
                // still succeeds.
                Err(_) => {}
            }
            channels.into_iter().for_each(|channel| self.set_consumed(channel, true));
        }
        self.assignment = assignment;
        Ok(())
    }

    fn write(
        &self,
        store: &Store,
        definition: &Definition,
        assignment: Vec<u8>,
        life: Life,
        ended: Vec<(usize, Cursor)>,
    ) -> Result<(), TunnelError> {
        let definition = definition.clone();
        store.transact(move |transaction| {
            let id = definition.id;
            exists(transaction, id)?;
            transaction.put(Space::Meta, id.key(b"a"), assignment);
            put(transaction, id.key(b"l"), &life)?;
            for (channel, cursor) in ended {
                let source = definition.sources().get(channel).copied().unwrap_or(RecordSource::Base);
                let Checkpoint { number, .. } = checkpoint(transaction, &definition, channel, source)?;
                put(transaction, checkpoint_key(id, channel), &Checkpoint { cursor, number })?;
            }
            Ok(())
        })
    }

    /// Returns whether no client was heard of for longer than `kept_us` microseconds, now or when
    /// the tunnel was last looked at.
    pub(super) fn is_expired(&self, kept_us: Option<i64>, now_us: i64) -> bool {
        self.life.expired || kept_us.is_some_and(|kept_us| now_us.saturating_sub(self.active_us) > kept_us)
    }

    /// Marks the tunnel as expired, for good.
    pub(super) fn expire(&mut self, store: &Store, definition: &Definition) -> Result<(), TunnelError> {
        let life = Life { active_us: self.active_us, expired: true };
        let (id, stored) = (definition.id, life.clone());
        store.transact(move |transaction| {
            exists(transaction, id)?;
            Ok::<_, TunnelError>(put(transaction, id.key(b"l"), &stored)?)
        })?;
        self.life = life;
        Ok(())
    }
}
