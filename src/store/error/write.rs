//! Defines why a row is not written.

use std::fmt;

use super::{Damage, FilterTooLarge, Halt, KeyMismatch, NoTable, from_causes};
use crate::schema::{NAME_BYTES_MAX, ROW_BYTES_MAX, VALUE_BYTES_MAX, VERSION_MS_MAX, WRITE_COLUMNS_MAX};

/// The reason why a row is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The table does not, or no longer, exist.
    NoTable(NoTable),
    /// The table with this name is reserved: only the program itself writes it now.
    Reserved(String),
    /// The key does not fit its table.
    Key(KeyMismatch),
    /// The condition is too large.
    Condition(FilterTooLarge),
    /// The condition asks for a page of columns, which is not a condition.
    PageAsCondition,
    /// The row does not meet the condition.
    ConditionFailed,
    /// The write names this number of columns, more than [`WRITE_COLUMNS_MAX`].
    TooManyColumns(usize),
    /// An update of this table names no column.
    NoColumns(String),
    /// The name of a column is empty or longer than [`NAME_BYTES_MAX`] bytes.
    ColumnName(String),
    /// This attribute column has the name of a key column.
    IsKeyColumn(String),
    /// A put deletes or increments this column.
    NotAPut(String),
    /// A value has more than [`VALUE_BYTES_MAX`] bytes.
    ValueTooLong {
        /// The name of the column.
        column: String,
        /// The number of bytes of the value.
        bytes: usize,
    },
    /// A version is not in the range from 0 to below [`VERSION_MS_MAX`].
    Version {
        /// The name of the column.
        column: String,
        /// The version, in milliseconds since 1970.
        version: i64,
    },
    /// The row would have this number of bytes, more than [`ROW_BYTES_MAX`].
    RowTooLarge(usize),
    /// The value of this column is to be incremented, but is not an integer.
    NotAnInteger(String),
    /// The sum of an increment does not fit in 64 bits.
    Overflow {
        /// The name of the column.
        column: String,
        /// The number that was to be added.
        by: i64,
    },
    /// Stored data cannot be read.
    Damaged(Damage),
    /// The store accepts no more writes.
    Halted(Halt),
}

from_causes!(WriteError: NoTable => NoTable, KeyMismatch => Key, FilterTooLarge => Condition, Damage => Damaged, Halt => Halted);

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::NoTable(cause) => cause.fmt(f),
            WriteError::Reserved(table) => {
                write!(f, "table {table} is written by the program itself and by nobody else now")
            }
            WriteError::Key(cause) => cause.fmt(f),
            WriteError::Condition(cause) => cause.fmt(f),
            WriteError::PageAsCondition => f.write_str("a page of columns is no condition"),
            WriteError::ConditionFailed => f.write_str("the row is not as the condition asks"),
            WriteError::TooManyColumns(count) => {
                write!(f, "a write names at most {WRITE_COLUMNS_MAX} columns, and {count} are given")
            }
            WriteError::NoColumns(table) => write!(f, "an update of table {table} names no column"),
            WriteError::ColumnName(column) => write!(
                f,
                "the name of a column has 1 to {NAME_BYTES_MAX} bytes, and \"{column}\" has {}",
                column.len()
            ),
            WriteError::IsKeyColumn(column) => {
                write!(f, "the attribute column {column} has the name of a key column")
            }
            WriteError::NotAPut(column) => {
                write!(f, "a put writes whole rows, and neither deletes nor increments column {column}")
            }
            WriteError::ValueTooLong { column, bytes } => {
                write!(f, "column {column} takes at most {VALUE_BYTES_MAX} bytes, and {bytes} are given")
            }
            WriteError::Version { column, version } => write!(
                f,
                "versions are from 0 to below {VERSION_MS_MAX}, and that of column {column} is {version}"
            ),
            WriteError::RowTooLarge(bytes) => {
                write!(f, "a row has at most {ROW_BYTES_MAX} bytes, and this one would have {bytes}")
            }
            WriteError::NotAnInteger(column) => {
                write!(f, "the value of column {column} is not an integer and cannot be incremented")
            }
            WriteError::Overflow { column, by } => {
                write!(f, "column {column} plus {by} is beyond 64 bits")
            }
            WriteError::Damaged(cause) => cause.fmt(f),
            WriteError::Halted(cause) => cause.fmt(f),
        }
    }
}
