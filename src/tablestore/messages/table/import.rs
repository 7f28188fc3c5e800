//! Writes of many rows of one table without conditions, as programs that load data send them.

use bytes::Bytes;
use prost::Message;

use super::{ConsumedCapacity, Error, OperationType};

/// One row of an import.
#[derive(Clone, PartialEq, Message)]
pub struct RowInBulkImportRequest {
    #[prost(enumeration = "OperationType", required, tag = "1")]
    pub r#type: i32,
    /// The row: the cells that a request for one row of this type holds.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub row_change: Bytes,
}

/// Writes rows of a table; each row succeeds or fails by itself.
#[derive(Clone, PartialEq, Message)]
pub struct BulkImportRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<RowInBulkImportRequest>,
}

/// The outcome of one row of an import.
#[derive(Clone, PartialEq, Message)]
pub struct RowInBulkImportResponse {
    #[prost(bool, required, tag = "1")]
    pub is_ok: bool,
    /// Says why the row was not written.
    #[prost(message, optional, tag = "2")]
    pub error: Option<Error>,
    #[prost(message, optional, tag = "3")]
    pub consumed: Option<ConsumedCapacity>,
}

/// The answer to [`BulkImportRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct BulkImportResponse {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The outcomes, one for each row of the request.
    #[prost(message, repeated, tag = "2")]
    pub rows: Vec<RowInBulkImportResponse>,
}
