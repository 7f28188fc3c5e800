//! A consistent view of everything that is committed, for readers within the process.

use std::fmt;
use std::iter::Peekable;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Store;
use super::catalog::{self, Table, Tables};
use super::engine::{Snapshot, Space};
use super::error::{Damage, NoTable, ReadError};
use super::format::{CHANNELS, META_NOTE, TableId, after_prefix};
use super::key::{KeyReader, row_key};
use super::log::{self, LogEntry, LogPosition, LogScan};
use super::read::{Direction, RangeRead, Selection};
use super::row::{Malformed, RowView};
use super::rows::{self, key_values};
use super::schema::TableInfo;
use super::select::Selector;
use super::transaction::Last;
use super::tunnel::{check_kept, last_of};
use super::value::{Cell, CellRef, KeyRef, KeyValue, NamedKey, PrimaryKey, Row};

/// Sees nothing that is committed after it was taken, in any table. While it lives, what it sees is kept on disk.
pub struct View {
    snapshot: Box<dyn Snapshot>,
    tables: Tables,
    last: Last,
    now_ms: i64,
}

/// Takes a row, borrowed, and says whether to go on.
pub type EmitRow<'e> = dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> ControlFlow<()> + 'e;

/// A row before and after a change.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The row before; none where it was not there.
    pub before: Option<Row>,
    /// The row after; none where it went.
    pub after: Option<Row>,
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(as of commit {})", self.last.commit)
    }
}

impl Store {
    /// Everything as of the last commit.
    pub fn view(&self) -> Result<View, Damage> {
        let snapshot = self.snapshot();
        let (tables, last) = (catalog::load(snapshot.as_ref())?, last_of(snapshot.as_ref())?);
        Ok(View { snapshot, tables, last, now_ms: self.clock().now_us() / 1_000 })
    }
}

impl View {
    /// Number of the last commit that it sees.
    pub fn last_commit(&self) -> u64 {
        self.last.commit
    }

    /// What a table is.
    pub fn table(&self, name: &str) -> Result<Arc<TableInfo>, NoTable> {
        self.find(name).map(|table| table.info.clone())
    }

