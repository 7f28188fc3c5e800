//! Decides which client reads which channel of a tunnel. Versions settle which of two statements is
//! newer.
//!
//! Each channel has a status and a version. Whoever changes the status adds 1 to the version, and
//! the higher version wins. A channel goes from one client to another in steps that each client
//! sees in its own heartbeats:
//!
//! ```text
//!          assigned              too many here          client let go
//! (free) ────────────► Open v ───────────────► Closing v+1 ──────────► Close v+2 (free)
//!                       │ client ended it: Close v+1 (free), or at its end Terminated v+1
//! ```
//!
//! Nothing here reads a clock, a disk or a network. The caller gives the time, stores the durable
//! part (which is serialized as a whole), and knows which channels have been read to their end. A
//! channel is given to a client only in that client's own heartbeat, so never to a client that is
//! gone.

use super::super::error::TunnelError;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// The most clients of a tunnel at one time.
pub(crate) const CLIENTS_MAX: usize = 1_000;
/// The time in seconds after which a silent client is dropped if it names no time-out itself.
pub(crate) const CLIENT_TIMEOUT_S: i64 = 300;
/// The longest time-out that a client may have, in seconds.
pub(crate) const CLIENT_TIMEOUT_S_MAX: i64 = 86_400;

/// The status of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChannelStatus {
    /// No client has had the channel yet.
    Wait,
    /// The channel's client reads it.
    Open,
    /// The channel's client is to let go of it.
    Closing,
    /// No client has the channel.
    Close,
    /// The channel was read to its end.
    Terminated,
}

/// A report on a channel, which a client and the store send each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelReport {
    /// The name of the channel.
    pub channel: String,
    /// The number of changes of the status. Of two reports the one with the higher version wins.
    pub version: i64,
    /// The status of the channel.
    pub status: ChannelStatus,
}

/// The answer to the question whether a channel was read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The channel was not read to its end.
    Ahead,
    /// The channel was read to its end, and the client that sends the heartbeat was told so. It is
    /// not known whether the client has consumed the last records.
    Told,
    /// The channel was read to its end, and everything was consumed.
    Consumed,
}

/// The clients of a tunnel and the channels that they read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Assignment {
    clients: BTreeMap<String, Client>,
    channels: Vec<Share>,
}

/// A client that is connected.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Client {
    timeout_us: i64,
    /// Whether the client has sent a heartbeat, so that it gets channels.
    active: bool,
    /// The durable time at which the client was last heard of, in microseconds since 1970. It lags
    /// by at most a [part](LAG_PART) of the time-out, so that not every heartbeat is a commit. 0 in
    /// what versions of the program stored that did not keep it.
    #[serde(default)]
    saved_us: i64,
    /// When the client was last heard of, in microseconds since 1970.
    #[serde(skip)]
    heard_us: i64,
}

/// The part of a client's time-out by which the durable time at which it was last heard of may lag.
/// This long it also has at least, after a restart, to be heard of again.
const LAG_PART: i64 = 4;

impl Client {
    fn lag_us(&self) -> i64 {
        self.timeout_us / LAG_PART
    }

    fn hear(&mut self, now_us: i64) {
        self.heard_us = now_us;
        // A clock that was set back must not keep the time from being stored.
        if now_us.abs_diff(self.saved_us) >= self.lag_us().unsigned_abs() {
            self.saved_us = now_us;
        }
    }

    /// Sets when the client was last heard of, in a store that was opened at `opened_us`.
    fn reopen(&mut self, opened_us: i64) {
        let least_us = opened_us.saturating_sub(self.timeout_us).saturating_add(self.lag_us());
        self.heard_us = match self.saved_us {
            0 => opened_us,
            saved_us => saved_us.max(least_us).min(opened_us),
        };
    }
}

/// A channel and the client that has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Share {
    /// The name of the channel.
    pub(super) channel: String,
    /// Whether the channel delivers the base rows, and so is read before the others.
    base: bool,
    version: i64,
    /// The status of the channel.
    pub(super) status: ChannelStatus,
    /// The id of the channel's client. There is one exactly while the channel is open or closing.
    pub(super) client: Option<String>,
}

impl Share {
    /// Takes the channel from its client, which will find it missing in the next answer.
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
    /// Creates an assignment without clients. `channels` are the names of the channels, each with
    /// whether it is read to its end before any of the others.
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

    /// Returns the channels.
    pub(super) fn shares(&self) -> &[Share] {
        &self.channels
    }

