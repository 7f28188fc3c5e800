//! Prints the result files: one for each view, named after its result table.
//!
//! The columns of a view are those of its key, then those of its aggregates, `count` and
//! `totalPrice`. A view without groups has one row, or none if there are no orders. Rows are sorted
//! by key: text bytewise, windows by their first instant.
//!
//! CSV holds the exact decimal in `totalPrice`. JSON lines and Parquet also have `totalPriceExact`,
//! the exact decimal as a string. The number in `totalPrice` is the exact decimal in JSON too, but
//! a reader of doubles rounds it; Parquet holds the nearest double. Lines end with a line feed. The
//! folder also holds [`MARK`], which describes it, and [`REJECTS`] if lines were set aside.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::format::Format;
use dataflows::{Aggregate, Epoch, Part, Parts, Print, Totals, ViewId};
use serde::{Deserialize, Serialize};

use super::results::Results;
use orders::Layout;
use orders::text::{push_amount, push_csv_field, push_integer, push_json_id, push_json_string};

/// The name of the file that describes the folder, and says that orderflow wrote it.
pub const MARK: &str = "orderflow.json";

/// The name of the file with the lines that were set aside.
pub const REJECTS: &str = "rejects.jsonl";

/// The size of the largest [`MARK`] that is read, in bytes. It is far more than any list of inputs
/// needs.
const MARK_BYTES_MAX: u64 = 64 << 20;

/// How results are printed. It is the same for all writes of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileLayout {
    /// The format of the files.
    pub format: Format,
    /// The layout in which the keys of windows are printed.
    pub keys: Layout,
}

/// The contents of [`MARK`]: what the results are of, and as of which epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputFacts {
    /// The version of the program that wrote the files.
    pub orderflow: String,
    /// The width of the windows, in milliseconds.
    pub window_ms: u64,
    /// The time zone in which the windows are printed.
    pub timezone: String,
    /// The format of the result files.
    pub format: Format,
    /// The epoch as of which these are the results.
    pub epoch: Epoch,
    /// The number of orders that were read, without those set aside.
    pub orders: u64,
    /// The number of lines that were set aside.
    pub rejected: u64,
    /// The names of the inputs, in their order.
    pub inputs: Vec<String>,
}

impl OutputFacts {
    /// Returns the contents of the [`MARK`] in `dir`; `None` if there is none or it cannot be read.
    pub fn read(dir: &Path) -> Option<OutputFacts> {
        let path = dir.join(MARK);
        let size = std::fs::metadata(&path).ok().filter(|metadata| metadata.is_file())?.len();
        if size > MARK_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Returns the bytes of the [`MARK`] file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(self).expect("numbers and texts are JSON");
        bytes.push(b'\n');
        bytes
    }
}

/// Writes `bytes` as the whole of the file at `path` and syncs it to disk.
///
/// # Errors
/// Returns the error of the operating system.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Returns the name of the result file of a view.
pub fn file_name(view: ViewId, format: Format) -> String {
    format!("{}.{}", view.table, format.name())
}

/// Returns every name that a result file may have, in any format, and those of the mark and the
/// rejects.
pub(super) fn names_of_ours() -> Vec<String> {
    let views = ViewId::all().flat_map(|view| Format::ALL.map(|format| file_name(view, format)));
    views.chain([MARK.to_owned(), REJECTS.to_owned()]).collect()
}

/// Writes the result file of a view at `path` and syncs it to disk.
///
/// # Errors
/// Returns the error of the operating system.
pub fn write_view(path: &Path, view: ViewId, results: &Results, layout: &FileLayout) -> io::Result<()> {
    match layout.format {
        Format::Csv | Format::Jsonl => write_synced(path, &view_bytes(view, results, layout)?),
        Format::Parquet => {
            let file = File::create(path)?;
            let mut out = BufWriter::new(&file);
            parquet::write(&mut out, view, results, &layout.keys)?;
            out.flush()?;
            drop(out);
            file.sync_all()
        }
    }
}

