//! One process of all this: store, live job, recount, server and page, and what it tells of itself.

pub mod instance;
pub mod log;
pub mod metrics;
