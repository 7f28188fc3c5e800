//! Commits by the program itself: rows of any table, and notes beside them, all or nothing.

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

/// What becomes true in one commit.
#[derive(Debug, Default)]
pub struct Append {
    /// Tables by name that must still be these, or the commit is refused as [`NoTable`].
    pub tables: Vec<(String, TableId)>,
    /// Rows. No two of one row.
    pub writes: Vec<Write>,
    /// Keys of notes and their values; none where they go.
    pub notes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Names of the tables whose rows only the program itself writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reserved(Arc<RwLock<BTreeSet<String>>>);

impl Reserved {
    /// Whether callers may not write this table.
    pub(crate) fn contains(&self, table: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(table)
    }

    fn set(&self, tables: BTreeSet<String>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tables;
    }
}

impl Store {
    /// Writes rows and notes in one commit, and returns its number once it is durable. Any error takes back all of it.
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

    /// From now on, rows and options of these tables, and of no others, are for the program itself
    /// to write: callers' writes are refused as [`WriteError::Reserved`]. None frees them all. What
    /// was queued before is done before.
    pub fn reserve(&self, tables: &[&str]) -> Result<(), Halt> {
        let tables = tables.iter().map(|table| (*table).to_owned()).collect();
        let reserved = self.reserved().clone();
        // On the commit thread, between requests.
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
