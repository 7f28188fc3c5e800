//! Offers the operations of a tunnel's client: it connects, learns from heartbeats which channels
//! it has, and reads them.

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::plain_buffer::{Malformed, Rows, Sequence};
use crate::tunnel;
use store::change::ColumnChange;
use store::value::NamedKey;

const CONNECT: Operation = Operation::write("/tunnel/connect");
const HEARTBEAT: Operation = Operation::read("/tunnel/heartbeat");
const SHUTDOWN: Operation = Operation::write("/tunnel/shutdown");
const GET_CHECKPOINT: Operation = Operation::read("/tunnel/getcheckpoint");
const READ_RECORDS: Operation = Operation::read("/tunnel/readrecords");
const CHECKPOINT: Operation = Operation::write("/tunnel/checkpoint");

/// The text that stands for a token when the channel has no more records.
pub const FINISHED: &str = "finished";

/// A client that is connected to a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// The id of the tunnel.
    pub tunnel: String,
    /// The id of the client.
    pub client: String,
}

/// A stored position from which a channel is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelCheckpoint {
    /// A token, or [`FINISHED`].
    pub token: String,
    /// The number of the checkpoint. The next checkpoint must have a higher one.
    pub number: i64,
}

/// A row as it was when the tunnel was created, or a change of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelRecord {
    /// The kind of change.
    pub action: tunnel::ActionType,
    /// The key of the row.
    pub key: NamedKey,
    /// The columns of the row, or their changes.
    pub changes: Vec<(String, ColumnChange)>,
    /// The place among the changes of the channel. A row as of the tunnel's creation may have none.
    pub sequence: Option<Sequence>,
}

/// A page of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelPage {
    /// The records, in order.
    pub records: Vec<ChannelRecord>,
    /// The position at which the next page begins, or [`FINISHED`].
    pub next_token: String,
    /// Whether more records are there already.
    pub more: bool,
}

impl ChannelRecord {
    fn parse(record: &tunnel::Record) -> Result<ChannelRecord, Malformed> {
        let action = tunnel::ActionType::try_from(record.action_type)
            .map_err(|error| Malformed::Wrong(format!("action of a record: {error}")))?;
        let row = Rows::of(&record.record)?.only()?;
        let (key, changes, sequence) = (row.named_key(), row.changes(), row.sequence);
        Ok(ChannelRecord { action, key, changes, sequence })
    }
}

impl Client {
    /// Connects to a tunnel. If the server hears nothing from the client for `timeout_s` seconds,
    /// it drops the client and gives its channels to others.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn connect_tunnel(
        &self,
        tunnel: &str,
        timeout_s: Option<i64>,
    ) -> Result<Connected, ClientError> {
        let request = tunnel::ConnectRequest {
            tunnel_id: tunnel.to_owned(),
            client_config: Some(tunnel::ClientConfig { timeout: timeout_s, client_tag: None }),
        };
        let client = self.call::<tunnel::ConnectResponse>(CONNECT, &request).await?.answer.client_id;
        Ok(Connected { tunnel: tunnel.to_owned(), client })
    }

    /// Tells the server that the client lives, and which channels it knows. Returns the channels
    /// that it has from now on.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSResourceGone` if the server no longer knows the client.
    pub async fn heartbeat(
        &self,
        connected: &Connected,
        channels: Vec<tunnel::Channel>,
    ) -> Result<Vec<tunnel::Channel>, ClientError> {
        let Connected { tunnel, client } = connected.clone();
        let request = tunnel::HeartbeatRequest { tunnel_id: tunnel, client_id: client, channels };
        Ok(self.call::<tunnel::HeartbeatResponse>(HEARTBEAT, &request).await?.answer.channels)
    }

    /// Leaves the tunnel.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSResourceGone` if the server no longer knows the client.
    pub async fn shut_down_tunnel(&self, connected: &Connected) -> Result<(), ClientError> {
        let Connected { tunnel, client } = connected.clone();
        let request = tunnel::ShutdownRequest { tunnel_id: tunnel, client_id: client };
        self.call::<tunnel::ShutdownResponse>(SHUTDOWN, &request).await?;
        Ok(())
    }

    /// Returns the position from which a channel is to be read.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSResourceGone` if the client does not have the channel.
    pub async fn channel_checkpoint(
        &self,
        connected: &Connected,
        channel: &str,
    ) -> Result<ChannelCheckpoint, ClientError> {
        let Connected { tunnel, client } = connected.clone();
        let channel_id = channel.to_owned();
        let request = tunnel::GetCheckpointRequest { tunnel_id: tunnel, client_id: client, channel_id };
        let stored = self.call::<tunnel::GetCheckpointResponse>(GET_CHECKPOINT, &request).await?.answer;
        Ok(ChannelCheckpoint { token: stored.checkpoint, number: stored.sequence_number })
    }

    /// Reads a page of a channel.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSResourceGone` if the client does not have the channel,
    /// with `OTSTunnelExpired` if the changes are no longer kept.
    pub async fn read_channel(
        &self,
        connected: &Connected,
        channel: &str,
        token: &str,
    ) -> Result<ChannelPage, ClientError> {
        let Connected { tunnel, client } = connected.clone();
        let request = tunnel::ReadRecordsRequest {
            tunnel_id: tunnel,
            client_id: client,
            channel_id: channel.to_owned(),
            token: token.to_owned(),
        };
        let page = self.call::<tunnel::ReadRecordsResponse>(READ_RECORDS, &request).await?.answer;
        let records = page.records.iter().map(ChannelRecord::parse).collect::<Result<_, _>>();
        let records = records.map_err(|error| self.untrusted(READ_RECORDS, error))?;
        Ok(ChannelPage { records, next_token: page.next_token, more: page.may_more_record.unwrap_or(false) })
    }

    /// Stores how far the client has read a channel.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSSequenceNumberNotMatch` if the number is not above that of
    /// the stored checkpoint.
    pub async fn set_channel_checkpoint(
        &self,
        connected: &Connected,
        channel: &str,
        checkpoint: &ChannelCheckpoint,
    ) -> Result<(), ClientError> {
        let Connected { tunnel, client } = connected.clone();
        let request = tunnel::CheckpointRequest {
            tunnel_id: tunnel,
            client_id: client,
            channel_id: channel.to_owned(),
            checkpoint: checkpoint.token.clone(),
            sequence_number: checkpoint.number,
        };
        self.call::<tunnel::CheckpointResponse>(CHECKPOINT, &request).await?;
        Ok(())
    }
}
