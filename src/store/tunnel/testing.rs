//! Holds what the tests of tunnels share: a store whose clock they set, and clients that act as the
//! official ones do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::model::Sequence;
use super::*;
use crate::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use crate::edit::EditRef;
use crate::engine::faulty::Disk;
use crate::log::Action;
use crate::read::{RangeRead, Selection};
use crate::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use crate::value::{Cell, KeyPart, KeyType, KeyValue, PrimaryKey, Row, Value};
use crate::{Clock, Durability, StoreOptions};

/// The name of the table of the tests.
pub(super) const TABLE: &str = "Orders";
pub(super) const SECOND_US: i64 = 1_000_000;
pub(super) const HOUR_US: i64 = 3_600 * SECOND_US;

/// A store in memory whose time stands still unless it is moved.
pub(super) struct Fixture {
    disk: Disk,
    now_us: Arc<AtomicI64>,
    store: Option<Store>,
}

impl Fixture {
    /// Creates a store with the table. If `hours` are given, its stream is on.
    pub(super) fn new(hours: Option<i32>, max_versions: i32) -> Fixture {
        let mut fixture = Fixture {
            disk: Disk::default(),
            now_us: Arc::new(AtomicI64::new(1_700_000_000 * SECOND_US)),
            store: None,
        };
        fixture.reopen();
        fixture.create_table(hours, max_versions);
        fixture
    }

    pub(super) fn create_table(&self, hours: Option<i32>, max_versions: i32) {
        let column = |name: &str, kind| KeyColumn { name: name.into(), kind, auto_increment: false };
        let schema = TableSchema {
            name: TABLE.into(),
            key: vec![column("user", KeyType::String), column("order", KeyType::Integer)],
            options: TableOptions { max_versions, ..TableOptions::default() },
            stream: hours.map(StreamOptions::of_hours),
            defined_columns: Vec::new(),
            throughput: (0, 0),
            splits: Vec::new(),
        };
        self.store().create_table(schema).unwrap();
    }

    /// Lets the power fail and opens the store again.
    pub(super) fn reopen(&mut self) {
        self.store = None;
        self.disk.restart();
        let now_us = self.now_us.clone();
        let clock = Clock::new(move || now_us.load(Ordering::Relaxed));
        let options = StoreOptions { durability: Durability::Synced, clock };
        self.store = Some(Store::start(Arc::new(self.disk.clone()), options, None).unwrap());
    }

    pub(super) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(super) fn tunnels(&self) -> Tunnels<'_> {
        self.store().tunnels()
    }

    pub(super) fn pass(&self, us: i64) {
        self.now_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now_us.load(Ordering::Relaxed)
    }

    pub(super) fn create(
        &self,
        name: &str,
        kind: TunnelKind,
        range: Option<StreamRange>,
    ) -> Result<String, TunnelError> {
        self.tunnels().create(TunnelSpec { table: TABLE.into(), name: name.into(), kind, range })
    }

    pub(super) fn write(&self, changes: Vec<(PrimaryKey, RowWrite)>) {
        let write = |(key, change)| Write {
            table: TABLE.into(),
            key: named(&key),
            change,
            condition: Condition::default(),
            returning: Returning::Nothing,
        };
        for answer in self.store().write_and_wait(changes.into_iter().map(write).collect()) {
            answer.unwrap();
        }
    }

    /// Puts a row with one column `v`.
    pub(super) fn put(&self, order: i64, value: i64) {
        self.write(vec![(key("u", order), RowWrite::Put(vec![put("v", value)]))]);
    }

    /// Returns all rows.
    pub(super) fn rows(&self) -> BTreeMap<PrimaryKey, Vec<Cell>> {
        let bound = |part: KeyPart| vec![("user".to_owned(), part.clone()), ("order".to_owned(), part)];
        let mut rows = BTreeMap::new();
        let mut start = bound(KeyPart::Min);
        loop {
            let read = RangeRead {
                table: TABLE.into(),
                direction: Default::default(),
                start,
                end: bound(KeyPart::Max),
                selection: Selection { versions_max: Some(100), ..Selection::default() },
                rows_max: None,
            };
            let next = self.store().range(&read, &mut |key, cells| {
                let key = key.iter().map(|value| value.to_value()).collect();
                rows.insert(key, cells.iter().map(|cell| cell.to_cell()).collect());
                0
            });
            match next.unwrap() {
                Some(key) => start = named(&key),
                None => return rows,
            }
        }
    }
}

