//! Follow the changes of orders, keep the results, recount them, tell who follows.
//!
//! ```text
//!  store ─ changes ─► job ─► results, in the store ─► verify (recounts them)
//!                      └──── committed epochs ──────► feed (tells who follows)
//! ```

pub mod feed;
pub mod job;
pub mod verify;
