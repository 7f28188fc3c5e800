//! Limits of single requests, as Tablestore has them. Those of rows are the [`store`](store)'s.

/// Most rows of a batch write.
pub const ROWS_PER_WRITE_MAX: usize = 200;
/// Most bytes of names and values of a write, of one row or a batch.
pub const WRITE_BYTES_MAX: usize = 4 << 20;
/// Most rows of a batch read.
pub const ROWS_PER_READ_MAX: usize = 100;
/// Most columns that a request names to be read or returned.
pub const COLUMNS_NAMED_MAX: usize = 1_024;
