//! Reads and writes records of the space `meta`, as JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::engine::{Bytes, Snapshot, Space};
use super::error::Damage;
use super::format::after_prefix;
use super::read::Direction;
use super::transaction::Transaction;

/// A reader of the space `meta`: as a snapshot shows it, or as it is now within a group.
pub(crate) trait Meta {
    /// Returns the value of a key.
    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, Damage>;

    /// Returns all entries whose keys start with `prefix`.
    fn entries(&self, prefix: &[u8]) -> Result<BTreeMap<Bytes, Bytes>, Damage>;

    /// Returns the record of a key, or `None` if there is none.
    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, Damage> {
        self.value(key)?.map(|bytes| parse(key, &bytes)).transpose()
    }
}

impl Meta for dyn Snapshot + '_ {
    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, Damage> {
        Ok(self.get(Space::Meta, key)?)
    }

    fn entries(&self, prefix: &[u8]) -> Result<BTreeMap<Bytes, Bytes>, Damage> {
        let upper = after_prefix(prefix).unwrap_or_default();
        let entries = self.scan(Space::Meta, prefix, &upper, Direction::Forward);
        entries.map(|entry| entry.map(|entry| (entry.key, entry.value)).map_err(Damage::from)).collect()
    }
}

impl Meta for Transaction<'_> {
    fn value(&self, key: &[u8]) -> Result<Option<Bytes>, Damage> {
        self.get(Space::Meta, key)
    }

    fn entries(&self, prefix: &[u8]) -> Result<BTreeMap<Bytes, Bytes>, Damage> {
        self.list(prefix)
    }
}

/// Parses the bytes of a record. `key` is named in the error.
pub(crate) fn parse<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(bytes)
        .map_err(|error| Damage(format!("record {} of the space meta: {error}", key.escape_ascii())))
}

/// Writes a record.
pub(crate) fn put<T: Serialize>(
    transaction: &mut Transaction<'_>,
    key: Vec<u8>,
    record: &T,
) -> Result<(), Damage> {
    let bytes = serde_json::to_vec(record)
        .map_err(|error| Damage(format!("record {}: {error}", key.escape_ascii())))?;
    transaction.put(Space::Meta, key, bytes);
    Ok(())
}
