//! Why the store refuses.

use std::fmt;

/// Why the store refuses a request, or one row of it. The message names the table, column or limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A value, option or combination that is not allowed.
    Invalid(String),
    /// A key that does not fit its table.
    InvalidKey(String),
    /// A row's columns are too many.
    TooManyColumns(String),
    /// A row is too large.
    RowTooLarge(String),
    /// The store holds all the tables it may.
    TooManyTables,
    /// No such table.
    TableMissing(String),
    /// A table of that name is there.
    TableExists(String),
    /// The row is not as the condition asks.
    ConditionFailed,
    /// A tunnel of that name is there.
    TunnelExists(String),
    /// No such tunnel.
    TunnelMissing(String),
    /// The changes that a tunnel would read next are no longer kept.
    TunnelExpired(String),
    /// A tunnel's client or its share of the channels is not, or no longer, what the request says.
    ResourceGone(String),
    /// A checkpoint that is not newer than the stored one.
    CheckpointOutOfOrder(String),
    /// Writes are refused since one failed; reads go on. Says what to do.
    ReadOnly(String),
    /// A stored thing cannot be read. Names the file or the row.
    Damaged(String),
    /// The store is about to end.
    Closing,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Invalid(message)
            | StoreError::InvalidKey(message)
            | StoreError::TooManyColumns(message)
            | StoreError::RowTooLarge(message)
            | StoreError::TunnelExpired(message)
            | StoreError::ResourceGone(message)
            | StoreError::CheckpointOutOfOrder(message)
            | StoreError::ReadOnly(message)
            | StoreError::Damaged(message) => f.write_str(message),
            StoreError::TooManyTables => write!(f, "number of tables exceeds the quota: 64"),
            StoreError::TableMissing(table) => write!(f, "requested table does not exist: {table}"),
            StoreError::TableExists(table) => write!(f, "requested table already exists: {table}"),
            StoreError::ConditionFailed => f.write_str("condition check failed"),
            StoreError::TunnelExists(tunnel) => write!(f, "tunnel already exists: {tunnel}"),
            StoreError::TunnelMissing(tunnel) => write!(f, "tunnel does not exist: {tunnel}"),
            StoreError::Closing => f.write_str("the store is shutting down"),
        }
    }
}

impl std::error::Error for StoreError {}
