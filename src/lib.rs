//! orderflow: real-time and batch totals of e-commerce orders.

pub mod commands;
pub mod generate;
pub mod ingest;
pub mod parquet_write;
pub mod progress;
pub mod sinks;
pub mod summary;
