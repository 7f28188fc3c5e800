//! The order store: tables of rows, and the log of their changes, each commit durable before it is acknowledged.
//!
//! Tablestore's data model without Tablestore's wire, which is [`tablestore`](crate::tablestore)'s.

pub mod change;
pub mod error;
pub mod filter;
pub mod read;
pub mod schema;
pub mod tunnel;
pub mod value;
