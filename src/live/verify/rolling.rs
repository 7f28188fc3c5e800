//! Recounts a store that is written to all the while, in slices. Until all orders are folded, no
//! view lives longer than a slice.
//!
//! ```text
//!  view 1: rows below k1            ─► fold
//!  view 2: changes since 1 below k1 ─► fold, then rows from k1 to below k2
//!  view 3: changes since 2 below k2 ─► fold, then rows from k2 on ...
//!  view n: changes since n−1        ─► fold = all orders as of view n ─► compared with the results in view n
//! ```
//!
//! Between two slices this is always true: the fold holds the rows whose keys are below some key,
//! as of one place in the log. A change of a row above that key is passed over, because the row is
//! read later, with the change in it. So each row and each change is read once, and of a slice
//! nothing is kept but where it ended. The rows and changes of one slice come from one view, which
//! is dropped with it.
//!
//! The last view stays until the results are compared, because that must see one state. For so long
//! the store keeps in memory what is written meanwhile. This time is bounded. No order is read from
//! that view, only users, windows and rejects, without pauses (about 5 µs a row in a release build:
//! half a second for 100,000 users), and at most [`UNDONE_MAX`] changes that the results do not
//! hold yet. If there are more, the view is dropped, and comparing waits until the live job has
//! caught up. The fold takes as much memory as that of a [`Recount`].
//!
//! Results are compared only if they are those of the tables that are there. After a commit that
//! deletes or makes a table, nothing can be compared until the live job has taken that in.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::fold::Fold;
use super::source::RecountSource;
use super::{ChangesFrom, Recount, Verified, VerifyError, recorded};
use crate::job::Recorded;
use order_tables::ORDER_SOURCE;
use orders::Layout;
use store::Store;
use store::error::{Damage, ReadError};
use store::format::TableId;
use store::value::{KeyRef, KeyValue, PrimaryKey};
use store::view::View;

/// The most changes by which the results may be behind the orders to be compared. It is small in
/// tests, so that it is exceeded at times.
pub(super) const UNDONE_MAX: usize = if cfg!(test) { 12 } else { 50_000 };

/// A recount that is made over and over, a slice at a time.
#[derive(Debug)]
pub(super) struct Rolling {
    store: Store,
    at: At,
}

/// What the next step does.
#[derive(Debug)]
enum At {
    /// It begins a pass.
    Begin,
    /// It folds in orders.
    Orders(Box<OrderPass>),
    /// It compares the results in one view. The pass began at this time.
    Compare(Box<Recount<View>>, Instant),
}

/// The outcome of a step.
#[derive(Debug)]
pub(super) enum Step {
    /// There is more to do, and it may wait.
    More,
    /// There is more to do, and a view is kept open for it.
    Held,
    /// Everything is compared.
    Done {
        /// What was found.
        verified: Verified,
        /// How long the pass took from its first slice, all pauses included.
        took: Duration,
        /// The last commit that the pass saw.
        seen: u64,
    },
    /// Nothing can be compared as of this commit.
    Wait(u64),
}

/// A pass that is folding in orders.
#[derive(Debug)]
struct OrderPass {
    begun: Instant,
    /// The table of orders; `None` if there is none.
    table: Option<TableId>,
    layout: Layout,
    fold: Fold,
    /// The rows that are in the fold.
    read: RowsRead,
    /// The place in the log up to which the changes of those rows are in the fold.
    from: ChangesFrom,
}

/// The rows of the table of orders that were read: none, those below a key, or all.
#[derive(Debug)]
enum RowsRead {
    Nothing,
    Below(PrimaryKey),
    All,
}

impl Rolling {
    /// Creates a recount that begins with its first pass.
    pub(super) fn new(store: Store) -> Rolling {
        Rolling { store, at: At::Begin }
    }

    /// Goes on by at most `rows_max` rows and as many changes, at least 1. After a pass the next
    /// one begins by itself.
    ///
    /// # Errors
    /// Returns [`VerifyError`]. Then the next step begins a new pass.
    pub(super) fn step(&mut self, rows_max: usize) -> Result<Step, VerifyError> {
        let (step, next) = match std::mem::replace(&mut self.at, At::Begin) {
            At::Begin => self.slice(None, rows_max)?,
            At::Orders(pass) => self.slice(Some(pass), rows_max)?,
            At::Compare(recount, begun) => compare(recount, begun, rows_max)?,
        };
        self.at = next;
        Ok(step)
    }

