//! Why the job cannot go on.

use std::fmt;

use host::WorkerLost;
use store::error::{CatalogError, Damage, Halt, ReadError, WriteError};

/// Why the job cannot go on.
#[derive(Debug)]
pub(super) enum JobFailure {
    /// Orders, results or the checkpoint cannot be read.
    Read(ReadError),
    /// Results cannot be written.
    Write(WriteError),
    /// A table cannot be made.
    Catalog(CatalogError),
    /// A worker of the graph has ended.
    Graph(String),
}

impl JobFailure {
    /// Returns whether a table, or the log, is no longer what the job began with. Then the job
    /// begins again.
    pub(super) fn is_of_changed_tables(&self) -> bool {
        matches!(
            self,
            JobFailure::Read(ReadError::NoTable(_) | ReadError::NotKept(_))
                | JobFailure::Write(WriteError::NoTable(_))
        )
    }
}

impl From<ReadError> for JobFailure {
    fn from(error: ReadError) -> JobFailure {
        JobFailure::Read(error)
    }
}

impl From<Damage> for JobFailure {
    fn from(damage: Damage) -> JobFailure {
        JobFailure::Read(damage.into())
    }
}

impl From<WriteError> for JobFailure {
    fn from(error: WriteError) -> JobFailure {
        JobFailure::Write(error)
    }
}

impl From<Halt> for JobFailure {
    fn from(halt: Halt) -> JobFailure {
        JobFailure::Write(halt.into())
    }
}

impl From<CatalogError> for JobFailure {
    fn from(error: CatalogError) -> JobFailure {
        JobFailure::Catalog(error)
    }
}

impl From<WorkerLost> for JobFailure {
    fn from(lost: WorkerLost) -> JobFailure {
        JobFailure::Graph(lost.to_string())
    }
}

impl fmt::Display for JobFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobFailure::Read(error) => error.fmt(f),
            JobFailure::Write(error) => error.fmt(f),
            JobFailure::Catalog(error) => error.fmt(f),
            JobFailure::Graph(message) => f.write_str(message),
        }
    }
}
