//! Keys as callers name them, held against the schema of their table.

use super::catalog::Table;
use super::error::StoreError;
use super::schema::{KEY_BYTES_MAX, KeyColumn};
use super::value::{KeyPart, KeyRef, KeyType, KeyValue, NamedKey};

/// What else than values a key may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allow {
    /// Nothing.
    Values,
    /// A placeholder in an auto-increment column.
    AutoIncrement,
    /// `Min` and `Max`.
    Bounds,
}

/// Refuses a key whose columns are not those of the table, in order, or whose values do not fit them.
pub(crate) fn check(table: &Table, key: &NamedKey, allow: Allow) -> Result<(), StoreError> {
    let columns = table.key();
    if key.len() != columns.len() {
        return Err(StoreError::InvalidKey(format!(
            "Validate PK size fail. Input: {}, Meta: {}. Table: '{}'.",
            key.len(),
            columns.len(),
            table.name()
        )));
    }
    columns.iter().zip(key).try_for_each(|(column, (name, part))| {
        if *name != column.name {
            return Err(StoreError::InvalidKey(format!(
                "Validate PK name fail. Input: {name}, Meta: {}. Table: '{}'.",
                column.name,
                table.name()
            )));
        }
        check_part(table, column, part, allow)
    })
}

fn check_part(table: &Table, column: &KeyColumn, part: &KeyPart, allow: Allow) -> Result<(), StoreError> {
    let invalid = |input: &str| {
        Err(StoreError::InvalidKey(format!(
            "Validate PK type fail. Input: {input}, Meta: {}. Column: '{}', table: '{}'.",
            name(column.kind),
            column.name,
            table.name()
        )))
    };
    match part {
        KeyPart::Value(value) => {
            let (kind, bytes) = match value.borrow() {
                KeyRef::Integer(_) => (KeyType::Integer, 0),
                KeyRef::String(value) => (KeyType::String, value.len()),
                KeyRef::Binary(value) => (KeyType::Binary, value.len()),
            };
            if kind != column.kind {
                return invalid(name(kind));
            }
            if bytes > KEY_BYTES_MAX {
                return Err(StoreError::Invalid(format!(
                    "The length of primary key column: '{}' exceeds the MaxLength:{KEY_BYTES_MAX} \
                     with CurrentLength:{bytes}.",
                    column.name
                )));
            }
            Ok(())
        }
        KeyPart::Min if allow == Allow::Bounds => Ok(()),
        KeyPart::Max if allow == Allow::Bounds => Ok(()),
        KeyPart::AutoIncrement if allow == Allow::AutoIncrement && column.auto_increment => Ok(()),
        KeyPart::Min => invalid("INF_MIN"),
        KeyPart::Max => invalid("INF_MAX"),
        KeyPart::AutoIncrement => invalid("AUTO_INCREMENT"),
    }
}

fn name(kind: KeyType) -> &'static str {
    match kind {
        KeyType::Integer => "INTEGER",
        KeyType::String => "STRING",
        KeyType::Binary => "BINARY",
    }
}

/// The values of a checked key; `chosen` stands for a placeholder.
pub(crate) fn values(key: &NamedKey, chosen: i64) -> impl Iterator<Item = KeyRef<'_>> {
    key.iter().map(move |(_, part)| match part {
        KeyPart::Value(value) => KeyValue::borrow(value),
        KeyPart::Min | KeyPart::Max | KeyPart::AutoIncrement => KeyRef::Integer(chosen),
    })
}
