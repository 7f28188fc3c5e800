//! What may go wrong at more than one boundary.

use std::fmt;

use crate::schema::KEY_BYTES_MAX;
use crate::value::KeyType;

/// There is no table of this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTable(pub String);

impl fmt::Display for NoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no table {}", self.0)
    }
}

/// A stored thing cannot be read: says which file, row or record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage(pub String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why the engine could not do what it was asked for.
#[derive(Clone, Debug)]
pub(crate) struct EngineError(pub(crate) String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<EngineError> for Damage {
    /// A failed read; a failed write halts the store, which says more.
    fn from(error: EngineError) -> Damage {
        Damage(error.0)
    }
}

/// The store takes no more writes; reads go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A write failed. The sentence says why, and what to do.
    Failed(String),
    /// The store is about to end.
    Closing,
}

impl fmt::Display for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Halt::Failed(sentence) => f.write_str(sentence),
            Halt::Closing => f.write_str("the store is shutting down"),
        }
    }
}

/// Changes of a table that a reader asks for are not kept, or no longer. The reader has to read the
/// table anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// They are older than the oldest change that is kept.
    Cut {
        /// Name of the table.
        table: String,
        /// The commit from which on changes are kept.
        kept_from: u64,
        /// The commit from which on they are asked for.
        asked_from: u64,
    },
    /// The table's stream is off: nothing is logged.
    StreamOff {
        /// Name of the table.
        table: String,
    },
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotKept::Cut { table, kept_from, asked_from } => write!(
                f,
                "changes of table '{table}' are kept from commit {kept_from} on, and commit {asked_from} is asked for; \
                 read the table anew"
            ),
            NotKept::StreamOff { table } => write!(
                f,
                "the stream of table '{table}' was switched off; switch it on and read the table anew"
            ),
        }
    }
}

/// What stands in a key instead of what its column takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyInput {
    /// A value of this type.
    Value(KeyType),
    /// The bound below all values.
    Min,
    /// The bound above all values.
    Max,
    /// The placeholder for a value that the store is to choose.
    AutoIncrement,
}

/// A key does not fit its table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyMismatch {
    /// It has another number of columns.
    Count {
        /// Name of the table.
        table: String,
        /// Columns of the table's key.
        expected: usize,
        /// Columns of the key that was given.
        actual: usize,
    },
    /// A column has another name, or stands in another place.
    Name {
        /// Name of the table.
        table: String,
        /// Name of the table's column.
        expected: String,
        /// Name that was given.
        actual: String,
    },
    /// A column takes something else.
    Type {
        /// Name of the table.
        table: String,
        /// Name of the column.
        column: String,
        /// Type of the column.
        expected: KeyType,
        /// What was given.
        actual: KeyInput,
    },
    /// A value has more than [`KEY_BYTES_MAX`] bytes.
    TooLong {
        /// Name of the column.
        column: String,
        /// Bytes of the value.
        bytes: usize,
    },
}

impl fmt::Display for KeyMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyMismatch::Count { table, expected, actual } => {
                write!(f, "a key of {actual} columns is given where table {table} has {expected}")
            }
            KeyMismatch::Name { table, expected, actual } => {
                write!(f, "the key column {actual} is given where table {table} has {expected}")
            }
            KeyMismatch::Type { table, column, expected, actual } => {
                let actual = match actual {
                    KeyInput::Value(kind) => kind.name(),
                    KeyInput::Min => "the lower bound",
                    KeyInput::Max => "the upper bound",
                    KeyInput::AutoIncrement => "a placeholder",
                };
                let expected = expected.name();
                write!(f, "key column {column} of table {table} takes {expected}, and {actual} is given")
            }
            KeyMismatch::TooLong { column, bytes } => {
                write!(f, "key column {column} takes at most {KEY_BYTES_MAX} bytes, and {bytes} are given")
            }
        }
    }
}

/// A filter is larger than the store evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterTooLarge {
    /// Filters within each other.
    Depth {
        /// The most there may be.
        max: usize,
    },
    /// Conditions of one filter.
    Conditions {
        /// The most there may be.
        max: usize,
    },
}

impl fmt::Display for FilterTooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FilterTooLarge::Depth { max } => {
                write!(f, "a filter has more than {max} others within each other")
            }
            FilterTooLarge::Conditions { max } => write!(f, "a filter has more than {max} conditions"),
        }
    }
}
