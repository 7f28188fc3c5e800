//! Reads and cuts the log: what each commit did to each row of a table with a stream, in order
//! within each partition. [`format`](super::format) describes the bytes.

use serde::{Deserialize, Serialize};

use super::edit::{EditRef, Edits, apply, keep_versions};
use super::engine::{Bytes, Entry, Scan, Snapshot, Space};
use super::error::{Damage, NotKept};
use super::format::{META_LOG_START, TableId, meta_key};
use super::meta::Meta;
use super::read::Direction;
use super::row::{Cells, Malformed, ROW_HEAD_BYTES, RowView, take, take_array};
use super::table::Table;
use super::transaction::Transaction;
use super::value::CellRef;

/// The position of a change in its partition of a table's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// The number of the commit.
    pub commit: u64,
    /// The index of the write within its request.
    pub index: u32,
}

impl LogPosition {
    /// Returns the first position of a commit.
    pub fn start_of(commit: u64) -> LogPosition {
        LogPosition { commit, index: 0 }
    }

    /// Returns the least position above this one.
    pub fn next(self) -> LogPosition {
        match self.index.checked_add(1) {
            Some(index) => LogPosition { index, ..self },
            None => LogPosition::start_of(self.commit.saturating_add(1)),
        }
    }

    fn decode(bytes: &[u8]) -> Result<LogPosition, Malformed> {
        let mut rest = bytes;
        let position = LogPosition {
            commit: u64::from_be_bytes(take_array(&mut rest)?),
            index: u32::from_be_bytes(take_array(&mut rest)?),
        };
        if rest.is_empty() { Ok(position) } else { Err(Malformed) }
    }
}

/// The bytes of a log key before the position: table id and partition.
const KEY_HEAD_BYTES: usize = 5;

/// Encodes the key of a change in the space of the log.
pub(crate) fn log_key(table: TableId, partition: u8, position: LogPosition) -> [u8; 17] {
    let mut key = [0; 17];
    key[..4].copy_from_slice(&table.bytes());
    key[4] = partition;
    key[KEY_HEAD_BYTES..13].copy_from_slice(&position.commit.to_be_bytes());
    key[13..].copy_from_slice(&position.index.to_be_bytes());
    key
}

/// The kind of a change of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The row was replaced by exactly what is given.
    Put = 1,
    /// Some cells of the row changed.
    Update = 2,
    /// The row was deleted.
    Delete = 3,
}

/// One change of one row, borrowed from where it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// What happened to the row.
    pub(crate) action: Action,
    /// The time of the commit in microseconds since 1970. It is greater than that of every commit
    /// before.
    pub(crate) time_us: i64,
    /// Versions up to this one, in milliseconds since 1970, had expired: only later versions of the
    /// row before survive an update.
    pub(crate) expired_ms: i64,
    /// The number of versions of a cell that the table kept.
    pub(crate) versions_max: u32,
    /// The row's encoded key, without the table id.
    pub(crate) key: &'a [u8],
    /// The row before, exactly as the previous change left it, including expired cells; `None` if
    /// the row did not exist.
    pub(crate) before: Option<RowView<'a>>,
    /// The encoded cells of a put or the encoded edits of an update; empty for a delete.
    pub(crate) changed: &'a [u8],
}

