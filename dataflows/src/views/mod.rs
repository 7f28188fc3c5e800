//! The results, one function each: orders in, rows out.
//!
//! A fourth view is one more file here and one line in [`build`](crate::build).

mod global_total;
mod user_totals;
mod window_totals;

pub use global_total::global_total;
pub use user_totals::user_totals;
pub use window_totals::window_totals;
