//! Reads and writes of one row, and reads of a range of rows.
//!
//! `time_range` or `max_versions` is needed in every read: they choose the versions of a cell that
//! are read.

use bytes::Bytes;
use prost::{Enumeration, Message};

use super::CapacityUnit;

/// Says what must be true of a row's presence for a write to take place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum RowExistenceExpectation {
    /// The row may be there or not.
    Ignore = 0,
    /// The row must be there.
    ExpectExist = 1,
    /// The row must not be there.
    ExpectNotExist = 2,
}

/// Says which part of a row a write answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum ReturnType {
    None = 0,
    /// The write answers with the key.
    Pk = 1,
    /// The write answers with the key, and with the chosen columns as they are after the write.
    AfterModify = 2,
}

/// The direction in which a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum Direction {
    /// The rows come in ascending order of their keys.
    Forward = 0,
    /// The rows come in descending order of their keys.
    Backward = 1,
}

/// The capacity that a call took.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ConsumedCapacity {
    #[prost(message, required, tag = "1")]
    pub capacity_unit: CapacityUnit,
    /// What the call read and wrote. Only an import is told.
    #[prost(message, optional, tag = "2")]
    pub capacity_data_size: Option<CapacityDataSize>,
}

/// The bytes of data that a call read and wrote.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CapacityDataSize {
    #[prost(int64, optional, tag = "1")]
    pub read_size: Option<i64>,
    #[prost(int64, optional, tag = "2")]
    pub write_size: Option<i64>,
}

/// The condition under which a write takes place.
#[derive(Clone, PartialEq, Message)]
pub struct Condition {
    #[prost(enumeration = "RowExistenceExpectation", required, tag = "1")]
    pub row_existence: i32,
    /// A serialized [`Filter`](super::Filter) that the row's columns must pass.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub column_condition: Option<Bytes>,
}

/// Says what a write answers with.
#[derive(Clone, PartialEq, Message)]
pub struct ReturnContent {
    #[prost(enumeration = "ReturnType", optional, tag = "1")]
    pub return_type: Option<i32>,
    /// The columns that [`ReturnType::AfterModify`] returns.
    #[prost(string, repeated, tag = "2")]
    pub return_column_names: Vec<String>,
}

/// The versions that are read, in milliseconds since 1970: either a half-open range or a single
/// one.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct TimeRange {
    #[prost(int64, optional, tag = "1")]
    pub start_time: Option<i64>,
    /// The end of the range, which is not part of it.
    #[prost(int64, optional, tag = "2")]
    pub end_time: Option<i64>,
    /// The single version.
    #[prost(int64, optional, tag = "3")]
    pub specific_time: Option<i64>,
}

/// Reads one row.
#[derive(Clone, PartialEq, Message)]
pub struct GetRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The key, as a row of key cells.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub primary_key: Bytes,
    /// The names of the columns to return. If it is empty, all columns are returned.
    #[prost(string, repeated, tag = "3")]
    pub columns_to_get: Vec<String>,
    #[prost(message, optional, tag = "4")]
    pub time_range: Option<TimeRange>,
    /// The most versions that are returned of each column.
    #[prost(int32, optional, tag = "5")]
    pub max_versions: Option<i32>,
    /// A serialized [`Filter`](super::Filter).
    #[prost(bytes = "bytes", optional, tag = "7")]
    pub filter: Option<Bytes>,
    /// The first column that is read, in the order of names.
    #[prost(string, optional, tag = "8")]
    pub start_column: Option<String>,
    /// The column before which the read ends, in the order of names.
    #[prost(string, optional, tag = "9")]
    pub end_column: Option<String>,
    /// The place within the row at which an earlier answer ended.
    #[prost(bytes = "bytes", optional, tag = "10")]
    pub token: Option<Bytes>,
    #[prost(string, optional, tag = "11")]
    pub transaction_id: Option<String>,
}

/// The answer to [`GetRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct GetRowResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    /// The row; empty if there is no such row.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub row: Bytes,
}

