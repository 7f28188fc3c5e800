//! The results recounted from the order table by the plain fold, and compared row by row.
//!
//! ```text
//!  rows of OrderSource ─► fold ─► its changes from `upper` on, undone ─► what the results as of `upper` must be
//!                                                                                     │ compared
//!  rows of each view's table and of OrderRejects ─────────────────────────────────────┘
//! ```
//!
//! All of it is read from one [`Source`], which shows one state of all tables: a [`View`] of a store in this process, or
//! a [`Remote`] of one that is served elsewhere. A [`Recount`] goes over it a bounded number of rows at a time, so that
//! whoever runs it can pause in between; it keeps what the results keep, a user, a window or a reject an entry, and
//! no order.
//!
//! Every byte of every result row is compared but the versions of its cells; of a reject, its key and its reason. That
//! the rows of each view without a filter add up to the total, in count and in exact amount, is not tried on its own: the fold
//! adds each order to one row of each such view, and rows that equal it add up as it does.
//!
//! Beside a live job an [`AlwaysOn`] does so over and over, from views that live no longer than a slice of the orders.
//!
//! No clock takes part in what is found, and nothing of the graph: only rows to orders, results to rows, and
//! [`PlainRows`](dataflows::PlainRows).

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
pub use source::{EmitRow, Source};
pub use store::changes::ChangesFrom;

use dataflows::WindowWidth;

use crate::job::Recorded;
use order_tables::{ORDER_SOURCE, RESULT_TABLES};
use orders::{Layout, Zone};
use store::error::Damage;
use store::view::View;
use tablestore::server::{ResultsAsOf, ShownResults};

/// Begins a recount of the results in a view.
///
/// # Errors
/// [`VerifyError::NoResults`] where there are none.
pub fn recount(view: View) -> Result<Recount<View>, VerifyError> {
    let recorded = recorded(&view)?.ok_or(VerifyError::NoResults)?;
    Ok(Recount::new(view, recorded))
}

/// As of when the results in a view are. None where no live job has written any, or its checkpoint cannot be read.
///
/// A job that finds the table of orders gone takes its checkpoint away. Then the tables of results, if there are any, must be
/// empty, as of now.
pub(crate) fn recorded(view: &View) -> Result<Option<Recorded>, Damage> {
    if let Some(recorded) = Recorded::of(view)? {
        return Ok(Some(recorded));
    }
    let is_there = |table: &str| view.table(table).is_ok();
    let must_be_empty = !is_there(ORDER_SOURCE) && RESULT_TABLES.into_iter().any(is_there);
    let layout = || Layout { zone: Zone::default(), width: WindowWidth::default() };
    Ok(must_be_empty.then(|| Recorded { upper: view.last_commit() + 1, layout: layout() }))
}

/// The results of the live job, for the server of the store that they lie in.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobResults;

impl ShownResults for JobResults {
    fn in_view(&self, view: &View) -> Result<Option<ResultsAsOf>, Damage> {
        let as_of = |Recorded { upper, layout }: Recorded| ResultsAsOf {
            upper,
            zone: layout.zone.name().to_owned(),
            window_ms: layout.width.ms(),
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
