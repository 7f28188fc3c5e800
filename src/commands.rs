//! The commands, one file for each.

use std::fmt;
use std::io::Write;

pub mod backup;
pub mod clean;
pub mod completions;
pub mod connection;
pub mod demo;
pub mod generate;
pub mod init;
pub mod man;
pub mod page;
pub mod restore;
pub mod rows;
pub mod run;
pub mod tables;
pub mod time;
pub mod tunnel;
pub mod up;
pub mod verify;
pub mod why;

mod address;
mod columns;
mod interrupt;

/// Why a command failed: one sentence, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// The exit code: 1 if the answer is "no", 2 for bad usage or bad input, 3 if the environment
    /// failed, 130 if interrupted.
    pub exit_code: u8,
    /// What is wrong, and what to do about it if that is not obvious.
    pub message: String,
    /// The id of the request that the store refused, if that is why the command failed.
    pub request_id: Option<String>,
}

impl Failure {
    /// Creates a failure from an error and an exit code.
    pub fn new(exit_code: u8, error: impl fmt::Display) -> Failure {
        Failure { exit_code, message: error.to_string(), request_id: None }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints text on standard output. It is no failure if nobody reads it any more.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if standard output takes nothing.
pub fn say(text: &str) -> Result<(), Failure> {
    say_bytes(text.as_bytes())
}

/// Prints bytes on standard output, as [`say`] prints text.
///
/// # Errors
/// Fails as [`say`] does.
pub fn say_bytes(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(3, format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}
