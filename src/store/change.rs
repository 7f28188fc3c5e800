//! Describes what callers ask the store to write.

use super::filter::Filter;
use super::value::{KeyPart, KeyValue, NamedKey, Row, Value};

/// A change of one attribute column of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnChange {
    /// Writes one version of the column. Without a `version`, it is the time of the write.
    Put {
        /// The value to write.
        value: Value,
        /// The version in milliseconds since 1970, at least 0.
        version: Option<i64>,
    },
    /// Deletes this version of the column.
    DeleteVersion(i64),
    /// Deletes all versions of the column.
    DeleteAll,
    /// Adds this number to the newest version, which must be an integer. A missing column counts as
    /// 0.
    Increment(i64),
}

/// The action of a write on its row: it puts, updates or deletes the row.
#[derive(Clone, Debug, PartialEq)]
pub enum RowWrite {
    /// Replaces the row with exactly these columns. Only [`ColumnChange::Put`] is allowed.
    Put(Vec<(String, ColumnChange)>),
    /// Changes these columns and keeps the others. The row is created if it does not exist.
    Update(Vec<(String, ColumnChange)>),
    /// Deletes the row. It need not exist.
    Delete,
}

/// Says whether the row must exist for a write to take place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existence {
    /// The row may or may not exist.
    #[default]
    Ignore,
    /// The row must exist.
    Exists,
    /// The row must not exist.
    Absent,
}

/// A condition that a row must meet for a write to take place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// The condition on the existence of the row. It is checked first.
    pub existence: Existence,
    /// The condition on the columns of the row.
    pub columns: Option<Filter>,
}

/// The part of the row that the answer to a write returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Returning {
    /// The answer has no row.
    #[default]
    Nothing,
    /// The answer has the key, with the values that the store chose.
    Key,
    /// The answer has the key and these columns as they are after the write.
    After(Vec<String>),
}

/// A write of one row.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// The name of the table.
    pub table: String,
    /// The key of the row.
    pub key: NamedKey,
    /// What the write does to the row.
    pub change: RowWrite,
    /// The condition under which the write takes place.
    pub condition: Condition,
    /// What the answer returns of the row.
    pub returning: Returning,
}

/// The answer to a write that took place.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The number of the commit that made the write durable.
    pub commit: u64,
    /// The row that the write's [`Returning`] asked for; `None` for [`Returning::Nothing`].
    pub row: Option<Row>,
}

impl Write {
    /// Returns about how many bytes of memory the write takes.
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
