//! Who reads which channel of a tunnel: clients, channels, and the versions that settle who is right.
//!
//! Each channel has a status and a version; whoever changes the status adds 1 to the version, and the higher version
//! wins. A channel goes from one client to another by steps that each client sees in its own heartbeats:
//!
//! ```text
//!          assigned              too many here          client let go
//! (free) ────────────► Open v ───────────────► Closing v+1 ──────────► Close v+2 (free)
//!                       │ client ended it: Close v+1 (free), or at its end Terminated v+1
//! ```
//!
//! Nothing here reads a clock, a disk or a network: the caller gives the time, keeps the durable part (it is serialized
//! whole) and knows which channels have been read to their end. A channel is given to a client only in that client's
//! own heartbeat, so never to one that is gone.

use super::super::error::TunnelError;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Most clients of a tunnel at one time.
pub(crate) const CLIENTS_MAX: usize = 1_000;
/// Time after which a silent client is dropped where it names none, in seconds.
pub(crate) const CLIENT_TIMEOUT_S: i64 = 300;
/// Longest such time, in seconds.
pub(crate) const CLIENT_TIMEOUT_S_MAX: i64 = 86_400;

/// State of a client's share in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelStatus {
    /// No client has had it yet.
    Wait,
    /// Its client reads it.
    Open,
    /// Its client is to let go of it.
    Closing,
    /// No client has it.
    Close,
    /// It was read to its end.
    Terminated,
}

/// A channel as a client and the store tell each other of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// Names the channel.
    pub channel: String,
    /// How often the status has changed; the higher one wins.
    pub version: i64,
    /// Its status.
    pub status: ChannelStatus,
}

/// How far a channel was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not to its end.
    Ahead,
    /// To its end, so the client that reports was told; what it did with the last records is not known.
    Told,
    /// To its end, and all was consumed.
    Consumed,
}

/// Who reads a tunnel, and what.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    clients: BTreeMap<String, Client>,
    channels: Vec<Share>,
}

/// A client that is connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Client {
    timeout_us: i64,
    /// It has sent a heartbeat, so channels are shared with it.
    active: bool,
    /// When it was heard of last. Not durable: after a restart each client has all its time again.
    #[serde(skip)]
    heard_us: i64,
}

/// A channel and who has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// Names the channel.
    pub(super) channel: String,
    /// It holds the rows of the start, and is read before the others.
    base: bool,
    version: i64,
    /// Its status.
    pub(super) status: ChannelStatus,
    /// Its client: there exactly while it is open or closing.
    pub(super) client: Option<String>,
}

impl Share {
    /// Takes it from its client, who will find it gone.
    fn release(&mut self) {
        if self.client.take().is_some() {
            self.status = ChannelStatus::Close;
            self.version += 1;
        }
    }

    fn terminate(&mut self) {
        self.client = None;
        self.status = ChannelStatus::Terminated;
    }
}

impl Assignment {
    /// Nobody reads anything. `channels` are names, and whether they are read to their end before any of the others.
    pub(super) fn new(channels: impl IntoIterator<Item = (String, bool)>) -> Assignment {
        let channels = channels.into_iter().map(|(channel, base)| Share {
            channel,
            base,
            version: 0,
            status: ChannelStatus::Wait,
            client: None,
        });
        Assignment { clients: BTreeMap::new(), channels: channels.collect() }
    }

    /// The channels.
    pub(super) fn shares(&self) -> &[Share] {
        &self.channels
    }

    /// Gives all clients all their time again, from `now_us`.
    pub(super) fn hear_all(&mut self, now_us: i64) {
        self.clients.values_mut().for_each(|client| client.heard_us = now_us);
    }

    /// Takes in a new client. A time-out that is absent or not positive is the default.
    pub(super) fn connect(
        &mut self,
        id: String,
        timeout_s: Option<i64>,
        now_us: i64,
    ) -> Result<(), TunnelError> {
        if self.clients.len() >= CLIENTS_MAX {
            return Err(TunnelError::TooManyClients { max: CLIENTS_MAX });
        }
        let timeout_s = timeout_s.filter(|seconds| *seconds > 0).unwrap_or(CLIENT_TIMEOUT_S);
        let timeout_us = timeout_s.min(CLIENT_TIMEOUT_S_MAX) * 1_000_000;
        self.clients.insert(id, Client { timeout_us, active: false, heard_us: now_us });
        Ok(())
    }

