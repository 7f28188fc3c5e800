//! The limits of single requests, as Tablestore has them. The limits of rows are in [`store`].

/// The most rows of a batch write.
pub const ROWS_PER_WRITE_MAX: usize = 200;
/// The most bytes of names and values in a write, of one row or of a batch.
pub const WRITE_BYTES_MAX: usize = 4 << 20;
/// The most rows of a batch read.
pub const ROWS_PER_READ_MAX: usize = 100;
/// The most columns that a request may name to be read or returned.
pub const COLUMNS_NAMED_MAX: usize = 1_024;
