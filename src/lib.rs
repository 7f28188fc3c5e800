//! orderflow: real-time and batch totals of e-commerce orders, in one binary.
//!
//! The rooms of the house are crates of their own, arrows only downwards; this one is the roof:
//!
//! ```text
//!  main ─► cli ─► commands ─┬─► program: one process of store, job, recount, server and page
//!                           ├─► driver ──► files, order_tables   the graph over inputs that end, or grow
//!                           ├─► live ────► order_tables, store   the graph over the changes of a store
//!                           └─► tablestore::client               commands that go over the wire
//!  program ─► page ─► live ─► tablestore ─► store
//! ```
//!
//! | here | is |
//! |---|---|
//! | [`cli`] | which commands there are |
//! | [`commands`] | one file a command: its flags, what they mean, and what it does |
//! | [`program`] | one process of all this, and what it tells of itself |

pub mod cli;
pub mod commands;
pub mod program;
