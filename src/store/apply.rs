//! Applies writes on the commit thread: checks the condition, writes the row and logs the change.

use std::sync::Arc;

use super::change::{ColumnChange, Existence, Returning, RowWrite, Write, Written};
use super::check_key::values;
use super::edit::{EditRef, apply as apply_edit, keep_versions, put_edit};
use super::engine::{Bytes, Space};
use super::error::{Damage, WriteError};
use super::format::{META_AUTO, meta_key};
use super::key::{partition, row_key};
use super::log::{Action, LogPosition, Record, log_key};
use super::prepare::{EncodedRow, Prepared, check_row_bytes, encode_put, prepare};
use super::row::{Cells, Malformed, ROW_HEAD_BYTES, RowView, encode_row, set_versions};
use super::table::Table;
use super::time_to_live::Expiry;
use super::transaction::Transaction;
use super::value::{CellRef, Row, ValueRef};

/// The bytes of a table's id in its keys.
const TABLE_BYTES: usize = 4;

/// Applies one write of a request. `index` is its index within the request.
pub(crate) fn apply(
    transaction: &mut Transaction<'_>,
    prepared: Prepared,
    index: u32,
) -> Result<Written, WriteError> {
    let table = transaction.table(prepared.table.name())?;
    // The table was changed, or deleted and created again, since the write was prepared, so it is
    // prepared again.
    let prepared =
        if Arc::ptr_eq(&table, &prepared.table) { prepared } else { prepare(table, prepared.write)? };
    let Prepared { table, write, key, row } = prepared;
    let chosen = if key.is_none() { next_value(transaction, &table)? } else { 0 };
    let key = key.unwrap_or_else(|| row_key(table.id, values(&write.key, chosen)));
    let mut turn = Turn { transaction, table: &table, write: &write, key, index, chosen };
    let row = turn.take(row)?;
    Ok(Written { commit: transaction.number(), row })
}

/// Returns the next value of a table's auto-increment column and stores that it is used.
fn next_value(transaction: &mut Transaction<'_>, table: &Table) -> Result<i64, WriteError> {
    let key = meta_key(META_AUTO, table.id);
    let damaged = || Damage(format!("last chosen key of table \"{}\" in the space meta", table.name()));
    let last = match transaction.get(Space::Meta, &key)? {
        Some(value) => i64::from_le_bytes(value.as_ref().try_into().map_err(|_| damaged())?),
        None => 0,
    };
    transaction.put(Space::Meta, key, (last + 1).to_le_bytes().to_vec());
    Ok(last + 1)
}

/// One write of a request while it is being applied.
struct Turn<'t, 'g> {
    transaction: &'t mut Transaction<'g>,
    table: &'t Table,
    write: &'t Write,
    key: Vec<u8>,
    index: u32,
    /// The value that takes the place of a placeholder in the key.
    chosen: i64,
}

impl Turn<'_, '_> {
    /// Applies the write and returns what it asked to be told of the row.
    fn take(&mut self, row: Option<EncodedRow>) -> Result<Option<Row>, WriteError> {
        let stored = self.stored()?;
        let before = match &stored {
            Some(stored) => Some(RowView::new(stored).map_err(|Malformed| self.damaged())?),
            None => None,
        };
        let live = self.live(before)?;
        self.check_condition(live.as_deref())?;
        match &self.write.change {
            RowWrite::Put(columns) => {
                let row = match row {
                    Some(row) => row,
                    None => encode_put(columns, self.table.options(), self.now_ms())?,
                };
                self.put(before, row)
            }
            RowWrite::Update(columns) => self.update(before, live, columns),
            RowWrite::Delete => self.delete(before),
        }
    }

    fn now_ms(&self) -> i64 {
        self.transaction.now_us() / 1_000
    }

    fn expiry(&self) -> Option<Expiry> {
        Expiry::new(self.table.options(), self.now_ms())
    }

    /// Returns the row as it is stored. It is not read, and counts as missing, if nothing depends
    /// on it.
    fn stored(&self) -> Result<Option<Bytes>, WriteError> {
        let condition = &self.write.condition;
        let blind = matches!(self.write.change, RowWrite::Put(_))
            && condition.existence == Existence::Ignore
            && condition.columns.is_none()
            && self.table.info.schema.stream.is_none();
        if blind { Ok(None) } else { Ok(self.transaction.get(Space::Rows, &self.key)?) }
    }

