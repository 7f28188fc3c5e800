//! The errors between the processes of a run. Each is printed as one sentence.

use std::fmt;
use std::io;

/// Why a run cannot begin, or cannot go on, with its other processes.
#[derive(Debug)]
pub enum ClusterError {
    /// The flags, the hosts file or the key file cannot be used as given.
    Usage(String),
    /// This process cannot listen on its own address.
    Listen(String),
    /// A peer could not be reached, or did not prove the cluster key, before the deadline.
    Unreached(String),
    /// Two processes that both know the cluster key do not agree on what this run is.
    Refused(String),
    /// A peer ended, fell silent or failed after the run had begun.
    Lost(String),
    /// A signal asked this process to end before the run had begun.
    Interrupted,
    /// The operating system refused a thread, a runtime or a socket option.
    System {
        /// What was being done, such as "cannot start the control thread".
        doing: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
}

impl ClusterError {
    /// Returns the exit code of a program that ends with this error: 2 for usage, 130 for a signal,
    /// else 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            ClusterError::Usage(_) => 2,
            ClusterError::Interrupted => 130,
            _ => 3,
        }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterError::Usage(sentence)
            | ClusterError::Listen(sentence)
            | ClusterError::Unreached(sentence)
            | ClusterError::Refused(sentence)
            | ClusterError::Lost(sentence) => f.write_str(sentence),
            ClusterError::Interrupted => f.write_str("interrupted"),
            // The cause is the `source`. It is printed by callers that print chains of causes.
            ClusterError::System { doing, .. } => f.write_str(doing),
        }
    }
}

impl std::error::Error for ClusterError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ClusterError::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
