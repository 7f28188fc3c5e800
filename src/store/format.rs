//! What the store's folder holds, byte by byte.
//!
//! ```text
//! FOLDER/LOCK            process id of the holder; the lock itself is the operating system's
//! FOLDER/RELAXED         there while the store is, or was when it died, open without sync on commit
//! FOLDER/engine/FORMAT   "orderflow store, format 1\n"; written before the folder gets its name
//! FOLDER/engine/…        a fjall 3 database with the keyspaces "meta", "rows" and "log"
//! FOLDER/engine.new/…    an engine folder that was never finished; removed at the next start
//! ```
//!
//! One commit of the engine is one group of requests: all of it is there after a crash, or nothing. Numbers in keys
//! are big-endian, so that bytes sort as numbers do; numbers in values are little-endian. A table's id is never used
//! twice.
//!
//! # `rows`
//!
//! Key: table id `u32`, then the row's key ([`key`](super::key)). For each key column in the order of the schema: an integer
//! is its 8 bytes, big-endian, with the sign bit turned; text and bytes are themselves with each `00` followed by
//! `ff`, ended by `00 01`. Bytes of keys so sort as keys do, and no key is the start of another.
//!
//! Value: `u64` number of the commit that wrote it, then the cells ([`row`](super::row)), sorted by name, then by version downwards:
//!
//! | part of a cell | bytes |
//! |---|---|
//! | length of the name, 1 to 255 | `u8` |
//! | name | UTF-8 |
//! | version, milliseconds since 1970 | `i64` |
//! | type: 0 integer, 1 double, 2 boolean, 3 string, 7 binary | `u8` |
//! | value | `i64`; IEEE 754 bits `u64`; `u8` 0 or 1; length `u32` and bytes |
//!
//! # `log`
//!
//! Key: table id `u32`, partition `u8`, commit `u64`, index of the row within its request `u32`. The partition is XXH3 of
//! the row's key bytes (64 bits, seed 0, without the table id) modulo [`CHANNELS`].
//!
//! Value ([`log`](super::log)):
//!
//! | part | bytes |
//! |---|---|
//! | action: 1 put, 2 update, 3 delete | `u8` |
//! | time of the commit, microseconds since 1970, above that of every earlier commit | `i64` |
//! | last version that had expired in this table, milliseconds since 1970; the least `i64` where cells live for ever | `i64` |
//! | most versions of a cell that the table kept | `u32` |
//! | the row's key bytes | length `u16`, bytes |
//! | the row before, as a value of `rows`; length 0 where there was none | length `u32`, bytes |
//! | what changed | to the end |
//!
//! What changed is, for a put, the row's cells; for a delete, nothing; for an update, edits in the order in which they
//! apply: a kind, `u8`, then for 0 (put) a cell as above, for 1 (delete one version) length `u8` and bytes of the name
//! and the version `i64`, for 2 (delete all versions) length `u8` and bytes of the name. An increment is logged
//! as the put that came of it. The row after a change is so always known from its record alone: the cells before that had not
//! expired, edited, of each column the highest versions. The row before is exactly what the record before left of it.
//! Deleting a row that is not there is no change.
//!
//! # `meta`
//!
//! | key | value |
//! |---|---|
//! | `c` | last commit `u64`, its time `i64` in microseconds since 1970 |
//! | `i` | next table id `u32` |
//! | `t` name | a table, JSON ([`Table`](super::table::Table)) |
//! | `a` table id | last value `i64` that the store chose for the table's auto-increment column |
//! | `l` table id, partition `u8` | first position kept of the log, commit `u64` and index `u32`, where it was cut |
//! | `p` table id | a deleted table whose rows, log and `a`, `l` and `u` are still to be removed |
//! | `u` table id … | tunnels of the table ([`tunnel`](super::tunnel)) |
//! | `n` … | notes of the live job: its checkpoint ([`job`](live::job)) |

/// Version of all of the above. A store of any other is refused.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// Partitions of a table's log.
pub const CHANNELS: u8 = 4;

/// Key of the last commit in `meta`.
pub(crate) const META_COMMIT: &[u8] = b"c";
/// Key of the next table id in `meta`.
pub(crate) const META_NEXT_ID: &[u8] = b"i";
/// First byte of the keys of tables in `meta`.
pub(crate) const META_TABLE: u8 = b't';
/// First byte of the keys of auto-increment columns in `meta`.
pub(crate) const META_AUTO: u8 = b'a';
/// First byte of the keys of where logs start in `meta`.
pub(crate) const META_LOG_START: u8 = b'l';
/// First byte of the keys of deleted tables in `meta`.
pub(crate) const META_PURGE: u8 = b'p';
/// First byte of all keys of tunnels in `meta`; the table's id follows, so that they go with their table.
pub(crate) const META_TUNNEL: u8 = b'u';
/// First byte of the keys of notes in `meta`.
pub(crate) const META_NOTE: u8 = b'n';

/// Identifies a table for good; ids of deleted tables are not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TableId(pub u32);

impl TableId {
    /// Its bytes in keys.
    pub(crate) fn bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// The key of a table-bound thing in `meta`: its first byte and the table.
pub(crate) fn meta_key(kind: u8, table: TableId) -> Vec<u8> {
    let mut key = Vec::with_capacity(8);
    key.push(kind);
    key.extend_from_slice(&table.bytes());
    key
}

/// The key of a table in `meta`.
pub(crate) fn table_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(META_TABLE);
    key.extend_from_slice(name.as_bytes());
    key
}

/// The least bytes above all that start with `prefix`; none where it is all `ff`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix.get(..=last)?.to_vec();
    if let Some(byte) = after.last_mut() {
        *byte += 1;
    }
    Some(after)
}
