//! orderflow: real-time and batch totals of e-commerce orders.

pub mod cluster;
pub mod ingest;