    /// Takes the clients over into a store that was opened at `opened_us`. The time-out of each goes
    /// on, but none is dropped before it had the time to be heard of again.
    pub(super) fn reopen(&mut self, opened_us: i64) {
        self.clients.values_mut().for_each(|client| client.reopen(opened_us));
    }

    /// Adds a new client. If `timeout_s` is absent or not positive, the default applies; a longer
    /// time-out than the longest is shortened. Returns an error if there are [`CLIENTS_MAX`]
    /// clients.
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
        self.clients.insert(id, Client { timeout_us, active: false, saved_us: now_us, heard_us: now_us });
        Ok(())
    }

    /// Drops the clients whose time-out has passed. Returns whether there was one.
    pub(super) fn drop_silent(&mut self, now_us: i64) -> bool {
        let silent = |client: &Client| now_us.saturating_sub(client.heard_us) > client.timeout_us;
        let gone: Vec<String> =
            self.clients.iter().filter(|(_, c)| silent(c)).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id));
        !gone.is_empty()
    }

    /// Drops a client that wishes to leave.
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

    /// Returns the index in [`shares`](Self::shares) of a channel that the client may read.
    pub(super) fn held(&self, client: &str, channel: &str) -> Result<usize, TunnelError> {
        self.known(client)?;
        let held = self.channels.iter().position(|share| share.channel == channel && share.is_of(client));
        held.ok_or_else(|| TunnelError::ChannelGone {
            channel: channel.to_owned(),
            client: client.to_owned(),
        })
    }

    /// Returns the index in [`shares`](Self::shares) of a channel that can be read now and that no
    /// connected client has. Who asks must not be a client that is connected: `client` names it in
    /// the error.
    pub(super) fn free(&self, client: &str, channel: &str) -> Result<usize, TunnelError> {
        let base_open = self.base_open();
        let free =
            self.channels.iter().position(|share| share.channel == channel && share.is_free(base_open));
        free.ok_or_else(|| TunnelError::ChannelGone {
            channel: channel.to_owned(),
            client: client.to_owned(),
        })
    }

    /// Terminates the channels that were read to their ends and that no client has. `consumed` says
    /// for each channel whether its checkpoint is its end.
    pub(super) fn end_consumed(&mut self, consumed: &[bool]) {
        for (share, consumed) in self.channels.iter_mut().zip(consumed) {
            if *consumed && share.client.is_none() {
                share.terminate();
            }
        }
    }

    /// Returns the status of a channel as it is described: one that nobody has, and that can be
    /// read now, is open to whoever reads without being connected.
    pub(super) fn described(&self, share: &Share) -> ChannelStatus {
        if share.is_free(self.base_open()) { ChannelStatus::Open } else { share.status }
    }

    /// Handles one heartbeat: takes in what the client reports about its channels and returns the
    /// channels that it has from now on.
    ///
    /// `ends` says for each channel whether it was read to its end. A channel that was not cannot
    /// be terminated.
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
            known.hear(now_us);
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

    /// Opens free channels for the client until it has its part, or closes the channels that it has
    /// beyond its part.
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

    /// Returns how many of the channels that can be read a client should have. The parts differ by
    /// at most one. Clients that already have more channels get the larger parts, so that no
    /// channel moves without need.
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

    /// Returns whether base rows are still to be read, so that no other channel is read yet.
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

    /// Takes in what a client reports about the channel; `None` means that it reports nothing about
    /// it.
    fn hear(&mut self, client: &str, report: Option<&ChannelReport>, end: End) {
        if !self.is_of(client) {
            // The next client of the channel must see a version above every version that was ever
            // reported.
            if let (None, Some(report)) = (&self.client, report) {
                self.version = self.version.max(report.version.min(VERSION_MAX));
            }
            return;
        }
        match report {
            // The client never learned of the channel or has forgotten it, so it has nothing left
            // to let go of.
            None if self.status == ChannelStatus::Closing => self.release(),
            Some(report) if report.version > self.version => {
                self.version = report.version.min(VERSION_MAX);
                match report.status {
                    ChannelStatus::Terminated if end != End::Ahead => self.terminate(),
                    ChannelStatus::Open | ChannelStatus::Closing => self.status = report.status,
                    // If a client ended a channel without reading to its end, the channel starts
                    // again from its checkpoint.
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

/// The highest version that is accepted from a client. It leaves room for adding to it.
const VERSION_MAX: i64 = i64::MAX / 2;

#[cfg(test)]
mod tests;
