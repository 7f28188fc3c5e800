//! The commands, one file each.

use std::fmt;

pub mod demo;
pub mod generate;
pub mod run;

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