    /// A table by name, if there is one.
    pub(crate) fn find_table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }

    fn find(&self, name: &str) -> Result<&Arc<Table>, NoTable> {
        self.tables.get(name).ok_or_else(|| NoTable(name.to_owned()))
    }

    /// The commit that wrote a row last; none where there is no row of this key.
    pub fn written_at(&self, table: &str, key: &[KeyValue]) -> Result<Option<u64>, ReadError> {
        let table = self.find(table)?;
        let value = self.snapshot.get(Space::Rows, &row_key(table.id, key.iter().map(KeyValue::borrow)))?;
        let damaged = |Malformed| Damage(format!("row {key:?} of table \"{}\"", table.name()));
        Ok(value.map(|value| RowView::new(&value).map(|row| row.commit).map_err(damaged)).transpose()?)
    }

    /// As [`Store::get`].
    pub fn get(&self, table: &str, key: &NamedKey, selection: &Selection) -> Result<Option<Row>, ReadError> {
        rows::get(self.snapshot.as_ref(), self.find(table)?, key, selection, self.now_ms)
    }

    /// As [`Store::range`].
    pub fn range(
        &self,
        read: &RangeRead,
        emit: &mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> usize,
    ) -> Result<Option<PrimaryKey>, ReadError> {
        rows::range(self.snapshot.as_ref(), self.find(&read.table)?, read, self.now_ms, emit)
    }

    /// Gives rows of a table in the order of their keys, from `start` (inclusive) on, until `emit` breaks off.
    /// One scan, whatever the number of rows; cells as [`Selection::default`] has them.
    pub fn each_row(
        &self,
        table: &str,
        start: Option<&[KeyValue]>,
        emit: &mut EmitRow<'_>,
    ) -> Result<(), ReadError> {
        let table = self.find(table)?;
        let every = Selection::default();
        let selector = Selector::new(&every, table, self.now_ms)?;
        let lower = match start {
            Some(key) => row_key(table.id, key.iter().map(KeyValue::borrow)),
            None => table.id.bytes().to_vec(),
        };
        let upper = TableId(table.id.0 + 1).bytes();
        let mut keys = KeyReader::default();
        for entry in self.snapshot.scan(Space::Rows, &lower, &upper, Direction::Forward) {
            let entry = entry?;
            let key = key_values(&mut keys, table, &entry.key)?;
            let damaged = |Malformed| Damage(format!("row {:?} of table \"{}\"", key.to_key(), table.name()));
            let row = RowView::new(&entry.value).map_err(damaged)?;
            let mut cells = Vec::new();
            if selector.select(row.cells(), &mut cells).map_err(damaged)?
                && emit(key.as_slice(), &cells).is_break()
            {
                break;
            }
        }
        Ok(())
    }

    /// The changes of a table by all commits from `lower` on, in order, each with its commit.
    /// [`ReadError::NotKept`] if changes of these commits are no longer, or not, kept.
    pub fn changes(&self, table: &str, lower: u64) -> Result<Changes, ReadError> {
        let table = self.find(table)?.clone();
        let mut partitions = Vec::new();
        for partition in 0..CHANNELS {
            let from = LogPosition::start_of(lower);
            check_kept::<ReadError>(self.snapshot.as_ref(), &table, partition, from)?;
            partitions.push(log::scan(self.snapshot.as_ref(), table.id, partition, from).peekable());
        }
        Ok(Changes { table, partitions })
    }

    /// What [`Store::append`] noted under keys that start with `prefix`, in order. Reads them as they are asked for.
    pub(crate) fn notes(
        &self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Damage>> + use<> {
        let lower = [&[META_NOTE], prefix].concat();
        let upper = after_prefix(&lower).unwrap_or_default();
        self.snapshot.scan(Space::Meta, &lower, &upper, Direction::Forward).map(|entry| {
            let entry = entry?;
            Ok((entry.key.get(1..).unwrap_or_default().to_vec(), entry.value.to_vec()))
        })
    }
}

/// Changes of a table in the order of their commits, and within a commit of its rows.
pub struct Changes {
    table: Arc<Table>,
    partitions: Vec<Peekable<LogScan>>,
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes(of {})", self.table.name())
    }
}

impl Iterator for Changes {
    type Item = Result<(u64, RowChange), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.next_entry()?;
        Some(entry.and_then(|entry| Ok((entry.position.commit, self.row_change(&entry)?))))
    }
}

impl Changes {
    /// The first change of all that the partitions are at.
    fn next_entry(&mut self) -> Option<Result<LogEntry, Damage>> {
        let mut first = None;
        for (at, scan) in self.partitions.iter_mut().enumerate() {
            if let Some(entry) = scan.peek() {
                // An error comes first: it has no position.
                let position = entry.as_ref().ok().map(|entry| entry.position);
                if first.is_none_or(|(least, _)| position < least) {
                    first = Some((position, at));
                }
            }
        }
        first.and_then(|(_, at)| self.partitions.get_mut(at)?.next())
    }

    fn row_change(&self, entry: &LogEntry) -> Result<RowChange, Damage> {
        let record = entry.record()?;
        let damaged = |Malformed| entry.damaged();
        let mut keys = KeyReader::default();
        let key = keys.read(self.table.key(), record.key).ok_or_else(|| entry.damaged())?.to_key();
        let before = record.before.as_ref().map(|before| before.cells().collect::<Result<Vec<_>, _>>());
        let before = before.transpose().map_err(damaged)?;
        let after = record.after().map_err(damaged)?;
        let row = |cells: Option<Vec<CellRef<'_>>>| {
            let cells: Vec<Cell> = cells?.into_iter().map(CellRef::to_cell).collect();
            Some(Row { key: key.clone(), cells })
        };
        Ok(RowChange { before: row(before), after: row(after) })
    }
}
