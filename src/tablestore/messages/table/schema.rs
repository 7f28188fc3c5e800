//! Tables: their columns, options, capacity and change log, and the operations on them.

use bytes::Bytes;
use prost::{Enumeration, Message};

/// The type of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum PrimaryKeyType {
    /// The values are signed integers of 64 bits.
    Integer = 1,
    /// The values are texts in UTF-8.
    String = 2,
    Binary = 3,
}

/// Says what is special about a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum PrimaryKeyOption {
    /// The server chooses the column's values.
    AutoIncrement = 1,
}

/// The type of an attribute column that is named when its table is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum DefinedColumnType {
    /// The values are signed integers of 64 bits.
    Integer = 1,
    /// The values are doubles of IEEE 754.
    Double = 2,
    Boolean = 3,
    /// The values are texts in UTF-8.
    String = 4,
    /// The values are bytes.
    Blob = 7,
}

/// Says whether a table can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
#[repr(i32)]
pub enum TableStatus {
    /// The table can be used.
    Active = 1,
    /// The table cannot be used.
    Inactive = 2,
    /// The table cannot be used yet.
    Loading = 3,
    /// The table can no longer be used.
    Unloading = 4,
    /// The table's options are about to change.
    Updating = 5,
}

/// A key column.
#[derive(Clone, PartialEq, Message)]
pub struct PrimaryKeySchema {
    #[prost(string, required, tag = "1")]
    pub name: String,
    #[prost(enumeration = "PrimaryKeyType", required, tag = "2")]
    pub r#type: i32,
    #[prost(enumeration = "PrimaryKeyOption", optional, tag = "3")]
    pub option: Option<i32>,
}

/// An attribute column that is named when its table is created.
#[derive(Clone, PartialEq, Message)]
pub struct DefinedColumnSchema {
    #[prost(string, required, tag = "1")]
    pub name: String,
    #[prost(enumeration = "DefinedColumnType", required, tag = "2")]
    pub r#type: i32,
}

/// A table's name and columns.
#[derive(Clone, PartialEq, Message)]
pub struct TableMeta {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    /// The 1 to 4 key columns, in the order of the key.
    #[prost(message, repeated, tag = "2")]
    pub primary_key: Vec<PrimaryKeySchema>,
    /// The attribute columns that were named at creation; rows may have others.
    #[prost(message, repeated, tag = "3")]
    pub defined_column: Vec<DefinedColumnSchema>,
}

/// Says how long a table's cells live and how many versions of each are kept.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct TableOptions {
    /// The seconds that a cell stays visible; -1 means for ever.
    #[prost(int32, optional, tag = "1")]
    pub time_to_live: Option<i32>,
    /// The number of versions that are kept of each cell.
    #[prost(int32, optional, tag = "2")]
    pub max_versions: Option<i32>,
    /// The most seconds that a caller's version may differ from the server's time.
    #[prost(int64, optional, tag = "5")]
    pub deviation_cell_version_in_sec: Option<i64>,
    /// Whether rows may be updated.
    #[prost(bool, optional, tag = "6")]
    pub allow_update: Option<bool>,
    /// Whether an update must name all columns.
    #[prost(bool, optional, tag = "7")]
    pub update_full_row: Option<bool>,
}

/// The capacity of one call or of one second, in units of 4 KB.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CapacityUnit {
    #[prost(int32, optional, tag = "1")]
    pub read: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    pub write: Option<i32>,
}

/// The capacity that is set aside for a table.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReservedThroughput {
    #[prost(message, required, tag = "1")]
    pub capacity_unit: CapacityUnit,
}

/// The capacity that is set aside for a table, and since when.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ReservedThroughputDetails {
    #[prost(message, required, tag = "1")]
    pub capacity_unit: CapacityUnit,
    /// The time in seconds since 1970.
    #[prost(int64, required, tag = "2")]
    pub last_increase_time: i64,
    /// The time in seconds since 1970.
    #[prost(int64, optional, tag = "3")]
    pub last_decrease_time: Option<i64>,
}

/// Says whether a table's changes are to be logged.
#[derive(Clone, PartialEq, Message)]
pub struct StreamSpecification {
    #[prost(bool, required, tag = "1")]
    pub enable_stream: bool,
    /// The hours that each change is kept.
    #[prost(int32, optional, tag = "2")]
    pub expiration_time: Option<i32>,
    /// The columns whose former values are logged too.
    #[prost(string, repeated, tag = "3")]
    pub columns_to_get: Vec<String>,
}

/// Says whether a table's changes are logged.
#[derive(Clone, PartialEq, Message)]
pub struct StreamDetails {
    #[prost(bool, required, tag = "1")]
    pub enable_stream: bool,
    /// The id of the log.
    #[prost(string, optional, tag = "2")]
    pub stream_id: Option<String>,
    /// The hours that each change is kept.
    #[prost(int32, optional, tag = "3")]
    pub expiration_time: Option<i32>,
    /// The time at which logging was switched on, in microseconds since 1970.
    #[prost(int64, optional, tag = "4")]
    pub last_enable_time: Option<i64>,
    /// The columns whose former values are logged too.
    #[prost(string, repeated, tag = "5")]
    pub column_to_get: Vec<String>,
}

