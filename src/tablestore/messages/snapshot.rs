//! Reading tables as they were after one commit, request after request.
//!
//! These operations are our own: no Tablestore has them. Their errors are those of the table
//! operations.

use bytes::Bytes;
use prost::Message;

/// Keeps what is committed now for reading, together with the results that the live job has
/// recorded.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct OpenRequest {}

/// The answer to [`OpenRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct OpenResponse {
    /// The snapshot; absent if no live job has written results. Then nothing is kept.
    #[prost(message, optional, tag = "1")]
    pub snapshot: Option<Snapshot>,
}

/// A snapshot that is kept for reading.
#[derive(Clone, PartialEq, Message)]
pub struct Snapshot {
    /// The id by which later requests name the snapshot. A snapshot that nobody asks for is closed.
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    /// The number of the last commit that the snapshot shows.
    #[prost(uint64, required, tag = "2")]
    pub last_commit: u64,
    /// The results in the snapshot are those of the orders as of all commits below this one.
    #[prost(uint64, required, tag = "3")]
    pub upper: u64,
    /// The time zone in which windows are printed.
    #[prost(string, required, tag = "4")]
    pub zone: String,
    /// The width of a window in milliseconds.
    #[prost(int64, required, tag = "5")]
    pub window_ms: i64,
    /// A digest of the clock by which windows begin; absent if they begin at multiples of their width.
    #[prost(fixed64, optional, tag = "6")]
    pub clock: Option<u64>,
}

/// Reads a page of a range of any table. The answer is a `table::GetRangeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ReadRequest {
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    /// A serialized `table::GetRangeRequest`.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub range: Bytes,
}

/// A place among the changes of the table of orders.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct Place {
    #[prost(uint64, required, tag = "1")]
    pub commit: u64,
    /// The number of changes of that commit that lie before this place.
    #[prost(uint64, required, tag = "2")]
    pub skip: u64,
}

/// Reads the changes of the table of orders from a place on.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ChangesRequest {
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
    #[prost(message, required, tag = "2")]
    pub from: Place,
    /// The most changes that are returned.
    #[prost(uint32, optional, tag = "3")]
    pub limit: Option<u32>,
}

/// A row before and after a change, as a read returns it. Absent or empty means that there was no
/// row.
#[derive(Clone, PartialEq, Message)]
pub struct Change {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub before: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub after: Option<Bytes>,
}

/// The answer to [`ChangesRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct ChangesResponse {
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<Change>,
    /// The place to go on at; absent at the end.
    #[prost(message, optional, tag = "2")]
    pub next: Option<Place>,
}

/// Closes a snapshot.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CloseRequest {
    #[prost(uint64, required, tag = "1")]
    pub id: u64,
}

/// Says that the snapshot was closed.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CloseResponse {}
