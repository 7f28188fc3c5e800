//! orderflow: real-time and batch totals of e-commerce orders.

pub mod ingest;
pub mod parquet_write;
