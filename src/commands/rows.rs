//! `orderflow rows TABLE`: what is in a table.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::Args;

use super::columns::{columns, printable};
use super::connection::ConnectionArgs;
use super::{Failure, say, tell};
use crate::store::read::{Direction, RangeRead, Selection};
use crate::store::value::{KeyPart, KeyValue, NamedKey, Row, Value};

/// Flags of `rows`.
#[derive(Args, Clone, Debug)]
pub struct RowsArgs {
    /// Name of the table
    #[arg(value_name = "TABLE")]
    pub table: String,
    /// Most rows, from the lowest key on
    #[arg(long, value_name = "N", default_value_t = 20, env = "ORDERFLOW_LIMIT", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: u64,
    /// Print each row as a JSON object on a line
    #[arg(long, env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// Where the store is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Prints the first rows of a table: every column, values exact, binary ones in hexadecimal digits.
///
/// # Errors
/// [`Failure`]: 2 if there is no such table, else of the connection.
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
        // One row more than is shown tells whether there are more.
        while let Some(mut page) = pages.next_page(left.saturating_add(1)).await? {
            let has_more = page.len() as u64 > left;
            page.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= page.len() as u64;
            match args.json {
                true => say(&page.iter().map(|row| json(&key, row)).collect::<String>())?,
                false => shown.extend(page),
            }
            if has_more {
                tell("more rows follow: --limit N shows more");
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

/// A row of heads, and the rows: key columns first, then the others by name.
fn listing(key: &[String], rows: &[Row]) -> Vec<Vec<String>> {
    let names: BTreeSet<&str> =
        rows.iter().flat_map(|row| &row.cells).map(|cell| cell.name.as_str()).collect();
    let mut lines =
        vec![key.iter().map(String::as_str).chain(names.iter().copied()).map(str::to_owned).collect()];
    for row in rows {
        let mut line: Vec<String> = row.key.iter().map(key_text).collect();
        for name in &names {
            let cell = row.cells.iter().find(|cell| cell.name == *name);
            line.push(cell.map(|cell| value_text(&cell.value)).unwrap_or_default());
        }
        lines.push(line);
    }
    lines
}

/// The row as a JSON object and a line feed.
pub(super) fn json(key: &[String], row: &Row) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key_fields = key.iter().zip(&row.key).map(|(name, value)| {
        let value = match value {
            KeyValue::String(text) => quoted(text),
            KeyValue::Binary(_) => quoted(&key_text(value)),
            KeyValue::Integer(_) => key_text(value),
        };
        format!("{}:{value}", quoted(name))
    });
    let cells = row.cells.iter().map(|cell| {
        let value = match &cell.value {
            Value::String(text) => quoted(text),
            Value::Binary(_) => quoted(&value_text(&cell.value)),
            Value::Double(double) if !double.is_finite() => quoted(&value_text(&cell.value)),
            value => value_text(value),
        };
        format!("{}:{value}", quoted(&cell.name))
    });
    let fields: Vec<String> = key_fields.chain(cells).collect();
    format!("{{{}}}\n", fields.join(","))
}

/// A key with the names of its columns: `UserId u1, OrderId o1`.
pub(super) fn named_key_text(key: &NamedKey) -> String {
    let part = |(name, part): &(String, KeyPart)| match part {
        KeyPart::Value(value) => format!("{name} {}", printable(&key_text(value))),
        KeyPart::Min => format!("{name} INF_MIN"),
        KeyPart::Max => format!("{name} INF_MAX"),
        KeyPart::AutoIncrement => format!("{name} to be chosen"),
    };
    key.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// A value of a key column, exact.
pub(super) fn key_text(value: &KeyValue) -> String {
    match value {
        KeyValue::Integer(integer) => integer.to_string(),
        KeyValue::String(text) => text.clone(),
        KeyValue::Binary(bytes) => hex(bytes),
    }
}

/// A value, exact: doubles in the fewest digits that read back to the same bits.
pub(super) fn value_text(value: &Value) -> String {
    match value {
        Value::Integer(integer) => integer.to_string(),
        Value::Double(double) => format!("{double:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::String(text) => text.clone(),
        Value::Binary(bytes) => hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::value::Cell;

    fn row(key: KeyValue, cells: &[(&str, Value)]) -> Row {
        let cell = |(name, value): &(&str, Value)| Cell {
            name: (*name).to_owned(),
            value: value.clone(),
            version: 1,
        };
        Row { key: vec![key], cells: cells.iter().map(cell).collect() }
    }

    fn sample() -> Vec<Row> {
        vec![
            row(
                KeyValue::Binary(vec![0, 255]),
                &[("b", Value::Boolean(true)), ("d", Value::Double(0.1)), ("i", Value::Integer(i64::MIN))],
            ),
            row(
                KeyValue::Binary(vec![]),
                &[
                    ("d", Value::Double(f64::NAN)),
                    ("s", Value::String("a\"b\u{1b}é".to_owned())),
                    ("x", Value::Binary(vec![16])),
                ],
            ),
            row(KeyValue::Binary(vec![1]), &[("d", Value::Double(-0.0)), ("i", Value::Integer(5))]),
        ]
    }

    #[test]
    fn people_read_columns() {
        assert_eq!(
            columns(&listing(&["k".to_owned()], &sample())),
            "k       b     d     i                     s           x\n\
             0x00ff  true  0.1   -9223372036854775808\n\
             0x            NaN                         a\"b\\u{1b}é  0x10\n\
             0x01          -0.0  5\n"
        );
    }

    #[test]
    fn machines_read_json_lines() {
        let lines: String = sample().iter().map(|row| json(&["k".to_owned()], row)).collect();
        assert_eq!(
            lines,
            "{\"k\":\"0x00ff\",\"b\":true,\"d\":0.1,\"i\":-9223372036854775808}\n\
             {\"k\":\"0x\",\"d\":\"NaN\",\"s\":\"a\\\"b\\u001bé\",\"x\":\"0x10\"}\n\
             {\"k\":\"0x01\",\"d\":-0.0,\"i\":5}\n"
        );
        for line in lines.lines() {
            let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(parsed.is_object());
        }
    }

    #[test]
    fn doubles_read_back_to_the_same_bits() {
        for double in [1e300, 5e-324, f64::MAX, 12.5, 1e16, 123_456_789.125, 5.0] {
            let text = value_text(&Value::Double(double));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), double.to_bits(), "{text}");
        }
    }
}