    /// Drops the clients that have been silent for too long. True if there was one.
    pub(super) fn drop_silent(&mut self, now_us: i64) -> bool {
        let silent = |client: &Client| now_us.saturating_sub(client.heard_us) > client.timeout_us;
        let gone: Vec<String> =
            self.clients.iter().filter(|(_, c)| silent(c)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id));
        !gone.is_empty()
    }

    /// Drops a client at its own wish.
    pub(super) fn shut_down(&mut self, client: &str) -> Result<(), TunnelError> {
        self.known(client)?;
        self.remove(client);
        Ok(())
    }

    fn remove(&mut self, client: &str) {
        self.clients.remove(client);
        self.channels.iter_mut().filter(|share| share.is_of(client)).for_each(Share::release);
    }

    fn known(&self, client: &str) -> Result<&Client, TunnelError> {
        let gone = || TunnelError::ClientGone(client.to_owned());
        self.clients.get(client).ok_or_else(gone)
    }

    /// The position in [`shares`](Self::shares) of a channel that the client may read.
    pub(super) fn held(&self, client: &str, channel: &str) -> Result<usize, TunnelError> {
        self.known(client)?;
        let held = self.channels.iter().position(|share| share.channel == channel && share.is_of(client));
        held.ok_or_else(|| TunnelError::ChannelGone {
            channel: channel.to_owned(),
            client: client.to_owned(),
        })
    }

    /// One heartbeat: takes in what the client says of its channels and answers with those it has from now on.
    ///
    /// `ends` says of each channel how far it was read; one that is not at its end does not terminate.
    pub(super) fn heartbeat(
        &mut self,
        client: &str,
        reports: &[ChannelReport],
        ends: &[End],
        now_us: i64,
    ) -> Result<Vec<ChannelReport>, TunnelError> {
        self.drop_silent(now_us);
        self.known(client)?;
        if let Some(known) = self.clients.get_mut(client) {
            known.heard_us = now_us;
            known.active = true;
        }
        for (share, end) in self.channels.iter_mut().zip(ends) {
            share.hear(client, reports.iter().find(|report| report.channel == share.channel), *end);
            if share.client.is_none() && *end == End::Consumed {
                share.terminate();
            }
        }
        self.share_out(client);
        let mine = self.channels.iter().filter(|share| share.is_of(client));
        Ok(mine
            .map(|share| ChannelReport {
                channel: share.channel.clone(),
                version: share.version,
                status: share.status,
            })
            .collect())
    }

    /// Opens free channels for the client up to its part, or closes what it has beyond.
    fn share_out(&mut self, client: &str) {
        let part = self.part_of(client);
        let base_open = self.base_open();
        let mut open = 0;
        for share in self.channels.iter_mut().filter(|share| share.is_of(client)) {
            if share.status == ChannelStatus::Open {
                open += 1;
                if open > part {
                    share.status = ChannelStatus::Closing;
                    share.version += 1;
                }
            }
        }
        for share in self.channels.iter_mut().filter(|share| share.is_free(base_open)) {
            if open < part {
                share.client = Some(client.to_owned());
                share.status = ChannelStatus::Open;
                share.version += 1;
                open += 1;
            }
        }
    }

    /// How many of the channels to be read a client should have. The parts differ by one at most; those who already
    /// have more get the larger ones, so that no channel moves without need.
    fn part_of(&self, client: &str) -> usize {
        let open = |id: &str| {
            let mine = self.channels.iter().filter(|share| share.is_of(id));
            mine.filter(|share| share.status == ChannelStatus::Open).count()
        };
        let mut active: Vec<&str> = Vec::new();
        active.extend(self.clients.iter().filter(|(_, c)| c.active).map(|(id, _)| id.as_str()));
        active.sort_by_key(|id| (Reverse(open(id)), *id));
        let base_open = self.base_open();
        let channels = self.channels.iter().filter(|share| share.is_readable(base_open)).count();
        match active.iter().position(|id| *id == client) {
            Some(rank) => channels / active.len() + usize::from(rank < channels % active.len()),
            None => 0,
        }
    }

    /// Rows of the start are still to be read, so nothing else is.
    pub(super) fn base_open(&self) -> bool {
        self.channels.iter().any(|share| share.base && share.status != ChannelStatus::Terminated)
    }
}

impl Share {
    fn is_of(&self, client: &str) -> bool {
        self.client.as_deref() == Some(client)
    }

    fn is_readable(&self, base_open: bool) -> bool {
        self.status != ChannelStatus::Terminated && self.base == base_open
    }

    fn is_free(&self, base_open: bool) -> bool {
        self.client.is_none() && self.is_readable(base_open)
    }

    /// Takes in what a client says of the channel, or that it says nothing of it.
    fn hear(&mut self, client: &str, report: Option<&ChannelReport>, end: End) {
        if !self.is_of(client) {
            // Its next owner must see a version above any that was ever told.
            if let (None, Some(report)) = (&self.client, report) {
                self.version = self.version.max(report.version.min(VERSION_MAX));
            }
            return;
        }
        match report {
            // It never learned of the channel, or has forgotten it: nothing is left to let go of.
            None if self.status == ChannelStatus::Closing => self.release(),
            Some(report) if report.version > self.version => {
                self.version = report.version.min(VERSION_MAX);
                match report.status {
                    ChannelStatus::Terminated if end != End::Ahead => self.terminate(),
                    ChannelStatus::Open | ChannelStatus::Closing => self.status = report.status,
                    // One that ended a channel whose end it has not read starts again from its checkpoint.
                    ChannelStatus::Wait | ChannelStatus::Close | ChannelStatus::Terminated => {
                        self.client = None;
                        self.status = ChannelStatus::Close;
                    }
                }
            }
            _ => {}
        }
    }
}

/// Highest version that is taken from a client; leaves room to add to.
const VERSION_MAX: i64 = i64::MAX / 2;

#[cfg(test)]
mod tests;
