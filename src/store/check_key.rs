//! Checks keys as callers give them against the schema of their table.

use super::error::{KeyInput, KeyMismatch};
use super::schema::{KEY_BYTES_MAX, KeyColumn};
use super::table::Table;
use super::value::{KeyPart, KeyRef, KeyValue, NamedKey};

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

/// Returns an error if no table could have this key: a value is too long, or a bound is given where
/// only values are allowed.
pub(crate) fn check_alone(key: &NamedKey, allow: Allow) -> Result<(), KeyMismatch> {
    key.iter().try_for_each(|(name, part)| {
        let bytes = match part {
            KeyPart::Value(KeyValue::String(value)) => value.len(),
            KeyPart::Value(KeyValue::Binary(value)) => value.len(),
            KeyPart::Min if allow != Allow::Bounds => return Err(KeyMismatch::Bound(KeyInput::Min)),
            KeyPart::Max if allow != Allow::Bounds => return Err(KeyMismatch::Bound(KeyInput::Max)),
            KeyPart::Value(KeyValue::Integer(_)) | KeyPart::Min | KeyPart::Max | KeyPart::AutoIncrement => 0,
        };
        if bytes > KEY_BYTES_MAX {
            return Err(KeyMismatch::TooLong { column: name.clone(), bytes });
        }
        Ok(())
    })
}

/// Returns an error if no table could have this key, if its columns are not those of the table, in
/// the same order, or if a value does not fit its column.
pub(crate) fn check(table: &Table, key: &NamedKey, allow: Allow) -> Result<(), KeyMismatch> {
    check_alone(key, allow)?;
    check_fits(table, key, allow)
}

/// Does the same as [`check`] for a key that was found right by [`check_alone`].
pub(crate) fn check_fits(table: &Table, key: &NamedKey, allow: Allow) -> Result<(), KeyMismatch> {
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
        KeyPart::Value(value) if value.kind() != column.kind => invalid(KeyInput::Value(value.kind())),
        KeyPart::Value(_) | KeyPart::Min | KeyPart::Max => Ok(()),
        KeyPart::AutoIncrement if allow == Allow::AutoIncrement && column.auto_increment => Ok(()),
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
