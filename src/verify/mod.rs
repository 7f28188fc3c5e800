//! The results recounted from the order table by the plain fold, and compared row by row.
//!
//! ```text
//!  rows of OrderSource ─► fold ─► its changes from `upper` on, undone ─► what the results as of `upper` must be
//!                                                                                     │ compared
//!  rows of OrderBatchSink, OrderTotalSink, OrderStreamSink, OrderRejects ─────────────┘
//! ```
//!
//! All of it is read from one [`Source`], which shows one state of all tables: a [`View`] of a store in this process, or
//! a [`Remote`] of one that is served elsewhere. A [`Recount`] goes over it a bounded number of rows at a time, so that
//! whoever runs it can pause in between; it keeps what the results keep, a user, a window or a reject an entry, and
//! no order.
//!
//! Every byte of every result row is compared but the versions of its cells; of a reject, its key and its reason. That
//! the users add up to the total, and so do the windows, in count and in exact amount, is not tried on its own: the fold adds each
//! order to one user, to one window and to the total, and rows that equal it add up as it does.
//!
//! No clock takes part, and nothing of the graph: only rows to orders, results to rows, and
//! [`Reference`](dataflows::Reference).

mod error;
mod fold;
mod recount;
mod remote;
mod source;

pub use error::VerifyError;
pub use recount::{DIFFERENCES_MAX, Difference, Recount, Verified};
pub use remote::Remote;
pub(crate) use source::changes_page;
pub use source::{ChangesFrom, EmitRow, Source};

use crate::job::Recorded;
use crate::store::view::View;

/// Begins a recount of the results in a view.
///
/// # Errors
/// [`VerifyError::NoResults`] where there are none.
pub fn recount(view: View) -> Result<Recount<View>, VerifyError> {
    let recorded = Recorded::of(&view)?.ok_or(VerifyError::NoResults)?;
    Ok(Recount::new(view, recorded))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
