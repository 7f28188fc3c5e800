//! Runs one process: store, live job, recount, server and page. Says what happens there, in its log
//! and its metrics.

pub mod instance;
pub mod log;
pub mod metrics;
pub mod signals;
pub mod version;
