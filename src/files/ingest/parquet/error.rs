//! The errors of reading a Parquet file.

use std::fmt;
use std::io;

/// Why a Parquet file cannot be read. Each is printed as a whole sentence that names the file.
#[derive(Debug)]
pub enum ParquetError {
    /// The operating system returned an error.
    Io {
        /// The path as the user gave it.
        name: String,
        /// The error of the operating system.
        cause: io::Error,
    },
    /// The file has no footer, or its footer makes no sense.
    NotParquet {
        /// The path as the user gave it.
        name: String,
        /// The reason, such as "it is encrypted".
        reason: String,
    },
    /// A column of an order is missing, or orders cannot be made of it.
    Column {
        /// The path as the user gave it.
        name: String,
        /// The whole rest of the sentence.
        reason: String,
    },
    /// The footer is sound, but a row group is not.
    Damaged {
        /// The path as the user gave it.
        name: String,
        /// The index of the row group, from 0.
        row_group: usize,
        /// The reason, such as "its levels are cut".
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
