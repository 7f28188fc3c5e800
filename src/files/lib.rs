//! Reads orders from files, writes results to files, and makes up orders.
//!
//! | here | is |
//! |---|---|
//! | [`format`](mod@format) | what files look like, told by their names |
//! | [`ingest`] | files and streams of orders, read in parts, a block at a time |
//! | [`sinks`] | result files, the stream of updates, what was set aside |
//! | [`generate`] | made-up orders |
//! | [`parquet_write`] | Parquet files, written a row group at a time |

pub mod format;
pub mod generate;
pub mod ingest;
pub mod parquet_write;
pub mod sinks;
