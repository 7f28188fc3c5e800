//! How a run can end other than well.

use std::fmt;

use cluster::{ClusterError, Control};
use files::ingest::InputError;

use crate::table::TableError;
use files::sinks::{Abandon, OutputError};

/// Why a run gave no results, in one sentence.
#[derive(Debug)]
pub enum RunError {
    /// An input is not what it should be, or cannot be read.
    Input(InputError),
    /// A table cannot be read.
    Table(TableError),
    /// Results cannot be written.
    Output(OutputError),
    /// The processes of the run did not find, or lost, each other.
    Cluster(ClusterError),
    /// A bad row, where bad rows are not to be set aside.
    Rejected {
        /// How many there were.
        count: u64,
        /// Name of the first one's input.
        file: String,
        /// Its line, from 1, where that is known.
        line: Option<u64>,
        /// What is wrong with it.
        reason: String,
    },
    /// Ctrl-C before the results were complete.
    Interrupted,
    /// The results contradict each other or the graph itself.
    Internal(String),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RunError::Input(error) => error.fmt(f),
            RunError::Table(error) => error.fmt(f),
            RunError::Output(error) => error.fmt(f),
            RunError::Cluster(error) => error.fmt(f),
            RunError::Rejected { count, file, line, reason } => {
                match count {
                    1 => write!(f, "a row was refused: ")?,
                    _ => write!(f, "{count} rows were refused, the first of them: ")?,
                }
                write!(f, "{file}")?;
                if let Some(line) = line {
                    write!(f, " line {line}")?;
                }
                write!(f, ": {reason}; nothing was written (--on-reject fail)")
            }
            RunError::Interrupted => write!(f, "interrupted: nothing was written"),
            RunError::Internal(what) => what.fmt(f),
        }
    }
}

impl std::error::Error for RunError {}

impl From<InputError> for RunError {
    fn from(error: InputError) -> RunError {
        RunError::Input(error)
    }
}

impl From<TableError> for RunError {
    fn from(error: TableError) -> RunError {
        RunError::Table(error)
    }
}

impl RunError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Input(error) => error.exit_code(),
            RunError::Table(error) => error.exit_code(),
            RunError::Rejected { .. } => 2,
            RunError::Output(error) => error.exit_code(),
            RunError::Cluster(error) => error.exit_code(),
            RunError::Interrupted => 130,
            RunError::Internal(_) => 3,
        }
    }
}

/// Ends the process from any thread when the run cannot go on.
///
/// A worker cannot hand an error back: the workers beside it, here and in other processes, wait for what it
/// will never send. So the run ends where the error is: what is half written is removed, the other processes
/// are told, and the process exits.
#[derive(Clone)]
pub struct Abort {
    /// The way to the other processes.
    pub control: Control,
    /// What is half written, where anything is.
    pub output: Option<Abandon>,
}

impl Abort {
    /// Says why on standard error and exits with the error's code.
    pub fn fail(&self, error: &RunError) -> ! {
        // The first error is the one to tell; a second thread that gets here waits for the exit.
        static FAILING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _failing = FAILING.lock();
        if let Some(output) = &self.output {
            output.abandon();
        }
        // The peers end with this reason; that telling them failed adds nothing to it.
        let _ = self.control.finish(Err(error.to_string()));
        eprintln!("orderflow: {error}");
        std::process::exit(i32::from(error.exit_code()))
    }
}
