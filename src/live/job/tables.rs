//! Checks whether the tables are as the job needs them.

use std::sync::Arc;

use order_tables::{ORDER_SOURCE, key_text, order_stream, schemas};
use store::Store;
use store::error::CatalogError;
use store::format::TableId;
use store::schema::{TableSchema, TableUpdate};
use store::table::Table;

/// The tables as the job needs them: the table of orders, those of the views, and that of the
/// rejects.
#[derive(Debug)]
pub(super) struct Wanted {
    schemas: Vec<TableSchema>,
}

/// What a look at the tables found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// There is no table of orders.
    Missing,
    /// A table is not as the job needs it. The text says which one, and what to do.
    Wrong(String),
    /// Tables of results are still to be made, or the stream of the orders is still to be switched
    /// on.
    Incomplete,
    /// All tables are there. These are their ids, in the order of [`schemas`].
    Ready(Vec<TableId>),
}

impl Wanted {
    pub(super) fn new() -> Wanted {
        Wanted { schemas: schemas().into() }
    }

    /// Looks at the tables. `find` returns a table by its name.
    pub(super) fn look(&self, find: impl Fn(&str) -> Option<Arc<Table>>) -> Look {
        let mut ids = Vec::new();
        let mut complete = true;
        for schema in &self.schemas {
            let is_source = schema.name == ORDER_SOURCE;
            match find(&schema.name) {
                None if is_source => return Look::Missing,
                None => complete = false,
                Some(table) => {
                    if let Some(wrong) = wrong(&table, schema) {
                        return Look::Wrong(wrong);
                    }
                    complete &= !is_source || table.info.schema.stream.is_some();
                    ids.push(table.id);
                }
            }
        }
        if complete { Look::Ready(ids) } else { Look::Incomplete }
    }

    /// Makes the tables of results that are missing, and switches on the log of changes of orders.
    pub(super) fn complete(&self, store: &Store) -> Result<(), CatalogError> {
        for schema in &self.schemas {
            let found = store.find_table(&schema.name).ok();
            let is_source = schema.name == ORDER_SOURCE;
            let done = match found {
                None if !is_source => store.create_table(schema.clone()),
                Some(table) if is_source && table.info.schema.stream.is_none() => {
                    let stream = Some(Some(order_stream()));
                    store
                        .update_table(ORDER_SOURCE, TableUpdate { stream, ..TableUpdate::default() })
                        .map(drop)
                }
                _ => Ok(()),
            };
            match done {
                // Somebody else changed the table in the meantime. The next look finds out what to
                // do.
                Err(CatalogError::Exists(_) | CatalogError::NoTable(_)) => {}
                done => done?,
            }
        }
        Ok(())
    }
}

fn wrong(table: &Table, wanted: &TableSchema) -> Option<String> {
    let name = table.name();
    if table.key() != wanted.key {
        return Some(format!(
            "table {name} has the key ({}) where ({}) is needed: delete it and make it anew, as `orderflow init` does",
            key_text(table.key()),
            key_text(&wanted.key)
        ));
    }
    let seconds = table.options().time_to_live_s;
    (seconds != -1).then(|| {
        format!(
            "cells of table {name} live for {seconds} s, and what expires goes without a change: set its time to live to -1"
        )
    })
}
