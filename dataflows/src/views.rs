//! The views: one file for each, and the list of them.
//!
//! # To add a view
//! To add a view, write its file here and add its line to [`VIEWS`]. Nothing else is needed. The
//! file holds
//! - `VIEW`, a [`View`]: its names, the columns of its key, the condition on its orders, its plain
//!   grouping and its aggregates;
//! - the same grouping for the graph, a [`Grouping`](crate::key::Grouping). Its key is
//!   [`Id`](crate::Id), [`Window`](crate::Window), `()`, or a type of the file's own that is a
//!   [`Key`](crate::key::Key). `COUNT(*)` and `SUM(price)` of each group are kept by
//!   [`totals_by`](fn@crate::totals_by).
//!
//! Everything else takes the view from the list: the graph, the result files, the changes that `run
//! --follow` prints, the result table and the checkpoint of the live job, the recount, the page's
//! addresses `/api/NAME` and `/api/NAME.csv`, the metrics and the summary. If a live job finds
//! results of fewer or other views, it reads the order table anew, once. `user_days.rs` is such a
//! file; only tests have it in the list.

mod global_total;
#[cfg(feature = "fourth-view")]
mod user_days;
mod user_totals;
mod window_totals;

use std::fmt;
use std::ops::Deref;

pub use crate::engine::Filter;
use crate::row::ViewId;
pub use crate::view::{Aggregate, COUNT_AND_SUM, KeyColumn, Print, View};

/// All views. They have this order everywhere.
///
/// It is a static, not a constant: each crate that names a constant compiles what it points to, here
/// the whole graph, once more.
pub static VIEWS: &[&View] = &[
    &user_totals::VIEW,
    &global_total::VIEW,
    &window_totals::VIEW,
    #[cfg(feature = "fourth-view")]
    &user_days::VIEW,
];

/// The view of what each user has ordered. The page ranks its rows.
pub const USERS: ViewId = ViewId::named("users");
/// The view of what all users together have ordered. All views without a filter add up to it.
pub const TOTAL: ViewId = ViewId::named("total");
/// The view of what was ordered in each window. The page draws its rows as a trend.
pub const WINDOWS: ViewId = ViewId::named("windows");

impl ViewId {
    /// Returns the view with this name. Panics if there is none; for a constant, this is an error
    /// of the compiler.
    pub const fn named(name: &str) -> ViewId {
        let mut at = 0;
        while at < VIEWS.len() {
            if is_same(VIEWS[at].name.as_bytes(), name.as_bytes()) {
                return ViewId(at as u16);
            }
            at += 1;
        }
        panic!("no view has this name")
    }

    /// Returns all views, in the order of the list.
    pub fn all() -> impl DoubleEndedIterator<Item = ViewId> + ExactSizeIterator {
        (0..VIEWS.len()).map(|at| ViewId(at as u16))
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

impl Deref for ViewId {
    type Target = View;

    fn deref(&self) -> &View {
        VIEWS[self.index()]
    }
}

impl fmt::Debug for ViewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
