//! The bytes of the result files.
//!
//! | file | columns |
//! |---|---|
//! | `OrderBatchSink` | `UserId,count,totalPrice` |
//! | `OrderTotalSink` | `count,totalPrice`: one row, or none where there are no orders |
//! | `OrderStreamSink` | `begin,end,count,totalPrice` |
//!
//! Rows are sorted by key: users bytewise, windows by their first instant. CSV holds the exact
//! decimal in `totalPrice`. JSON lines and Parquet have `totalPriceExact` beside it, a string: JSON
//! numbers are the same decimal, which a reader of doubles takes as the nearest one, and Parquet
//! holds the nearest double. Lines end with a line feed. Beside the results lies [`MARK`], which
//! says what the folder is, and where lines were set aside, [`REJECTS`].

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::format::Format;
use dataflows::{Epoch, Totals};
use serde::{Deserialize, Serialize};

use super::results::Results;
use orders::Layout;
use orders::text::{push_amount, push_csv_field, push_integer, push_json_id, push_json_string};

/// The file that says what the folder is, and that it is ours.
pub const MARK: &str = "orderflow.json";

/// The file of the lines that were set aside.
pub const REJECTS: &str = "rejects.jsonl";

/// The largest [`MARK`] that is looked at, in bytes: far more than any list of inputs needs.
const MARK_BYTES_MAX: u64 = 64 << 20;

/// One of the three results.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Table {
    /// Per user.
    Users,
    /// Over all.
    Total,
    /// Per window of event time.
    Windows,
}

impl Table {
    /// The three results.
    pub const ALL: [Table; 3] = [Table::Users, Table::Total, Table::Windows];

    /// The name of its result table.
    pub fn name(self) -> &'static str {
        match self {
            Table::Users => "OrderBatchSink",
            Table::Total => "OrderTotalSink",
            Table::Windows => "OrderStreamSink",
        }
    }

    /// The name of its result file.
    pub fn file_name(self, format: Format) -> String {
        format!("{}.{}", self.name(), format.name())
    }
}

/// How result files are printed: the same for all the writes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// The form of the files.
    pub format: Format,
    /// How the keys of windows print.
    pub keys: Layout,
}

impl FileLayout {
    /// The names of the result files, in the order of [`Table::ALL`].
    pub fn file_names(&self) -> [String; 3] {
        Table::ALL.map(|table| table.file_name(self.format))
    }
}

/// What [`MARK`] says of the folder: which results, of what, as of when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFacts {
    /// Version of the program that wrote the files.
    pub orderflow: String,
    /// Width of the windows, in milliseconds.
    pub window_ms: u64,
    /// Zone that the windows are printed in.
    pub timezone: String,
    /// Form of the result files.
    pub format: Format,
    /// Epoch as of which the results are.
    pub epoch: Epoch,
    /// Orders read, those set aside not among them.
    pub orders: u64,
    /// Lines set aside.
    pub rejected: u64,
    /// Names of the inputs, by ordinal.
    pub inputs: Vec<String>,
}

impl OutputFacts {
    /// What the [`MARK`] in `dir` says, or `None` where there is none that can be read.
    pub fn read(dir: &Path) -> Option<OutputFacts> {
        let path = dir.join(MARK);
        let size = std::fs::metadata(&path).ok().filter(|metadata| metadata.is_file())?.len();
        if size > MARK_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// The bytes of [`MARK`].
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers and texts are JSON");
        bytes.push(b'\n');
        bytes
    }
}

/// Writes `bytes` as the whole of the file at `path` and syncs it to disk.
///
/// # Errors
/// The operating system's.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes one result file at `path` and syncs it to disk.
///
/// # Errors
/// The operating system's, as they are.
pub fn write_table(path: &Path, table: Table, results: &Results, layout: &FileLayout) -> io::Result<()> {
    match layout.format {
        Format::Csv => write_synced(path, &csv_bytes(table, results, &layout.keys)),
        Format::Jsonl => write_synced(path, &jsonl_bytes(table, results, &layout.keys)),
        Format::Parquet => {
            let file = File::create(path)?;
            let mut out = BufWriter::new(&file);
            parquet::write(&mut out, table, results, &layout.keys)?;
            out.flush()?;
            drop(out);
            file.sync_all()
        }
    }
}

/// Room for a row of a text file whose key is short, in bytes.
const ROW_BYTES: usize = 64;

