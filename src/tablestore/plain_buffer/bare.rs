//! Encodes and decodes the bare values of filters, which have no tag, length or checksum.

use super::parser::{CellValue, Input};
use super::{Malformed, kind};
use store::value::{KeyPart, KeyValue, ValueRef};

/// Decodes a bare value.
///
/// # Errors
/// Returns [`Malformed`] unless the bytes are exactly one value of an attribute column.
pub fn parse_bare(buffer: &[u8]) -> Result<ValueRef<'_>, Malformed> {
    let mut input = Input { buffer, at: 0 };
    match input.value("")? {
        CellValue::Plain(value) if input.at == buffer.len() => Ok(value),
        CellValue::Plain(_) => Err(input.wrong("there are bytes after the value")),
        _ => Err(input.wrong("not a value of an attribute column")),
    }
}

/// Decodes a bare value of a key column, or a bound.
///
/// # Errors
/// Returns [`Malformed`] unless the bytes are exactly one of these.
pub fn parse_bare_bound(buffer: &[u8]) -> Result<KeyPart, Malformed> {
    let mut input = Input { buffer, at: 0 };
    let part = match input.value("")? {
        CellValue::Plain(ValueRef::Integer(value)) => KeyPart::Value(KeyValue::Integer(value)),
        CellValue::Plain(ValueRef::String(value)) => KeyPart::Value(KeyValue::String(value.to_owned())),
        CellValue::Plain(ValueRef::Binary(value)) => KeyPart::Value(KeyValue::Binary(value.to_vec())),
        CellValue::Min => KeyPart::Min,
        CellValue::Max => KeyPart::Max,
        _ => return Err(input.wrong("not a value of a key column")),
    };
    if input.at == buffer.len() { Ok(part) } else { Err(input.wrong("there are bytes after the value")) }
}

/// Returns the bytes of a bare value of a key column, or of a bound.
pub fn write_bare_bound(part: &KeyPart) -> Vec<u8> {
    match part {
        KeyPart::Value(KeyValue::Integer(value)) => write_bare(ValueRef::Integer(*value)),
        KeyPart::Value(KeyValue::String(value)) => write_bare(ValueRef::String(value)),
        KeyPart::Value(KeyValue::Binary(value)) => write_bare(ValueRef::Binary(value)),
        KeyPart::Min => vec![kind::MIN],
        KeyPart::Max => vec![kind::MAX],
        KeyPart::AutoIncrement => vec![kind::AUTO_INCREMENT],
    }
}

/// Returns the bytes of a bare value.
pub fn write_bare(value: ValueRef<'_>) -> Vec<u8> {
    let sized = |kind: u8, payload: &[u8]| {
        // Values have at most a few megabytes.
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        [&[kind], &length.to_le_bytes()[..], payload].concat()
    };
    match value {
        ValueRef::Integer(value) => [&[kind::INTEGER], &value.to_le_bytes()[..]].concat(),
        ValueRef::Double(value) => [&[kind::DOUBLE], &value.to_bits().to_le_bytes()[..]].concat(),
        ValueRef::Boolean(value) => vec![kind::BOOLEAN, u8::from(value)],
        ValueRef::String(value) => sized(kind::STRING, value.as_bytes()),
        ValueRef::Binary(value) => sized(kind::BINARY, value),
    }
}
