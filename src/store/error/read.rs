//! Defines why rows or changes cannot be read.

use std::fmt;

use super::{Damage, FilterTooLarge, KeyMismatch, NoTable, NotKept, from_causes};
use crate::direction::Direction;

/// The reason why rows or changes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The table does not exist.
    NoTable(NoTable),
    /// The key, or a bound of the range, does not fit its table.
    Key(KeyMismatch),
    /// The filter is too large.
    Filter(FilterTooLarge),
    /// The read asks for no version of any cell.
    NoVersions,
    /// The range of versions is not valid. It goes from the first number (inclusive) to the second
    /// (exclusive), in milliseconds since 1970.
    VersionRange(i64, i64),
    /// The read asks for no row.
    NoRows,
    /// The range ends where it begins, or before that in its direction.
    Bounds {
        /// The name of the table.
        table: String,
        /// The direction of the read.
        direction: Direction,
    },
    /// The changes are not, or no longer, kept.
    NotKept(NotKept),
    /// Stored data cannot be read.
    Damaged(Damage),
}

from_causes!(ReadError: NoTable => NoTable, KeyMismatch => Key, FilterTooLarge => Filter, NotKept => NotKept, Damage => Damaged);

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::NoTable(cause) => cause.fmt(f),
            ReadError::Key(cause) => cause.fmt(f),
            ReadError::Filter(cause) => cause.fmt(f),
            ReadError::NoVersions => f.write_str("at least one version of each cell must be asked for"),
            ReadError::VersionRange(start, end) => {
                write!(f, "there is no version from {start} to below {end}")
            }
            ReadError::NoRows => f.write_str("at least one row must be asked for"),
            ReadError::Bounds { table, direction } => {
                let side = match direction {
                    Direction::Forward => "below",
                    Direction::Backward => "above",
                };
                write!(f, "the start of a range of table {table} must be {side} its end")
            }
            ReadError::NotKept(cause) => cause.fmt(f),
            ReadError::Damaged(cause) => cause.fmt(f),
        }
    }
}
