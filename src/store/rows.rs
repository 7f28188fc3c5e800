//! Reads rows: one by its key, or a range in one scan.

use super::check_key::{Allow, check, values};
use super::engine::{Entry, Snapshot, Space};
use super::error::{Damage, ReadError};
use super::key::{KeyReader, KeyRefs, Side, bound, row_key};
use super::read::{Direction, PAGE_BYTES_MAX, PAGE_ROWS_MAX, RangeRead, Selection};
use super::row::{Malformed, RowView};
use super::schema::KeyColumn;
use super::select::Selector;
use super::table::Table;
use super::value::{CellRef, KeyPart, KeyRef, NamedKey, PrimaryKey, Row};

/// The rows that one page looks at, selected or not, before it ends and says where to go on.
const PAGE_SEEN_ROWS_MAX: usize = 20_000;
/// The bytes of rows that one page looks at before it ends and says where to go on.
const PAGE_SEEN_BYTES_MAX: usize = 32 << 20;
/// The bytes of a table's id in its keys.
const TABLE_BYTES: usize = 4;

/// Reads one row. Returns `None` if it does not exist or has nothing that the selection asks for.
pub(crate) fn get(
    snapshot: &dyn Snapshot,
    table: &Table,
    key: &NamedKey,
    selection: &Selection,
    now_ms: i64,
) -> Result<Option<Row>, ReadError> {
    check(table, key, Allow::Values)?;
    let selector = Selector::new(selection, table, now_ms)?;
    let stored_key = row_key(table.id, values(key, 0));
    let Some(value) = snapshot.get(Space::Rows, &stored_key)? else { return Ok(None) };
    let damaged = |Malformed| Damage(format!("row {key:?} of table \"{}\"", table.name()));
    let row = RowView::new(&value).map_err(damaged)?;
    let mut cells = Vec::new();
    if !selector.select(row.cells(), &mut cells).map_err(damaged)? {
        return Ok(None);
    }
    let key = values(key, 0).map(KeyRef::to_value).collect();
    Ok(Some(Row { key, cells: cells.into_iter().map(CellRef::to_cell).collect() }))
}

/// Reads a page of a range. Returns the key at which the next page starts, or `None` at the end of
/// the range.
pub(crate) fn range(
    snapshot: &dyn Snapshot,
    table: &Table,
    read: &RangeRead,
    now_ms: i64,
    emit: &mut dyn FnMut(&[KeyRef<'_>], &[CellRef<'_>]) -> usize,
) -> Result<Option<PrimaryKey>, ReadError> {
    let (lower, upper) = bounds(table, read)?;
    let selector = Selector::new(&read.selection, table, now_ms)?;
    let rows_max = read.rows_max.unwrap_or(PAGE_ROWS_MAX).min(PAGE_ROWS_MAX);
    if rows_max == 0 {
        return Err(ReadError::NoRows);
    }
    let mut keys = KeyReader::default();
    let mut memory: Vec<CellRef<'_>> = Vec::new();
    let (mut rows, mut bytes, mut seen_rows, mut seen_bytes) = (0, 0, 0, 0);
    for entry in snapshot.scan(Space::Rows, &lower, &upper, read.direction) {
        let Entry { key, value } = entry?;
        let row_key = key_values(&mut keys, table, &key)?;
        let full = rows >= rows_max
            || bytes >= PAGE_BYTES_MAX
            || seen_rows >= PAGE_SEEN_ROWS_MAX
            || seen_bytes >= PAGE_SEEN_BYTES_MAX;
        if full {
            return Ok(Some(row_key.to_key()));
        }
        seen_rows += 1;
        seen_bytes += key.len() + value.len();
        let damaged = |Malformed| Damage(format!("row {:?} of table \"{}\"", row_key.to_key(), table.name()));
        let mut cells = recycle(memory);
        let row = RowView::new(&value).map_err(damaged)?;
        if selector.select(row.cells(), &mut cells).map_err(damaged)? {
            bytes += emit(row_key.as_slice(), &cells);
            rows += 1;
        }
        memory = recycle(cells);
    }
    Ok(None)
}

/// Decodes a key of the space of rows into its values.
pub(crate) fn key_values<'a>(
    reader: &'a mut KeyReader,
    table: &Table,
    key: &'a [u8],
) -> Result<KeyRefs<'a>, Damage> {
    let columns: &[KeyColumn] = table.key();
    key.get(TABLE_BYTES..)
        .and_then(|key| reader.read(columns, key))
        .ok_or_else(|| Damage(format!("a key {key:02x?} of table \"{}\" in the space rows", table.name())))
}

/// Empties a vector so that its memory can be used for cells of another row. The standard library
/// collects in place, so nothing is allocated.
pub(crate) fn recycle<'b>(mut cells: Vec<CellRef<'_>>) -> Vec<CellRef<'b>> {
    cells.clear();
    cells
        .into_iter()
        .map(|_| CellRef { name: "", value: super::value::ValueRef::Integer(0), version: 0 })
        .collect()
}

/// Returns the bytes from which (inclusive) and up to which (exclusive) a range reads.
fn bounds(table: &Table, read: &RangeRead) -> Result<(Vec<u8>, Vec<u8>), ReadError> {
    check(table, &read.start, Allow::Bounds)?;
    check(table, &read.end, Allow::Bounds)?;
    let start: Vec<KeyPart> = read.start.iter().map(|(_, part)| part.clone()).collect();
    let end: Vec<KeyPart> = read.end.iter().map(|(_, part)| part.clone()).collect();
    let order = compare(&start, &end);
    match read.direction {
        Direction::Forward if order.is_lt() => {
            Ok((bound(table.id, &start, Side::Below), bound(table.id, &end, Side::Below)))
        }
        Direction::Backward if order.is_gt() => {
            Ok((bound(table.id, &end, Side::Above), bound(table.id, &start, Side::Above)))
        }
        direction => Err(ReadError::Bounds { table: table.name().to_owned(), direction }),
    }
}

/// Compares two bounds column by column.
fn compare(one: &[KeyPart], other: &[KeyPart]) -> std::cmp::Ordering {
    let rank = |part: &KeyPart| match part {
        KeyPart::Min => 0,
        KeyPart::Value(_) | KeyPart::AutoIncrement => 1,
        KeyPart::Max => 2,
    };
    let parts = one.iter().zip(other).map(|(one, other)| match (one, other) {
        (KeyPart::Value(one), KeyPart::Value(other)) => one.cmp(other),
        _ => rank(one).cmp(&rank(other)),
    });
    parts.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
}
