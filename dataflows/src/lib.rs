//! The orderflow graph: orders in, three results out.

mod amount;
mod id;
mod order;
mod totals;
mod window;

pub use amount::{Amount, AmountError, FRACTION_DIGITS_MAX, PRICE_MAX};
pub use id::{INLINE_MAX, Id};
pub use order::{Order, OrderKey, Position};
pub use totals::Totals;
pub use window::{WINDOW_MS_DEFAULT, Window, WindowWidth};

/// Logical time of the graph: a commit number (store) or a batch number (files), totally ordered.
pub type Epoch = u64;

/// How many times a record is added; negative retracts.
pub type Diff = i64;