/// Returns the bytes of the result file of a view.
///
/// # Errors
/// Returns the error of the Parquet writer.
pub fn view_bytes(view: ViewId, results: &Results, layout: &FileLayout) -> io::Result<Vec<u8>> {
    match layout.format {
        Format::Csv => Ok(csv_bytes(view, results, &layout.keys)),
        Format::Jsonl => Ok(jsonl_bytes(view, results, &layout.keys)),
        Format::Parquet => {
            let mut bytes = Vec::new();
            parquet::write(&mut bytes, view, results, &layout.keys)?;
            Ok(bytes)
        }
    }
}

/// The space that is reserved for each row of a text file, in bytes. It is enough if the key is
/// short.
const ROW_BYTES: usize = 64;

/// Returns the rows of a view as CSV, with a header line.
pub fn csv_bytes(view: ViewId, results: &Results, layout: &Layout) -> Vec<u8> {
    let rows = results.rows(view);
    let mut out = Vec::with_capacity(ROW_BYTES * (1 + rows.len()));
    let aggregates = view.aggregates.iter().map(|aggregate| match aggregate {
        Aggregate::Count { column } | Aggregate::Sum { column, .. } => *column,
    });
    let names: Vec<&str> = view.key.iter().map(|column| column.name).chain(aggregates).collect();
    out.extend_from_slice(names.join(",").as_bytes());
    out.push(b'\n');
    for (parts, totals) in rows {
        for (column, part) in view.columns(parts) {
            match part {
                Part::Text(text) => text.with_bytes(|text| push_csv_field(&mut out, text)),
                Part::Integer(_) => layout.push_part(&mut out, column.print, part),
            }
            out.push(b',');
        }
        push_csv_totals(&mut out, view, totals);
    }
    out
}

fn push_csv_totals(out: &mut Vec<u8>, view: ViewId, totals: &Totals) {
    for aggregate in view.aggregates {
        match aggregate {
            Aggregate::Count { .. } => push_integer(out, totals.orders),
            Aggregate::Sum { .. } => push_amount(out, totals.amount),
        }
        out.push(b',');
    }
    out.pop();
    out.push(b'\n');
}

/// Returns the rows of a view as JSON lines.
pub fn jsonl_bytes(view: ViewId, results: &Results, layout: &Layout) -> Vec<u8> {
    let rows = results.rows(view);
    let mut out = Vec::with_capacity(2 * ROW_BYTES * rows.len());
    for (parts, totals) in rows {
        out.push(b'{');
        push_json_key(&mut out, view, parts, layout);
        if !view.key.is_empty() {
            out.push(b',');
        }
        push_json_totals(&mut out, view, totals);
    }
    out
}

/// Appends the key columns of a row, such as `"begin":"…","end":"…"`.
pub(super) fn push_json_key(out: &mut Vec<u8>, view: ViewId, parts: &Parts, layout: &Layout) {
    for (at, (column, part)) in view.columns(parts).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_json_name(out, column.name);
        match (column.print, part) {
            (_, Part::Text(text)) => push_json_id(out, text),
            (Print::Integer, _) => layout.push_part(out, column.print, part),
            _ => {
                // A printed time has no characters that need escaping.
                out.push(b'"');
                layout.push_part(out, column.print, part);
                out.push(b'"');
            }
        }
    }
}

fn push_json_totals(out: &mut Vec<u8>, view: ViewId, totals: &Totals) {
    for (at, aggregate) in view.aggregates.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match aggregate {
            Aggregate::Count { column } => {
                push_json_name(out, column);
                push_integer(out, totals.orders);
            }
            Aggregate::Sum { column, exact } => {
                push_json_name(out, column);
                push_amount(out, totals.amount);
                out.push(b',');
                push_json_name(out, exact);
                out.push(b'"');
                push_amount(out, totals.amount);
                out.push(b'"');
            }
        }
    }
    out.extend_from_slice(b"}\n");
}

/// Appends the name of a column as `"name":`. It has no characters that need escaping.
fn push_json_name(out: &mut Vec<u8>, name: &str) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends one line of [`REJECTS`]. `line` counts from 1, and `None` is printed as `null`.
///
/// `raw` is printed as text. If it is not UTF-8, each invalid part is replaced by U+FFFD, and
/// `raw_hex` holds all its bytes.
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
