//! The log: what each commit did to each row of a table with a stream, in order within each partition.
//! [`format`](super::format) has the bytes.

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

/// Where a change stands in its partition of a table's log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogPosition {
    /// Number of the commit.
    pub commit: u64,
    /// Place of the row within its request.
    pub index: u32,
}

impl LogPosition {
    /// The first of a commit.
    pub fn start_of(commit: u64) -> LogPosition {
        LogPosition { commit, index: 0 }
    }

    /// The least above this one.
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

/// Bytes of a log key before the position: table and partition.
const KEY_HEAD_BYTES: usize = 5;

/// The key of a change.
pub(crate) fn log_key(table: TableId, partition: u8, position: LogPosition) -> [u8; 17] {
    let mut key = [0; 17];
    key[..4].copy_from_slice(&table.bytes());
    key[4] = partition;
    key[KEY_HEAD_BYTES..13].copy_from_slice(&position.commit.to_be_bytes());
    key[13..].copy_from_slice(&position.index.to_be_bytes());
    key
}

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It became exactly what is given.
    Put = 1,
    /// Some of its cells changed.
    Update = 2,
    /// It went.
    Delete = 3,
}

/// One change of one row, borrowed from where it is stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// What happened.
    pub(crate) action: Action,
    /// Time of the commit in microseconds since 1970, above that of every commit before.
    pub(crate) time_us: i64,
    /// Versions up to this one had expired, in milliseconds since 1970: what is left of the row before has only later ones.
    pub(crate) expired_ms: i64,
    /// Versions of a cell that the table kept.
    pub(crate) versions_max: u32,
    /// The row's key, encoded, without the table.
    pub(crate) key: &'a [u8],
    /// The row before, exactly as the change before left it, expired cells included; `None` where it was not there.
    pub(crate) before: Option<RowView<'a>>,
    /// The cells of a put, the edits of an update, encoded.
    pub(crate) changed: &'a [u8],
}

impl<'a> Record<'a> {
    /// Its bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let before_bytes = self.before.map_or(0, |before| ROW_HEAD_BYTES + before.bytes.len());
        let mut bytes = Vec::with_capacity(32 + self.key.len() + before_bytes + self.changed.len());
        bytes.push(self.action as u8);
        bytes.extend_from_slice(&self.time_us.to_le_bytes());
        bytes.extend_from_slice(&self.expired_ms.to_le_bytes());
        bytes.extend_from_slice(&self.versions_max.to_le_bytes());
        // Four columns of at most 1,024 bytes, each at worst twice as long.
        bytes.extend_from_slice(&(self.key.len() as u16).to_le_bytes());
        bytes.extend_from_slice(self.key);
        // Rows are limited well below 4 GiB.
        bytes.extend_from_slice(&(before_bytes as u32).to_le_bytes());
        if let Some(before) = self.before {
            bytes.extend_from_slice(&before.commit.to_le_bytes());
            bytes.extend_from_slice(before.bytes);
        }
        bytes.extend_from_slice(self.changed);
        bytes
    }

    /// Reads a value of the space of changes.
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

    /// What changed, in the order in which it applies. A put gives its cells, a delete nothing.
    pub(crate) fn edits(&self) -> Box<dyn Iterator<Item = Result<EditRef<'a>, Malformed>> + 'a> {
        match self.action {
            Action::Put => Box::new(Cells::new(self.changed).map(|cell| cell.map(EditRef::Put))),
            Action::Update => Box::new(Edits::new(self.changed)),
            Action::Delete => Box::new(std::iter::empty()),
        }
    }

    /// The cells of the row after the change; `None` where it went.
    pub(crate) fn after(&self) -> Result<Option<Vec<CellRef<'a>>>, Malformed> {
        let mut cells = Vec::new();
        Ok(self.after_into(&mut cells)?.then_some(cells))
    }

    /// Puts the cells of the row after the change into `cells`, which is empty. Returns false where
    /// the row went.
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

/// One entry of the log.
pub(crate) struct LogEntry {
    /// Where it stands.
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

    /// What it says.
    pub(crate) fn record(&self) -> Result<Record<'_>, Damage> {
        Record::decode(&self.value).map_err(|Malformed| self.damaged())
    }

    /// That it cannot be read.
    pub(crate) fn damaged(&self) -> Damage {
        let LogPosition { commit, index } = self.position;
        Damage(format!("the change of row {index} of commit {commit} in the space log"))
    }
}

/// Changes of one partition.
pub(crate) struct LogScan {
    entries: Scan,
}

impl Iterator for LogScan {
    type Item = Result<LogEntry, Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.entries.next()?.map_err(Damage::from).and_then(LogEntry::new))
    }
}

/// The changes of a partition from `from` on, in order. The caller compares `from` with [`first_kept`] before.
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

/// Below which position a partition of a table's log was cut; the first of all where it never was.
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

/// The first position from which on a partition of a table's log holds every change; `None` where nothing is logged.
/// A reader that would go on from below it has come too late.
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

/// Refuses a position from which on changes are no longer kept.
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

/// What is left after a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing below the position.
    Done,
    /// More may be; cut again.
    More,
}

/// Removes the changes of a partition below `keep`, at most `changes_max` of them, and remembers where the log starts now.
pub(crate) fn cut(
    transaction: &mut Transaction<'_>,
    table: &Table,
    partition: u8,
    keep: LogPosition,
    changes_max: usize,
) -> Result<Cut, Damage> {
    // What an earlier request of the group cut is still in the snapshot; its start is not.
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
