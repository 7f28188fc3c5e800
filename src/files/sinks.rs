//! Writes results: the rows of all views as of one epoch, their files, and the stream of their
//! changes.
//!
//! ```text
//!              ┌─► UpdateWriter   changed rows, as JSON lines
//! Change ──►───┤
//!              └─► Results ──► Output   the result files, replaced as one set
//!                                 ▲
//! Reject ──► Rejects ─────────────┘     rejects.jsonl among them
//! ```
//!
//! **Invariant:** the bytes that are written depend only on the results, the rejects and the facts
//! of the run. So equal results give equal bytes, and a reader of the folder sees a single epoch.
//! Deliberately absent: wall-clock time, and any knowledge of workers or processes.

pub mod files;
pub mod output;
pub mod rejects;
pub mod results;
pub mod updates;

pub use files::{FileLayout, OutputFacts, view_bytes};
pub use output::{Abandon, Output, OutputError};
pub use rejects::Rejects;
pub use results::{Contradiction, Mismatch, Results};
pub use updates::{Readers, UpdateWriter};

#[cfg(test)]
pub(crate) mod test_results;
