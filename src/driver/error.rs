//! The errors that end a run.

use std::fmt;

use cluster::{ClusterError, Control};
use files::ingest::InputError;

use crate::reasons::ReasonTold;
use crate::table::TableError;
use files::sinks::{Abandon, OutputError};

/// Why a run gave no results. Each is printed as one sentence.
#[derive(Debug)]
pub enum RunError {
    /// An input cannot be read, or is not in the right form.
    Input(InputError),
    /// A table of orders cannot be read.
    Table(TableError),
    /// The results cannot be written.
    Output(OutputError),
    /// The processes of the run did not find each other, or lost each other.
    Cluster(ClusterError),
    /// Rows were set aside, although `--on-reject fail` asks for none.
    Rejected {
        /// The number of such rows.
        count: u64,
        /// The name of the input that holds the first of them.
        file: String,
        /// The line of the first in its input, counted from 1; `None` if it is not known.
        line: Option<u64>,
        /// Why the first was set aside.
        reason: String,
    },
    /// All rows were set aside, or more of them than `--max-rejects` allows.
    TooManyRejected {
        /// The number of rows that were set aside.
        rejected: u64,
        /// The number of all rows.
        rows: u64,
        /// The limit that was passed; `None` if no row could be used at all.
        limit: Option<String>,
        /// The commonest reasons.
        reasons: Vec<ReasonTold>,
        /// Whether the run followed its inputs. Then results of before may have been written.
        followed: bool,
    },
    /// Ctrl-C was pressed before the results were complete.
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
            RunError::TooManyRejected { rejected, rows, limit, reasons, followed } => {
                match limit {
                    Some(limit) => {
                        write!(
                            f,
                            "{rejected} of {rows} rows cannot be used, and --max-rejects is {limit}: "
                        )?;
                    }
                    None if *rows == 1 => f.write_str("the only row cannot be used: ")?,
                    None => write!(f, "none of the {rows} rows can be used: ")?,
                }
                for (at, told) in reasons.iter().enumerate() {
                    let separator = if at == 0 { "" } else { "; " };
                    match (told.rows, *rows) {
                        (_, 1) => write!(f, "{told}")?,
                        (count, _) => write!(f, "{separator}{count} like {told}")?,
                    }
                }
                f.write_str(if *followed { "; the run ends" } else { "; nothing was written" })
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
    /// Returns the exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Input(error) => error.exit_code(),
            RunError::Table(error) => error.exit_code(),
            RunError::Rejected { .. } | RunError::TooManyRejected { .. } => 2,
            RunError::Output(error) => error.exit_code(),
            RunError::Cluster(error) => error.exit_code(),
            RunError::Interrupted => 130,
            RunError::Internal(_) => 3,
        }
    }
}

/// A handle that ends the process from any thread when the run cannot go on.
///
/// A worker cannot return an error: the other workers, here and in other processes, would wait for
/// messages that it never sends. So the run ends where the error happens: half-written results are
/// removed, the other processes are told, and the process exits.
#[derive(Clone)]
pub struct Abort {
    /// The connection to the other processes.
    pub control: Control,
    /// Removes half-written results; `None` if this process writes none.
    pub output: Option<Abandon>,
}

impl Abort {
    /// Prints the error on standard error and exits with the error's code.
    pub fn fail(&self, error: &RunError) -> ! {
        // Only the first error is printed. A second thread that gets here waits for the exit.
        static FAILING: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _failing = FAILING.lock();
        if let Some(output) = &self.output {
            output.abandon();
        }
        // The other processes end with this reason. If they cannot be told, there is nothing to
        // add.
        let _ = self.control.finish(Err(error.to_string()));
        eprintln!("orderflow: {error}");
        std::process::exit(i32::from(error.exit_code()))
    }
}
