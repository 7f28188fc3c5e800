//! Values of key columns and attribute columns.

use serde::{Deserialize, Serialize};

/// Type of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// 64-bit signed integer.
    Integer,
    /// UTF-8 text.
    String,
    /// Bytes.
    Binary,
}

impl KeyType {
    /// Its name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Integer => "integer",
            KeyType::String => "string",
            KeyType::Binary => "binary",
        }
    }
}

/// Value of a key column. Ordered as rows are: integers as signed numbers, text and bytes bytewise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyValue {
    /// 64-bit signed integer.
    Integer(i64),
    /// UTF-8 text of at most 1,024 bytes.
    String(String),
    /// At most 1,024 bytes.
    Binary(Vec<u8>),
}

/// A row's key: a value for each key column, in the order of the schema.
pub type PrimaryKey = Vec<KeyValue>;

/// One column of a key as a caller names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// A value.
    Value(KeyValue),
    /// Below every value; in the bounds of a range only.
    Min,
    /// Above every value; in the bounds of a range only.
    Max,
    /// To be chosen by the store; in a put of a table with an auto-increment column only.
    AutoIncrement,
}

/// A key as a caller gives it: names and parts, still to be checked against the schema.
pub type NamedKey = Vec<(String, KeyPart)>;

/// Value of an attribute column. Rows have no schema for these: a column may hold any type in any row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// 64-bit signed integer.
    Integer(i64),
    /// IEEE 754 double; every bit pattern is kept.
    Double(f64),
    /// Truth value.
    Boolean(bool),
    /// UTF-8 text of at most 2 MiB.
    String(String),
    /// At most 2 MiB.
    Binary(Vec<u8>),
}

/// A [`Value`] borrowed from where it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Variants as in `Value`.
pub enum ValueRef<'a> {
    Integer(i64),
    Double(f64),
    Boolean(bool),
    String(&'a str),
    Binary(&'a [u8]),
}

/// A [`KeyValue`] borrowed from where it is stored, and ordered as that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Variants as in `KeyValue`.
pub enum KeyRef<'a> {
    Integer(i64),
    String(&'a str),
    Binary(&'a [u8]),
}

impl Value {
    /// Borrows it.
    pub fn borrow(&self) -> ValueRef<'_> {
        match self {
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Double(value) => ValueRef::Double(*value),
            Value::Boolean(value) => ValueRef::Boolean(*value),
            Value::String(value) => ValueRef::String(value),
            Value::Binary(value) => ValueRef::Binary(value),
        }
    }
}

impl ValueRef<'_> {
    /// Copies it.
    pub fn to_value(self) -> Value {
        match self {
            ValueRef::Integer(value) => Value::Integer(value),
            ValueRef::Double(value) => Value::Double(value),
            ValueRef::Boolean(value) => Value::Boolean(value),
            ValueRef::String(value) => Value::String(value.to_owned()),
            ValueRef::Binary(value) => Value::Binary(value.to_owned()),
        }
    }
}

impl KeyValue {
    /// Borrows it.
    pub fn borrow(&self) -> KeyRef<'_> {
        match self {
            KeyValue::Integer(value) => KeyRef::Integer(*value),
            KeyValue::String(value) => KeyRef::String(value),
            KeyValue::Binary(value) => KeyRef::Binary(value),
        }
    }
}

impl KeyRef<'_> {
    /// Copies it.
    pub fn to_value(self) -> KeyValue {
        match self {
            KeyRef::Integer(value) => KeyValue::Integer(value),
            KeyRef::String(value) => KeyValue::String(value.to_owned()),
            KeyRef::Binary(value) => KeyValue::Binary(value.to_owned()),
        }
    }
}

/// One version of one attribute column.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Name of the column.
    pub name: String,
    /// What it holds.
    pub value: Value,
    /// Milliseconds since 1970 by whoever wrote it, or the time of the write.
    pub version: i64,
}

/// A [`Cell`] borrowed from where it is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // Fields as in `Cell`.
pub struct CellRef<'a> {
    pub name: &'a str,
    pub value: ValueRef<'a>,
    pub version: i64,
}

impl Cell {
    /// Borrows it.
    pub fn borrow(&self) -> CellRef<'_> {
        CellRef { name: &self.name, value: self.value.borrow(), version: self.version }
    }
}

impl CellRef<'_> {
    /// Copies it.
    pub fn to_cell(self) -> Cell {
        Cell { name: self.name.to_owned(), value: self.value.to_value(), version: self.version }
    }
}

/// A row: its key and its cells, by name, and for each name the highest version first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// A value for each key column, in the order of the schema.
    pub key: PrimaryKey,
    /// Sorted by name, then by version downwards; no two of one name and version.
    pub cells: Vec<Cell>,
}
