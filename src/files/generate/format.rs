//! Writes generated orders as CSV, JSON lines or Parquet.

use std::fmt;
use std::io::{self, Write};

use super::{GeneratedOrder, Op, Orders, Spec, push_digits, push_order_id, push_user_id};
use crate::format::Format;
use crate::parquet_write::{Column, ColumnType, GROUP_ROWS, ParquetWriteError, ParquetWriter, TextColumn};

/// The number of lines between two calls of `on_progress`.
pub(super) const PROGRESS_LINES: usize = 65_536;

/// The most bytes that a line takes. Buffers are reserved by it.
const LINE_BYTES: usize = 128;

/// Why generated orders could not be written.
#[derive(Debug)]
pub enum WriteError {
    /// The output did not take the bytes.
    Io(io::Error),
    /// The Parquet writer refused the orders.
    Parquet(ParquetWriteError),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::Io(error) => error.fmt(f),
            WriteError::Parquet(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> WriteError {
        WriteError::Io(error)
    }
}

impl From<ParquetWriteError> for WriteError {
    fn from(error: ParquetWriteError) -> WriteError {
        match error {
            ParquetWriteError::Io(error) => WriteError::Io(error),
            error => WriteError::Parquet(error),
        }
    }
}

/// Writes the orders of a spec. `on_progress` is called from time to time with the number of lines
/// written so far.
///
/// Orders are written in large pieces, so `out` needs no buffer. There is a column `op` only if the
/// lines are upserts. A line of text that deletes has neither price nor timestamp.
///
/// Panics unless [`Spec::check`] accepts the spec.
///
/// # Errors
/// Returns [`WriteError::Io`] if `out` does not take the bytes.
pub fn write(
    spec: &Spec,
    format: Format,
    out: &mut (impl Write + Send),
    on_progress: impl FnMut(u64),
) -> Result<(), WriteError> {
    match format {
        Format::Csv => {
            let op = if spec.is_upserts() { ",op" } else { "" };
            let header = format!("user_id,order_id,price,timestamp{op}\n");
            write_lines(spec, header.into_bytes(), push_csv, out, on_progress)
        }
        Format::Jsonl => write_lines(spec, Vec::new(), push_jsonl, out, on_progress),
        Format::Parquet => write_parquet(spec, out, on_progress),
    }
}

fn write_lines(
    spec: &Spec,
    mut buffer: Vec<u8>,
    push: impl Fn(&GeneratedOrder, bool, &mut Vec<u8>),
    out: &mut impl Write,
    mut on_progress: impl FnMut(u64),
) -> Result<(), WriteError> {
    let upserts = spec.is_upserts();
    let mut lines = 0_u64;
    let mut orders = Orders::new(spec.clone());
    loop {
        buffer.reserve(PROGRESS_LINES * LINE_BYTES);
        let before = lines;
        for order in orders.by_ref().take(PROGRESS_LINES) {
            push(&order, upserts, &mut buffer);
            lines += 1;
        }
        out.write_all(&buffer)?;
        buffer.clear();
        if lines == before {
            out.flush()?;
            return Ok(());
        }
        on_progress(lines);
    }
}

fn push_csv(order: &GeneratedOrder, upserts: bool, out: &mut Vec<u8>) {
    push_user_id(order.user, out);
    out.push(b',');
    push_order_id(order.order, out);
    match order.op {
        Op::Put => {
            out.push(b',');
            push_price(order.price_cents, out);
            out.push(b',');
            push_at(order.at_ms, out);
            out.extend_from_slice(if upserts { b",put\n" } else { b"\n" });
        }
        Op::Delete => out.extend_from_slice(b",,,delete\n"),
    }
}

fn push_jsonl(order: &GeneratedOrder, _: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(br#"{"user_id":""#);
    push_user_id(order.user, out);
    out.extend_from_slice(br#"","order_id":""#);
    push_order_id(order.order, out);
    match order.op {
        Op::Put => {
            out.extend_from_slice(br#"","price":"#);
            push_price(order.price_cents, out);
            out.extend_from_slice(br#","timestamp":"#);
            push_at(order.at_ms, out);
            out.extend_from_slice(b"}\n");
        }
        Op::Delete => out.extend_from_slice(b"\",\"op\":\"delete\"}\n"),
    }
}

pub(super) fn push_price(cents: i64, out: &mut Vec<u8>) {
    push_digits(cents as u64 / 100, 1, out);
    out.push(b'.');
    push_digits(cents as u64 % 100, 2, out);
}

fn push_at(at_ms: i64, out: &mut Vec<u8>) {
    if at_ms < 0 {
        out.push(b'-');
    }
    push_digits(at_ms.unsigned_abs(), 1, out);
}

/// Writes row groups of at most [`GROUP_ROWS`] rows each, so that several readers can share the
/// file.
fn write_parquet(
    spec: &Spec,
    out: &mut (impl Write + Send),
    mut on_progress: impl FnMut(u64),
) -> Result<(), WriteError> {
    let mut columns = vec![
        ("user_id", ColumnType::Text),
        ("order_id", ColumnType::Text),
        ("price", ColumnType::Double),
        ("timestamp", ColumnType::Int64),
    ];
    if spec.is_upserts() {
        columns.push(("op", ColumnType::Text));
    }
    let mut writer = ParquetWriter::create(out, &columns)?;
    let mut orders = Orders::new(spec.clone());
    let mut lines = 0;
    loop {
        let (mut user_ids, mut order_ids, mut ops) = <(TextColumn, TextColumn, TextColumn)>::default();
        let (mut prices, mut times_ms) = (Vec::new(), Vec::new());
        let mut id = Vec::with_capacity(LINE_BYTES);
        for order in orders.by_ref().take(GROUP_ROWS) {
            push_user_id(order.user, &mut id);
            user_ids.push(&String::from_utf8_lossy(&id));
            id.clear();
            push_order_id(order.order, &mut id);
            order_ids.push(&String::from_utf8_lossy(&id));
            id.clear();
            prices.push(order.price_cents as f64 / 100.0);
            times_ms.push(order.at_ms);
            ops.push(if order.op == Op::Put { "put" } else { "delete" });
        }
        if prices.is_empty() {
            return Ok(writer.finish()?);
        }
        lines += prices.len() as u64;
        let mut group = vec![
            Column::Text(user_ids),
            Column::Text(order_ids),
            Column::Double(prices),
            Column::Int64(times_ms),
        ];
        if spec.is_upserts() {
            group.push(Column::Text(ops));
        }
        writer.write_group(group)?;
        on_progress(lines);
    }
}
