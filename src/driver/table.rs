//! Reads the table of orders as an input that ends, from a store's folder or over the wire.
//!
//! ```text
//!  folder: view of the store ─► rows in key order ┐
//!  wire: pages of a range    ─► rows in key order ┴─► block of orders, for the next worker
//! ```
//!
//! All rows are as of one moment. In a folder it is the moment of opening. Over the wire it is the
//! moment of the first request, if the server is one of ours with a live job. With any other server
//! each page is as of the moment when it is read; a row is always whole.
//!
//! All workers of the process share one table. Each takes the next block, so reading goes on while
//! others run the graph. A row becomes an order or is set aside exactly as in the live job
//! ([`order_of`]). Rows are numbered in key order.

mod error;
mod folder;
mod wire;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use dataflows::Epoch;

pub use error::TableError;

use self::folder::FolderRows;
use self::wire::WireRows;
use files::ingest::{Block, Reader, Reject};
use order_tables::row_text::row_json;
use order_tables::{ORDER_KEY, ORDER_SOURCE, key_text, order_of, schemas};
use store::schema::KeyColumn;
use store::value::{Cell, CellRef, KeyRef, Row, ValueRef};
use tablestore::client::ClientConfig;

/// The prefix of an input that is a store's folder.
const FOLDER_PREFIX: &str = "store:";

/// The prefix of an input that is an endpoint; `http://` or `https://` follows it.
const WIRE_PREFIX: &str = "tablestore+";

/// The number of rows in a block.
const BLOCK_ROWS: usize = 4_096;

/// A table as it is named in an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableName {
    /// `store:DIR` names the folder of a store that no process has open.
    Folder(PathBuf),
    /// `tablestore+http://HOST:PORT`, or `https`, names the endpoint of a store that is served.
    Wire(String),
}

impl TableName {
    /// Returns the table that an input names as typed; `None` if it names files.
    pub fn parse(typed: &str) -> Option<TableName> {
        if let Some(folder) = typed.strip_prefix(FOLDER_PREFIX) {
            return Some(TableName::Folder(PathBuf::from(folder)));
        }
        let endpoint = typed.strip_prefix(WIRE_PREFIX)?;
        let is_url = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        is_url.then(|| TableName::Wire(endpoint.to_owned()))
    }
}

/// Where a table is and how to reach it.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the folder of a store that no process has open.
    Folder(PathBuf),
    /// In a store that is served; these are the client's settings.
    Wire(ClientConfig),
}

/// A table that is to be read.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// The input as typed.
    pub name: String,
    /// Where the table is.
    pub place: Place,
}

/// A table that is being read, shared by all workers of the process.
pub struct Table {
    /// The input as typed.
    pub name: String,
    /// Its number among all inputs.
    pub ordinal: u32,
    rows: Mutex<Rows>,
}

enum Rows {
    Folder(FolderRows),
    Wire(Box<WireRows>),
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("name", &self.name)
            .field("ordinal", &self.ordinal)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// Opens the store and checks the table. A folder stays locked until the result is dropped.
    ///
    /// # Errors
    /// Returns [`TableError`] if there is no such store or table, if another process has the folder
    /// open, or if the table's key is not that of orders.
    pub fn open(input: &TableInput, ordinal: u32) -> Result<Table, TableError> {
        let name = input.name.clone();
        let rows = match &input.place {
            Place::Folder(folder) => Rows::Folder(FolderRows::open(&name, folder)?),
            Place::Wire(config) => Rows::Wire(Box::new(WireRows::open(&name, config.clone())?)),
        };
        Ok(Table { name, ordinal, rows: Mutex::new(rows) })
    }

