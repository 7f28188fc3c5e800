//! Encodes keys as bytes that sort as the keys do, so that a range of rows is one scan.
//! [`format`](super::format) describes the bytes.

use memchr::memchr;

use super::format::{CHANNELS, TableId, after_prefix};
use super::schema::{KEY_COLUMNS_MAX, KeyColumn};
use super::value::{KeyPart, KeyRef, KeyType, PrimaryKey};

/// The byte that follows a zero byte that belongs to the value.
const ESCAPE: u8 = 0xff;
/// The byte that follows the zero byte that ends a value.
const END: u8 = 0x01;

/// Appends the encoded value of one key column to `out`.
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

/// Returns the partition of a table's log that holds the changes of a row. `key` is the row's
/// encoded key without the table id.
pub(crate) fn partition(key: &[u8]) -> u8 {
    // The remainder is less than `CHANNELS`, so it fits in a byte.
    (xxhash_rust::xxh3::xxh3_64(key) % u64::from(CHANNELS)) as u8
}

/// Encodes a key in the space of rows: the table id, then the values of the row's key.
pub(crate) fn row_key<'a>(table: TableId, values: impl IntoIterator<Item = KeyRef<'a>>) -> Vec<u8> {
    let mut key = Vec::with_capacity(64);
    key.extend_from_slice(&table.bytes());
    values.into_iter().for_each(|value| encode_value(value, &mut key));
    key
}

/// The side on which a bound lies of the keys that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The bound lies below these keys. A range that starts with them or ends before them uses it.
    Below,
    /// The bound lies above these keys.
    Above,
}

/// Returns bytes in the space of rows that separate the keys on the two sides of a bound: each key
/// is either less, or it is greater or equal. The parts after a `Min` or `Max` have no effect.
pub(crate) fn bound(table: TableId, parts: &[KeyPart], side: Side) -> Vec<u8> {
    let mut bytes = table.bytes().to_vec();
    for part in parts {
        match part {
            KeyPart::Value(value) => encode_value(value.borrow(), &mut bytes),
            KeyPart::Min => return bytes,
            // A placeholder is not a bound and has been refused before. No table id has only bits
            // that are 1, so there are bytes above.
            KeyPart::Max | KeyPart::AutoIncrement => return after_prefix(&bytes).unwrap_or(bytes),
        }
    }
    if side == Side::Above {
        // No key is a prefix of another, so the next greater key is above these bytes.
        bytes.push(0);
    }
    bytes
}

/// The values of a key, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyRefs<'a> {
    values: [KeyRef<'a>; KEY_COLUMNS_MAX],
    count: usize,
}

impl<'a> KeyRefs<'a> {
    /// Returns the values in the order of the schema.
    pub(crate) fn as_slice(&self) -> &[KeyRef<'a>] {
        self.values.get(..self.count).unwrap_or_default()
    }

    /// Copies the values into an owned key.
    pub(crate) fn to_key(self) -> PrimaryKey {
        self.as_slice().iter().map(|value| value.to_value()).collect()
    }
}

/// A reader of encoded keys. It reuses one buffer for the values that contain zero bytes.
#[derive(Debug, Default)]
pub(crate) struct KeyReader {
    unescaped: Vec<u8>,
}

/// The value of a key column, as it was found in the encoded key.
#[derive(Clone, Copy)]
enum FoundValue {
    Integer(i64),
    /// The value is in the key at this start and end, without escapes.
    Plain(usize, usize),
    /// The value was unescaped into the reader's buffer, at this start and end.
    Unescaped(usize, usize),
}

impl KeyReader {
    /// Decodes the encoded key of a row, without the table id. Returns `None` if the bytes are not
    /// a key of these columns.
    pub(crate) fn read<'a>(&'a mut self, columns: &[KeyColumn], bytes: &'a [u8]) -> Option<KeyRefs<'a>> {
        self.unescaped.clear();
        let mut found = [FoundValue::Integer(0); KEY_COLUMNS_MAX];
        let mut at = 0;
        for (column, found) in columns.iter().zip(&mut found) {
            *found = match column.kind {
                KeyType::Integer => {
                    let value = bytes.get(at..at + 8)?.try_into().ok()?;
                    at += 8;
                    FoundValue::Integer(i64::from_be_bytes(value) ^ i64::MIN)
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
                FoundValue::Integer(found) => {
                    *value = KeyRef::Integer(found);
                    continue;
                }
                FoundValue::Plain(start, end) => bytes.get(start..end)?,
                FoundValue::Unescaped(start, end) => self.unescaped.get(start..end)?,
            };
            *value = match column.kind {
                KeyType::String => KeyRef::String(std::str::from_utf8(bytes).ok()?),
                _ => KeyRef::Binary(bytes),
            };
        }
        Some(KeyRefs { values, count: columns.len() })
    }

    fn find_bytes(&mut self, bytes: &[u8], at: &mut usize) -> Option<FoundValue> {
        let (mut start, first) = (*at, self.unescaped.len());
        loop {
            let zero = start + memchr(0, bytes.get(start..)?)?;
            let follows = *bytes.get(zero + 1)?;
            *at = zero + 2;
            match follows {
                END if self.unescaped.len() == first => return Some(FoundValue::Plain(start, zero)),
                END => {
                    self.unescaped.extend_from_slice(bytes.get(start..zero)?);
                    return Some(FoundValue::Unescaped(first, self.unescaped.len()));
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