pub(super) fn key(user: &str, order: i64) -> PrimaryKey {
    vec![KeyValue::String(user.into()), KeyValue::Integer(order)]
}

fn named(key: &PrimaryKey) -> Vec<(String, KeyPart)> {
    let names = ["user", "order"].into_iter().map(str::to_owned);
    names.zip(key.iter().cloned().map(KeyPart::Value)).collect()
}

pub(super) fn put(name: &str, value: i64) -> (String, ColumnChange) {
    (name.into(), ColumnChange::Put { value: Value::Integer(value), version: None })
}

/// A record that a client has read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReadRecord {
    pub(super) action: Action,
    pub(super) key: PrimaryKey,
    pub(super) edits: Vec<Edit>,
    pub(super) sequence: Option<Sequence>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Edit {
    Put(Cell),
    DeleteVersion(String, i64),
    DeleteAll(String),
}

impl ReadRecord {
    pub(super) fn new(record: &RecordRef<'_>) -> ReadRecord {
        let edit = |edit: &EditRef<'_>| match *edit {
            EditRef::Put(cell) => Edit::Put(cell.to_cell()),
            EditRef::DeleteVersion { name, version } => Edit::DeleteVersion(name.into(), version),
            EditRef::DeleteAll { name } => Edit::DeleteAll(name.into()),
        };
        ReadRecord {
            action: record.action,
            key: record.key.iter().map(|value| value.to_value()).collect(),
            edits: record.edits.iter().map(edit).collect(),
            sequence: record.sequence,
        }
    }

    /// Returns the row after the change.
    pub(super) fn apply(&self, before: Option<&Row>, max_versions: usize) -> Option<Row> {
        let mut cells = match (self.action, before) {
            (Action::Delete, _) => return None,
            (Action::Update, Some(before)) => before.cells.clone(),
            _ => Vec::new(),
        };
        for edit in &self.edits {
            match edit {
                Edit::Put(put) => {
                    cells.retain(|cell| (&cell.name, cell.version) != (&put.name, put.version));
                    cells.push(put.clone());
                }
                Edit::DeleteVersion(name, version) => {
                    cells.retain(|cell| (&cell.name, cell.version) != (name, *version));
                }
                Edit::DeleteAll(name) => cells.retain(|cell| cell.name != *name),
            }
        }
        cells.sort_by(|one, other| one.name.cmp(&other.name).then(other.version.cmp(&one.version)));
        let mut kept = BTreeMap::<String, usize>::new();
        cells.retain(|cell| {
            let kept = kept.entry(cell.name.clone()).or_default();
            *kept += 1;
            *kept <= max_versions
        });
        Some(Row { key: self.key.clone(), cells })
    }
}

/// Reads a page.
pub(super) fn read_page(
    store: &Store,
    claim: Claim<'_>,
    from: Cursor,
    records_max: usize,
) -> Result<(Vec<ReadRecord>, Cursor, bool), TunnelError> {
    let mut records = Vec::new();
    let max = PageMax { records: records_max, ..PageMax::default() };
    let end = store.tunnels().read(claim, from, max, &mut |record| {
        records.push(ReadRecord::new(record));
        1
    })?;
    Ok((records, end.next, end.more))
}

/// A client that acts as the official workers do: what it believes about its channels, and where it
/// reads them.
#[derive(Default)]
pub(super) struct Worker {
    pub(super) id: String,
    pub(super) channels: BTreeMap<String, ChannelReport>,
    /// The checkpoint of each channel that it reads, once it has asked for it.
    pub(super) reads: BTreeMap<String, Option<Checkpoint>>,
    /// The channels that it has read to their end.
    pub(super) finished: Vec<String>,
}