/// Replaces a row.
#[derive(Clone, PartialEq, Message)]
pub struct PutRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The new row, as a row of key and attribute cells.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub row: Bytes,
    #[prost(message, required, tag = "3")]
    pub condition: Condition,
    #[prost(message, optional, tag = "4")]
    pub return_content: Option<ReturnContent>,
    #[prost(string, optional, tag = "5")]
    pub transaction_id: Option<String>,
}

/// The answer to [`PutRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct PutRowResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    /// The row that `return_content` asked for.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub row: Option<Bytes>,
}

/// Changes columns of a row.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The change, as a row of key cells and of attribute cells that say what changes.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub row_change: Bytes,
    #[prost(message, required, tag = "3")]
    pub condition: Condition,
    #[prost(message, optional, tag = "4")]
    pub return_content: Option<ReturnContent>,
    #[prost(string, optional, tag = "5")]
    pub transaction_id: Option<String>,
}

/// The answer to [`UpdateRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct UpdateRowResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    /// The row that `return_content` asked for.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub row: Option<Bytes>,
}

/// Deletes a row.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The key, as a row of key cells and a delete marker.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub primary_key: Bytes,
    #[prost(message, required, tag = "3")]
    pub condition: Condition,
    #[prost(message, optional, tag = "4")]
    pub return_content: Option<ReturnContent>,
    #[prost(string, optional, tag = "5")]
    pub transaction_id: Option<String>,
}

/// The answer to [`DeleteRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct DeleteRowResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    /// The row that `return_content` asked for.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub row: Option<Bytes>,
}

/// The form in which a page of rows travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum DataBlockType {
    /// The form of all other rows.
    PlainBuffer = 0,
    /// A matrix with a column for each name, in which cells have no versions.
    SimpleRowMatrix = 1,
}

/// Reads the rows whose keys lie in a range.
#[derive(Clone, PartialEq, Message)]
pub struct GetRangeRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(enumeration = "Direction", required, tag = "2")]
    pub direction: i32,
    /// The names of the columns to return. If it is empty, all columns are returned.
    #[prost(string, repeated, tag = "3")]
    pub columns_to_get: Vec<String>,
    #[prost(message, optional, tag = "4")]
    pub time_range: Option<TimeRange>,
    /// The most versions that are returned of each column.
    #[prost(int32, optional, tag = "5")]
    pub max_versions: Option<i32>,
    /// The most rows that are returned.
    #[prost(int32, optional, tag = "6")]
    pub limit: Option<i32>,
    /// The first key, as a row of key cells.
    #[prost(bytes = "bytes", required, tag = "7")]
    pub inclusive_start_primary_key: Bytes,
    /// The key before which the range ends, as a row of key cells.
    #[prost(bytes = "bytes", required, tag = "8")]
    pub exclusive_end_primary_key: Bytes,
    /// A serialized [`Filter`](super::Filter).
    #[prost(bytes = "bytes", optional, tag = "10")]
    pub filter: Option<Bytes>,
    /// The first column that is read, in the order of names.
    #[prost(string, optional, tag = "11")]
    pub start_column: Option<String>,
    /// The column before which the read ends, in the order of names.
    #[prost(string, optional, tag = "12")]
    pub end_column: Option<String>,
    /// The place within a row at which an earlier answer ended.
    #[prost(bytes = "bytes", optional, tag = "13")]
    pub token: Option<Bytes>,
    #[prost(string, optional, tag = "14")]
    pub transaction_id: Option<String>,
    /// The form in which the caller wishes the rows to be. It reads both.
    #[prost(enumeration = "DataBlockType", optional, tag = "15")]
    pub data_block_type_hint: Option<i32>,
}

/// A page of rows.
#[derive(Clone, PartialEq, Message)]
pub struct GetRangeResponse {
    #[prost(message, required, tag = "1")]
    pub consumed: ConsumedCapacity,
    /// The rows, behind one header. It is empty if there are none.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub rows: Bytes,
    /// The key at which the next page starts; absent if the range has no more rows.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub next_start_primary_key: Option<Bytes>,
    /// The form of the rows. If it is absent, they are in the form of `plain_buffer`.
    #[prost(enumeration = "DataBlockType", optional, tag = "5")]
    pub data_block_type: Option<i32>,
}
