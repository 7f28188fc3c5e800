//! Passes records to callers in pages.

use super::super::edit::EditRef;
use super::super::key::KeyReader;
use super::super::log::Action;
use super::super::table::Table;
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

    /// Emits a record, given its key's bytes. Returns `None` if those are not a key of the table.
    pub(super) fn emit(
        &mut self,
        key: &[u8],
        action: Action,
        edits: &[EditRef<'_>],
        sequence: Option<Sequence>,
    ) -> Option<()> {
        let mut keys = KeyReader::default();
        let columns = self.table.key();
        let key = keys.read(columns, key)?;
        self.bytes += (self.emit)(&RecordRef { action, columns, key: key.as_slice(), edits, sequence });
        self.records += 1;
        Some(())
    }
}

/// A function that takes a record and returns how many bytes it made of it.
pub type Emit<'e> = &'e mut dyn FnMut(&RecordRef<'_>) -> usize;
