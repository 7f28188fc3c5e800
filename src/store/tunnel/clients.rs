//! Handles the requests of a tunnel's clients.

use std::sync::{MutexGuard, PoisonError};

use super::super::error::TunnelError;
use super::super::log::check_kept;
use super::super::meta::put;
use super::super::transaction::last_of;
use super::assignment::{ChannelReport, ChannelStatus, End};
use super::model::{Checkpoint, Cursor, PageEnd, Place};
use super::page::{Emit, Page, PageMax};
use super::records::{Definition, RecordSource, checkpoint, checkpoint_key, exists, fill_random};
use super::session::{Session, Told};
use super::{Open, Tunnels, stream};

/// The id under which the vendor's Spark connector reads. It never connects and sends no heartbeats,
/// so it gets no channels of its own. It reads those that no connected client has, and numbers
/// all its checkpoints 0.
pub const UNCONNECTED: &str = "spark-client";

/// A client's claim to a channel.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The id of the tunnel.
    pub tunnel: &'a str,
    /// The id of the client, or [`UNCONNECTED`].
    pub client: &'a str,
    /// The name of the channel.
    pub channel: &'a str,
}

impl Tunnels<'_> {
    /// Connects a client and returns its id. `timeout_s` is the time in seconds after which the
    /// client is dropped if it is silent; `None` means the default.
    pub fn connect(&self, tunnel: &str, timeout_s: Option<i64>) -> Result<String, TunnelError> {
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

    /// Handles a heartbeat: takes in what a client reports about its channels and returns the
    /// channels that it has from now on.
    pub fn heartbeat(
        &self,
        tunnel: &str,
        client: &str,
        reports: &[ChannelReport],
    ) -> Result<Vec<ChannelReport>, TunnelError> {
        let open = self.open_text(tunnel)?;
        let mut session = self.live(&open)?;
        let mut assignment = session.assignment.clone();
        let ends = session.ends(client);
        let answer = assignment.heartbeat(client, reports, &ends, self.store.clock().now_us())?;
        // A client that ends a channel has consumed it, even if it set no checkpoint.
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
            self.store.tunnel_sessions().base_views.forget(open.definition.id);
        }
        Ok(answer)
    }

    /// Drops a client that wishes to leave.
    pub fn shut_down(&self, tunnel: &str, client: &str) -> Result<(), TunnelError> {
        let open = self.open_text(tunnel)?;
        let mut session = open.lock();
        let mut assignment = session.assignment.clone();
        assignment.drop_silent(self.store.clock().now_us());
        assignment.shut_down(client)?;
        session.save(self.store, &open.definition, assignment, Vec::new())
    }

    /// Returns the stored checkpoint of a channel that the client has.
    pub fn checkpoint(&self, claim: Claim<'_>) -> Result<Checkpoint, TunnelError> {
        let open = self.open_text(claim.tunnel)?;
        let (_session, index, source) = self.held(&open, claim)?;
        Ok(checkpoint(self.store.snapshot().as_ref(), &open.definition, index, source)?)
    }

    /// Sets the checkpoint of a channel that the client has. The checkpoint is durable when this
    /// returns. `number` must be above that of the stored checkpoint; 0 stands for the stored number
    /// if the client is [`UNCONNECTED`].
    pub fn set_checkpoint(&self, claim: Claim<'_>, cursor: Cursor, number: i64) -> Result<(), TunnelError> {
        let open = self.open_text(claim.tunnel)?;
        let (mut session, index, source) = self.held(&open, claim)?;
        self.check_place(source, &cursor.place)?;
        if let (RecordSource::Stream(partition), Place::Stream(position)) = (source, &cursor.place) {
            let table = self.table_of(&open.definition)?;
            check_kept::<TunnelError>(self.store.snapshot().as_ref(), &table, partition, *position)?;
        }
        let finished = cursor.place == Place::Finished;
        // A finished place does not say how many records there were, but the cursor that the client
        // was told does.
        let told = session.told(index).filter(|told| finished && told.client == claim.client);
        let told = told.map(|told| told.cursor.clone());
        let (definition, channel) = (open.definition.clone(), claim.channel.to_owned());
        let keeps_number = claim.client == UNCONNECTED && number == 0;
        self.store.transact(move |transaction| {
            exists(transaction, definition.id)?;
            let before = checkpoint(transaction, &definition, index, source)?;
            let number = if keeps_number { before.number } else { number };
            if number <= before.number && !keeps_number {
                return Err(TunnelError::CheckpointOutOfOrder { channel, number, stored: before.number });
            }
            let cursor = match told {
                Some(told) => told,
                None if finished => Cursor { place: Place::Finished, ..before.cursor },
                None => cursor,
            };
            Ok(put(transaction, checkpoint_key(definition.id, index), &Checkpoint { cursor, number })?)
        })?;
        session.set_consumed(index, finished);
        session.settle(self.store.clock().now_us());
        Ok(())
    }

    /// Passes a page of records of a channel that the client has to `emit`, and returns where it
    /// ended.
    pub fn read(
        &self,
        claim: Claim<'_>,
        from: Cursor,
        max: PageMax,
        emit: Emit<'_>,
    ) -> Result<PageEnd, TunnelError> {
        let open = self.open_text(claim.tunnel)?;
        let (session, index, source) = self.held(&open, claim)?;
        drop(session);
        let table = self.table_of(&open.definition)?;
        self.check_place(source, &from.place)?;
        let page = Page::new(&table, max, emit);
        let end = match (source, from.place) {
            (RecordSource::Base, Place::Base(key)) => {
                let base_view = self.store.tunnel_sessions().base_views.of(self.store, &open.definition);
                let mut base_view = base_view.lock().unwrap_or_else(PoisonError::into_inner);
                base_view.page(page, key, from.records, self.store.clock().now_us())?
            }
            (RecordSource::Stream(partition), Place::Stream(position)) => {
                let next = stream::Next { position, records: from.records, time_us: from.time_us };
                stream::page(self.store, &open.definition, partition, next, page)?
            }
            (_, place) => PageEnd { next: Cursor { place, ..from }, more: false },
        };
        if end.next.place == Place::Finished {
            let told = Told { client: claim.client.to_owned(), cursor: end.next.clone() };
            open.lock().set_told(index, told);
        }
        Ok(end)
    }

    /// Returns an error if the place cannot be one of the channel.
    fn check_place(&self, source: RecordSource, place: &Place) -> Result<(), TunnelError> {
        match (source, place) {
            (_, Place::Finished) | (RecordSource::Base, Place::Base(_)) => Ok(()),
            (RecordSource::Stream(_), Place::Stream(position)) => {
                // A snapshot may already show a commit that is not announced yet.
                let last = last_of(self.store.snapshot().as_ref())?.commit;
                if position.commit <= last + 1 {
                    return Ok(());
                }
                Err(TunnelError::PlaceAhead { commit: position.commit, last })
            }
            _ => Err(TunnelError::PlaceOfOtherType),
        }
    }

    /// Locks a tunnel for a request of a client, which keeps the tunnel from expiring.
    fn live<'o>(&self, open: &'o Open) -> Result<MutexGuard<'o, Session>, TunnelError> {
        let mut session = open.lock();
        let table = self.table_of(&open.definition)?;
        if self.is_expired(&session, &table) {
            let Definition { name, table, .. } = &open.definition;
            return Err(TunnelError::Expired { tunnel: name.clone(), table: table.clone() });
        }
        session.active_us = session.active_us.max(self.store.clock().now_us());
        Ok(session)
    }

    /// Locks a tunnel for a request about a channel that the client has. Also returns the index of
    /// the channel and its source.
    fn held<'o>(
        &self,
        open: &'o Open,
        claim: Claim<'_>,
    ) -> Result<(MutexGuard<'o, Session>, usize, RecordSource), TunnelError> {
        let mut session = self.live(open)?;
        session.settle(self.store.clock().now_us());
        let index = match claim.client {
            UNCONNECTED => {
                let index = session.assignment.free(claim.client, claim.channel)?;
                // No heartbeat stores that the tunnel is in use. If this cannot either, the request
                // still succeeds.
                let assignment = session.assignment.clone();
                let _ = session.save(self.store, &open.definition, assignment, Vec::new());
                index
            }
            client => session.assignment.held(client, claim.channel)?,
        };
        let source = open.definition.sources().get(index).copied();
        let source = source.ok_or_else(|| TunnelError::ChannelGone {
            channel: claim.channel.to_owned(),
            client: claim.client.to_owned(),
        })?;
        Ok((session, index, source))
    }
}
