//! Why rows or changes cannot be read.

use std::fmt;

use super::{Damage, FilterTooLarge, KeyMismatch, NoTable, NotKept, from_causes};
use crate::direction::Direction;

/// Why rows or changes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// There is no such table.
    NoTable(NoTable),
    /// The key, or a bound of the range, does not fit its table.
    Key(KeyMismatch),
    /// The filter is too large.
    Filter(FilterTooLarge),
    /// No version of any cell is asked for.
    NoVersions,
    /// There is no version from the first of these to below the second, in milliseconds since 1970.
    VersionRange(i64, i64),
    /// No row is asked for.
    NoRows,
    /// The range ends where it begins, or before that in its direction.
    Bounds {
        /// Name of the table.
        table: String,
        /// Which way the range is read.
        direction: Direction,
    },
    /// The changes are not kept.
    NotKept(NotKept),
    /// What is stored cannot be read.
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
