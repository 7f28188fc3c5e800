//! Converts rows between the form in which they travel and the store's own.

use super::{ChangeRef, Malformed, PartRef, RowParts, Rows, Writer};
use store::change::{ColumnChange, RowWrite};
use store::schema::WRITE_COLUMNS_MAX;
use store::value::{Cell, CellRef, KeyPart, KeyRef, NamedKey, Row, ValueRef};

/// The kinds of write. A row does not say itself for which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteForm {
    /// The row has key columns and values.
    Put,
    /// The row has key columns and changes.
    Update,
    /// The row has key columns and a delete marker.
    Delete,
}

/// A write's row.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangedRow {
    /// The key of the row.
    pub key: NamedKey,
    /// The change of the row.
    pub change: RowWrite,
    /// The number of bytes of its names and values.
    pub data_bytes: usize,
    /// The number of bytes that the limits of a request count: those of its names and values, and of
    /// the versions that it gives.
    pub bytes: usize,
}

impl RowParts<'_> {
    /// Returns the number of bytes of names and values.
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

    /// Returns the number of bytes of the versions that values are given.
    fn version_bytes(&self) -> usize {
        let given = |change: &ChangeRef<'_>| matches!(change, ChangeRef::Put { version: Some(_), .. });
        self.cells.iter().filter(|(_, change)| given(change)).count() * 8
    }

    /// Returns the key columns as owned values.
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

    /// Returns the attribute columns as owned values.
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

    /// Returns the row as a read answers it, with values for all key columns, and cells with
    /// versions.
    ///
    /// # Errors
    /// Returns [`Malformed`] if the row has another form.
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

/// Decodes the key from a buffer that holds one row of key columns only.
///
/// # Errors
/// Returns [`Malformed`] if the bytes are anything else.
pub fn parse_key(buffer: &[u8]) -> Result<NamedKey, Malformed> {
    let row = Rows::of(buffer)?.cells_max(0).only()?;
    if row.deleted || row.sequence.is_some() {
        return Err(Malformed::Wrong("a key comes with a delete marker or an extension".to_owned()));
    }
    Ok(row.named_key())
}

/// Decodes the row of a write from a buffer.
///
/// # Errors
/// Returns [`Malformed`] if the bytes are not one row of this form.
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
    let data_bytes = row.data_bytes();
    Ok(ChangedRow { key: row.named_key(), change, data_bytes, bytes: data_bytes + row.version_bytes() })
}

/// Encodes a row as a read answers it. `names` are the names of the key columns.
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

/// Encodes a row that holds only a key.
pub fn encode_key(key: &NamedKey) -> Vec<u8> {
    let mut writer = Writer::new();
    let mut row = writer.row();
    key.iter().for_each(|(name, part)| row.part(name, part_ref(part)));
    row.end();
    writer.finish()
}

/// Encodes the row of a write.
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
