//! The recount of a store that is written all the while, in slices: no view lives longer than a slice until all orders are folded.
//!
//! ```text
//!  view 1: rows below k1            ─► fold
//!  view 2: changes since 1 below k1 ─► fold, then rows from k1 to below k2
//!  view 3: changes since 2 below k2 ─► fold, then rows from k2 on ...
//!  view n: changes since n−1        ─► fold = all orders as of view n ─► compared with the results in view n
//! ```
//!
//! Always true between two slices: the fold is the rows whose keys are below some key, as of one place in the log. A change of a
//! row above that key is passed over, because the row is read later, with the change in it. So each row and each change is read
//! once, and nothing is kept of a slice but where it ended. Rows and changes of one slice come from one view, which is dropped with it.
//!
//! The last view stays until the results are compared, as that must see one state: so long the store keeps in memory what is
//! written meanwhile. It is bounded, as no order is read from that view, only users, windows and rejects, without pauses
//! (about 5 µs a row in a release build: half a second for 100,000 users), and at most [`UNDONE_MAX`] changes that the results do not hold yet: where there are more, the
//! view is let go, and comparing waits until the live job has caught up. The fold takes what [`Recount`]'s takes.
//!
//! Results are compared only where they are those of the tables that are there. Between the commit that deletes or makes a table
//! and the one in which the live job takes that in, there is nothing to say.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::fold::Fold;
use super::source::Source;
use super::{ChangesFrom, Recount, Verified, VerifyError, recorded};
use crate::job::Recorded;
use order_tables::ORDER_SOURCE;
use orders::Layout;
use store::Store;
use store::error::{Damage, ReadError};
use store::format::TableId;
use store::value::{KeyRef, KeyValue, PrimaryKey};
use store::view::View;

/// Most changes by which the results may be behind the orders to be compared. Few in tests, so that they are more at times.
pub(super) const UNDONE_MAX: usize = if cfg!(test) { 12 } else { 50_000 };

/// Recounts over and over, a slice at a time.
#[derive(Debug)]
pub(super) struct Rolling {
    store: Store,
    at: At,
}

/// What comes next.
#[derive(Debug)]
enum At {
    /// A pass is to begin.
    Begin,
    /// Orders are to be folded in.
    Orders(Box<Orders>),
    /// The results are to be compared, in one view, by the pass that began then.
    Compare(Box<Recount<View>>, Instant),
}

/// What a step came to.
#[derive(Debug)]
pub(super) enum Step {
    /// There is more to do, and no hurry.
    More,
    /// There is more to do, and a view is kept open for it.
    Held,
    /// All is compared.
    Done {
        /// What was found.
        verified: Verified,
        /// How long the pass took from its first slice, all pauses included.
        took: Duration,
        /// The last commit that it saw.
        seen: u64,
    },
    /// Nothing can be compared as of this commit.
    Wait(u64),
}

/// The orders folded in so far.
#[derive(Debug)]
struct Orders {
    begun: Instant,
    /// None: there is none.
    table: Option<TableId>,
    layout: Layout,
    fold: Fold,
    /// Which rows are in the fold.
    read: Read,
    /// The changes of those rows are in the fold up to here.
    from: ChangesFrom,
}

/// Rows of the table of orders.
#[derive(Debug)]
enum Read {
    Nothing,
    Below(PrimaryKey),
    All,
}

impl Rolling {
    /// Begins with the first pass.
    pub(super) fn new(store: Store) -> Rolling {
        Rolling { store, at: At::Begin }
    }

    /// Goes on by at most so many rows and so many changes, at least 1. A next pass begins by itself.
    ///
    /// # Errors
    /// [`VerifyError`]; the next step begins anew.
    pub(super) fn step(&mut self, rows_max: usize) -> Result<Step, VerifyError> {
        let (step, next) = match std::mem::replace(&mut self.at, At::Begin) {
            At::Begin => self.slice(None, rows_max)?,
            At::Orders(orders) => self.slice(Some(orders), rows_max)?,
            At::Compare(recount, begun) => compare(recount, begun, rows_max)?,
        };
        self.at = next;
        Ok(step)
    }

