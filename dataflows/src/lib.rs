//! The orderflow graph: orders go in, rows of views come out. It has no I/O, no clock and no thread
//! of its own.
//!
//! ```text
//!  append  orders ───────────────┐          ┌─ users ───┐
//!                                ├─► build ─┼─ total ───┼─► deliver: (epoch, changed rows)
//!  upserts ──► upsert ──► orders ┘          └─ windows ─┘
//! ```
//!
//! The graph is the same on each worker. What it computes for an epoch depends only on the orders
//! up to that epoch: not on the number of workers or processes, nor on the order in which orders
//! arrive.
//!
//! | here | is |
//! |---|---|
//! | [`Order`], [`Amount`], [`Totals`], [`Window`] | what is summed, exactly |
//! | [`views`], [`View`] | the views, a value each, and the list of them |
//! | [`build()`] | all views of the list over the same orders |
//! | [`RowKey`] | which row of which view |
//! | [`upsert()`] | from "the last line of a key wins" to orders that come and go |
//! | [`deliver()`] | the views together, an epoch at a time |
//! | [`PlainRows`], [`Reference`] | the same answers by plain folds |
//! | [`exchange`] | the container and bytes of records between workers and processes |

mod amount;
mod build;
mod deliver;
mod engine;
pub mod exchange;
mod gather;
mod id;
pub mod key;
mod order;
mod plain_rows;
mod reference;
mod row;
mod table;
mod totals;
mod totals_by;
mod upsert;
mod view;
pub mod views;
mod window;

use std::rc::Rc;

use differential_dataflow::Collection;

pub use amount::{Amount, AmountError, FRACTION_DIGITS_MAX, PRICE_MAX};
pub use build::{build, build_on_kept};
pub use deliver::{Change, deliver};
pub use engine::{Engine, Filter, KeptInputs, Rows};
pub use id::{INLINE_MAX, Id};
pub use order::{Order, OrderKey, Position};
pub use plain_rows::PlainRows;
pub use reference::{Reference, UpsertReference};
pub use row::{Part, Parts, RowKey, ViewId};
pub use totals::Totals;
pub use totals_by::{KeptTotals, Partials, totals_by};
pub use upsert::{OrderState, UPSERT_WORDS, Upsert, Upserts, upsert};
pub use view::{Aggregate, COUNT_AND_SUM, KeyColumn, Print, View};
pub use window::{Stretch, Turn, WINDOW_MS_DEFAULT, Window, Windows};

/// The logical time of the graph: a commit number (store) or a batch number (files). It is totally
/// ordered.
pub type Epoch = u64;

/// The number of times that a record is added. A negative number retracts it.
pub type Diff = i64;

/// Orders that are added and removed. Batches are behind a reference count, so that all views read
/// the same one.
pub type Orders<'scope> = Collection<'scope, Epoch, Rc<Vec<(Order, Epoch, Diff)>>>;
