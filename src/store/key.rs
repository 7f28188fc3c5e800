//! Keys as bytes that sort as keys do, so that a range of rows is one scan. [`format`](super::format) has the bytes.

use memchr::memchr;

use super::format::{CHANNELS, TableId, after_prefix};
use super::schema::{KEY_COLUMNS_MAX, KeyColumn};
use super::value::{KeyPart, KeyRef, KeyType, PrimaryKey};

/// Follows a zero byte that belongs to the value.
const ESCAPE: u8 = 0xff;
/// Follows the zero byte that ends a value.
const END: u8 = 0x01;

/// Appends one column's value.
pub(crate) fn encode_value(value: KeyRef<'_>, out: &mut Vec<u8>) {
    match value {
        KeyRef::Integer(value) => out.extend_from_slice(&(value ^ i64::MIN).to_be_bytes()),
        KeyRef::String(value) => encode_bytes(value.as_bytes(), out),
        KeyRef::Binary(value) => encode_bytes(value, out),
    }
}

fn encode_bytes(mut value: &[u8], out: &mut Vec<u8>) {
    while let Some((before, after)) = memchr(0, value).and_then(|zero| value.split_at_checked(zero + 1)) {
        out.extend_from_slice(before);
        out.push(ESCAPE);
        value = after;
    }
    out.extend_from_slice(value);
    out.extend_from_slice(&[0, END]);
}

/// The partition of a table's log that has the changes of a row. `key` is the row's key without the table id.
pub(crate) fn partition(key: &[u8]) -> u8 {
    // Less than `CHANNELS`, hence a byte.
    (xxhash_rust::xxh3::xxh3_64(key) % u64::from(CHANNELS)) as u8
}

/// A key in the space of rows: the table, and the row's own bytes.
pub(crate) fn row_key<'a>(table: TableId, values: impl IntoIterator<Item = KeyRef<'a>>) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(&table.bytes());
    values.into_iter().for_each(|value| encode_value(value, &mut key));
    key
}

/// Which side of what a bound names it lies on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Below it: the bound of a range that starts with it, or ends before it.
    Below,
    /// Above it.
    Above,
}

/// Bytes in the space of rows that part the keys on the one side of a bound from those on the other: each key is
/// less, or it is greater or equal. What follows a `Min` or `Max` says nothing more.
pub(crate) fn bound(table: TableId, parts: &[KeyPart], side: Side) -> Vec<u8> {
    let mut bytes = table.bytes().to_vec();
    for part in parts {
        match part {
            KeyPart::Value(value) => encode_value(value.borrow(), &mut bytes),
            KeyPart::Min => return bytes,
            // A placeholder is not a bound; checks refuse it before. No table's id is all ones.
            KeyPart::Max | KeyPart::AutoIncrement => return after_prefix(&bytes).unwrap_or(bytes),
        }
    }
    if side == Side::Above {
        // No key starts with another, so the next one up is above this.
        bytes.push(0);
    }
    bytes
}

/// A key's values, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRefs<'a> {
    values: [KeyRef<'a>; KEY_COLUMNS_MAX],
    count: usize,
}

impl<'a> KeyRefs<'a> {
    /// The values, in the order of the schema.
    pub(crate) fn as_slice(&self) -> &[KeyRef<'a>] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// Copies them.
    pub(crate) fn to_key(self) -> PrimaryKey {
        self.as_slice().iter().map(|value| value.to_value()).collect()
    }
}

/// Reads keys; keeps the memory that values with zero bytes are put together in.
#[derive(Debug, Default)]
pub(crate) struct KeyReader {
    unescaped: Vec<u8>,
}

/// A value as it was found.
#[derive(Clone, Copy)]
enum Found {
    Integer(i64),
    /// In the key, as it is.
    Plain(usize, usize),
    /// In the memory of the reader.
    Unescaped(usize, usize),
}

impl KeyReader {
    /// The values of a row's key bytes (without the table id). None if they are not such a key.
    pub(crate) fn read<'a>(&'a mut self, columns: &[KeyColumn], bytes: &'a [u8]) -> Option<KeyRefs<'a>> {
        self.unescaped.clear();
        let mut found = [Found::Integer(0); KEY_COLUMNS_MAX];
        let mut at = 0;
        for (column, found) in columns.iter().zip(&mut found) {
            *found = match column.kind {
                KeyType::Integer => {
                    let value = bytes.get(at..at + 8)?.try_into().ok()?;
                    at += 8;
                    Found::Integer(i64::from_be_bytes(value) ^ i64::MIN)
                }
                KeyType::String | KeyType::Binary => self.find_bytes(bytes, &mut at)?,
            };
        }
        if at != bytes.len() || columns.len() > KEY_COLUMNS_MAX {
            return None;
        }
        let mut values = [KeyRef::Integer(0); KEY_COLUMNS_MAX];
        for ((column, found), value) in columns.iter().zip(found).zip(&mut values) {
            let bytes = match found {
                Found::Integer(found) => {
                    *value = KeyRef::Integer(found);
                    continue;
                }
                Found::Plain(start, end) => bytes.get(start..end)?,
                Found::Unescaped(start, end) => self.unescaped.get(start..end)?,
            };
            *value = match column.kind {
                KeyType::String => KeyRef::String(std::str::from_utf8(bytes).ok()?),
                _ => KeyRef::Binary(bytes),
            };
        }
        Some(KeyRefs { values, count: columns.len() })
    }

    fn find_bytes(&mut self, bytes: &[u8], at: &mut usize) -> Option<Found> {
        let (mut start, first) = (*at, self.unescaped.len());
        loop {
            let zero = start + memchr(0, bytes.get(start..)?)?;
            let follows = *bytes.get(zero + 1)?;
            *at = zero + 2;
            match follows {
                END if self.unescaped.len() == first => return Some(Found::Plain(start, zero)),
                END => {
                    self.unescaped.extend_from_slice(bytes.get(start..zero)?);
                    return Some(Found::Unescaped(first, self.unescaped.len()));
                }
                ESCAPE => self.unescaped.extend_from_slice(bytes.get(start..=zero)?),
                _ => return None,
            }
            start = *at;
        }
    }
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
