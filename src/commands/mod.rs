//! The commands, one file each.

use std::fmt;
use std::io::Write;

pub mod clean;
pub mod connection;
pub mod demo;
pub mod generate;
pub mod init;
pub mod page;
pub mod rows;
pub mod run;
pub mod tables;
pub mod time;
pub mod tunnel;
pub mod up;
pub mod verify;

mod columns;

/// Why a command gave up: one sentence, and the code to exit with.
#[derive(Debug)]
pub struct Failure {
    /// 1 the answer is "no", 2 bad usage or bad input refused, 3 an environment failure.
    pub exit_code: u8,
    /// What is wrong, and what to do where that is not obvious.
    pub message: String,
}

impl Failure {
    /// The failure that an error means.
    pub fn new(exit_code: u8, error: impl fmt::Display) -> Failure {
        Failure { exit_code, message: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Prints on standard output, unless nobody reads on.
///
/// # Errors
/// [`Failure`] 3 where standard output takes nothing.
pub fn say(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(3, format!("cannot print: {error}")))
        }
        _ => Ok(()),
    }
}
