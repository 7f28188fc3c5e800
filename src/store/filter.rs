//! Conditions on the columns of a row, of reads and of writes.

use super::value::Value;

/// Most conditions of one filter.
pub const CONDITIONS_MAX: usize = 32;

/// How a column's value compares with that of a filter. Values of different types are never equal, less or greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Comparator {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// A condition on the columns of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// A column's value compares so with another.
    Column {
        /// Name of the column.
        name: String,
        /// How they compare.
        comparator: Comparator,
        /// The value on the right.
        value: Value,
        /// What holds where the row has no such column.
        if_missing: bool,
        /// Only the newest version counts; else any version will do.
        latest_only: bool,
    },
    /// The opposite holds.
    Not(Box<Filter>),
    /// All hold.
    All(Vec<Filter>),
    /// Any holds.
    Any(Vec<Filter>),
    /// Lets every row pass, with its columns from `offset` on, `limit` of them, by name.
    Page {
        /// Columns left out at the start.
        offset: usize,
        /// Most columns.
        limit: usize,
    },
}
