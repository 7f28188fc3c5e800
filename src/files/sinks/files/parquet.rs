//! The three results as Parquet.

use std::io::{self, Write};

use dataflows::Totals;

use orders::Layout;

use super::{Results, Table};
use crate::parquet_write::{Column, ColumnType, GROUP_ROWS, ParquetWriteError, ParquetWriter, TextColumn};

const TOTALS: [(&str, ColumnType); 3] =
    [("count", ColumnType::Int64), ("totalPrice", ColumnType::Double), ("totalPriceExact", ColumnType::Text)];

pub(super) fn write(
    out: &mut (impl Write + Send),
    table: Table,
    results: &Results,
    layout: &Layout,
) -> io::Result<()> {
    let keys: &[&str] = match table {
        Table::Users => &["UserId"],
        Table::Total => &[],
        Table::Windows => &["begin", "end"],
    };
    let columns: Vec<_> = keys.iter().map(|key| (*key, ColumnType::Text)).chain(TOTALS).collect();
    let mut groups = Groups {
        writer: ParquetWriter::create(out, &columns).map_err(cause)?,
        group: Group::new(keys.len()),
    };
    let mut text = Vec::new();
    match table {
        Table::Users => {
            for (user, totals) in &results.users {
                groups.group.keys[0].push(&user.to_string());
                groups.push(totals)?;
            }
        }
        Table::Total => {
            if let Some(totals) = results.total_row() {
                groups.push(&totals)?;
            }
        }
        Table::Windows => {
            for (start_ms, totals) in &results.windows {
                text.clear();
                layout.push_begin(&mut text, *start_ms);
                groups.group.keys[0].push(&String::from_utf8_lossy(&text));
                text.clear();
                layout.push_end(&mut text, *start_ms);
                groups.group.keys[1].push(&String::from_utf8_lossy(&text));
                groups.push(totals)?;
            }
        }
    }
    groups.finish()
}

/// The rows of one row group, by column.
struct Group {
    keys: Vec<TextColumn>,
    counts: Vec<i64>,
    prices: Vec<f64>,
    exact: TextColumn,
}

impl Group {
    fn new(keys: usize) -> Group {
        let keys = (0..keys).map(|_| TextColumn::default()).collect();
        Group { keys, counts: Vec::new(), prices: Vec::new(), exact: TextColumn::default() }
    }
}

struct Groups<W: Write + Send> {
    writer: ParquetWriter<W>,
    group: Group,
}

impl<W: Write + Send> Groups<W> {
    /// Ends the row whose keys were pushed to the group.
    fn push(&mut self, totals: &Totals) -> io::Result<()> {
        self.group.counts.push(totals.orders);
        self.group.prices.push(totals.amount.to_f64());
        self.group.exact.push(&totals.amount.to_string());
        if self.group.counts.len() < GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        let keys = self.group.keys.len();
        let Group { keys, counts, prices, exact } = std::mem::replace(&mut self.group, Group::new(keys));
        let mut columns: Vec<Column> = keys.into_iter().map(Column::Text).collect();
        columns.extend([Column::Int64(counts), Column::Double(prices), Column::Text(exact)]);
        self.writer.write_group(columns).map_err(cause)
    }

    fn finish(mut self) -> io::Result<()> {
        if !self.group.counts.is_empty() {
            self.flush()?;
        }
        self.writer.finish().map_err(cause)
    }
}

fn cause(error: ParquetWriteError) -> io::Error {
    match error {
        ParquetWriteError::Io(error) => error,
        error => io::Error::other(error),
    }
}
