//! Rows of an answer, which are printed as JSON or CSV.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use orders::text::push_csv_field;

/// The mark by which Excel knows that a file is UTF-8; without it, names in Chinese are garbled.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The value of one column in a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ShownField {
    /// A whole number.
    Integer(i64),
    /// A double.
    Double(f64),
    /// Text of our own: an exact amount, a time, a word.
    Plain(String),
    /// Text from outside, such as the name of a user.
    Text(String),
    /// No value.
    Nothing,
}

/// Rows with the same columns.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) columns: Vec<&'static str>,
    /// The commit that the rows are as of.
    pub(super) epoch: u64,
    /// The rows. Each has one field for each column.
    pub(super) rows: Vec<Vec<ShownField>>,
}

impl ShownField {
    /// Returns a field for a number that is never negative.
    pub(super) fn count(number: u64) -> ShownField {
        ShownField::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }

    fn push_csv(&self, out: &mut Vec<u8>) {
        match self {
            ShownField::Integer(number) => out.extend_from_slice(number.to_string().as_bytes()),
            ShownField::Double(number) => out.extend_from_slice(number.to_string().as_bytes()),
            ShownField::Plain(text) => push_csv_field(out, text.as_bytes()),
            ShownField::Text(text) => push_foreign(out, text),
            ShownField::Nothing => {}
        }
    }
}

/// Appends text from outside. A spreadsheet must not take it for a formula, so a text that begins
/// like one is prefixed with `'`.
fn push_foreign(out: &mut Vec<u8>, text: &str) {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => push_csv_field(out, format!("'{text}").as_bytes()),
        false => push_csv_field(out, text.as_bytes()),
    }
}

impl Serialize for ShownField {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            ShownField::Integer(number) => to.serialize_i64(*number),
            ShownField::Double(number) => to.serialize_f64(*number),
            ShownField::Plain(text) | ShownField::Text(text) => to.serialize_str(text),
            ShownField::Nothing => to.serialize_none(),
        }
    }
}

struct Row<'a>(&'a Rows, &'a [ShownField]);

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Row(rows, fields) = self;
        let mut map = to.serialize_map(Some(1 + fields.len()))?;
        map.serialize_entry("epoch", &rows.epoch)?;
        for (column, field) in rows.columns.iter().zip(*fields) {
            map.serialize_entry(column, field)?;
        }
        map.end()
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut array = to.serialize_seq(Some(self.rows.len()))?;
        for fields in &self.rows {
            array.serialize_element(&Row(self, fields))?;
        }
        array.end()
    }
}

impl Rows {
    /// Returns the rows as a JSON array of flat objects, and a line break.
    pub(super) fn json(&self) -> Vec<u8> {
        let mut out = serde_json::to_vec(self).expect("numbers and texts are JSON");
        out.push(b'\n');
        out
    }

    /// Returns the line of column names, after a byte order mark if the file is to be `marked`.
    pub(super) fn csv_head(&self, marked: bool) -> Vec<u8> {
        let mut out = if marked { BYTE_ORDER_MARK.to_vec() } else { Vec::new() };
        out.extend_from_slice(b"epoch");
        for column in &self.columns {
            out.push(b',');
            out.extend_from_slice(column.as_bytes());
        }
        out.push(b'\n');
        out
    }

    /// Returns the rows as lines of CSV.
    pub(super) fn csv(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for fields in &self.rows {
            out.extend_from_slice(self.epoch.to_string().as_bytes());
            for field in fields {
                out.push(b',');
                field.push_csv(&mut out);
            }
            out.push(b'\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(fields: Vec<ShownField>) -> Rows {
        Rows { columns: vec!["UserId", "count", "totalPrice"], epoch: 7, rows: vec![fields] }
    }

    #[test]
    fn json_is_an_array_of_flat_objects() {
        let user = ShownField::Text("<img src=x onerror=\"alert(1)\">".to_owned());
        let rows = rows(vec![user, ShownField::Integer(-3), ShownField::Double(0.5)]);
        assert_eq!(
            String::from_utf8(rows.json()).unwrap(),
            "[{\"epoch\":7,\"UserId\":\"<img src=x onerror=\\\"alert(1)\\\">\",\"count\":-3,\"totalPrice\":0.5}]\n"
        );
    }

    #[test]
    fn csv_has_no_formula_from_outside() {
        for (user, expected) in [
            ("u1", "u1"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("=HYPERLINK(\"http://x\",\"y\")", "\"'=HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
            ("a=1", "a=1"),
            ("a,b", "\"a,b\""),
        ] {
            let rows = rows(vec![
                ShownField::Text(user.to_owned()),
                ShownField::Integer(-3),
                ShownField::Plain("-1.50".to_owned()),
            ]);
            assert_eq!(String::from_utf8(rows.csv()).unwrap(), format!("7,{expected},-3,-1.50\n"));
        }
        let nothing = rows(vec![ShownField::Nothing, ShownField::count(u64::MAX), ShownField::Double(1e300)]);
        assert_eq!(nothing.csv_head(false), b"epoch,UserId,count,totalPrice\n");
        assert!(nothing.csv().starts_with(b"7,,9223372036854775807,1"));
    }
}
