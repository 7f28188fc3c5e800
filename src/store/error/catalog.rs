//! Defines why a table is not created, changed or deleted.

use std::fmt;

use super::{Damage, Halt, NoTable, from_causes};
use crate::schema::{
    KEY_COLUMNS_MAX, NAME_BYTES_MAX, PARTITIONS_MAX, SPLIT_BYTES_MAX, STREAM_HOURS_MAX, TABLES_MAX,
    TIME_TO_LIVE_S_MIN,
};

/// The reason why a table is not created, changed or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CatalogError {
    /// The table does not exist.
    NoTable(NoTable),
    /// A table with this name exists already.
    Exists(String),
    /// The store holds [`TABLES_MAX`] tables, which is the most.
    TooManyTables,
    /// All ids of tables have been used. None is used twice.
    NoMoreIds,
    /// The table with this name is reserved: only the program itself changes its options now.
    Reserved(String),
    /// This name is not allowed for a table.
    TableName(String),
    /// The key has no column, or more than [`KEY_COLUMNS_MAX`].
    KeyColumns {
        /// The name of the table.
        table: String,
        /// The number of columns of its key.
        count: usize,
    },
    /// This name is not allowed for a column.
    ColumnName(String),
    /// Two key columns have this name.
    KeyColumnTwice(String),
    /// Two columns have this name.
    ColumnTwice(String),
    /// A key column cannot be one whose values the store chooses.
    AutoIncrement {
        /// The name of the column.
        column: String,
        /// The reason why it cannot.
        error: AutoIncrementError,
    },
    /// This number of versions of a cell cannot be kept.
    MaxVersions(i32),
    /// Cells cannot live for this number of seconds.
    TimeToLive(i32),
    /// Versions cannot deviate from the time of the write by this number of seconds.
    VersionDeviation(i64),
    /// Changes cannot be kept for this number of hours.
    StreamHours(i32),
    /// The table cannot be split at these values.
    Split(SplitError),
    /// Stored data cannot be read.
    Damaged(Damage),
    /// The store accepts no more writes.
    Halted(Halt),
}

/// The reason why a table cannot be split at the values that its creator gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitError {
    /// There would be more than [`PARTITIONS_MAX`] partitions.
    TooMany,
    /// A value is not of the type of the first key column.
    Type,
    /// A value is the least or the greatest integer.
    Extreme,
    /// A value is empty.
    Empty,
    /// A value has this number of bytes, more than [`SPLIT_BYTES_MAX`].
    TooLong(usize),
}

/// The reason why the store cannot choose the values of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoIncrementError {
    /// The column is not an integer column.
    NotAnInteger,
    /// The column is the first of the key.
    First,
    /// The values of another column of the key are already chosen by the store.
    Second,
}

from_causes!(CatalogError: NoTable => NoTable, Damage => Damaged, Halt => Halted);

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogError::NoTable(cause) => cause.fmt(f),
            CatalogError::Exists(table) => write!(f, "table {table} is there already"),
            CatalogError::TooManyTables => write!(f, "the store holds {TABLES_MAX} tables, its most"),
            CatalogError::NoMoreIds => f.write_str("all table ids of this store have been used"),
            CatalogError::Reserved(table) => {
                write!(f, "options of table {table} are changed by the program itself and by nobody else now")
            }
            CatalogError::TableName(name) | CatalogError::ColumnName(name) => write!(
                f,
                "a name has 1 to {NAME_BYTES_MAX} letters, digits and underscores and does not start with a digit, \
                 unlike \"{name}\""
            ),
            CatalogError::KeyColumns { table, count } => {
                write!(f, "a key has 1 to {KEY_COLUMNS_MAX} columns, and that of table {table} has {count}")
            }
            CatalogError::KeyColumnTwice(name) => write!(f, "the key column {name} is there twice"),
            CatalogError::ColumnTwice(name) => write!(f, "the column {name} is there twice"),
            CatalogError::AutoIncrement { column, error } => {
                let reason = match error {
                    AutoIncrementError::NotAnInteger => "it is not of integers",
                    AutoIncrementError::First => "it is the first of the key",
                    AutoIncrementError::Second => "another column of the key is one already",
                };
                write!(f, "key column {column} cannot be one whose values the store chooses: {reason}")
            }
            CatalogError::MaxVersions(count) => {
                write!(f, "at least one version of a cell is kept, not {count}")
            }
            CatalogError::TimeToLive(seconds) => write!(
                f,
                "cells live for ever (-1) or for at least {TIME_TO_LIVE_S_MIN} s, not for {seconds} s"
            ),
            CatalogError::VersionDeviation(seconds) => {
                write!(f, "versions may deviate by at least 1 s, not by {seconds} s")
            }
            CatalogError::StreamHours(hours) => {
                write!(f, "changes are kept for 1 to {STREAM_HOURS_MAX} hours, not for {hours}")
            }
            CatalogError::Split(error) => match error {
                SplitError::TooMany => write!(f, "a table is split into at most {PARTITIONS_MAX} partitions"),
                SplitError::Type => {
                    f.write_str("a table is split at values of the type of its first key column")
                }
                SplitError::Extreme => {
                    f.write_str("a table is not split at the least or the greatest integer")
                }
                SplitError::Empty => f.write_str("a table is not split at an empty value"),
                SplitError::TooLong(bytes) => write!(
                    f,
                    "a table is split at values of at most {SPLIT_BYTES_MAX} bytes, and one of {bytes} is given"
                ),
            },
            CatalogError::Damaged(cause) => cause.fmt(f),
            CatalogError::Halted(cause) => cause.fmt(f),
        }
    }
}
