//! Prints rows of tables as text, with every value exact.

use std::fmt::Write;

use store::value::{KeyPart, KeyValue, NamedKey, Row, Value};

/// Returns a row as a JSON object: first its key columns, which `key` names, then the other columns
/// by name. Binary values are strings of hexadecimal digits. Doubles that JSON cannot write as a
/// number, such as NaN, are strings too.
pub fn row_json(key: &[impl AsRef<str>], row: &Row) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key_fields = key.iter().zip(&row.key).map(|(name, value)| {
        let value = match value {
            KeyValue::String(text) => quoted(text),
            KeyValue::Binary(_) => quoted(&key_value_text(value)),
            KeyValue::Integer(_) => key_value_text(value),
        };
        format!("{}:{value}", quoted(name.as_ref()))
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
    format!("{{{}}}", fields.join(","))
}

/// Returns the exact text of a value of a key column.
pub fn key_value_text(value: &KeyValue) -> String {
    match value {
        KeyValue::Integer(integer) => integer.to_string(),
        KeyValue::String(text) => text.clone(),
        KeyValue::Binary(bytes) => hex(bytes),
    }
}

/// Returns the exact text of a value. A double has the fewest digits that read back to the same
/// bits.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Integer(integer) => integer.to_string(),
        Value::Double(double) => format!("{double:?}"),
        Value::Boolean(truth) => truth.to_string(),
        Value::String(text) => text.clone(),
        Value::Binary(bytes) => hex(bytes),
    }
}

/// Returns the text with its control characters escaped.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// Returns a key with the names of its columns, such as `UserId u1, OrderId o1`.
pub fn named_key_text(key: &NamedKey) -> String {
    let part = |(name, part): &(String, KeyPart)| match part {
        KeyPart::Value(value) => format!("{name} {}", printable(&key_value_text(value))),
        KeyPart::Min => format!("{name} INF_MIN"),
        KeyPart::Max => format!("{name} INF_MAX"),
        KeyPart::AutoIncrement => format!("{name} to be chosen"),
    };
    key.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        // Writing to a string never fails.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::value::Cell;

    fn row(key: KeyValue, cells: &[(&str, Value)]) -> Row {
        let cell = |(name, value): &(&str, Value)| Cell {
            name: (*name).to_owned(),
            value: value.clone(),
            version: 1,
        };
        Row { key: vec![key], cells: cells.iter().map(cell).collect() }
    }

    /// Returns rows with a value of each type, and some values that are hard to print.
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
    fn machines_read_json_lines() {
        let lines: String = sample().iter().map(|row| row_json(&["k"], row) + "\n").collect();
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