/// Says whether the server encrypts what it stores.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct SseSpecification {
    #[prost(bool, required, tag = "1")]
    pub enable: bool,
}

/// An index on a table. The server keeps none: the message exists so that it can refuse one by
/// name.
#[derive(Clone, PartialEq, Message)]
pub struct IndexMeta {
    #[prost(string, required, tag = "1")]
    pub name: String,
}

/// A part of a table that the server is to keep apart, as a range of values of the first key column.
#[derive(Clone, PartialEq, Message)]
pub struct PartitionRange {
    /// The first value, as a bare value of `plain_buffer` that may be the lower bound.
    #[prost(bytes = "bytes", required, tag = "1")]
    pub begin: Bytes,
    /// The value before which the range ends, as a bare value that may be the upper bound.
    #[prost(bytes = "bytes", required, tag = "2")]
    pub end: Bytes,
}

/// Creates a table.
#[derive(Clone, PartialEq, Message)]
pub struct CreateTableRequest {
    #[prost(message, required, tag = "1")]
    pub table_meta: TableMeta,
    #[prost(message, required, tag = "2")]
    pub reserved_throughput: ReservedThroughput,
    #[prost(message, optional, tag = "3")]
    pub table_options: Option<TableOptions>,
    #[prost(message, repeated, tag = "4")]
    pub partitions: Vec<PartitionRange>,
    #[prost(message, optional, tag = "5")]
    pub stream_spec: Option<StreamSpecification>,
    #[prost(message, optional, tag = "6")]
    pub sse_spec: Option<SseSpecification>,
    #[prost(message, repeated, tag = "7")]
    pub index_metas: Vec<IndexMeta>,
    /// Whether a transaction may span rows.
    #[prost(bool, optional, tag = "8")]
    pub enable_local_txn: Option<bool>,
}

/// Says that the table was created.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct CreateTableResponse {}

/// Asks for the names of all tables.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct ListTableRequest {}

/// The names of all tables.
#[derive(Clone, PartialEq, Message)]
pub struct ListTableResponse {
    /// The names, in ascending order.
    #[prost(string, repeated, tag = "1")]
    pub table_names: Vec<String>,
}

/// Asks for a table's columns, options and state.
#[derive(Clone, PartialEq, Message)]
pub struct DescribeTableRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
}

/// A table's columns, options and state.
#[derive(Clone, PartialEq, Message)]
pub struct DescribeTableResponse {
    #[prost(message, required, tag = "1")]
    pub table_meta: TableMeta,
    #[prost(message, required, tag = "2")]
    pub reserved_throughput_details: ReservedThroughputDetails,
    /// The options. The server fills every one.
    #[prost(message, required, tag = "3")]
    pub table_options: TableOptions,
    /// The state. Some clients do not know this field; the Node and Go clients refuse an answer
    /// without it.
    #[prost(enumeration = "TableStatus", required, tag = "4")]
    pub table_status: i32,
    /// The stream. The server always fills this field, because the Go client reads it without
    /// checking.
    #[prost(message, optional, tag = "5")]
    pub stream_details: Option<StreamDetails>,
    /// The values of the first key column at which the table is split, each as a row of one key
    /// cell.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub shard_splits: Vec<Bytes>,
    /// The time in microseconds since 1970.
    #[prost(int64, optional, tag = "9")]
    pub creation_time: Option<i64>,
}

/// Changes options of a table. What is left out stays as it is.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateTableRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
    #[prost(message, optional, tag = "2")]
    pub reserved_throughput: Option<ReservedThroughput>,
    #[prost(message, optional, tag = "3")]
    pub table_options: Option<TableOptions>,
    #[prost(message, optional, tag = "4")]
    pub stream_spec: Option<StreamSpecification>,
}

/// A table's options after a change.
#[derive(Clone, PartialEq, Message)]
pub struct UpdateTableResponse {
    #[prost(message, required, tag = "1")]
    pub reserved_throughput_details: ReservedThroughputDetails,
    /// The options. The server fills every one.
    #[prost(message, required, tag = "2")]
    pub table_options: TableOptions,
    /// The stream. The server always fills this field, because the Go client reads it without
    /// checking.
    #[prost(message, optional, tag = "3")]
    pub stream_details: Option<StreamDetails>,
}

/// Deletes a table and its rows.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteTableRequest {
    #[prost(string, required, tag = "1")]
    pub table_name: String,
}

/// Says that the table was deleted.
#[derive(Clone, Copy, PartialEq, Message)]
pub struct DeleteTableResponse {}