    fn slice(&self, pass: Option<Box<OrderPass>>, rows_max: usize) -> Result<(Step, At), VerifyError> {
        let view = self.store.view()?;
        let Some((table, recorded)) = basis(&view)? else {
            return Ok((Step::Wait(view.last_commit()), At::Begin));
        };
        let same = pass.filter(|pass| pass.table == table && pass.layout == recorded.layout);
        let mut pass =
            same.unwrap_or_else(|| Box::new(OrderPass::none(&view, table, recorded.layout.clone())));
        match pass.slice(view, rows_max) {
            Ok(Some(view)) => pass.conclude(view, recorded),
            Ok(None) => Ok((Step::More, At::Orders(pass))),
            // Without these changes, what became of the rows that were read is unknown.
            Err(VerifyError::ChangesGone(_)) => Ok((Step::More, At::Begin)),
            Err(error) => Err(error),
        }
    }
}

impl OrderPass {
    /// Creates a pass without orders. What was committed before the view is in the rows that will
    /// be read.
    fn none(view: &View, table: Option<TableId>, layout: Layout) -> OrderPass {
        let read = if table.is_some() { RowsRead::Nothing } else { RowsRead::All };
        let from = after(view);
        OrderPass { begun: Instant::now(), table, fold: Fold::new(&layout.windows), layout, read, from }
    }

    /// Folds in the changes of the rows that were read, then more rows, at most `rows_max` of each.
    /// Returns the view if the fold holds all orders as of it.
    fn slice(&mut self, mut view: View, rows_max: usize) -> Result<Option<View>, VerifyError> {
        let OrderPass { fold, read, from, .. } = self;
        let next = RecountSource::changes(&mut view, *from, rows_max, &mut |change| {
            if read.has(change.key) {
                fold.update_row(change.key, change.before, -1);
                fold.update_row(change.key, change.after, 1);
            }
        })?;
        if let Some(next) = next {
            *from = next;
            return Ok(None);
        }
        *from = after(&view);
        let start = match std::mem::replace(read, RowsRead::All) {
            RowsRead::All => return Ok(Some(view)),
            RowsRead::Nothing => None,
            RowsRead::Below(key) => Some(key),
        };
        let next = view.rows(ORDER_SOURCE, start, rows_max, &mut |key, cells| fold.update(key, cells, 1))?;
        Ok(match next {
            Some(next) => {
                *read = RowsRead::Below(next);
                None
            }
            None => Some(view),
        })
    }

    /// Goes on to compare the results in this view, as of which the fold holds all orders, unless
    /// they are too far behind.
    fn conclude(self: Box<Self>, view: View, recorded: Recorded) -> Result<(Step, At), VerifyError> {
        if self.table.is_some() && !is_near(&view, recorded.upper)? {
            return Ok((Step::Wait(view.last_commit()), At::Orders(self)));
        }
        let OrderPass { begun, fold, .. } = *self;
        Ok((Step::Held, At::Compare(Box::new(Recount::of_orders(view, recorded, fold)), begun)))
    }
}

impl RowsRead {
    /// Returns whether the row with this key was read.
    fn has(&self, key: &[KeyRef<'_>]) -> bool {
        match self {
            RowsRead::Nothing => false,
            RowsRead::Below(next) => key.iter().copied().lt(next.iter().map(KeyValue::borrow)),
            RowsRead::All => true,
        }
    }
}

fn compare(
    mut recount: Box<Recount<View>>,
    begun: Instant,
    rows_max: usize,
) -> Result<(Step, At), VerifyError> {
    let Some(verified) = recount.step(rows_max)? else {
        return Ok((Step::Held, At::Compare(recount, begun)));
    };
    let seen = recount.into_source().last_commit();
    Ok((Step::Done { verified, took: begun.elapsed(), seen }, At::Begin))
}

/// Returns the place after all changes in a view.
fn after(view: &View) -> ChangesFrom {
    ChangesFrom { commit: view.last_commit() + 1, skip: 0 }
}

/// Returns the table of orders, if there is one, and as of when the results in the view are.
/// Returns `None` if they are not the results of that table.
fn basis(view: &View) -> Result<Option<(Option<TableId>, Recorded)>, Damage> {
    if view.find_table(ORDER_SOURCE).is_some() {
        return Ok(Recorded::current(view)?.map(|(table, recorded)| (Some(table), recorded)));
    }
    // As long as the job has not deleted its checkpoint, the results are still those of the deleted
    // table.
    let is_taken_in = Recorded::of(view)?.is_none();
    Ok(recorded(view)?.filter(|_| is_taken_in).map(|recorded| (None, recorded)))
}

/// Returns whether there are few changes of orders from commit `upper` on. If they are not all
/// kept, the job has to begin anew, and this returns false.
fn is_near(view: &View, upper: u64) -> Result<bool, ReadError> {
    let mut count = 0;
    let counted = view.each_change(ORDER_SOURCE, upper, &mut |_, _| {
        count += 1;
        if count > UNDONE_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match counted {
        Err(ReadError::NotKept(_)) => Ok(false),
        counted => counted.map(|()| count <= UNDONE_MAX),
    }
}
