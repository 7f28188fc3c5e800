//! Results out: the rows of all views as of one epoch, their files, and the stream of their changes.
//!
//! ```text
//!              ┌─► UpdateWriter   changed rows, as JSON lines
//! Change ──►───┤
//!              └─► Results ──► Output   the result files, replaced as one set
//!                                 ▲
//! Reject ──► Rejects ─────────────┘     rejects.jsonl among them
//! ```
//!
//! The invariant: what is written is a function of the results, the rejects and the facts of the
//! run alone, so equal results are equal bytes, and whoever reads the folder sees one epoch.
//! Deliberately absent: wall-clock time, and any knowledge of workers or processes.

pub mod files;
pub mod output;
pub mod rejects;
pub mod results;
pub mod updates;

pub use files::{FileLayout, OutputFacts};
pub use output::{Abandon, Output, OutputError};
pub use rejects::Rejects;
pub use results::{Disagreement, Mismatch, Results};
pub use updates::{Readers, UpdateWriter};

#[cfg(test)]
pub(crate) mod test_results;
