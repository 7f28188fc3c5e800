//! What a valid order is, and how keys, zones and amounts print.
//!
//! Whatever an order comes from, a file or a table, its values are checked here, so one order is
//! taken or set aside for the same reason everywhere. Results print through the same functions
//! into files, tables and pages.

pub mod layout;
pub mod rules;
pub mod text;
pub mod zone;

pub use layout::Layout;
pub use zone::{Zone, ZoneError};
