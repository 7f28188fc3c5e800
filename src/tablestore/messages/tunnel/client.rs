//! What a client of a tunnel sends: it connects, keeps its channels, reads records and stores
//! checkpoints.

use bytes::Bytes;
use prost::{Enumeration, Message};

/// The state of a channel that a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ChannelStatus {
    /// The client reads the channel.
    Open = 1,
    /// The server wants the channel back.
    Closing = 2,
    /// The client gave the channel back.
    Close = 3,
    /// All of the channel was read.
    Terminated = 4,
}

/// Says what happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ActionType {
    /// The row was replaced.
    PutRow = 1,
    /// Some columns changed.
    UpdateRow = 2,
    /// The row was deleted.
    DeleteRow = 3,
}

/// What a client asks for when it connects.
#[derive(Clone, PartialEq, Message)]
pub struct ClientConfig {
    /// The seconds without a heartbeat after which the server takes the client for dead.
    #[prost(int64, optional, tag = "1")]
    pub timeout: Option<i64>,
    /// A text that the client chooses freely.
    #[prost(string, optional, tag = "2")]
    pub client_tag: Option<String>,
}

/// Registers a client: `/tunnel/connect`.
#[derive(Clone, PartialEq, Message)]
pub struct ConnectRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(message, optional, tag = "2")]
    pub client_config: Option<ClientConfig>,
}

/// Says that the client is registered.
#[derive(Clone, PartialEq, Message)]
pub struct ConnectResponse {
    /// The id by which the client names itself from now on.
    #[prost(string, required, tag = "1")]
    pub client_id: String,
}

/// A channel that a client has.
#[derive(Clone, PartialEq, Message)]
pub struct Channel {
    #[prost(string, required, tag = "1")]
    pub channel_id: String,
    /// Grows by one with every change of status; the higher version is the newer one.
    #[prost(int64, required, tag = "2")]
    pub version: i64,
    #[prost(enumeration = "ChannelStatus", required, tag = "3")]
    pub status: i32,
    /// This field is not used.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub detail: Option<Bytes>,
}

/// Says that a client lives, and reports its channels: `/tunnel/heartbeat`.
#[derive(Clone, PartialEq, Message)]
pub struct HeartbeatRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(string, required, tag = "2")]
    pub client_id: String,
    /// The channels as the client sees them.
    #[prost(message, repeated, tag = "3")]
    pub channels: Vec<Channel>,
}

/// A client's channels as the server sees them.
#[derive(Clone, PartialEq, Message)]
pub struct HeartbeatResponse {
    /// The channels that the client has. It no longer has a channel that is not listed.
    #[prost(message, repeated, tag = "1")]
    pub channels: Vec<Channel>,
}

/// Ends a client's registration: `/tunnel/shutdown`.
#[derive(Clone, PartialEq, Message)]
pub struct ShutdownRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(string, required, tag = "2")]
    pub client_id: String,
}

/// Says that the client is no longer registered.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ShutdownResponse {}

/// Asks where a channel is to be read from: `/tunnel/getcheckpoint`.
#[derive(Clone, PartialEq, Message)]
pub struct GetCheckpointRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(string, required, tag = "2")]
    pub client_id: String,
    #[prost(string, required, tag = "3")]
    pub channel_id: String,
}

/// The place from which a channel is to be read.
#[derive(Clone, PartialEq, Message)]
pub struct GetCheckpointResponse {
    /// The place: a token, or `finished`.
    #[prost(string, required, tag = "1")]
    pub checkpoint: String,
    /// The number of the checkpoint; the next one must have a higher number.
    #[prost(int64, required, tag = "2")]
    pub sequence_number: i64,
}

/// Reads a page of a channel: `/tunnel/readrecords`.
#[derive(Clone, PartialEq, Message)]
pub struct ReadRecordsRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(string, required, tag = "2")]
    pub client_id: String,
    #[prost(string, required, tag = "3")]
    pub channel_id: String,
    /// The place at which the page starts.
    #[prost(string, required, tag = "4")]
    pub token: String,
}

/// A row as it was at the tunnel's creation, or a change of a row.
#[derive(Clone, PartialEq, Message)]
pub struct Record {
    #[prost(enumeration = "ActionType", required, tag = "1")]
    pub action_type: i32,
    /// The record, as a row: key cells, what changed, and its place in the log.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub record: Bytes,
    /// The row's columns before the change.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub origin_record: Option<Bytes>,
}

/// A page of a channel, in the channel's order.
#[derive(Clone, PartialEq, Message)]
pub struct ReadRecordsResponse {
    #[prost(message, repeated, tag = "1")]
    pub records: Vec<Record>,
    /// The place at which the next page starts, or `finished`.
    #[prost(string, required, tag = "2")]
    pub next_token: String,
    /// Whether there are more records already.
    #[prost(bool, optional, tag = "3")]
    pub may_more_record: Option<bool>,
}

/// Stores how far a channel was read: `/tunnel/checkpoint`.
#[derive(Clone, PartialEq, Message)]
pub struct CheckpointRequest {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    #[prost(string, required, tag = "2")]
    pub client_id: String,
    #[prost(string, required, tag = "3")]
    pub channel_id: String,
    /// The place: a token, or `finished`.
    #[prost(string, required, tag = "4")]
    pub checkpoint: String,
    /// The number of this checkpoint.
    #[prost(int64, required, tag = "5")]
    pub sequence_number: i64,
}

/// Says that the checkpoint was stored.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CheckpointResponse {}

/// The outside of a token. Clients decode it: a token is the base64 of this message.
#[derive(Clone, PartialEq, Message)]
pub struct Token {
    /// The version of the content, which is always 2.
    #[prost(int64, required, tag = "1")]
    pub version: i64,
    /// A serialized [`TokenContent`].
    #[prost(bytes = "bytes", required, tag = "2")]
    pub content: Bytes,
}

/// The inside of a token. Clients take a channel for one of changes if it has an `iterator`.
#[derive(Clone, PartialEq, Message)]
pub struct TokenContent {
    /// The place to go on at, in a channel of rows.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub primary_key: Option<Bytes>,
    /// The place to go on at, in a channel of changes.
    #[prost(string, optional, tag = "2")]
    pub iterator: Option<String>,
    /// The time of the change that was read last.
    #[prost(int64, optional, tag = "3")]
    pub timestamp: Option<i64>,
    /// The number of records that were read.
    #[prost(int64, optional, tag = "4")]
    pub total_count: Option<i64>,
}
