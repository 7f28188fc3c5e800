//! Offers a consistent view of everything that is committed, for readers within the process.

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

/// A consistent view of all tables. It does not show what is committed after it was taken. While it
/// lives, everything that it shows is kept on disk.
pub struct View {
    snapshot: Box<dyn Snapshot>,
    /// The tables that the snapshot shows. All views since the last change of a table share them.
    tables: Arc<Tables>,
    last: Last,
    now_ms: i64,
}

/// A function that takes a borrowed row and says whether to go on.
pub type EmitRow<'e> = dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> ControlFlow<()> + 'e;

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View(as of commit {})", self.last.commit)
    }
}

impl Store {
    /// Returns a view of everything as of the last commit. If a commit that changes a table is
    /// under way, this waits until it is done.
    pub fn view(&self) -> Result<View, Damage> {
        let (snapshot, tables) = self.inner.committer.published.with_tables(|| self.snapshot());
        let last = last_of(snapshot.as_ref())?;
        Ok(View { snapshot, tables, last, now_ms: self.clock().now_us() / 1_000 })
    }
}

impl View {
    /// Returns the number of the last commit that the view shows.
    pub fn last_commit(&self) -> u64 {
        self.last.commit
    }

    /// Returns the description of a table.
    pub fn table(&self, name: &str) -> Result<Arc<TableInfo>, NoTable> {
        self.find(name).map(|table| table.info.clone())
    }

    /// Returns a table by name, if it exists.
    pub fn find_table(&self, name: &str) -> Option<Arc<Table>> {
        self.tables.get(name).cloned()
    }

    /// Returns all tables.
    pub(super) fn all_tables(&self) -> impl Iterator<Item = &Arc<Table>> {
        self.tables.values()
    }

    /// Returns the engine's snapshot under the view.
    pub(super) fn snapshot(&self) -> &dyn Snapshot {
        self.snapshot.as_ref()
    }

    /// Returns a table by name, or an error if it does not exist.
    pub(super) fn find(&self, name: &str) -> Result<&Arc<Table>, NoTable> {
        self.tables.get(name).ok_or_else(|| NoTable(name.to_owned()))
    }

    /// Returns the number of the commit that last wrote a row, or `None` if there is no row with
    /// this key.
    pub fn written_at(&self, table: &str, key: &[KeyValue]) -> Result<Option<u64>, ReadError> {
        let table = self.find(table)?;
        let value = self.snapshot.get(Space::Rows, &row_key(table.id, key.iter().map(KeyValue::borrow)))?;
        let damaged = |Malformed| Damage(format!("row {key:?} of table \"{}\"", table.name()));
        Ok(value.map(|value| RowView::new(&value).map(|row| row.commit).map_err(damaged)).transpose()?)
    }

    /// Reads one row as [`Store::get`] does, from this view.
    pub fn get(&self, table: &str, key: &NamedKey, selection: &Selection) -> Result<Option<Row>, ReadError> {
        rows::get(self.snapshot.as_ref(), self.find(table)?, key, selection, self.now_ms)
    }

    /// Reads a page of a range as [`Store::range`] does, from this view.
    pub fn range(
        &self,
        read: &RangeRead,
        emit: &mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> usize,
    ) -> Result<Option<PrimaryKey>, ReadError> {
        rows::range(self.snapshot.as_ref(), self.find(&read.table)?, read, self.now_ms, emit)
    }

    /// Passes the rows of a table to `emit` in the order of their keys, from the key `start`
    /// (inclusive) on, until `emit` breaks off. This is one scan for any number of rows. Each row
    /// has the cells that [`Selection::default`] selects.
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

    /// Returns the notes of [`Store::append`] whose keys start with `prefix`, in order, each as key
    /// and value. They are read one by one as the iterator advances.
    pub fn notes(&self, prefix: &[u8]) -> impl Iterator<Item = Result<(Vec<u8>, Vec<u8>), Damage>> + use<> {
        let lower = [&[META_NOTE], prefix].concat();
        let upper = after_prefix(&lower).unwrap_or_default();
        self.snapshot.scan(Space::Meta, &lower, &upper, Direction::Forward).map(|entry| {
            let entry = entry?;
            Ok((entry.key.get(1..).unwrap_or_default().to_vec(), entry.value.to_vec()))
        })
    }
}
