//! The errors of an instance that does not start, or does not end well.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use super::keys::KeyError;
use live::job::JobError;
use store::error::{CloseError, OpenError};

/// Why an instance did not start, or did not end well.
#[derive(Debug)]
pub enum InstanceError {
    /// The store cannot be opened.
    Open(OpenError),
    /// The access key cannot be read or made.
    Key(KeyError),
    /// None of the addresses given with this flag can be listened on. The error is that of the last
    /// address.
    Listen(&'static str, Vec<SocketAddr>, io::Error),
    /// The program may not have enough files open at a time.
    TooFewFiles {
        /// The most that it may have open.
        limit: usize,
        /// The fewest that it needs.
        needed: usize,
    },
    /// The live job cannot be started.
    Job(JobError),
    /// The live job ended by itself, for this reason.
    JobFailed(String),
    /// The store has failed.
    Store(CloseError),
    /// The system refuses.
    System(io::Error),
}

impl fmt::Display for InstanceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstanceError::Open(error) => error.fmt(f),
            InstanceError::Key(error) => error.fmt(f),
            InstanceError::Listen(flag, addresses, error) => {
                let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
                let addresses = addresses.join(" or ");
                match error.kind() {
                    io::ErrorKind::AddrInUse => write!(
                        f,
                        "{addresses} is in use by another program: stop that, or choose another port with {flag}"
                    ),
                    _ => write!(f, "cannot listen on {addresses}: {error}"),
                }
            }
            InstanceError::TooFewFiles { limit, needed } => write!(
                f,
                "at most {limit} files may be open at a time, and {needed} are needed: raise the limit with \
                 `ulimit -n`, or LimitNOFILE= for systemd"
            ),
            InstanceError::Job(error) => error.fmt(f),
            InstanceError::JobFailed(reason) => f.write_str(reason),
            InstanceError::Store(error) => error.fmt(f),
            InstanceError::System(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InstanceError {}

impl InstanceError {
    /// Returns the exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            InstanceError::Job(error) => error.exit_code(),
            _ => 3,
        }
    }
}
