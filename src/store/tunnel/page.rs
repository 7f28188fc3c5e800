//! Passes records to callers in pages.

use super::super::edit::EditRef;
use super::super::key::KeyReader;
use super::super::log::{Action, Record};
use super::super::row::Malformed;
use super::super::table::Table;
use super::super::value::CellRef;
use super::model::{RecordRef, Sequence};

/// The default number of records after which a page ends.
const PAGE_RECORDS_MAX: usize = 1_000;
/// The default number of bytes after which a page ends.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// The limits at which a page ends.
#[derive(Clone, Copy, Debug)]
pub struct PageMax {
    /// The page ends after this number of records.
    pub records: usize,
    /// The page ends with the record that brings it to this number of bytes.
    pub bytes: usize,
}

impl Default for PageMax {
    fn default() -> PageMax {
        PageMax { records: PAGE_RECORDS_MAX, bytes: PAGE_BYTES_MAX }
    }
}

/// A page of records while it is being emitted.
pub(super) struct Page<'p> {
    pub(super) table: &'p Table,
    max: PageMax,
    pub(super) records: usize,
    bytes: usize,
    emit: Emit<'p>,
}

impl<'p> Page<'p> {
    pub(super) fn new(table: &'p Table, max: PageMax, emit: Emit<'p>) -> Page<'p> {
        Page { table, max, records: 0, bytes: 0, emit }
    }

    pub(super) fn is_full(&self) -> bool {
        self.records >= self.max.records || self.bytes >= self.max.bytes
    }

    /// Emits a row that was there when the tunnel was created, given its key's bytes. Returns `None`
    /// if those are not a key of the table.
    pub(super) fn emit_base(&mut self, key: &[u8], edits: &[EditRef<'_>]) -> Option<()> {
        self.emit(key, Action::Put, edits, None, None)
    }

    /// Emits a change with its place in the log. Returns `None` if its bytes are not those of a
    /// change of a row of the table.
    pub(super) fn emit_change(&mut self, record: &Record<'_>, sequence: Sequence) -> Option<()> {
        let edits = record.edits().collect::<Result<Vec<_>, _>>().ok()?;
        let before = self.kept_before(record).ok()?;
        self.emit(record.key, record.action, &edits, before.as_deref(), Some(sequence))
    }

    /// Returns the newest version of each column that the table keeps for its readers, as the row
    /// before a change has them. Returns `None` if there was no row, or if nothing is kept.
    fn kept_before<'r>(&self, record: &Record<'r>) -> Result<Option<Vec<CellRef<'r>>>, Malformed> {
        let columns = self.table.kept_columns();
        let Some(before) = record.before.filter(|_| !columns.is_empty()) else { return Ok(None) };
        let mut kept: Vec<CellRef<'r>> = Vec::with_capacity(columns.len());
        for cell in before.cells() {
            let cell = cell?;
            // The newest version of a column comes first.
            let is_newest = kept.last().is_none_or(|last| last.name != cell.name);
            if is_newest && columns.iter().any(|name| name == cell.name) {
                kept.push(cell);
            }
        }
        Ok(Some(kept))
    }

    fn emit(
        &mut self,
        key: &[u8],
        action: Action,
        edits: &[EditRef<'_>],
        before: Option<&[CellRef<'_>]>,
        sequence: Option<Sequence>,
    ) -> Option<()> {
        let mut keys = KeyReader::default();
        let columns = self.table.key();
        let key = keys.read(columns, key)?;
        let key = key.as_slice();
        self.bytes += (self.emit)(&RecordRef { action, columns, key, edits, before, sequence });
        self.records += 1;
        Some(())
    }
}

/// A function that takes a record and returns how many bytes it made of it.
pub type Emit<'e> = &'e mut dyn FnMut(&RecordRef<'_>) -> usize;
