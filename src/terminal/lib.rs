//! What a long run shows of its progress, and numbers for people.

use std::io::Write;

mod numbers;
pub mod progress;

pub use numbers::{Thousands, amount_for_people};

/// Says a line on standard error. One that takes nothing, such as a log on a full disk, is no reason to stop.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
