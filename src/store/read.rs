//! What callers ask to be read.

pub use super::direction::Direction;
use super::filter::Filter;
use super::value::NamedKey;

/// Most rows of a page of a range.
pub const PAGE_ROWS_MAX: usize = 5_000;
/// Bytes of rows after which a page of a range ends.
pub const PAGE_BYTES_MAX: usize = 4 << 20;

/// Which of a row's cells are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Attribute and key columns by name; none means all. A row without any of them is not found.
    pub columns: Vec<String>,
    /// Most versions of each column, at least 1.
    pub versions_max: Option<usize>,
    /// Versions from the first to below the second, in milliseconds since 1970.
    pub versions: Option<(i64, i64)>,
    /// First column by name.
    pub start_column: Option<String>,
    /// Column by name before which to end.
    pub end_column: Option<String>,
    /// Rows for which this does not hold are not found. Sees only the cells selected above.
    pub filter: Option<Filter>,
}

/// Rows from `start` (inclusive) to `end` (exclusive), in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeRead {
    /// Name of the table.
    pub table: String,
    /// Which way.
    pub direction: Direction,
    /// First key, or a bound.
    pub start: NamedKey,
    /// Key before which to end, or a bound.
    pub end: NamedKey,
    /// Which cells.
    pub selection: Selection,
    /// Most rows; the page also ends after [`PAGE_ROWS_MAX`] rows and [`PAGE_BYTES_MAX`] bytes.
    pub rows_max: Option<usize>,
}