/// The rows of a result, each by its key and totals.
fn row_count(table: Table, results: &Results) -> usize {
    match table {
        Table::Users => results.users.len(),
        Table::Total => 1,
        Table::Windows => results.windows.len(),
    }
}

/// A result as CSV.
pub fn csv_bytes(table: Table, results: &Results, layout: &Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(ROW_BYTES * (1 + row_count(table, results)));
    match table {
        Table::Users => {
            out.extend_from_slice(b"UserId,count,totalPrice\n");
            for (user, totals) in &results.users {
                user.with_bytes(|name| push_csv_field(&mut out, name));
                out.push(b',');
                push_csv_totals(&mut out, totals);
            }
        }
        Table::Total => {
            out.extend_from_slice(b"count,totalPrice\n");
            if let Some(totals) = results.total_row() {
                push_csv_totals(&mut out, &totals);
            }
        }
        Table::Windows => {
            out.extend_from_slice(b"begin,end,count,totalPrice\n");
            for (start_ms, totals) in &results.windows {
                layout.push_begin(&mut out, *start_ms);
                out.push(b',');
                layout.push_end(&mut out, *start_ms);
                out.push(b',');
                push_csv_totals(&mut out, totals);
            }
        }
    }
    out
}

fn push_csv_totals(out: &mut Vec<u8>, totals: &Totals) {
    push_integer(out, totals.orders);
    out.push(b',');
    push_amount(out, totals.amount);
    out.push(b'\n');
}

/// A result as JSON lines.
pub fn jsonl_bytes(table: Table, results: &Results, layout: &Layout) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 * ROW_BYTES * row_count(table, results));
    match table {
        Table::Users => {
            for (user, totals) in &results.users {
                out.extend_from_slice(b"{\"UserId\":");
                push_json_id(&mut out, user);
                out.push(b',');
                push_json_totals(&mut out, totals);
            }
        }
        Table::Total => {
            if let Some(totals) = results.total_row() {
                out.push(b'{');
                push_json_totals(&mut out, &totals);
            }
        }
        Table::Windows => {
            for (start_ms, totals) in &results.windows {
                out.push(b'{');
                push_json_window(&mut out, *start_ms, layout);
                out.push(b',');
                push_json_totals(&mut out, totals);
            }
        }
    }
    out
}

/// Appends `"begin":"…","end":"…"`.
pub(super) fn push_json_window(out: &mut Vec<u8>, start_ms: i64, layout: &Layout) {
    // A printed time has nothing to escape.
    out.extend_from_slice(b"\"begin\":\"");
    layout.push_begin(out, start_ms);
    out.extend_from_slice(b"\",\"end\":\"");
    layout.push_end(out, start_ms);
    out.push(b'"');
}

fn push_json_totals(out: &mut Vec<u8>, totals: &Totals) {
    out.extend_from_slice(b"\"count\":");
    push_integer(out, totals.orders);
    out.extend_from_slice(b",\"totalPrice\":");
    push_amount(out, totals.amount);
    out.extend_from_slice(b",\"totalPriceExact\":\"");
    push_amount(out, totals.amount);
    out.extend_from_slice(b"\"}\n");
}

/// Appends one line of [`REJECTS`]: `line` counts from 1, or is `null` where it is not known.
///
/// `raw` is the row as text. Where it is not UTF-8, what is not text is U+FFFD there, and
/// `raw_hex` holds all the bytes.
pub fn push_reject(out: &mut Vec<u8>, file: Option<&str>, line: Option<u64>, reason: &str, raw: &[u8]) {
    out.extend_from_slice(b"{\"file\":");
    match file {
        Some(file) => push_json_string(out, file),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"line\":");
    match line {
        Some(line) => out.extend_from_slice(line.to_string().as_bytes()),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"reason\":");
    push_json_string(out, reason);
    out.extend_from_slice(b",\"raw\":");
    match std::str::from_utf8(raw) {
        Ok(text) => push_json_string(out, text),
        Err(_) => {
            push_json_string(out, &String::from_utf8_lossy(raw));
            out.extend_from_slice(b",\"raw_hex\":\"");
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend(
                raw.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
            );
            out.push(b'"');
        }
    }
    out.extend_from_slice(b"}\n");
}

mod parquet;

#[cfg(test)]
mod tests;
