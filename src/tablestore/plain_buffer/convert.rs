//! Between rows as they travel and the store's own.

use super::{ChangeRef, Malformed, PartRef, RowParts, Rows, Writer};
use store::change::{ColumnChange, RowWrite};
use store::schema::WRITE_COLUMNS_MAX;
use store::value::{Cell, CellRef, KeyPart, KeyRef, NamedKey, Row, ValueRef};

/// The kinds of write. Which one a row is for is not in the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteForm {
    /// Key columns and values.
    Put,
    /// Key columns and changes.
    Update,
    /// Key columns and a delete marker.
    Delete,
}

/// A write's row.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedRow {
    /// Which row.
    pub key: NamedKey,
    /// What happens to it.
    pub change: RowWrite,
    /// Bytes of its names and values.
    pub bytes: usize,
}

impl RowParts<'_> {
    /// Bytes of names and values: what the limits of a request count.
    fn data_bytes(&self) -> usize {
        let key = self.key.iter().map(|(name, part)| {
            name.len()
                + match part {
                    PartRef::Value(KeyRef::String(value)) => value.len(),
                    PartRef::Value(KeyRef::Binary(value)) => value.len(),
                    _ => 8,
                }
        });
        let cells = self.cells.iter().map(|(name, change)| {
            name.len()
                + match change {
                    ChangeRef::Put { value: ValueRef::String(value), .. } => value.len(),
                    ChangeRef::Put { value: ValueRef::Binary(value), .. } => value.len(),
                    ChangeRef::Put { value: ValueRef::Boolean(_), .. } => 1,
                    ChangeRef::Put { .. } | ChangeRef::DeleteVersion(_) | ChangeRef::Increment(_) => 8,
                    ChangeRef::DeleteAll => 0,
                }
        });
        key.chain(cells).sum()
    }

    /// The key columns, owned.
    pub fn named_key(&self) -> NamedKey {
        let owned = |&(name, part): &(&str, PartRef<'_>)| {
            let part = match part {
                PartRef::Value(value) => KeyPart::Value(value.to_value()),
                PartRef::Min => KeyPart::Min,
                PartRef::Max => KeyPart::Max,
                PartRef::AutoIncrement => KeyPart::AutoIncrement,
            };
            (name.to_owned(), part)
        };
        self.key.iter().map(owned).collect()
    }

    /// The attribute columns, owned.
    pub fn changes(&self) -> Vec<(String, ColumnChange)> {
        let owned = |&(name, change): &(&str, ChangeRef<'_>)| {
            let change = match change {
                ChangeRef::Put { value, version } => ColumnChange::Put { value: value.to_value(), version },
                ChangeRef::DeleteVersion(version) => ColumnChange::DeleteVersion(version),
                ChangeRef::DeleteAll => ColumnChange::DeleteAll,
                ChangeRef::Increment(by) => ColumnChange::Increment(by),
            };
            (name.to_owned(), change)
        };
        self.cells.iter().map(owned).collect()
    }

    /// The row as a read answers it: values for all key columns, and cells with versions.
    ///
    /// # Errors
    /// It is not so.
    pub fn stored_row(&self) -> Result<Row, Malformed> {
        let key = self.key.iter().map(|&(name, part)| match part {
            PartRef::Value(value) => Ok(value.to_value()),
            _ => Err(Malformed::Wrong(format!("key column '{name}' has no value"))),
        });
        let cells = self.cells.iter().map(|&(name, change)| match change {
            ChangeRef::Put { value, version: Some(version) } => {
                Ok(Cell { name: name.to_owned(), value: value.to_value(), version })
            }
            _ => Err(Malformed::Wrong(format!("attribute column '{name}' has no value or no version"))),
        });
        Ok(Row { key: key.collect::<Result<_, _>>()?, cells: cells.collect::<Result<_, _>>()? })
    }
}