    fn slice(&self, orders: Option<Box<Orders>>, rows_max: usize) -> Result<(Step, At), VerifyError> {
        let view = self.store.view()?;
        let Some((table, recorded)) = basis(&view)? else {
            return Ok((Step::Wait(view.last_commit()), At::Begin));
        };
        let same = orders.filter(|orders| orders.table == table && orders.layout == recorded.layout);
        let mut orders =
            same.unwrap_or_else(|| Box::new(Orders::none(&view, table, recorded.layout.clone())));
        match orders.slice(view, rows_max) {
            Ok(Some(view)) => orders.conclude(view, recorded),
            Ok(None) => Ok((Step::More, At::Orders(orders))),
            // Nothing tells any more what became of the rows that were read.
            Err(VerifyError::ChangesGone(_)) => Ok((Step::More, At::Begin)),
            Err(error) => Err(error),
        }
    }
}

impl Orders {
    /// None yet. What was committed before the view is in the rows to be read.
    fn none(view: &View, table: Option<TableId>, layout: Layout) -> Orders {
        let read = if table.is_some() { Read::Nothing } else { Read::All };
        let from = after(view);
        Orders { begun: Instant::now(), table, fold: Fold::new(layout.width), layout, read, from }
    }

    /// Folds in the changes of the rows that were read, then further rows, as far as it may. The view, if all orders are in as of it.
    fn slice(&mut self, mut view: View, rows_max: usize) -> Result<Option<View>, VerifyError> {
        let Orders { fold, read, from, .. } = self;
        let next = Source::changes(&mut view, *from, rows_max, &mut |change| {
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
        let start = match std::mem::replace(read, Read::All) {
            Read::All => return Ok(Some(view)),
            Read::Nothing => None,
            Read::Below(key) => Some(key),
        };
        let next = view.rows(ORDER_SOURCE, start, rows_max, &mut |key, cells| fold.update(key, cells, 1))?;
        Ok(match next {
            Some(next) => {
                *read = Read::Below(next);
                None
            }
            None => Some(view),
        })
    }

    /// Goes on to compare in this view, as of which they all are, unless the results in it are too far behind.
    fn conclude(self: Box<Self>, view: View, recorded: Recorded) -> Result<(Step, At), VerifyError> {
        if self.table.is_some() && !is_near(&view, recorded.upper)? {
            return Ok((Step::Wait(view.last_commit()), At::Orders(self)));
        }
        let Orders { begun, fold, .. } = *self;
        Ok((Step::Held, At::Compare(Box::new(Recount::of_orders(view, recorded, fold)), begun)))
    }
}

impl Read {
    /// Whether the row of this key is one of them.
    fn has(&self, key: &[KeyRef<'_>]) -> bool {
        match self {
            Read::Nothing => false,
            Read::Below(next) => key.iter().copied().lt(next.iter().map(KeyValue::borrow)),
            Read::All => true,
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

/// Behind all changes that a view sees.
fn after(view: &View) -> ChangesFrom {
    ChangesFrom { commit: view.last_commit() + 1, skip: 0 }
}

/// The table of orders, if there is one, and as of when the results in a view are those of it. None if they are not.
fn basis(view: &View) -> Result<Option<(Option<TableId>, Recorded)>, Damage> {
    if view.find_table(ORDER_SOURCE).is_some() {
        return Ok(Recorded::current(view)?.map(|(table, recorded)| (Some(table), recorded)));
    }
    // As long as the job has not taken its checkpoint away, the results are still those of the table that was deleted.
    let is_taken_in = Recorded::of(view)?.is_none();
    Ok(recorded(view)?.filter(|_| is_taken_in).map(|recorded| (None, recorded)))
}

/// Whether there are few changes of orders from a commit on. Where they are not all kept, the job has to begin anew.
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