    /// Opens several tables, and numbers them from `first` on.
    ///
    /// # Errors
    /// Fails as [`Table::open`] does, or if one of them is given twice.
    pub fn open_all(inputs: &[TableInput], first: u32) -> Result<Vec<Table>, TableError> {
        let mut tables: Vec<Table> = Vec::new();
        for (ordinal, input) in (first..).zip(inputs) {
            if tables.iter().any(|table| table.name == input.name) {
                return Err(TableError::Twice { name: input.name.clone() });
            }
            tables.push(Table::open(input, ordinal)?);
        }
        Ok(tables)
    }

    /// Creates a reader of this table. Each row goes to exactly one of its readers.
    pub fn reader(&self) -> TableReader<'_> {
        TableReader { table: self }
    }
}

/// Checks that a table has the primary key of a table of orders.
fn check_key(name: &str, found: &[KeyColumn]) -> Result<(), TableError> {
    let [wanted, ..] = schemas();
    if found == wanted.key {
        return Ok(());
    }
    Err(TableError::Key { name: name.to_owned(), found: key_text(found), wanted: key_text(&wanted.key) })
}

/// A reader of blocks of a table, for one worker.
#[derive(Debug)]
pub struct TableReader<'a> {
    table: &'a Table,
}

impl Reader for TableReader<'_> {
    type Error = TableError;

    fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, TableError> {
        let Table { name, ordinal, rows } = self.table;
        let mut rows = rows.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *rows {
            Rows::Folder(folder) => {
                let take = |line, key: &[KeyRef<'_>], cells: &[CellRef<'_>]| {
                    take_row(*ordinal, line, key, cells, epoch, block);
                };
                Ok(folder.next_rows(name, BLOCK_ROWS, take)?)
            }
            Rows::Wire(wire) => {
                let page = wire.next_page(BLOCK_ROWS)?;
                // The lock is released first, so that another worker can fetch the next page
                // meanwhile.
                drop(rows);
                let Some((first_line, page)) = page else { return Ok(false) };
                for (line, Row { key, cells }) in (first_line..).zip(&page) {
                    let key: Vec<_> = key.iter().map(|value| value.borrow()).collect();
                    let cells: Vec<_> = cells.iter().map(borrowed).collect();
                    take_row(*ordinal, line, &key, &cells, epoch, block);
                }
                Ok(true)
            }
        }
    }
}

fn borrowed(cell: &Cell) -> CellRef<'_> {
    CellRef { name: &cell.name, value: cell.value.borrow(), version: cell.version }
}

/// Appends the row's order to the block, or sets the row aside. `line` is the row's number in the
/// table, from 0.
fn take_row(
    ordinal: u32,
    line: u64,
    key: &[KeyRef<'_>],
    cells: &[CellRef<'_>],
    epoch: Epoch,
    block: &mut Block,
) {
    block.lines += 1;
    block.bytes += bytes_of(key, cells);
    match order_of(key, cells) {
        Ok(order) => block.orders.push((order, epoch, 1)),
        Err(reason) => {
            let row = Row {
                key: key.iter().map(|value| value.to_value()).collect(),
                cells: cells.iter().map(|cell| cell.to_cell()).collect(),
            };
            let raw = row_json(&ORDER_KEY, &row).into_bytes();
            block.rejects.push(Reject { input: ordinal, part: 0, line, reason, raw });
        }
    }
}

/// Returns how many bytes the names and values of a row have.
fn bytes_of(key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> u64 {
    const NUMBER: usize = 8;
    let key = key.iter().map(|value| match value {
        KeyRef::Integer(_) => NUMBER,
        KeyRef::String(text) => text.len(),
        KeyRef::Binary(bytes) => bytes.len(),
    });
    let cells = cells.iter().map(|cell| {
        let value = match cell.value {
            ValueRef::Boolean(_) => 1,
            ValueRef::Integer(_) | ValueRef::Double(_) => NUMBER,
            ValueRef::String(text) => text.len(),
            ValueRef::Binary(bytes) => bytes.len(),
        };
        cell.name.len() + value
    });
    key.sum::<usize>() as u64 + cells.sum::<usize>() as u64
}

#[cfg(test)]
mod tests;
