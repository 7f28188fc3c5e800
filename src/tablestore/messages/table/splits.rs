//! Divides a table into ranges of keys of about equal size, so that several readers can share it.

use bytes::Bytes;
use prost::Message;

use super::{ConsumedCapacity, PrimaryKeySchema};

/// Asks for the keys at which a table can be divided.
#[derive(Clone, PartialEq, Message)]
pub struct ComputeSplitPointsBySizeRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The size of a range in units, which must be positive.
    #[prost(int64, required, tag = "2")]
    pub split_size: i64,
    /// The bytes of a unit. If it is absent, a unit is 100 MiB.
    #[prost(int64, optional, tag = "3")]
    pub split_size_unit_in_byte: Option<i64>,
    /// The most keys that are returned.
    #[prost(int32, optional, tag = "4")]
    pub split_point_limit: Option<i32>,
}

/// Says where some of the ranges lie, in their order.
#[derive(Clone, PartialEq, Message)]
pub struct SplitLocation {
    /// The place, which is only a hint. Clients expect that it is not empty.
    #[prost(string, required, tag = "1")]
    pub location: String,
    /// The number of ranges at this place that follow each other.
    #[prost(sint64, required, tag = "2")]
    pub repeat: i64,
}

/// The answer to [`ComputeSplitPointsBySizeRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct ComputeSplitPointsBySizeResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    #[prost(message, repeated, tag = "2")]
    pub schema: Vec<PrimaryKeySchema>,
    /// The keys at which all ranges except the first begin, in ascending order, each as a row of key
    /// cells.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub split_points: Vec<Bytes>,
    /// The places of all ranges. Clients refuse an answer in which their numbers do not add up to
    /// that of the ranges.
    #[prost(message, repeated, tag = "4")]
    pub locations: Vec<SplitLocation>,
}