/// The key in a buffer of one row with nothing else.
///
/// # Errors
/// The bytes are anything else.
pub fn parse_key(buffer: &[u8]) -> Result<NamedKey, Malformed> {
    let row = Rows::of(buffer)?.cells_max(0).only()?;
    if row.deleted || row.sequence.is_some() {
        return Err(Malformed::Wrong("a key comes with a delete marker or an extension".to_owned()));
    }
    Ok(row.named_key())
}

/// The row in a buffer that is to be written.
///
/// # Errors
/// The bytes are not one row of this form.
pub fn parse_change(buffer: &[u8], form: WriteForm) -> Result<ChangedRow, Malformed> {
    let row = Rows::of(buffer)?.cells_max(WRITE_COLUMNS_MAX).only()?;
    let wrong = |what: &str| Err(Malformed::Wrong(what.to_owned()));
    if row.sequence.is_some() {
        return wrong("a row that is written has an extension (tag 0b)");
    }
    let change = match (form, row.deleted) {
        (WriteForm::Put, false) => {
            let is_put = |change: &ChangeRef<'_>| matches!(change, ChangeRef::Put { .. });
            if let Some((name, _)) = row.cells.iter().find(|(_, change)| !is_put(change)) {
                return wrong(&format!("attribute column '{name}' of a row that is put has no value"));
            }
            RowWrite::Put(row.changes())
        }
        (WriteForm::Update, false) => RowWrite::Update(row.changes()),
        (WriteForm::Delete, true) if row.cells.is_empty() => RowWrite::Delete,
        (WriteForm::Delete, true) => return wrong("a row that is deleted has attribute columns"),
        (WriteForm::Delete, false) => return wrong("a row that is deleted has no delete marker (tag 08)"),
        (_, true) => return wrong("a row that is written has a delete marker (tag 08)"),
    };
    Ok(ChangedRow { key: row.named_key(), change, bytes: row.data_bytes() })
}

/// The buffer of a row as a read answers it. `names` are those of the key columns.
pub fn encode_row<'a>(names: impl IntoIterator<Item = &'a str>, row: &Row) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut out = writer.row();
    names.into_iter().zip(&row.key).for_each(|(name, value)| out.key(name, value.borrow()));
    row.cells.iter().for_each(|cell| {
        out.cell(CellRef { name: &cell.name, value: cell.value.borrow(), version: cell.version });
    });
    out.end();
    writer.finish()
}

/// The buffer of a key with nothing else.
pub fn encode_key(key: &NamedKey) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut row = writer.row();
    key.iter().for_each(|(name, part)| row.part(name, part_ref(part)));
    row.end();
    writer.finish()
}

/// The buffer of a row that is to be written.
pub fn encode_change(key: &NamedKey, change: &RowWrite) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut row = writer.row();
    key.iter().for_each(|(name, part)| row.part(name, part_ref(part)));
    if let RowWrite::Put(changes) | RowWrite::Update(changes) = change {
        changes.iter().for_each(|(name, change)| row.change(name, change_ref(change)));
    }
    row.end_as(matches!(change, RowWrite::Delete), None);
    writer.finish()
}

fn part_ref(part: &KeyPart) -> PartRef<'_> {
    match part {
        KeyPart::Value(value) => PartRef::Value(value.borrow()),
        KeyPart::Min => PartRef::Min,
        KeyPart::Max => PartRef::Max,
        KeyPart::AutoIncrement => PartRef::AutoIncrement,
    }
}

fn change_ref(change: &ColumnChange) -> ChangeRef<'_> {
    match change {
        ColumnChange::Put { value, version } => ChangeRef::Put { value: value.borrow(), version: *version },
        ColumnChange::DeleteVersion(version) => ChangeRef::DeleteVersion(*version),
        ColumnChange::DeleteAll => ChangeRef::DeleteAll,
        ColumnChange::Increment(by) => ChangeRef::Increment(*by),
    }
}
