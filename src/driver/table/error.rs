//! The errors of a table as an input.

use std::fmt;
use std::io;

use order_tables::ORDER_SOURCE;
use store::error::{OpenError, ReadError};
use tablestore::client::ClientError;

/// Why a table of orders cannot be read. Each is printed as one sentence and ends the run.
#[derive(Debug)]
pub enum TableError {
    /// There is no folder at the path.
    NoFolder {
        /// The input as typed.
        name: String,
    },
    /// The folder holds no store.
    NoStore {
        /// The input as typed.
        name: String,
    },
    /// The same store is given twice.
    Twice {
        /// The input as typed, the second time.
        name: String,
    },
    /// Another process has the store open.
    InUse {
        /// The input as typed.
        name: String,
        /// The id of that process, if it could be read.
        holder: Option<u32>,
    },
    /// The folder holds a store that cannot be opened.
    Open {
        /// Why it cannot be opened. Its text names the folder.
        error: OpenError,
    },
    /// The store has no table `OrderSource`.
    NoTable {
        /// The input as typed.
        name: String,
    },
    /// The primary key of the table is not that of a table of orders.
    Key {
        /// The input as typed.
        name: String,
        /// The key that was found.
        found: String,
        /// The key that is needed.
        wanted: String,
    },
    /// The store failed while it was read.
    Read {
        /// The input as typed.
        name: String,
        /// Why.
        error: ReadError,
    },
    /// The server cannot be reached, or refuses a request.
    Call {
        /// The error of the request. Its text names the endpoint, or the operation that was
        /// refused.
        error: ClientError,
    },
    /// The operating system cannot give what the client needs to run.
    System {
        /// The operating system's error.
        cause: io::Error,
    },
}

impl TableError {
    /// Returns the exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            TableError::NoFolder { .. }
            | TableError::Twice { .. }
            | TableError::NoStore { .. }
            | TableError::NoTable { .. }
            | TableError::Key { .. } => 2,
            TableError::InUse { .. }
            | TableError::Open { .. }
            | TableError::Read { .. }
            | TableError::System { .. } => 3,
            TableError::Call { error } => error.exit_code(),
        }
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TableError::NoFolder { name } => write!(f, "{name}: no such folder"),
            TableError::NoStore { name } => {
                write!(
                    f,
                    "{name}: no store is in this folder; name one that `orderflow up --data` has served"
                )
            }
            TableError::Twice { name } => write!(f, "{name} is given twice: name each store once"),
            TableError::InUse { name, holder } => {
                match holder {
                    Some(holder) => write!(f, "{name} is in use by process {holder}")?,
                    None => write!(f, "{name} is in use by another process")?,
                }
                f.write_str("; stop it, or read through it with --input tablestore+http://HOST:PORT")
            }
            TableError::Open { error } => error.fmt(f),
            TableError::NoTable { name } => {
                write!(
                    f,
                    "{name} has no table {ORDER_SOURCE}: `orderflow init` makes it, `generate` fills it"
                )
            }
            TableError::Key { name, found, wanted } => write!(
                f,
                "{name}: the table {ORDER_SOURCE} has the key ({found}) where ({wanted}) is needed; name a store \
                 whose table `orderflow init` made"
            ),
            TableError::Read { name, error } => write!(f, "{name} cannot be read: {error}"),
            TableError::Call { error: error @ ClientError::NotSent { .. } } => {
                write!(f, "{error}; is `orderflow up` running there?")
            }
            TableError::Call { error } => write!(f, "{error}{}", error.what_to_do()),
            TableError::System { cause } => write!(f, "cannot start: {cause}"),
        }
    }
}

impl std::error::Error for TableError {}