impl<'a> Record<'a> {
    /// Encodes the record as a value of the space of the log.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let before_bytes = self.before.map_or(0, |before| ROW_HEAD_BYTES + before.bytes.len());
        let mut bytes = Vec::with_capacity(32 + self.key.len() + before_bytes + self.changed.len());
        bytes.push(self.action as u8);
        bytes.extend_from_slice(&self.time_us.to_le_bytes());
        bytes.extend_from_slice(&self.expired_ms.to_le_bytes());
        bytes.extend_from_slice(&self.versions_max.to_le_bytes());
        // A key has at most four columns of 1,024 bytes, each at worst twice as long when encoded,
        // so the length fits.
        bytes.extend_from_slice(&(self.key.len() as u16).to_le_bytes());
        bytes.extend_from_slice(self.key);
        // Rows are limited to much less than 4 GiB.
        bytes.extend_from_slice(&(before_bytes as u32).to_le_bytes());
        if let Some(before) = self.before {
            bytes.extend_from_slice(&before.commit.to_le_bytes());
            bytes.extend_from_slice(before.bytes);
        }
        bytes.extend_from_slice(self.changed);
        bytes
    }

    /// Decodes a value of the space of the log.
    pub(crate) fn decode(value: &'a [u8]) -> Result<Record<'a>, Malformed> {
        let mut rest = value;
        let action = match take_array(&mut rest)? {
            [1] => Action::Put,
            [2] => Action::Update,
            [3] => Action::Delete,
            _ => return Err(Malformed),
        };
        let time_us = i64::from_le_bytes(take_array(&mut rest)?);
        let expired_ms = i64::from_le_bytes(take_array(&mut rest)?);
        let versions_max = u32::from_le_bytes(take_array(&mut rest)?);
        let key_bytes = u16::from_le_bytes(take_array(&mut rest)?);
        let key = take(&mut rest, usize::from(key_bytes))?;
        let before_bytes = u32::from_le_bytes(take_array(&mut rest)?);
        let before = match take(&mut rest, before_bytes as usize)? {
            [] => None,
            before => Some(RowView::new(before)?),
        };
        Ok(Record { action, time_us, expired_ms, versions_max, key, before, changed: rest })
    }

    /// Returns the edits of the change in the order in which they apply. A put returns its cells as
    /// puts; a delete returns nothing.
    pub(crate) fn edits(&self) -> Box<dyn Iterator<Item = Result<EditRef<'a>, Malformed>> + 'a> {
        match self.action {
            Action::Put => Box::new(Cells::new(self.changed).map(|cell| cell.map(EditRef::Put))),
            Action::Update => Box::new(Edits::new(self.changed)),
            Action::Delete => Box::new(std::iter::empty()),
        }
    }

    /// Returns the cells of the row after the change, or `None` if the row was deleted.
    pub(crate) fn after(&self) -> Result<Option<Vec<CellRef<'a>>>, Malformed> {
        let mut cells = Vec::new();
        Ok(self.after_into(&mut cells)?.then_some(cells))
    }

    /// Puts the cells of the row after the change into `cells`, which must be empty. Returns false
    /// if the row was deleted.
    pub(crate) fn after_into(&self, cells: &mut Vec<CellRef<'a>>) -> Result<bool, Malformed> {
        match self.action {
            Action::Put => {
                for cell in Cells::new(self.changed) {
                    cells.push(cell?);
                }
            }
            Action::Delete => return Ok(false),
            Action::Update => {
                for cell in self.before.iter().flat_map(|before| before.cells()) {
                    let cell = cell?;
                    if cell.version > self.expired_ms {
                        cells.push(cell);
                    }
                }
                Edits::new(self.changed).try_for_each(|edit| edit.map(|edit| apply(cells, edit)))?;
                keep_versions(cells, self.versions_max as usize);
            }
        }
        Ok(true)
    }
}

/// One entry of the log, read from the engine.
pub(crate) struct LogEntry {
    /// The position of the entry in its partition.
    pub(crate) position: LogPosition,
    value: Bytes,
}

impl LogEntry {
    fn new(entry: Entry) -> Result<LogEntry, Damage> {
        let position = entry.key.get(KEY_HEAD_BYTES..).ok_or(Malformed).and_then(LogPosition::decode);
        let position =
            position.map_err(|Malformed| Damage(format!("a key {:02x?} in the space log", &*entry.key)))?;
        Ok(LogEntry { position, value: entry.value })
    }

    /// Decodes the change in this entry.
    pub(crate) fn record(&self) -> Result<Record<'_>, Damage> {
        Record::decode(&self.value).map_err(|Malformed| self.damaged())
    }

    /// Returns the error that says that this entry cannot be read.
    pub(crate) fn damaged(&self) -> Damage {
        let LogPosition { commit, index } = self.position;
        Damage(format!("the change of row {index} of commit {commit} in the space log"))
    }
}

