//! Describes what callers ask the store to read.

use super::check_key::{Allow, check_alone};
pub use super::direction::Direction;
use super::error::KeyMismatch;
use super::filter::Filter;
use super::value::NamedKey;

/// The most rows of a page of a range.
pub const PAGE_ROWS_MAX: usize = 5_000;
/// The bytes of rows after which a page of a range ends.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Checks everything about the key of a row that can be told without its table, such as the length
/// of its values.
///
/// # Errors
/// Returns the [`KeyMismatch`] with which every table would refuse the key.
pub fn check_row_key(key: &NamedKey) -> Result<(), KeyMismatch> {
    check_alone(key, Allow::Values)
}

/// A selection of the cells of a row that a read returns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// The names of attribute and key columns; empty means all. A row without any of them is not
    /// found.
    pub columns: Vec<String>,
    /// The most versions of each column, at least 1. `None` means all that the table keeps.
    pub versions_max: Option<usize>,
    /// Only versions from the first (inclusive) to the second (exclusive), in milliseconds since
    /// 1970.
    pub versions: Option<(i64, i64)>,
    /// The least name of a column to read.
    pub start_column: Option<String>,
    /// The name of a column before which to end.
    pub end_column: Option<String>,
    /// A filter; rows that it does not match are not found. It sees only the cells selected by the
    /// other fields.
    pub filter: Option<Filter>,
}

/// A read of the rows from `start` (inclusive) to `end` (exclusive), in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeRead {
    /// The name of the table.
    pub table: String,
    /// The direction of the read.
    pub direction: Direction,
    /// The first key, or a bound.
    pub start: NamedKey,
    /// The key before which to end, or a bound.
    pub end: NamedKey,
    /// The cells to read of each row.
    pub selection: Selection,
    /// The most rows of the page. The page also ends after [`PAGE_ROWS_MAX`] rows and
    /// [`PAGE_BYTES_MAX`] bytes.
    pub rows_max: Option<usize>,
}
