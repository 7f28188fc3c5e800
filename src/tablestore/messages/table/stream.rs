//! Reads the changes of a table without a tunnel.
//!
//! A record is a [`Record`](crate::tunnel::Record), as tunnels deliver it.

use prost::{Enumeration, Message};

use super::ConsumedCapacity;
use crate::tunnel::Record;

/// Asks for streams.
#[derive(Clone, PartialEq, Message)]
pub struct ListStreamRequest {
    /// Restricts the answer to the stream of one table.
    #[prost(string, optional, tag = "1")]
    pub table_name: Option<String>,
}

/// A stream that is switched on.
#[derive(Clone, PartialEq, Message)]
pub struct Stream {
    #[prost(string, required, tag = "1")]
    pub stream_id: String,
    #[prost(string, required, tag = "2")]
    pub table_name: String,
    /// The time at which it was switched on, in microseconds since 1970.
    #[prost(int64, required, tag = "3")]
    pub creation_time: i64,
}

/// The answer to [`ListStreamRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct ListStreamResponse {
    #[prost(message, repeated, tag = "1")]
    pub streams: Vec<Stream>,
}

/// Says whether a stream can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum StreamStatus {
    Enabling = 1,
    Active = 2,
}

/// A part of a stream. All changes of a row are in one part.
#[derive(Clone, PartialEq, Message)]
pub struct StreamShard {
    #[prost(string, required, tag = "1")]
    pub shard_id: String,
    /// The part that this one followed. The server never divides one, so there is none.
    #[prost(string, optional, tag = "2")]
    pub parent_id: Option<String>,
    #[prost(string, optional, tag = "3")]
    pub parent_sibling_id: Option<String>,
}

/// Asks for the parts of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct DescribeStreamRequest {
    #[prost(string, required, tag = "1")]
    pub stream_id: String,
    /// The first part of the answer.
    #[prost(string, optional, tag = "2")]
    pub inclusive_start_shard_id: Option<String>,
    /// The most parts of the answer.
    #[prost(int32, optional, tag = "3")]
    pub shard_limit: Option<i32>,
}

/// The answer to [`DescribeStreamRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct DescribeStreamResponse {
    #[prost(string, required, tag = "1")]
    pub stream_id: String,
    /// The hours that each change is kept.
    #[prost(int32, required, tag = "2")]
    pub expiration_time: i32,
    #[prost(string, required, tag = "3")]
    pub table_name: String,
    /// The time at which the stream was switched on, in microseconds since 1970.
    #[prost(int64, required, tag = "4")]
    pub creation_time: i64,
    #[prost(enumeration = "StreamStatus", required, tag = "5")]
    pub stream_status: i32,
    #[prost(message, repeated, tag = "6")]
    pub shards: Vec<StreamShard>,
    /// The first part that the answer had no room for.
    #[prost(string, optional, tag = "7")]
    pub next_shard_id: Option<String>,
}

/// Asks where a part of a stream is to be read from.
#[derive(Clone, PartialEq, Message)]
pub struct GetShardIteratorRequest {
    #[prost(string, required, tag = "1")]
    pub stream_id: String,
    #[prost(string, required, tag = "2")]
    pub shard_id: String,
    /// The time of the first change that is wanted, in microseconds since 1970. If it is absent,
    /// the oldest that is kept is the first.
    #[prost(int64, optional, tag = "3")]
    pub timestamp: Option<i64>,
    /// The place at which an earlier search ended. The server searches to the end at once, so it
    /// has given none.
    #[prost(string, optional, tag = "4")]
    pub token: Option<String>,
}

/// The answer to [`GetShardIteratorRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct GetShardIteratorResponse {
    #[prost(string, required, tag = "1")]
    pub shard_iterator: String,
}

/// Reads a page of a part of a stream.
#[derive(Clone, PartialEq, Message)]
pub struct GetStreamRecordRequest {
    #[prost(string, required, tag = "1")]
    pub shard_iterator: String,
    /// The most records of the page.
    #[prost(int32, optional, tag = "2")]
    pub limit: Option<i32>,
}

/// A page of a part of a stream, in the order of the changes.
#[derive(Clone, PartialEq, Message)]
pub struct GetStreamRecordResponse {
    #[prost(message, repeated, tag = "1")]
    pub stream_records: Vec<Record>,
    /// The place at which the next page starts. If it were absent, the part had ended.
    #[prost(string, optional, tag = "2")]
    pub next_shard_iterator: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub consumed: Option<ConsumedCapacity>,
    /// Whether there are more records already.
    #[prost(bool, optional, tag = "4")]
    pub may_more_record: Option<bool>,
}
