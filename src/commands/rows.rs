//! `orderflow rows TABLE`: prints the rows of a table.

use std::collections::BTreeSet;

use clap::Args;

use super::columns::columns;
use super::connection::ConnectionArgs;
use super::{Failure, say};
use order_tables::row_text::{key_value_text, row_json, value_text};
use store::read::{Direction, RangeRead, Selection};
use store::value::{KeyPart, NamedKey, Row};

/// The flags of `rows`.
#[derive(Args, Clone, Debug)]
pub struct RowsArgs {
    /// Name of the table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Most rows to print, from the lowest key on
    #[arg(long, value_name = "N", default_value_t = 20, env = "ORDERFLOW_LIMIT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// Print each row as a JSON object on a line
    #[arg(long, env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Prints the first rows of a table with all their columns. Values are exact; binary ones are
/// printed as hexadecimal digits.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if there is no such table, else with the code of the
/// connection's error.
pub fn rows(args: &RowsArgs) -> Result<(), Failure> {
    args.connection.run(async |client| {
        let key: Vec<String> = client
            .describe_table(&args.table)
            .await?
            .schema
            .key
            .into_iter()
            .map(|column| column.name)
            .collect();
        let mut pages = client.range(range(args, &key));
        let mut left = args.limit;
        let mut shown = Vec::new();
        // Asking for one row more than is printed tells whether there are more.
        while let Some(mut page) = pages.next_page(left.saturating_add(1)).await? {
            let has_more = page.len() as u64 > left;
            page.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= page.len() as u64;
            match args.json {
                true => say(&page.iter().map(|row| row_json(&key, row) + "\n").collect::<String>())?,
                false => shown.extend(page),
            }
            if has_more {
                terminal::tell("more rows follow: --limit N shows more");
                break;
            }
        }
        match args.json {
            true => Ok(()),
            false => say(&columns(&listing(&key, &shown))),
        }
    })
}

fn range(args: &RowsArgs, key: &[String]) -> RangeRead {
    let bound = |part: KeyPart| -> NamedKey { key.iter().map(|name| (name.clone(), part.clone())).collect() };
    RangeRead {
        table: args.table.clone(),
        direction: Direction::Forward,
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection { versions_max: Some(1), ..Selection::default() },
        rows_max: None,
    }
}

/// Returns a row of heads and then the rows: the key columns first, then the other columns by name.
fn listing(key: &[String], rows: &[Row]) -> Vec<Vec<String>> {
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| &row.cells).map(|cell| cell.name.as_str()).collect();
    let mut lines =
        vec![key.iter().map(String::as_str).chain(names.iter().copied()).map(str::to_owned).collect()];
    for row in rows {
        let mut line: Vec<String> = row.key.iter().map(key_value_text).collect();
        for name in &names {
            let cell = row.cells.iter().find(|cell| cell.name == *name);
            line.push(cell.map(|cell| value_text(&cell.value)).unwrap_or_default());
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use store::value::{Cell, KeyValue, Value};

    use super::*;

    fn row(key: &[u8], cells: &[(&str, Value)]) -> Row {
        let cell = |(name, value): &(&str, Value)| Cell {
            name: (*name).to_owned(),
            value: value.clone(),
            version: 1,
        };
        Row { key: vec![KeyValue::Binary(key.to_vec())], cells: cells.iter().map(cell).collect() }
    }

    #[test]
    fn people_read_columns() {
        let text = Value::String("a\"b\u{1b}é".to_owned());
        let rows = [
            row(&[0, 255], &[("b", Value::Boolean(true)), ("d", Value::Double(0.1))]),
            row(&[], &[("d", Value::Double(f64::NAN)), ("s", text), ("x", Value::Binary(vec![16]))]),
            row(&[1], &[("d", Value::Double(-0.0)), ("i", Value::Integer(i64::MIN))]),
        ];
        assert_eq!(
            columns(&listing(&["k".to_owned()], &rows)),
            "k       b     d     i                     s           x\n\
             0x00ff  true  0.1\n\
             0x            NaN                         a\"b\\u{1b}é  0x10\n\
             0x01          -0.0  -9223372036854775808\n"
        );
    }
}