/// An iterator over the changes of one partition.
pub(crate) struct LogScan {
    entries: Scan,
}

impl Iterator for LogScan {
    type Item = Result<LogEntry, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.entries.next()?.map_err(Damage::from).and_then(LogEntry::new))
    }
}

/// Returns the changes of a partition from `from` on, in order. The caller must compare `from` with
/// [`first_kept`] before.
pub(crate) fn scan(snapshot: &dyn Snapshot, table: TableId, partition: u8, from: LogPosition) -> LogScan {
    let lower = log_key(table, partition, from);
    let mut upper = log_key(table, partition + 1, LogPosition::default()).to_vec();
    upper.truncate(KEY_HEAD_BYTES);
    LogScan { entries: snapshot.scan(Space::Log, &lower, &upper, Direction::Forward) }
}

fn start_key(table: TableId, partition: u8) -> Vec<u8> {
    let mut key = meta_key(META_LOG_START, table);
    key.push(partition);
    key
}

/// Returns the position below which a partition of a table's log was cut, or the first of all
/// positions if it never was.
pub(crate) fn start(
    meta: &(impl Meta + ?Sized),
    table: &Table,
    partition: u8,
) -> Result<LogPosition, Damage> {
    let Some(value) = meta.value(&start_key(table.id, partition))? else { return Ok(LogPosition::default()) };
    LogPosition::decode(&value).map_err(|Malformed| {
        Damage(format!("where the log of table \"{}\" starts, in the space meta", table.name()))
    })
}

/// Returns the first position from which on a partition of a table's log holds every change, or
/// `None` if the table has no stream. A reader that wants to go on from below it comes too late.
pub(crate) fn first_kept(
    meta: &(impl Meta + ?Sized),
    table: &Table,
    partition: u8,
) -> Result<Option<LogPosition>, Damage> {
    if table.info.schema.stream.is_none() {
        return Ok(None);
    }
    let since = LogPosition::start_of(table.logged_since);
    Ok(Some(since.max(start(meta, table, partition)?)))
}

/// Returns an error if some changes from `position` on are not, or no longer, kept.
pub(crate) fn check_kept<E: From<NotKept> + From<Damage>>(
    snapshot: &dyn Snapshot,
    table: &Table,
    partition: u8,
    position: LogPosition,
) -> Result<(), E> {
    let name = || table.name().to_owned();
    match first_kept(snapshot, table, partition)? {
        Some(first) if position >= first => Ok(()),
        Some(first) => {
            Err(E::from(NotKept::Cut { table: name(), kept_from: first.commit, asked_from: position.commit }))
        }
        None => Err(E::from(NotKept::StreamOff { table: name() })),
    }
}

/// The result of a cut, which says whether anything is left to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing below the position is left.
    Done,
    /// More changes may be left; cut again.
    More,
}

/// Removes at most `changes_max` changes of a partition below `keep`, and stores where the log
/// starts now.
pub(crate) fn cut(
    transaction: &mut Transaction<'_>,
    table: &Table,
    partition: u8,
    keep: LogPosition,
    changes_max: usize,
) -> Result<Cut, Damage> {
    // Changes that an earlier request of the group cut are still in the snapshot, but the start is
    // already the new one.
    let start = start(transaction, table, partition)?;
    let mut removed = Vec::new();
    let mut first_left = keep;
    let mut outcome = Cut::Done;
    for entry in scan(transaction.snapshot(), table.id, partition, start) {
        let position = entry?.position;
        if position >= keep {
            break;
        }
        if removed.len() == changes_max {
            (first_left, outcome) = (position, Cut::More);
            break;
        }
        removed.push(position);
    }
    if first_left > start {
        for position in &removed {
            transaction.remove(Space::Log, log_key(table.id, partition, *position).to_vec());
        }
        let value = log_key(table.id, partition, first_left)[KEY_HEAD_BYTES..].to_vec();
        transaction.put(Space::Meta, start_key(table.id, partition), value);
    }
    Ok(outcome)
}
