//! Commits writes of the program itself: rows of any table, and notes beside them, all or nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};

use super::Store;
use super::apply;
use super::change::Write;
use super::engine::Space;
use super::error::{Halt, NoTable, WriteError};
use super::format::{META_NOTE, TableId};
use super::prepare::prepare;
use super::transaction::Transaction;

/// The rows and notes to write in one commit.
#[derive(Debug, Default)]
pub struct Append {
    /// Names of tables and the ids that they must still have. Otherwise the commit is refused with
    /// [`NoTable`].
    pub tables: Vec<(String, TableId)>,
    /// The writes of rows. No two may be of the same row.
    pub writes: Vec<Write>,
    /// The keys of notes and their new values; `None` removes a note.
    pub notes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// The names of the tables whose rows only the program itself writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserved(Arc<RwLock<BTreeSet<String>>>);

impl Reserved {
    /// Returns whether callers may not write this table.
    pub(crate) fn contains(&self, table: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(table)
    }

    fn set(&self, tables: BTreeSet<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tables;
    }
}

impl Store {
    /// Writes rows and notes in one commit, and returns its number once it is durable. If any part
    /// fails, nothing is written.
    pub fn append(&self, append: Append) -> Result<u64, WriteError> {
        let Append { tables, writes, notes } = append;
        let mut prepared = Vec::with_capacity(writes.len());
        for write in writes {
            prepared.push(prepare(self.find_table(&write.table)?, write)?);
        }
        self.transact(move |transaction| {
            for (name, id) in tables {
                if transaction.table(&name)?.id != id {
                    return Err(NoTable(name).into());
                }
            }
            for (index, prepared) in (0..).zip(prepared) {
                apply::apply(transaction, prepared, index)?;
            }
            for (key, value) in notes {
                note(transaction, &key, value);
            }
            Ok(transaction.number())
        })
    }

    /// Reserves exactly these tables for the program itself from now on; an empty list frees all.
    /// Writes of callers to their rows, and changes of their options, are refused as reserved, such
    /// as with [`WriteError::Reserved`]. Requests that were queued before are still done.
    pub fn reserve(&self, tables: &[&str]) -> Result<(), Halt> {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        let reserved = self.reserved().clone();
        // This runs on the commit thread, between two requests.
        self.transact(move |_| {
            reserved.set(tables);
            Ok(())
        })
    }
}

fn note(transaction: &mut Transaction<'_>, key: &[u8], value: Option<Vec<u8>>) {
    let key = [&[META_NOTE], key].concat();
    match value {
        Some(value) => transaction.put(Space::Meta, key, value),
        None => transaction.remove(Space::Meta, key),
    }
}
