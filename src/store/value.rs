//! Defines the values of key columns and attribute columns, rows and their cells.

use serde::{Deserialize, Serialize};

/// The type of a key column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// The values are 64-bit signed integers.
    Integer,
    /// The values are UTF-8 text.
    String,
    /// The values are bytes.
    Binary,
}

impl KeyType {
    /// Returns the name of the type in lower case.
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Integer => "integer",
            KeyType::String => "string",
            KeyType::Binary => "binary",
        }
    }
}

/// The value of a key column. Values are ordered as rows are: integers as signed numbers, text and
/// bytes byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum KeyValue {
    /// A 64-bit signed integer.
    Integer(i64),
    /// UTF-8 text of at most 1,024 bytes.
    String(String),
    /// Binary data of at most 1,024 bytes.
    Binary(Vec<u8>),
}

/// The key of a row: a value for each key column, in the order of the schema.
pub type PrimaryKey = Vec<KeyValue>;

/// One column of a key as a caller gives it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeyPart {
    /// A value of the column's type.
    Value(KeyValue),
    /// The bound below every value. It may only be used in the bounds of a range.
    Min,
    /// The bound above every value. It may only be used in the bounds of a range.
    Max,
    /// A placeholder for a value that the store is to choose. It may only be used in a put to, or an
    /// update of, a table with an auto-increment column.
    AutoIncrement,
}

/// A key as a caller gives it: the names of columns and their parts, not yet checked against the
/// schema.
pub type NamedKey = Vec<(String, KeyPart)>;

/// The value of an attribute column. The schema says nothing about these columns: a column may hold
/// any type in any row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A 64-bit signed integer.
    Integer(i64),
    /// An IEEE 754 double. Every bit pattern is kept.
    Double(f64),
    /// A truth value.
    Boolean(bool),
    /// UTF-8 text of at most 2 MiB.
    String(String),
    /// Binary data of at most 2 MiB.
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

/// A [`KeyValue`] borrowed from where it is stored. It is ordered as [`KeyValue`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // Variants as in `KeyValue`.
pub enum KeyRef<'a> {
    Integer(i64),
    String(&'a str),
    Binary(&'a [u8]),
}

impl Value {
    /// Borrows the value.
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
    /// Copies the value.
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
    /// Returns the type of the value.
    pub fn kind(&self) -> KeyType {
        match self {
            KeyValue::Integer(_) => KeyType::Integer,
            KeyValue::String(_) => KeyType::String,
            KeyValue::Binary(_) => KeyType::Binary,
        }
    }

    /// Borrows the value.
    pub fn borrow(&self) -> KeyRef<'_> {
        match self {
            KeyValue::Integer(value) => KeyRef::Integer(*value),
            KeyValue::String(value) => KeyRef::String(value),
            KeyValue::Binary(value) => KeyRef::Binary(value),
        }
    }
}

impl KeyRef<'_> {
    /// Copies the value.
    pub fn to_value(self) -> KeyValue {
        match self {
            KeyRef::Integer(value) => KeyValue::Integer(value),
            KeyRef::String(value) => KeyValue::String(value.to_owned()),
            KeyRef::Binary(value) => KeyValue::Binary(value.to_owned()),
        }
    }
}

/// One version of one attribute column of a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The name of the column.
    pub name: String,
    /// The value.
    pub value: Value,
    /// The version in milliseconds since 1970: either given by the writer, or the time of the
    /// write.
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
    /// Borrows the cell.
    pub fn borrow(&self) -> CellRef<'_> {
        CellRef { name: &self.name, value: self.value.borrow(), version: self.version }
    }
}

impl CellRef<'_> {
    /// Copies the cell.
    pub fn to_cell(self) -> Cell {
        Cell { name: self.name.to_owned(), value: self.value.to_value(), version: self.version }
    }
}

/// A row: its key and its cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// The values of the key columns, in the order of the schema.
    pub key: PrimaryKey,
    /// The cells, sorted by name, then from the highest version to the lowest. No two have the same
    /// name and version.
    pub cells: Vec<Cell>,
}
