//! Reads the header of a CSV file, which tells which column is which.

use std::fmt;

use super::record::{Scan, scan, unescape, without_line_break};
use crate::ingest::{BYTE_ORDER_MARK, RowForm};
use orders::rules::{Cut, Quoted, Role};

/// The delimiters that are found in CSV files.
const USUAL_DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The places of the columns of an order in every record of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The number of fields of every record.
    pub(super) columns: usize,
    /// The byte between two fields.
    pub(super) delimiter: u8,
    pub(super) user_id: usize,
    /// `None` if there is no such column, and each line is an order of its own.
    pub(super) order_id: Option<usize>,
    pub(super) price: usize,
    pub(super) timestamp: usize,
    pub(super) op: Option<usize>,
    pub(super) quantity: Option<usize>,
}

/// Why the header of a file was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The first line is empty.
    Empty,
    /// The first line is not text.
    NotUtf8 {
        /// The first line.
        header: Vec<u8>,
    },
    /// The quoting of the first line is broken.
    Broken {
        /// The first line.
        header: Vec<u8>,
        /// What is wrong with its quoting.
        reason: String,
    },
    /// The columns seem to be delimited by something other than the delimiter.
    Delimiter {
        /// The first column that is missing.
        missing: String,
        /// The first line.
        header: String,
        /// The delimiter that the first line seems to have.
        found: u8,
    },
    /// Columns are missing.
    Missing {
        /// The names of the missing columns, each with the option that gives it another name.
        missing: Vec<(String, &'static str)>,
        /// The first line.
        header: String,
    },
    /// Two columns have the same role.
    Twice {
        /// The name of the role.
        role: &'static str,
        /// The first line.
        header: String,
    },
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Empty => {
                write!(f, "the header is empty: user_id,order_id,price,timestamp is expected")
            }
            HeaderError::NotUtf8 { header } => write!(f, "the header {} is not UTF-8 text", Quoted(header)),
            HeaderError::Broken { header, reason } => {
                write!(f, "the header {} is not CSV: {reason}", Quoted(header))
            }
            HeaderError::Delimiter { missing, header, found } => write!(
                f,
                "no column {} in the header {}: give --delimiter {}",
                Quoted(missing.as_bytes()),
                Quoted(header.as_bytes()),
                if *found == b'\t' { "tab".to_owned() } else { format!("'{}'", char::from(*found)) }
            ),
            HeaderError::Missing { missing, header } => {
                let names: Vec<_> =
                    missing.iter().map(|(name, _)| Quoted(name.as_bytes()).to_string()).collect();
                let options: Vec<_> = missing.iter().map(|(_, option)| format!("{option} NAME")).collect();
                let (plural, they_are) = if names.len() == 1 { ("", "it is") } else { ("s", "they are") };
                write!(
                    f,
                    "no column{plural} {} in the header {}: say what {they_are} called with {}",
                    names.join(", "),
                    Cut(header.as_bytes()),
                    options.join(", ")
                )
            }
            HeaderError::Twice { role, header } => {
                write!(f, "more than one column {role} in the header {}", Cut(header.as_bytes()))
            }
        }
    }
}

impl std::error::Error for HeaderError {}

impl Header {
    /// Reads the first record of a file: `user_id,order_id,price,timestamp` in any order, possibly
    /// `op` and a quantity, and any other columns between them. `delimiter` stands between two.
    ///
    /// Names are compared exactly, but without the spaces around them. A byte order mark before
    /// them and a line break after them are ignored.
    ///
    /// # Errors
    /// Returns [`HeaderError`] if the record is not a header of orders.
    pub fn parse(record: &[u8], form: &RowForm, delimiter: u8) -> Result<Header, HeaderError> {
        let record = without_line_break(record.strip_prefix(BYTE_ORDER_MARK).unwrap_or(record));
        if record.trim_ascii().is_empty() {
            return Err(HeaderError::Empty);
        }
        let Ok(header) = std::str::from_utf8(record) else {
            return Err(HeaderError::NotUtf8 { header: record.to_vec() });
        };
        let mut fields = Vec::new();
        match scan(record, delimiter, true, |field| fields.push(field)) {
            Scan::Record { end } if end == record.len() => {}
            Scan::Broken { reason, .. } => {
                return Err(HeaderError::Broken { header: record.to_vec(), reason: reason.reason() });
            }
            _ => {
                let reason = "it is not one record".to_owned();
                return Err(HeaderError::Broken { header: record.to_vec(), reason });
            }
        }
        let mut columns = [None; Role::ALL.len()];
        for (at, field) in fields.iter().enumerate() {
            let name = unescape(record, field);
            let name = String::from_utf8_lossy(&name);
            if let Some(role) = form.names.role_of(name.trim_ascii())
                && columns[role as usize].replace(at).is_some()
            {
                return Err(HeaderError::Twice { role: role.name(), header: header.to_owned() });
            }
        }
        let is_missing = |role: &Role| columns[*role as usize].is_none() && form.requires(*role);
        let missing: Vec<Role> = Role::ALL.into_iter().filter(is_missing).collect();
        match (columns, &missing[..]) {
            ([Some(user_id), order_id, Some(price), Some(timestamp), op, quantity], []) => Ok(Header {
                columns: fields.len(),
                delimiter,
                user_id,
                order_id,
                price,
                timestamp,
                op,
                quantity,
            }),
            _ => Err(missing_columns(form, &missing, fields.len(), header)),
        }
    }
}

fn missing_columns(form: &RowForm, missing: &[Role], fields: usize, header: &str) -> HeaderError {
    let wanted = |role: &Role| form.names.wanted(*role).to_owned();
    let header = header.to_owned();
    let found = USUAL_DELIMITERS.into_iter().find(|delimiter| header.as_bytes().contains(delimiter));
    if let (1, Some(found)) = (fields, found) {
        let missing = missing.first().map(wanted).unwrap_or_default();
        return HeaderError::Delimiter { missing, header, found };
    }
    HeaderError::Missing {
        missing: missing.iter().map(|role| (wanted(role), role.option())).collect(),
        header,
    }
}
