//! A consistent view of everything that is committed, for readers within the process.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::Store;
use super::engine::{Snapshot, Space};
use super::error::{Damage, NoTable, ReadError};
use super::format::{META_NOTE, TableId, after_prefix};
use super::key::{KeyReader, row_key};
use super::read::{Direction, RangeRead, Selection};
use super::row::{Malformed, RowView};
use super::rows::{self, key_values};
use super::schema::TableInfo;
use super::select::Selector;
use super::table::{Table, Tables};
use super::transaction::{Last, last_of};
use super::value::{CellRef, KeyRef, KeyValue, NamedKey, PrimaryKey, Row};

/// Sees nothing that is committed after it was taken, in any table. While it lives, what it sees is kept on disk.
pub struct View {
    snapshot: Box<dyn Snapshot>,
    /// The tables that the snapshot shows, shared with all views since the last change of a table.
    tables: Arc<Tables>,
    last: Last,
    now_ms: i64,
}

/// Takes a row, borrowed, and says whether to go on.
pub type EmitRow<'e> = dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> ControlFlow<()> + 'e;

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(as of commit {})", self.last.commit)
    }
}

impl Store {
    /// Everything as of the last commit.
    pub fn view(&self) -> Result<View, Damage> {
        let (snapshot, tables) = self.inner.committer.published.with_tables(|| self.snapshot());
        let last = last_of(snapshot.as_ref())?;
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
    pub fn find_table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }

    /// What it sees, as bytes.
    pub(super) fn snapshot(&self) -> &dyn Snapshot {
        self.snapshot.as_ref()
    }

    /// A table by name.
    pub(super) fn find(&self, name: &str) -> Result<&Arc<Table>, NoTable> {
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

    /// What [`Store::append`] noted under keys that start with `prefix`, in order. Reads them as they are asked for.
    pub fn notes(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Damage>> + use<> {
        let lower = [&[META_NOTE], prefix].concat();
        let upper = after_prefix(&lower).unwrap_or_default();
        self.snapshot.scan(Space::Meta, &lower, &upper, Direction::Forward).map(|entry| {
            let entry = entry?;
            Ok((entry.key.get(1..).unwrap_or_default().to_vec(), entry.value.to_vec()))
        })
    }
}
