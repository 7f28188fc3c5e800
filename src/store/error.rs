//! Why the store refuses.

use std::fmt;
use std::path::{Path, PathBuf};

use super::format::FORMAT_VERSION;

/// Why the store refuses a request, or one row of it. The message names the table, column or limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// A value, option or combination that is not allowed.
    Invalid(String),
    /// A key that does not fit its table.
    InvalidKey(String),
    /// A row is too large.
    RowTooLarge(String),
    /// The store holds all the tables it may.
    TooManyTables,
    /// No such table.
    TableMissing(String),
    /// A table of that name is there.
    TableExists(String),
    /// Only the program itself writes this table now.
    Reserved(String),
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
            | StoreError::RowTooLarge(message)
            | StoreError::TunnelExpired(message)
            | StoreError::ResourceGone(message)
            | StoreError::CheckpointOutOfOrder(message)
            | StoreError::ReadOnly(message)
            | StoreError::Damaged(message) => f.write_str(message),
            StoreError::TooManyTables => write!(f, "number of tables exceeds the quota: 64"),
            StoreError::TableMissing(table) => write!(f, "requested table does not exist: {table}"),
            StoreError::TableExists(table) => write!(f, "requested table already exists: {table}"),
            StoreError::Reserved(table) => {
                write!(f, "table {table} is written by the live job and by nobody else while that runs")
            }
            StoreError::ConditionFailed => f.write_str("condition check failed"),
            StoreError::TunnelExists(tunnel) => write!(f, "tunnel already exists: {tunnel}"),
            StoreError::TunnelMissing(tunnel) => write!(f, "tunnel does not exist: {tunnel}"),
            StoreError::Closing => f.write_str("the store is shutting down"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Why a store's folder cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another process has it.
    Locked {
        /// The store's folder.
        folder: PathBuf,
        /// Id of the process, where it could be read.
        holder: Option<u32>,
    },
    /// It is in a format that this version does not know.
    Version {
        /// The folder in that format.
        folder: PathBuf,
        /// Number of the format.
        found: u32,
    },
    /// It is not what was written.
    Damaged {
        /// The file, or the folder where no single file is to blame.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refuses.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn damaged(path: &Path, reason: &str) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { folder, holder: Some(pid) } => {
                write!(f, "{} is in use by process {pid}; stop it, or name another folder", folder.display())
            }
            OpenError::Locked { folder, holder: None } => {
                write!(
                    f,
                    "{} is in use by another process; stop it, or name another folder",
                    folder.display()
                )
            }
            OpenError::Version { folder, found } => write!(
                f,
                "{} is in format {found}, and this version of orderflow knows format {FORMAT_VERSION} only; \
                 open it with the version that wrote it",
                folder.display()
            ),
            OpenError::Damaged { path, reason } => write!(
                f,
                "{} is damaged: {reason}; restore it from a copy, or start with another folder",
                path.display()
            ),
            OpenError::Io { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}
