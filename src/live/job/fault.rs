//! Why the job cannot go on.

use std::fmt;

use host::WorkerLost;
use store::error::{CatalogError, Damage, Halt, ReadError, WriteError};

/// Why the job cannot go on.
#[derive(Debug)]
pub(super) enum Fault {
    /// Orders, results or the checkpoint cannot be read.
    Read(ReadError),
    /// Results cannot be written.
    Write(WriteError),
    /// A table cannot be made.
    Catalog(CatalogError),
    /// A worker of the graph has ended.
    Graph(String),
}

impl Fault {
    /// Returns whether a table, or the log, is no longer what the job began with. Then the job
    /// begins again.
    pub(super) fn is_of_changed_tables(&self) -> bool {
        matches!(
            self,
            Fault::Read(ReadError::NoTable(_) | ReadError::NotKept(_)) | Fault::Write(WriteError::NoTable(_))
        )
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        Fault::Read(error)
    }
}

impl From<Damage> for Fault {
    fn from(damage: Damage) -> Fault {
        Fault::Read(damage.into())
    }
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Fault {
        Fault::Write(error)
    }
}

impl From<Halt> for Fault {
    fn from(halt: Halt) -> Fault {
        Fault::Write(halt.into())
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Fault {
        Fault::Catalog(error)
    }
}

impl From<WorkerLost> for Fault {
    fn from(lost: WorkerLost) -> Fault {
        Fault::Graph(lost.to_string())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Read(error) => error.fmt(f),
            Fault::Write(error) => error.fmt(f),
            Fault::Catalog(error) => error.fmt(f),
            Fault::Graph(message) => f.write_str(message),
        }
    }
}
