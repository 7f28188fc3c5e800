//! Writes the rows of a view as Parquet.

use std::io::{self, Write};

use dataflows::{Aggregate, KeyColumn, Part, Print, Totals, ViewId};

use orders::Layout;

use crate::parquet_write::{Column, ColumnType, GROUP_ROWS, ParquetWriteError, ParquetWriter, TextColumn};
use crate::sinks::results::Results;

pub(super) fn write(
    out: &mut (impl Write + Send),
    view: ViewId,
    results: &Results,
    layout: &Layout,
) -> io::Result<()> {
    let key = view.key.iter().map(|column| (column.name, key_type(column)));
    let aggregates = view.aggregates.iter().flat_map(|aggregate| match *aggregate {
        Aggregate::Count { column } => vec![(column, ColumnType::Int64)],
        Aggregate::Sum { column, exact } => vec![(column, ColumnType::Double), (exact, ColumnType::Text)],
    });
    let columns: Vec<_> = key.chain(aggregates).collect();
    let writer = ParquetWriter::create(out, &columns).map_err(cause)?;
    let mut groups = Groups { writer, group: Group::new(view), view };
    let mut text = Vec::new();
    for (parts, totals) in results.rows(view) {
        for ((column, part), values) in view.columns(parts).zip(&mut groups.group.columns) {
            match (values, part) {
                (Column::Int64(numbers), Part::Integer(number)) => numbers.push(*number),
                (Column::Text(texts), _) => {
                    text.clear();
                    layout.push_part(&mut text, column.print, part);
                    texts.push(&String::from_utf8_lossy(&text));
                }
                _ => unreachable!("a column is of the type that it prints"),
            }
        }
        groups.push(totals)?;
    }
    groups.finish()
}

fn key_type(column: &KeyColumn) -> ColumnType {
    match column.print {
        Print::Integer => ColumnType::Int64,
        _ => ColumnType::Text,
    }
}

/// The rows of one row group, column by column. The columns of the key come first.
struct Group {
    columns: Vec<Column>,
    rows: usize,
}

impl Group {
    fn new(view: ViewId) -> Group {
        let text = || Column::Text(TextColumn::default());
        let key = view.key.iter().map(|column| match key_type(column) {
            ColumnType::Int64 => Column::Int64(Vec::new()),
            _ => text(),
        });
        let aggregates = view.aggregates.iter().flat_map(|aggregate| match aggregate {
            Aggregate::Count { .. } => vec![Column::Int64(Vec::new())],
            Aggregate::Sum { .. } => vec![Column::Double(Vec::new()), text()],
        });
        Group { columns: key.chain(aggregates).collect(), rows: 0 }
    }
}

struct Groups<W: Write + Send> {
    writer: ParquetWriter<W>,
    group: Group,
    view: ViewId,
}

impl<W: Write + Send> Groups<W> {
    /// Ends the row whose key was pushed to the group. Writes the group if it is full.
    fn push(&mut self, totals: &Totals) -> io::Result<()> {
        let keys = self.view.key.len();
        let mut columns = self.group.columns[keys..].iter_mut();
        for aggregate in self.view.aggregates {
            match (aggregate, columns.next()) {
                (Aggregate::Count { .. }, Some(Column::Int64(counts))) => counts.push(totals.orders),
                (Aggregate::Sum { .. }, Some(Column::Double(nearest))) => {
                    nearest.push(totals.amount.to_f64());
                    if let Some(Column::Text(exact)) = columns.next() {
                        exact.push(&totals.amount.to_string());
                    }
                }
                _ => unreachable!("a column is of the type of its aggregate"),
            }
        }
        self.group.rows += 1;
        if self.group.rows < GROUP_ROWS { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> io::Result<()> {
        let Group { columns, .. } = std::mem::replace(&mut self.group, Group::new(self.view));
        self.writer.write_group(columns).map_err(cause)
    }

    fn finish(mut self) -> io::Result<()> {
        if self.group.rows > 0 {
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
