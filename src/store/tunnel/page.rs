//! Pages of records.

use super::super::edit::EditRef;
use super::super::key::KeyReader;
use super::super::log::Action;
use super::super::table::Table;
use super::model::{RecordRef, Sequence};

/// Records after which a page ends, if nothing else is asked for.
const PAGE_RECORDS_MAX: usize = 1_000;
/// Bytes after which a page ends, if nothing else is asked for.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// When a page ends.
#[derive(Clone, Copy, Debug)]
pub struct PageMax {
    /// After so many records,
    pub records: usize,
    /// or with the record that brings it to so many bytes.
    pub bytes: usize,
}

impl Default for PageMax {
    fn default() -> PageMax {
        PageMax { records: PAGE_RECORDS_MAX, bytes: PAGE_BYTES_MAX }
    }
}

/// What was emitted of a page so far.
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

    /// Emits a record, given its key's bytes. None if those are no key of the table.
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

/// Takes a record and says how many bytes it made of it.
pub type Emit<'e> = &'e mut dyn FnMut(&RecordRef<'_>) -> usize;
