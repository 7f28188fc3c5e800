//! Writes a backup of a view, and checks what it reads for it.

use std::collections::HashMap;
use std::io::Write;
use std::sync::Arc;

use super::blocks::{BlockWriter, Kind, put_entry};
use super::{BackupError, End, Head, Progress, Summary, Told};
use crate::Store;
use crate::engine::{Entry, Space};
use crate::error::Damage;
use crate::format::FORMAT_VERSION;
use crate::key::KeyReader;
use crate::log::Record;
use crate::read::Direction;
use crate::row::RowView;
use crate::rows::key_values;
use crate::table::Table;
use crate::view::View;

/// The bytes of entries after which a block ends.
const BLOCK_BYTES: usize = 256 << 10;

/// Above every key, because keys are shorter.
const KEY_UPPER: [u8; 1] = [0xff];

impl Store {
    /// Writes a backup of everything as of the last commit to `out`. Costs one scan of everything;
    /// writes go on meanwhile. What the backup shows is kept on disk until it is done.
    ///
    /// Every row and every change is read as a reader would read it, so that a backup is none of
    /// something that is damaged.
    ///
    /// # Errors
    /// Returns [`BackupError`]. Then `out` has got no end of a backup. If `tells_failures` is true,
    /// it has got the reason.
    pub fn back_up(
        &self,
        out: impl Write,
        tells_failures: bool,
        told: &mut Told<'_>,
    ) -> Result<Summary, BackupError> {
        let view = self.view()?;
        let mut blocks = BlockWriter::begin(out)?;
        match write(&view, self.inner.engine.entries_about(), &mut blocks, told) {
            Ok(End { entries: [_, rows, changes] }) => {
                Ok(Summary { commit: view.last_commit(), rows, changes, bytes: blocks.finish()? })
            }
            Err(error) => {
                if tells_failures && !matches!(error, BackupError::Io(_)) {
                    blocks.block(Kind::Failure, error.to_string().as_bytes())?;
                    blocks.finish()?;
                }
                Err(error)
            }
        }
    }
}

fn write(
    view: &View,
    entries_about: u64,
    blocks: &mut BlockWriter<impl Write>,
    told: &mut Told<'_>,
) -> Result<End, BackupError> {
    let json = |error: serde_json::Error| BackupError::Io(error.into());
    let head = Head { format: FORMAT_VERSION, commit: view.last_commit(), entries_about };
    blocks.block(Kind::Head, &serde_json::to_vec(&head).map_err(json)?)?;
    let mut check = Check::new(view);
    let mut end = End::default();
    let mut contents = Vec::with_capacity(BLOCK_BYTES * 2);
    for space in Space::ALL {
        for entry in view.snapshot().scan(space, &[], &KEY_UPPER, Direction::Forward) {
            let entry = entry.map_err(Damage::from)?;
            check.entry(space, &entry)?;
            put_entry(&mut contents, &entry.key, &entry.value);
            end.entries[space.index()] += 1;
            if contents.len() >= BLOCK_BYTES {
                blocks.block(Kind::Entries(space), &contents)?;
                contents.clear();
                let [_, rows, _] = end.entries;
                let entries = end.entries.iter().sum();
                if !told(Progress { rows, entries, entries_about: entries_about.max(entries) }) {
                    return Err(BackupError::Stopped);
                }
            }
        }
        if !contents.is_empty() {
            blocks.block(Kind::Entries(space), &contents)?;
            contents.clear();
        }
    }
    blocks.block(Kind::End, &serde_json::to_vec(&end).map_err(json)?)?;
    Ok(end)
}

/// Checks that entries can be read.
struct Check {
    tables: HashMap<[u8; 4], Arc<Table>>,
    keys: KeyReader,
}

impl Check {
    fn new(view: &View) -> Check {
        let tables = view.all_tables().map(|table| (table.id.bytes(), table.clone())).collect();
        Check { tables, keys: KeyReader::default() }
    }

    fn entry(&mut self, space: Space, entry: &Entry) -> Result<(), Damage> {
        let Entry { key, value } = entry;
        let table = || key.split_first_chunk().and_then(|(id, _)| self.tables.get(id));
        match space {
            Space::Meta => Ok(()),
            Space::Rows => {
                // What a deleted table left behind is still to be removed.
                let Some(table) = table() else { return Ok(()) };
                let row_key = key_values(&mut self.keys, table, key)?;
                let is_readable = RowView::new(value).is_ok_and(|row| row.cells().all(|cell| cell.is_ok()));
                if is_readable {
                    return Ok(());
                }
                let name = table.name();
                Err(Damage(format!("row {:?} of table \"{name}\" cannot be read", row_key.to_key())))
            }
            Space::Log => match Record::decode(value) {
                Ok(_) => Ok(()),
                Err(_) => {
                    let name = table().map_or("", |table| table.name());
                    Err(Damage(format!("change {key:02x?} of table \"{name}\" cannot be read")))
                }
            },
        }
    }
}
