//! What callers ask to be written.

use super::filter::Filter;
use super::value::{KeyPart, KeyValue, NamedKey, Row, Value};

/// A change of one attribute column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnChange {
    /// Writes a version; without one, that of the time of the write.
    Put {
        /// What it will hold.
        value: Value,
        /// Milliseconds since 1970, at least 0.
        version: Option<i64>,
    },
    /// Deletes one version.
    DeleteVersion(i64),
    /// Deletes all versions.
    DeleteAll,
    /// Adds to the newest version, an integer; an absent column counts as 0.
    Increment(i64),
}

/// What happens to a row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowWrite {
    /// The row becomes exactly these columns: only [`ColumnChange::Put`].
    Put(Vec<(String, ColumnChange)>),
    /// These columns change, others stay; an absent row appears.
    Update(Vec<(String, ColumnChange)>),
    /// The row goes. An absent one may.
    Delete,
}

/// What must be true of the row's presence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existence {
    /// Anything.
    #[default]
    Ignore,
    /// It is there.
    Exists,
    /// It is not there.
    Absent,
}

/// What must be true of a row for a write to take place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Of its presence; checked first.
    pub existence: Existence,
    /// Of its columns.
    pub columns: Option<Filter>,
}

/// What a write answers with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Returning {
    /// Nothing.
    #[default]
    Nothing,
    /// The key, with the values that the store chose.
    Key,
    /// The key, and these columns after the write.
    After(Vec<String>),
}

/// One write of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// Name of the table.
    pub table: String,
    /// The row.
    pub key: NamedKey,
    /// What happens to it.
    pub change: RowWrite,
    /// Under which condition.
    pub condition: Condition,
    /// What comes back.
    pub returning: Returning,
}

/// What a write that took place answers with.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Number of the commit that made it durable.
    pub commit: u64,
    /// As the write's [`Returning`] asked.
    pub row: Option<Row>,
}

impl Write {
    /// About the memory that it takes.
    pub(crate) fn bytes(&self) -> usize {
        const SMALL: usize = 64;
        let key = |part: &KeyPart| match part {
            KeyPart::Value(KeyValue::String(value)) => value.len(),
            KeyPart::Value(KeyValue::Binary(value)) => value.len(),
            _ => 0,
        };
        let column = |change: &ColumnChange| match change {
            ColumnChange::Put { value: Value::String(value), .. } => value.len(),
            ColumnChange::Put { value: Value::Binary(value), .. } => value.len(),
            _ => 0,
        };
        let columns = match &self.change {
            RowWrite::Put(columns) | RowWrite::Update(columns) => columns.as_slice(),
            RowWrite::Delete => &[],
        };
        self.key.iter().map(|(_, part)| SMALL + key(part)).sum::<usize>()
            + columns.iter().map(|(name, change)| SMALL + name.len() + column(change)).sum::<usize>()
    }
}
