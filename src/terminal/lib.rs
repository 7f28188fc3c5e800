//! Shows the progress of a long run on standard error, and prints numbers for people.

use std::io::Write;

mod numbers;
pub mod progress;

pub use numbers::{Thousands, amount_for_people};

/// Prints a line on standard error. A line that cannot be written, for example to a log on a full
/// disk, is dropped: that is no reason to stop.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
