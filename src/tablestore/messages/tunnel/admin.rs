//! Creates, lists, describes and deletes tunnels.

use prost::{Enumeration, Message};

/// Says which rows a tunnel delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum TunnelType {
    /// The rows that are there when the tunnel is created.
    BaseData = 1,
    /// The changes of rows.
    Stream = 2,
    /// The rows that are there when the tunnel is created, then every change since.
    BaseAndStream = 3,
}

/// Says where a tunnel of changes starts if no time is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum StartOffsetFlag {
    /// It starts at its creation.
    Latest = 0,
    /// It starts at the oldest change that is kept.
    Earliest = 1,
}

/// Says where a tunnel of changes starts and ends.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct StreamTunnelConfig {
    /// The start. It applies only if `start_offset` is absent.
    #[prost(enumeration = "StartOffsetFlag", optional, tag = "1")]
    pub flag: Option<i32>,
    /// The time of the first change, in nanoseconds since 1970.
    #[prost(uint64, optional, tag = "2")]
    pub start_offset: Option<u64>,
    /// The time before which the changes end, in nanoseconds since 1970.
    #[prost(uint64, optional, tag = "3")]
    pub end_offset: Option<u64>,
}

/// A tunnel to be created.
#[derive(Clone, PartialEq, Message)]
pub struct Tunnel {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(string, required, tag = "3")]
    pub tunnel_name: String,
    #[prost(enumeration = "TunnelType", required, tag = "4")]
    pub tunnel_type: i32,
    #[prost(message, optional, tag = "5")]
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
}

/// Creates a tunnel: `/tunnel/create`.
#[derive(Clone, PartialEq, Message)]
pub struct CreateTunnelRequest {
    #[prost(message, required, tag = "1")]
    pub tunnel: Tunnel,
}

/// Says that the tunnel was created.
#[derive(Clone, PartialEq, Message)]
pub struct CreateTunnelResponse {
    /// The id by which clients name the tunnel from now on.
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
}

/// Deletes a tunnel: `/tunnel/delete`.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteTunnelRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(string, required, tag = "2")]
    pub tunnel_name: String,
    /// Names the same tunnel by its id.
    #[prost(string, optional, tag = "3")]
    pub tunnel_id: Option<String>,
}

/// Says that the tunnel was deleted.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct DeleteTunnelResponse {}

/// Asks for tunnels: `/tunnel/list`.
#[derive(Clone, PartialEq, Message)]
pub struct ListTunnelRequest {
    /// Restricts the answer to the tunnels of one table.
    #[prost(string, optional, tag = "1")]
    pub table_name: Option<String>,
}

/// A tunnel that exists. Its types and stages are texts, which clients compare with those named
/// here.
#[derive(Clone, PartialEq, Message)]
pub struct TunnelInfo {
    #[prost(string, required, tag = "1")]
    pub tunnel_id: String,
    /// The type: `BaseData`, `Stream` or `BaseAndStream`.
    #[prost(string, required, tag = "2")]
    pub tunnel_type: String,
    #[prost(string, required, tag = "3")]
    pub table_name: String,
    #[prost(string, required, tag = "4")]
    pub instance_name: String,
    /// The id of the table's log of changes.
    #[prost(string, required, tag = "5")]
    pub stream_id: String,
    /// The stage: `InitBaseDataAndStreamShard`, `ProcessBaseData` or `ProcessStream`.
    #[prost(string, required, tag = "6")]
    pub stage: String,
    /// Whether the log no longer reaches back to the change that is to be read next.
    #[prost(bool, optional, tag = "7")]
    pub expired: Option<bool>,
    #[prost(string, optional, tag = "8")]
    pub tunnel_name: Option<String>,
    /// Whether others may use the tunnel.
    #[prost(bool, optional, tag = "9")]
    pub public: Option<bool>,
    #[prost(message, optional, tag = "10")]
    pub stream_tunnel_config: Option<StreamTunnelConfig>,
    /// The time in nanoseconds since 1970.
    #[prost(int64, optional, tag = "11")]
    pub create_time: Option<i64>,
}

/// The answer to [`ListTunnelRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct ListTunnelResponse {
    /// The tunnels, in no meaningful order.
    #[prost(message, repeated, tag = "1")]
    pub tunnels: Vec<TunnelInfo>,
}

/// Asks for a tunnel's state and channels: `/tunnel/describe`.
#[derive(Clone, PartialEq, Message)]
pub struct DescribeTunnelRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(string, required, tag = "2")]
    pub tunnel_name: String,
    /// Names the same tunnel by its id.
    #[prost(string, optional, tag = "3")]
    pub tunnel_id: Option<String>,
}

/// A channel that exists. The server always fills type and status: clients read them without
/// looking.
#[derive(Clone, PartialEq, Message)]
pub struct ChannelInfo {
    #[prost(string, required, tag = "1")]
    pub channel_id: String,
    /// The type: `BaseData` or `Stream`.
    #[prost(string, optional, tag = "2")]
    pub channel_type: Option<String>,
    /// The status: `WAIT`, `OPEN`, `CLOSING`, `CLOSE` or `TERMINATED`.
    #[prost(string, optional, tag = "3")]
    pub channel_status: Option<String>,
    /// The client that reads the channel.
    #[prost(string, optional, tag = "4")]
    pub client_id: Option<String>,
    /// The time of the change that was read last, in nanoseconds since 1970.
    #[prost(int64, optional, tag = "5")]
    pub channel_rpo: Option<i64>,
    /// The number of records that were read.
    #[prost(int64, optional, tag = "6")]
    pub channel_count: Option<i64>,
}

/// The answer to [`DescribeTunnelRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct DescribeTunnelResponse {
    #[prost(message, required, tag = "1")]
    pub tunnel: TunnelInfo,
    #[prost(message, repeated, tag = "2")]
    pub channels: Vec<ChannelInfo>,
    /// The time of the change that was read last on the slowest channel, in nanoseconds since 1970.
    #[prost(int64, optional, tag = "3")]
    pub tunnel_rpo: Option<i64>,
}
