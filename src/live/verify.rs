//! Recounts the results from the order table by the plain fold, and compares them row by row.
//!
//! ```text
//!  rows of OrderSource ─► fold ─► its changes from `upper` on, undone ─► what the results as of `upper` must be
//!                                                                                     │ compared
//!  rows of each view's table and of OrderRejects ─────────────────────────────────────┘
//! ```
//!
//! All rows are read from one [`RecountSource`], which shows one state of all tables: a [`View`] of
//! a store in this process, or a [`Remote`] of a store in another one. A [`Recount`] reads a
//! bounded number of rows at a time, so that its caller can pause in between. It keeps an entry for
//! each user, window and reject, as the results do, and no orders.
//!
//! Every byte of every result row is compared, except the versions of its cells. Of a reject, the
//! key and the reason are compared. The rows of each view without a filter must add up to the
//! total, in count and in exact amount. This is not checked separately: the fold adds each order to
//! one row of each such view, so rows that are equal to those of the fold add up as they do.
//!
//! Beside a live job, an [`AlwaysOn`] recounts over and over, from views that live no longer than a
//! slice of the orders.
//!
//! No clock takes part in what is found, and no code of the graph: only the code that reads orders
//! from rows, the code that prints results as rows, and [`PlainRows`](dataflows::PlainRows).

mod always;
mod error;
mod fold;
mod pace;
mod recount;
mod remote;
mod rolling;
mod source;

pub use always::{AlwaysOn, AlwaysOnConfig, Verification};
pub use error::VerifyError;
pub use recount::{DIFFERENCES_MAX, Difference, Recount, Verified};
pub use remote::Remote;
pub use source::{EmitRow, RecountSource};
pub use store::changes::ChangesFrom;

use crate::job::Recorded;
use order_tables::{ORDER_SOURCE, RESULT_TABLES};
use orders::Layout;
use store::error::Damage;
use store::view::View;
use tablestore::server::{ResultsAsOf, ShownResults};

/// Begins a recount of the results in a view.
///
/// # Errors
/// Returns [`VerifyError::NoResults`] if there are none.
pub fn recount(view: View) -> Result<Recount<View>, VerifyError> {
    let recorded = recorded(&view)?.ok_or(VerifyError::NoResults)?;
    Ok(Recount::new(view, recorded))
}

/// Returns as of when the results in a view are; `None` if no live job has written any, or if its
/// checkpoint cannot be read.
///
/// If the table of orders is gone, the job deletes its checkpoint. Then the tables of results that
/// are there must be empty, as of now.
pub(crate) fn recorded(view: &View) -> Result<Option<Recorded>, Damage> {
    if let Some(recorded) = Recorded::of(view)? {
        return Ok(Some(recorded));
    }
    let is_there = |table: &str| view.table(table).is_ok();
    let must_be_empty = !is_there(ORDER_SOURCE) && RESULT_TABLES.into_iter().any(is_there);
    Ok(must_be_empty.then(|| Recorded { upper: view.last_commit() + 1, layout: Layout::default() }))
}

/// Tells the server of a store which results a live job has written there.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobResults;

impl ShownResults for JobResults {
    fn in_view(&self, view: &View) -> Result<Option<ResultsAsOf>, Damage> {
        let as_of = |Recorded { upper, layout }: Recorded| ResultsAsOf {
            upper,
            zone: layout.zone.name().to_owned(),
            window_ms: layout.windows.width_ms(),
            clock: layout.windows.clock_digest(),
        };
        Ok(recorded(view)?.map(as_of))
    }

    fn source(&self) -> &str {
        ORDER_SOURCE
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
