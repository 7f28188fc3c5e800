//! Checks that the rows of a table agree with its log.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

use super::engine::{Snapshot, Space};
use super::error::Damage;
use super::format::{CHANNELS, TableId};
use super::key::{KeyReader, partition};
use super::log::{self, LogEntry, LogPosition};
use super::read::Direction;
use super::row::{Malformed, RowView, encode_row};
use super::rows::key_values;
use super::table::Table;

/// The numbers of things that were checked and found sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// The number of tables.
    pub tables: u64,
    /// The number of rows in all tables.
    pub rows: u64,
    /// The number of changes in the logs of all tables.
    pub changes: u64,
}

/// A digest of the bytes of a row as the log has it; `None` if the row was deleted.
type Digest = Option<u64>;

/// Checks one table. Every row and change must be readable. Each change must start from the row
/// that the change before it left, and the last change must leave the row that is stored. If the
/// log is as old as the table, it must have every row. Adds to the numbers in `checked`.
pub(crate) fn check_table(
    snapshot: &dyn Snapshot,
    table: &Table,
    checked: &mut Checked,
) -> Result<(), Damage> {
    let mut logged = HashMap::new();
    let mut whole = table.logged_since > 0 && table.info.created_us == table.info.stream_enabled_us;
    for partition in 0..CHANNELS {
        let Some(from) = log::first_kept(snapshot, table, partition)? else { break };
        whole &= from == LogPosition::start_of(table.logged_since);
        for entry in log::scan(snapshot, table.id, partition, from) {
            check_change(partition, &entry?, &mut logged)?;
            checked.changes += 1;
        }
    }
    let mut keys = KeyReader::default();
    let (lower, upper) = (table.id.bytes(), TableId(table.id.0 + 1).bytes());
    for entry in snapshot.scan(Space::Rows, &lower, &upper, Direction::Forward) {
        let entry = entry?;
        let key = key_values(&mut keys, table, &entry.key)?;
        let unsound =
            |what: &str| Err(Damage(format!("row {:?} of table \"{}\" {what}", key.to_key(), table.name())));
        let readable = RowView::new(&entry.value).is_ok_and(|row| row.cells().all(|cell| cell.is_ok()));
        if !readable {
            return unsound("cannot be read");
        }
        match logged.remove(entry.key.get(lower.len()..).unwrap_or_default()) {
            Some(Some(digest)) if digest == xxh3_64(&entry.value) => {}
            Some(_) => return unsound("is not as the log has it"),
            None if whole => return unsound("is not in the log"),
            None => {}
        }
        checked.rows += 1;
    }
    if logged.into_values().any(|row| row.is_some()) {
        return Err(Damage(format!("a row of table \"{}\" is in the log only", table.name())));
    }
    checked.tables += 1;
    Ok(())
}

fn check_change(
    partition_of: u8,
    entry: &LogEntry,
    logged: &mut HashMap<Vec<u8>, Digest>,
) -> Result<(), Damage> {
    let record = entry.record()?;
    let after = record.after().map_err(|Malformed| entry.damaged())?;
    let after = after.map(|cells| xxh3_64(&encode_row(entry.position.commit, cells)));
    let earlier = logged.insert(record.key.to_vec(), after);
    let before = record.before.map(|row| xxh3_64(&row.encode()));
    if partition(record.key) != partition_of || earlier.is_some_and(|earlier| earlier != before) {
        return Err(entry.damaged());
    }
    Ok(())
}
