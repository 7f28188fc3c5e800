//! Defines what may go wrong at more than one boundary.

use std::fmt;

use crate::schema::KEY_BYTES_MAX;
use crate::value::KeyType;

/// There is no table with this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoTable(pub String);

impl fmt::Display for NoTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there is no table {}", self.0)
    }
}

/// Stored data cannot be read. The text names the file, row or record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage(pub String);

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why the engine failed, as a sentence.
#[derive(Clone, Debug)]
pub(crate) struct EngineError(pub(crate) String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<EngineError> for Damage {
    /// Converts the error of a failed read. A failed write becomes a [`Halt`] instead, which says
    /// more.
    fn from(error: EngineError) -> Damage {
        Damage(error.0)
    }
}

/// The reason why the engine commits nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommitError {
    /// What is wrong, as a part of a sentence.
    pub(crate) cause: String,
    /// Whether commits may be possible again within this process, with nothing lost.
    pub(crate) passes: bool,
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

/// The store refuses writes, while reads go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why, and what to do, as a sentence.
    pub reason: String,
    /// Whether the store takes writes again by itself once the cause has passed. Otherwise it has
    /// to be opened by a new process.
    pub passes: bool,
}

impl Refusal {
    /// Returns what to say after a commit has failed.
    pub(crate) fn of(error: &CommitError) -> Refusal {
        let CommitError { cause, passes } = error;
        let what_to_do = match passes {
            true => "it takes them again by itself once that has passed",
            false => "see that the disk is sound, then restart",
        };
        let reason = format!(
            "a write to the store failed, so it takes no more of them while reads go on: {cause}; {what_to_do}"
        );
        Refusal { reason, passes: *passes }
    }
}

/// The store accepts no more writes, while reads go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Halt {
    /// A write failed. The sentence says why, and what to do: see [`Refusal`].
    Failed(String),
    /// The store is closing.
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

/// The changes of a table that a reader asks for are not, or no longer, kept. The reader has to
/// read the table again from the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotKept {
    /// The changes are older than the oldest change that is kept.
    Cut {
        /// The name of the table.
        table: String,
        /// The number of the commit from which on changes are kept.
        kept_from: u64,
        /// The number of the commit from which on changes are asked for.
        asked_from: u64,
    },
    /// The table's stream is off, so nothing is logged.
    StreamOff {
        /// The name of the table.
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

/// The thing that a key contains instead of what its column takes.
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
    /// The key has another number of columns than the table's key.
    Count {
        /// The name of the table.
        table: String,
        /// The number of columns of the table's key.
        expected: usize,
        /// The number of columns of the key that was given.
        actual: usize,
    },
    /// A column has another name than the table's column in this place.
    Name {
        /// The name of the table.
        table: String,
        /// The name of the table's column.
        expected: String,
        /// The name that was given.
        actual: String,
    },
    /// A column takes something else than what was given.
    Type {
        /// The name of the table.
        table: String,
        /// The name of the column.
        column: String,
        /// The type of the column.
        expected: KeyType,
        /// The thing that was given.
        actual: KeyInput,
    },
    /// A bound is given where only values are allowed.
    Bound(KeyInput),
    /// A value has more than [`KEY_BYTES_MAX`] bytes.
    TooLong {
        /// The name of the column.
        column: String,
        /// The number of bytes of the value.
        bytes: usize,
    },
}

impl KeyInput {
    /// Returns the name of what was given, for people.
    fn name(self) -> &'static str {
        match self {
            KeyInput::Value(kind) => kind.name(),
            KeyInput::Min => "the lower bound",
            KeyInput::Max => "the upper bound",
            KeyInput::AutoIncrement => "a placeholder",
        }
    }
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
                let (expected, actual) = (expected.name(), actual.name());
                write!(f, "key column {column} of table {table} takes {expected}, and {actual} is given")
            }
            KeyMismatch::Bound(actual) => {
                write!(f, "a key is of values, and {} is given", actual.name())
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
    /// The filter has too many levels of filters within each other.
    Depth {
        /// The most levels that are allowed.
        max: usize,
    },
    /// The filter has too many conditions.
    Conditions {
        /// The most conditions that are allowed.
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
