//! Recounts all orders: shows how long a plain fold takes, and whether `orderflow verify` finds the
//! results right.

use std::ops::ControlFlow;
use std::time::Instant;

use dataflows::PlainRows;
use dataflows::views::{USERS, WINDOWS};
use serde::Serialize;

use live::verify::{Verified, VerifyError, recount as verify};
use order_tables::{ORDER_SOURCE, order_of};
use orders::Layout;
use store::read::PAGE_ROWS_MAX;
use store::view::View;

/// What the recount found. The names of its fields are the names in JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct DemoRecount {
    /// The number of orders that were counted.
    pub(super) orders: i64,
    /// The number of users with orders.
    pub(super) users: u64,
    /// The number of windows with orders.
    pub(super) windows: u64,
    /// The seconds that counting took, without comparing.
    pub(super) seconds: f64,
    /// The number of rows of the results that differ.
    pub(super) differing: u64,
}

/// Counts the orders in a view one by one. Then counts them again to compare the result tables row
/// by row.
///
/// # Errors
/// Returns [`VerifyError`] if the tables cannot be read.
pub(super) fn recount(view: View, layout: &Layout) -> Result<DemoRecount, VerifyError> {
    let started = Instant::now();
    let mut rows = PlainRows::new(&layout.windows);
    view.each_row(ORDER_SOURCE, None, &mut |key, cells| {
        // A row that is not a valid order is in no result.
        if let Ok(order) = order_of(key, cells) {
            rows.update(&order, 1);
        }
        ControlFlow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let found = verify(view)?.run(PAGE_ROWS_MAX, || true)?;
    // The pause never gives up, so there is always a result.
    let Some(verified) = found else { return Err(VerifyError::NoResults) };
    let (users, windows) = (verified.rows(USERS), verified.rows(WINDOWS));
    let Verified { total, differing, .. } = verified;
    Ok(DemoRecount { orders: total.orders, users, windows, seconds, differing })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::generate::write_of;
    use dataflows::{Amount, Parts, RowKey, Totals};
    use files::generate::{Orders, Spec};
    use live::job::{CHANGES_MAX, Job, JobConfig};
    use order_tables::{ResultRow, schemas};
    use store::change::Write;
    use store::{Store, StoreOptions};

    #[test]
    fn results_are_told_from_wrong_ones() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        let layout = Layout::default();
        let [orders, ..] = schemas();
        store.create_table(orders).unwrap();
        let write = |writes: Vec<Write>| assert!(store.write_and_wait(writes).iter().all(Result::is_ok));
        let spec = Spec { orders: 100, users: 7, ..Spec::default() };
        write(Orders::new(spec).map(|order| write_of(&order)).collect());
        let written = store.last_commit();
        let config = JobConfig { workers: 1, layout: layout.clone(), changes_max: CHANGES_MAX };
        let job = Job::start(store.clone(), config).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(crate::commands::demo::runtime::caught_up(&job.watch(), written)).unwrap();
        job.stop();
        let found = recount(store.view().unwrap(), &layout).unwrap();
        assert_eq!((found.orders, found.users, found.differing), (100, 7, 0));

        // No order is in this window.
        let window = RowKey::new(WINDOWS, Parts::integer(0));
        write(vec![ResultRow::new(&window, &Totals::of(Amount::ZERO, 1), &layout).put(1)]);
        assert_eq!(recount(store.view().unwrap(), &layout).unwrap().differing, 1);
    }
}
