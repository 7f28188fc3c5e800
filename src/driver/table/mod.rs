//! The table of orders as an input that ends: its rows as of one moment, from a store's folder or over the wire.
//!
//! ```text
//!  folder: view of the store ─► rows in key order ┐
//!  wire: pages of a range    ─► rows in key order ┴─► block of orders, by whichever worker comes next
//! ```
//!
//! The rows are as of one moment: of a folder, when it is opened; over the wire, when the first is asked for, where the server is one
//! of ours with a live job. From any other server a page is as of when it is read, each row whole.
//!
//! All workers of the process share one table: each takes the next block, so that reading goes on while others run the
//! graph. A row is an order or set aside exactly as the live job has it ([`order_of`]), and is numbered in key order.

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

/// Before a folder, in an input as typed.
const FOLDER_PREFIX: &str = "store:";

/// Before `http://` or `https://`, in an input as typed.
const WIRE_PREFIX: &str = "tablestore+";

/// Rows of a block.
const BLOCK_ROWS: usize = 4_096;

/// An input as typed that is a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TableName {
    /// `store:DIR`: in the folder of a store that nobody has open.
    Folder(PathBuf),
    /// `tablestore+http://HOST:PORT`, or `https`: this endpoint of a store that is served.
    Wire(String),
}

impl TableName {
    /// The table that an input as typed means; none if it means files.
    pub fn parse(typed: &str) -> Option<TableName> {
        if let Some(folder) = typed.strip_prefix(FOLDER_PREFIX) {
            return Some(TableName::Folder(PathBuf::from(folder)));
        }
        let endpoint = typed.strip_prefix(WIRE_PREFIX)?;
        let is_url = endpoint.starts_with("http://") || endpoint.starts_with("https://");
        is_url.then(|| TableName::Wire(endpoint.to_owned()))
    }
}

/// Where a table is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In the folder of a store that nobody has open.
    Folder(PathBuf),
    /// In a store that is served.
    Wire(ClientConfig),
}

/// A table to be read.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// As typed.
    pub name: String,
    /// Where it is.
    pub place: Place,
}

/// A table that is being read.
pub struct Table {
    /// As typed.
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
    /// Opens the store and looks at the table. A folder is held until this is dropped.
    ///
    /// # Errors
    /// [`TableError`]: there is no such store or table, somebody else has the folder, or the table's key is another.
    pub fn open(input: &TableInput, ordinal: u32) -> Result<Table, TableError> {
        let name = input.name.clone();
        let rows = match &input.place {
            Place::Folder(folder) => Rows::Folder(FolderRows::open(&name, folder)?),
            Place::Wire(config) => Rows::Wire(Box::new(WireRows::open(&name, config.clone())?)),
        };
        Ok(Table { name, ordinal, rows: Mutex::new(rows) })
    }

    /// Opens several, numbered from `first` on.
    ///
    /// # Errors
    /// As [`Table::open`], or one of them is given twice.
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

    /// A reader of blocks of it; those of all readers hold every row once.
    pub fn reader(&self) -> TableReader<'_> {
        TableReader { table: self }
    }
}

/// Refuses a table of orders with another key.
fn check_key(name: &str, found: &[KeyColumn]) -> Result<(), TableError> {
    let [wanted, ..] = schemas();
    if found == wanted.key {
        return Ok(());
    }
    Err(TableError::Key { name: name.to_owned(), found: key_text(found), wanted: key_text(&wanted.key) })
}

/// One worker's reader of a table.
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
                // The next page is on its way while another worker makes orders of this one.
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

/// Appends the order that a row is, or sets the row aside; `line` counts rows of the table from 0.
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

/// Bytes of a row's names and values.
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