    /// Returns the cells of the row that have not expired, or `None` if there is no such row. If
    /// only the existence of the row matters, the cells are left out.
    fn live<'a>(&self, before: Option<RowView<'a>>) -> Result<Option<Vec<CellRef<'a>>>, WriteError> {
        let Some(before) = before else { return Ok(None) };
        let expiry = self.expiry();
        let updates = matches!(self.write.change, RowWrite::Update(_));
        if expiry.is_none() && self.write.condition.columns.is_none() && !updates {
            return Ok(Some(Vec::new()));
        }
        let mut cells: Vec<CellRef<'a>> =
            before.cells().collect::<Result<_, _>>().map_err(|Malformed| self.damaged())?;
        let Some(expiry) = expiry else { return Ok(Some(cells)) };
        let stored = cells.len();
        cells.retain(|cell| !expiry.has_passed(cell.version));
        // A row without any cells exists, but a row whose cells have all expired does not.
        Ok((stored == 0 || !cells.is_empty()).then_some(cells))
    }

    fn check_condition(&self, live: Option<&[CellRef<'_>]>) -> Result<(), WriteError> {
        let condition = &self.write.condition;
        let existence = match condition.existence {
            Existence::Ignore => true,
            Existence::Exists => live.is_some(),
            Existence::Absent => live.is_none(),
        };
        let columns = condition.columns.as_ref();
        let holds = existence && columns.is_none_or(|filter| filter.matches(live.unwrap_or_default()));
        if holds { Ok(()) } else { Err(WriteError::ConditionFailed) }
    }

    fn put(&mut self, before: Option<RowView<'_>>, row: EncodedRow) -> Result<Option<Row>, WriteError> {
        let EncodedRow { mut bytes, versions_at } = row;
        set_versions(&mut bytes, &versions_at, self.now_ms());
        self.store(before, Action::Put, None, bytes)
    }

    fn update(
        &mut self,
        before: Option<RowView<'_>>,
        live: Option<Vec<CellRef<'_>>>,
        columns: &[(String, ColumnChange)],
    ) -> Result<Option<Row>, WriteError> {
        let now_ms = self.now_ms();
        let absent = live.is_none();
        let mut cells = live.unwrap_or_default();
        let mut edits = Vec::with_capacity(64);
        let mut puts = false;
        for (name, change) in columns {
            let edit = match change {
                ColumnChange::Put { value, version } => {
                    EditRef::Put(CellRef { name, value: value.borrow(), version: version.unwrap_or(now_ms) })
                }
                ColumnChange::Increment(by) => {
                    let value = increment(&cells, name, *by)?;
                    EditRef::Put(CellRef { name, value: ValueRef::Integer(value), version: now_ms })
                }
                ColumnChange::DeleteVersion(version) => EditRef::DeleteVersion { name, version: *version },
                ColumnChange::DeleteAll => EditRef::DeleteAll { name },
            };
            puts |= matches!(edit, EditRef::Put(_));
            apply_edit(&mut cells, edit);
            put_edit(edit, &mut edits);
        }
        if absent && !puts {
            // Deleting columns does not create a row.
            return Ok(self.answer(&cells));
        }
        keep_versions(&mut cells, usize::try_from(self.table.options().max_versions).unwrap_or(1));
        let row = encode_row(0, cells);
        check_row_bytes(row.len())?;
        self.store(before, Action::Update, Some(&edits), row)
    }

    fn delete(&mut self, before: Option<RowView<'_>>) -> Result<Option<Row>, WriteError> {
        if before.is_some() {
            self.log(before, Action::Delete, &[]);
            self.transaction.remove(Space::Rows, self.key.as_slice());
        }
        Ok(self.answer(&[]))
    }

    /// Stores `row`, sets its commit, and logs the change: as `edits`, or as the whole row if there
    /// are none.
    fn store(
        &mut self,
        before: Option<RowView<'_>>,
        action: Action,
        edits: Option<&[u8]>,
        mut row: Vec<u8>,
    ) -> Result<Option<Row>, WriteError> {
        if let Some((head, cells)) = row.split_first_chunk_mut::<ROW_HEAD_BYTES>() {
            *head = self.transaction.number().to_le_bytes();
            self.log(before, action, edits.unwrap_or(cells));
        }
        let answer = match &self.write.returning {
            Returning::After(_) => {
                let cells = Cells::new(row.get(ROW_HEAD_BYTES..).unwrap_or_default());
                self.answer(&cells.collect::<Result<Vec<_>, _>>().map_err(|Malformed| self.damaged())?)
            }
            _ => self.answer(&[]),
        };
        self.transaction.put(Space::Rows, self.key.as_slice(), row);
        Ok(answer)
    }

    fn log(&mut self, before: Option<RowView<'_>>, action: Action, changed: &[u8]) {
        if self.table.info.schema.stream.is_none() {
            return;
        }
        let key = self.key.get(TABLE_BYTES..).unwrap_or_default();
        let record = Record {
            action,
            time_us: self.transaction.now_us(),
            expired_ms: self.expiry().map_or(i64::MIN, Expiry::last_ms),
            versions_max: self.table.options().max_versions.unsigned_abs(),
            key,
            before,
            changed,
        };
        let position = LogPosition { commit: self.transaction.number(), index: self.index };
        let value = record.encode();
        self.transaction.append(Space::Log, log_key(self.table.id, partition(key), position), value);
    }

    fn answer(&self, after: &[CellRef<'_>]) -> Option<Row> {
        let columns = match &self.write.returning {
            Returning::Nothing => return None,
            Returning::Key => &[][..],
            Returning::After(columns) => columns,
        };
        let key = values(&self.write.key, self.chosen).map(|value| value.to_value()).collect();
        let cells = after.iter().filter(|cell| columns.iter().any(|name| name == cell.name));
        Some(Row { key, cells: cells.map(|cell| cell.to_cell()).collect() })
    }

    fn damaged(&self) -> Damage {
        Damage(format!("row {:?} of table \"{}\"", self.write.key, self.table.name()))
    }
}

/// Returns the sum of the newest version of a column and `by`. A missing column counts as 0.
fn increment(cells: &[CellRef<'_>], name: &str, by: i64) -> Result<i64, WriteError> {
    let start = cells.partition_point(|cell| cell.name < name);
    let value = match cells.get(start).filter(|cell| cell.name == name).map(|cell| cell.value) {
        None => 0,
        Some(ValueRef::Integer(value)) => value,
        Some(_) => {
            return Err(WriteError::NotAnInteger(name.to_owned()));
        }
    };
    value.checked_add(by).ok_or_else(|| WriteError::Overflow { column: name.to_owned(), by })
}
