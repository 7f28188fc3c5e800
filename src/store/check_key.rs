//! Checks keys as callers give them against the schema of their table.

use super::error::{KeyInput, KeyMismatch};
use super::schema::{KEY_BYTES_MAX, KeyColumn};
use super::table::Table;
use super::value::{KeyPart, KeyRef, KeyType, KeyValue, NamedKey};

/// The parts that a key may contain besides values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allow {
    /// Only values are allowed.
    Values,
    /// A placeholder is allowed in an auto-increment column.
    AutoIncrement,
    /// `Min` and `Max` are allowed in every column.
    Bounds,
}

/// Returns an error if the columns of the key are not those of the table, in the same order, or if
/// a value does not fit its column.
pub(crate) fn check(table: &Table, key: &NamedKey, allow: Allow) -> Result<(), KeyMismatch> {
    let columns = table.key();
    if key.len() != columns.len() {
        let (table, expected, actual) = (table.name().to_owned(), columns.len(), key.len());
        return Err(KeyMismatch::Count { table, expected, actual });
    }
    columns.iter().zip(key).try_for_each(|(column, (name, part))| {
        if *name != column.name {
            return Err(KeyMismatch::Name {
                table: table.name().to_owned(),
                expected: column.name.clone(),
                actual: name.clone(),
            });
        }
        check_part(table, column, part, allow)
    })
}

fn check_part(table: &Table, column: &KeyColumn, part: &KeyPart, allow: Allow) -> Result<(), KeyMismatch> {
    let invalid = |actual: KeyInput| {
        Err(KeyMismatch::Type {
            table: table.name().to_owned(),
            column: column.name.clone(),
            expected: column.kind,
            actual,
        })
    };
    match part {
        KeyPart::Value(value) => {
            let (kind, bytes) = match value.borrow() {
                KeyRef::Integer(_) => (KeyType::Integer, 0),
                KeyRef::String(value) => (KeyType::String, value.len()),
                KeyRef::Binary(value) => (KeyType::Binary, value.len()),
            };
            if kind != column.kind {
                return invalid(KeyInput::Value(kind));
            }
            if bytes > KEY_BYTES_MAX {
                return Err(KeyMismatch::TooLong { column: column.name.clone(), bytes });
            }
            Ok(())
        }
        KeyPart::Min if allow == Allow::Bounds => Ok(()),
        KeyPart::Max if allow == Allow::Bounds => Ok(()),
        KeyPart::AutoIncrement if allow == Allow::AutoIncrement && column.auto_increment => Ok(()),
        KeyPart::Min => invalid(KeyInput::Min),
        KeyPart::Max => invalid(KeyInput::Max),
        KeyPart::AutoIncrement => invalid(KeyInput::AutoIncrement),
    }
}

/// Returns the values of a checked key. `chosen` takes the place of a placeholder.
pub(crate) fn values(key: &NamedKey, chosen: i64) -> impl Iterator<Item = KeyRef<'_>> {
    key.iter().map(move |(_, part)| match part {
        KeyPart::Value(value) => KeyValue::borrow(value),
        KeyPart::Min | KeyPart::Max | KeyPart::AutoIncrement => KeyRef::Integer(chosen),
    })
}