impl Worker {
    /// Takes in an answer. The higher version wins, and the server's if they are equal. Channels
    /// that are left out are forgotten.
    pub(super) fn hear(&mut self, answer: Vec<ChannelReport>) {
        let known = std::mem::take(&mut self.channels);
        for told in answer {
            let held = known.get(&told.channel).filter(|held| held.version > told.version);
            self.channels.insert(told.channel.clone(), held.unwrap_or(&told).clone());
        }
        self.reads.retain(|channel, _| self.channels.contains_key(channel));
        self.finished.retain(|channel| self.channels.contains_key(channel));
        for held in self.channels.values_mut() {
            let finished = self.finished.contains(&held.channel);
            match held.status {
                ChannelStatus::Open if finished => {
                    held.version += 1;
                    held.status = ChannelStatus::Terminated;
                    self.reads.remove(&held.channel);
                }
                ChannelStatus::Open => _ = self.reads.entry(held.channel.clone()).or_default(),
                ChannelStatus::Closing => {
                    held.version += 1;
                    held.status = if finished { ChannelStatus::Terminated } else { ChannelStatus::Close };
                    self.reads.remove(&held.channel);
                }
                _ => _ = self.reads.remove(&held.channel),
            }
        }
    }

    /// Lets a channel fail: the client closes it and forgets where it was in it.
    pub(super) fn fail(&mut self, channel: &str) {
        self.reads.remove(channel);
        self.finished.retain(|finished| finished != channel);
        if let Some(held) = self.channels.get_mut(channel) {
            held.version += 1;
            held.status = ChannelStatus::Close;
        }
    }

    /// Returns what the client reports in a heartbeat.
    pub(super) fn said(&self) -> Vec<ChannelReport> {
        self.channels.values().cloned().collect()
    }
}

impl ReadRecord {
    /// Returns the value of the column `v`.
    pub(super) fn value(&self) -> i64 {
        match self.edits.as_slice() {
            [Edit::Put(Cell { name, value: Value::Integer(value), .. })] if name == "v" => *value,
            _ => panic!("{self:?} is not of one column"),
        }
    }
}

pub(super) fn cell(name: &str, value: i64, version: i64) -> Cell {
    Cell { name: name.into(), value: Value::Integer(value), version }
}

/// Returns what a new client consumes, by channel, until nothing is left, and whether all channels
/// came to their end.
pub(super) fn drain(fixture: &Fixture, tunnel: &str) -> (BTreeMap<String, Vec<ReadRecord>>, bool) {
    drain_of(fixture.store(), tunnel)
}

/// Returns what a new client consumes of a tunnel of any store, as [`drain`] does.
pub(super) fn drain_of(store: &Store, tunnel: &str) -> (BTreeMap<String, Vec<ReadRecord>>, bool) {
    let tunnels = store.tunnels();
    let mut worker = Worker { id: tunnels.connect(tunnel, None).unwrap(), ..Worker::default() };
    let mut consumed = BTreeMap::<String, Vec<ReadRecord>>::new();
    let mut busy = 2;
    while busy > 0 {
        busy -= 1;
        let before = worker.said();
        worker.hear(tunnels.heartbeat(tunnel, &worker.id, &before).unwrap());
        busy = if worker.said() == before { busy } else { 2 };
        let mut channels: Vec<String> = worker.reads.keys().cloned().collect();
        channels.retain(|channel| !worker.finished.contains(channel));
        for channel in channels {
            let claim = Claim { tunnel, client: &worker.id, channel: &channel };
            let mut at = tunnels.checkpoint(claim).unwrap();
            let mut more = true;
            while more && at.cursor.place != Place::Finished {
                let (records, next, is_more) = read_page(store, claim, at.cursor, 5).unwrap();
                consumed.entry(channel.clone()).or_default().extend(records);
                at = Checkpoint { cursor: next, number: at.number + 1 };
                tunnels.set_checkpoint(claim, at.cursor.clone(), at.number).unwrap();
                more = is_more;
            }
            if at.cursor.place == Place::Finished {
                worker.finished.push(channel);
                busy = 2;
            }
        }
    }
    let ended = worker.channels.is_empty();
    tunnels.shut_down(tunnel, &worker.id).unwrap();
    (consumed, ended)
}
