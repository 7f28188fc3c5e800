//! Describes what the store's folder holds, byte by byte.
//!
//! ```text
//! FOLDER/LOCK            process id of the holder; the lock itself is the operating system's
//! FOLDER/RELAXED         there while the store is, or was when it died, open without sync on commit
//! FOLDER/RESTORING       there while the folder is being made of a backup; it is no store yet
//! FOLDER/engine/FORMAT   "orderflow store, format 1\n"; written before the folder gets its name
//! FOLDER/engine/…        a fjall 3 database with the keyspaces "meta", "rows" and "log"
//! FOLDER/engine/ROOM     written and removed to see whether a full disk has room again
//! FOLDER/engine.new/…    an engine folder that was never finished; removed at the next start
//! ```
//!
//! One commit of the engine is one group of requests: after a crash either all of it is there or
//! nothing. Numbers in keys are big-endian, so that bytes sort as the numbers do. Numbers in values
//! are little-endian. A table's id is never used twice.
//!
//! # `rows`
//!
//! A key is the table id `u32`, then the row's key ([`key`](super::key)), which has the key columns
//! in the order of the schema. An integer is its 8 bytes, big-endian, with the sign bit inverted.
//! Text and bytes are stored as they are, except that each `00` is followed by `ff`, and end with
//! `00 01`. So the bytes of keys sort as the keys do, and no key is a prefix of another.
//!
//! A value is the number `u64` of the commit that wrote it, then the cells ([`row`](super::row)),
//! sorted by name, then from the highest version to the lowest:
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
//! A key is the table id `u32`, the partition `u8`, the commit `u64`, and the index `u32` of the
//! row within its request. The partition is the XXH3 of the row's key bytes (64 bits, seed 0,
//! without the table id) modulo [`CHANNELS`].
//!
//! A value has these parts ([`log`](super::log)):
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
//! For a put, what changed is the row's cells; for a delete, it is empty. For an update, it is the
//! edits in the order in which they apply. An edit is a kind, `u8`, then for kind 0 (put) a cell as
//! above; for kind 1 (delete one version) the name, as length `u8` and bytes, and the version
//! `i64`; for kind 2 (delete all versions) the name, as length `u8` and bytes. An increment is
//! logged as the put that it results in.
//!
//! So the row after a change is known from the record of the change alone: it has the cells of the
//! row before that had not expired, edited, and of each column the highest versions. The row before
//! is exactly what the previous record left of the row. Deleting a row that does not exist is not a
//! change.
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
//! | `n` … | notes of the live job: its checkpoint (in the room `live`) |

/// The version of the format described above. A store in another format is refused.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The number of partitions of a table's log.
pub const CHANNELS: u8 = 4;

/// The key of the last commit in `meta`.
pub(crate) const META_COMMIT: &[u8] = b"c";
/// The key of the next table id in `meta`.
pub(crate) const META_NEXT_ID: &[u8] = b"i";
/// The first byte of the keys of tables in `meta`.
pub(crate) const META_TABLE: u8 = b't';
/// The first byte of the keys of the last values of auto-increment columns in `meta`.
pub(crate) const META_AUTO: u8 = b'a';
/// The first byte of the keys of the places where logs start in `meta`.
pub(crate) const META_LOG_START: u8 = b'l';
/// The first byte of the keys of deleted tables in `meta`.
pub(crate) const META_PURGE: u8 = b'p';
/// The first byte of all keys of tunnels in `meta`. The table's id follows, so that they are
/// removed with their table.
pub(crate) const META_TUNNEL: u8 = b'u';
/// The first byte of the keys of notes in `meta`.
pub(crate) const META_NOTE: u8 = b'n';

/// The id of a table. Ids of deleted tables are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct TableId(pub u32);

impl TableId {
    /// Returns the bytes of the id in keys.
    pub(crate) fn bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// Returns the start of a key in `meta` that belongs to a table: `kind`, its first byte, and the
/// table's id.
pub(crate) fn meta_key(kind: u8, table: TableId) -> Vec<u8> {
    let mut key = Vec::with_capacity(8);
    key.push(kind);
    key.extend_from_slice(&table.bytes());
    key
}

/// Returns the key of a table in `meta`.
pub(crate) fn table_key(name: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + name.len());
    key.push(META_TABLE);
    key.extend_from_slice(name.as_bytes());
    key
}

/// Returns the least bytes above all bytes that start with `prefix`, or `None` if all bytes of
/// `prefix` are `ff`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut after = prefix.get(..=last)?.to_vec();
    if let Some(byte) = after.last_mut() {
        *byte += 1;
    }
    Some(after)
}
