//! Follows the changes of orders, keeps the results, recounts them, and tells its followers.
//!
//! ```text
//!  store ─ changes ─► job ─► results, in the store ─► verify (recounts them)
//!                      └──── committed epochs ──────► feed (tells who follows)
//! ```

pub mod feed;
pub mod job;
pub mod verify;
