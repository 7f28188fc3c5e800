//! Why a Parquet file cannot be read.

use std::fmt;
use std::io;

/// Why a Parquet file cannot be read. Messages are whole sentences that name the file.
#[derive(Debug)]
pub enum ParquetError {
    /// The operating system refused.
    Io {
        /// The path as given.
        name: String,
        /// What it said.
        cause: io::Error,
    },
    /// There is no footer, or it makes no sense.
    NotParquet {
        /// The path as given.
        name: String,
        /// What was found instead.
        reason: String,
    },
    /// A column of an order is not there, or orders cannot be made of it.
    Column {
        /// The path as given.
        name: String,
        /// The whole rest of the sentence.
        reason: String,
    },
    /// The footer is fine and a row group is not.
    Damaged {
        /// The path as given.
        name: String,
        /// Which row group, from 0.
        row_group: usize,
        /// What was found.
        reason: String,
    },
}

impl fmt::Display for ParquetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParquetError::Io { name, cause } => write!(f, "{name}: cannot be read: {cause}"),
            ParquetError::NotParquet { name, reason } => {
                write!(f, "{name} is not a Parquet file or was cut short: {reason}")
            }
            ParquetError::Column { name, reason } => write!(f, "{name}: {reason}"),
            ParquetError::Damaged { name, row_group, reason } => {
                write!(f, "{name} is damaged: row group {row_group} cannot be read: {reason}")
            }
        }
    }
}

impl std::error::Error for ParquetError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ParquetError::Io { cause, .. } => cause.source(),
            _ => None,
        }
    }
}
