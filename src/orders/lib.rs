//! Says what a valid order is, and how keys, zones and amounts are printed.
//!
//! Every order is checked here, whether it comes from a file or from a table, so the same order is
//! taken or set aside for the same reason everywhere. Results are printed by the same functions
//! into files, tables and pages.

pub mod layout;
pub mod number;
pub mod rules;
pub mod text;
pub mod time;
pub mod zone;

pub use layout::Layout;
pub use number::DecimalMark;
pub use time::{TimeForm, TimeUnit};
pub use zone::{Zone, ZoneError};
