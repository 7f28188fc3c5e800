//! Reads and writes of many rows in one request. Answers keep the order of tables and rows of the
//! request.

use bytes::Bytes;
use prost::{Enumeration, Message};

use super::{Condition, ConsumedCapacity, Error, ReturnContent, TimeRange};

/// Says what a batch write does to one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum OperationType {
    /// Replaces the row.
    Put = 1,
    /// Changes columns of the row.
    Update = 2,
    /// Deletes the row.
    Delete = 3,
}

/// The rows to be read from one table.
#[derive(Clone, PartialEq, Message)]
pub struct TableInBatchGetRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The key cells of each row.
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub primary_key: Vec<Bytes>,
    /// The place within each row at which an earlier answer ended.
    #[prost(bytes = "bytes", repeated, tag = "3")]
    pub token: Vec<Bytes>,
    /// The names of the columns to return. If it is empty, all columns are returned.
    #[prost(string, repeated, tag = "4")]
    pub columns_to_get: Vec<String>,
    /// The versions to return. Either this or `max_versions` must be given.
    #[prost(message, optional, tag = "5")]
    pub time_range: Option<TimeRange>,
    /// The most versions that are returned of each column.
    #[prost(int32, optional, tag = "6")]
    pub max_versions: Option<i32>,
    /// A serialized [`Filter`](super::Filter).
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub filter: Option<Bytes>,
    /// The first column that is read, in the order of names.
    #[prost(string, optional, tag = "9")]
    pub start_column: Option<String>,
    /// The column before which the read ends, in the order of names.
    #[prost(string, optional, tag = "10")]
    pub end_column: Option<String>,
}

/// Reads rows of several tables by their keys.
#[derive(Clone, PartialEq, Message)]
pub struct BatchGetRowRequest {
    #[prost(message, repeated, tag = "1")]
    pub tables: Vec<TableInBatchGetRowRequest>,
}

/// One row of a batch read.
#[derive(Clone, PartialEq, Message)]
pub struct RowInBatchGetRowResponse {
    #[prost(bool, required, tag = "1")]
    pub is_ok: bool,
    /// Says why the row was not read.
    #[prost(message, optional, tag = "2")]
    pub error: Option<Error>,
    #[prost(message, optional, tag = "3")]
    pub consumed: Option<ConsumedCapacity>,
    /// The row; empty if there is no such row.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub row: Option<Bytes>,
}

/// The rows that were read from one table.
#[derive(Clone, PartialEq, Message)]
pub struct TableInBatchGetRowResponse {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The rows, one for each key of the request.
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<RowInBatchGetRowResponse>,
}

/// The answer to [`BatchGetRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct BatchGetRowResponse {
    #[prost(message, repeated, tag = "1")]
    pub tables: Vec<TableInBatchGetRowResponse>,
}

/// One row of a batch write.
#[derive(Clone, PartialEq, Message)]
pub struct RowInBatchWriteRowRequest {
    #[prost(enumeration = "OperationType", required, tag = "1")]
    pub r#type: i32,
    /// The row: the cells that a request for one row of this type holds.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub row_change: Bytes,
    #[prost(message, required, tag = "3")]
    pub condition: Condition,
    #[prost(message, optional, tag = "4")]
    pub return_content: Option<ReturnContent>,
}

/// The rows to be written to one table, in this order.
#[derive(Clone, PartialEq, Message)]
pub struct TableInBatchWriteRowRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<RowInBatchWriteRowRequest>,
}

/// Writes rows of several tables; each row succeeds or fails by itself.
#[derive(Clone, PartialEq, Message)]
pub struct BatchWriteRowRequest {
    #[prost(message, repeated, tag = "1")]
    pub tables: Vec<TableInBatchWriteRowRequest>,
    #[prost(string, optional, tag = "2")]
    pub transaction_id: Option<String>,
    /// Whether all rows or none are to be written.
    #[prost(bool, optional, tag = "3")]
    pub is_atomic: Option<bool>,
}

/// The outcome of one row of a batch write.
#[derive(Clone, PartialEq, Message)]
pub struct RowInBatchWriteRowResponse {
    #[prost(bool, required, tag = "1")]
    pub is_ok: bool,
    /// Says why the row was not written.
    #[prost(message, optional, tag = "2")]
    pub error: Option<Error>,
    #[prost(message, optional, tag = "3")]
    pub consumed: Option<ConsumedCapacity>,
    /// The row that `return_content` asked for.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub row: Option<Bytes>,
}

/// The outcomes of the rows of one table.
#[derive(Clone, PartialEq, Message)]
pub struct TableInBatchWriteRowResponse {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The outcomes, one for each row of the request.
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<RowInBatchWriteRowResponse>,
}

/// The answer to [`BatchWriteRowRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct BatchWriteRowResponse {
    #[prost(message, repeated, tag = "1")]
    pub tables: Vec<TableInBatchWriteRowResponse>,
}
