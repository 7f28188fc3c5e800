//! Reads JSON lines of orders: one object a line.
//!
//! A record always ends at a line feed, because JSON has no raw line breaks. So a reader always
//! knows where a record starts. Prices never become doubles: the text of the number is read, so
//! `0.1` is exactly that. Members that are not needed are checked to be JSON and ignored.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use dataflows::Epoch;
use memchr::memchr;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::row::{Cells, Op, parse_op};
use super::{BUFFER_PADDING, BYTE_ORDER_MARK, Block, ColumnNames, Parser, ParserContext, RECORD_BYTES_MAX};
use orders::rules::{Cut, NO_MEMBER, Quoted, Role};

/// A parser of the lines of a file of JSON lines.
pub struct JsonlParser {
    names: ColumnNames,
    context: ParserContext,
    /// The number of the next line, counted from 0 at the start of the part.
    line: u64,
    /// Whether the bytes up to the next line break are the rest of a line that is too long.
    skipping: bool,
}

impl JsonlParser {
    /// Creates a parser for the lines of a part of a file whose members have these names.
    pub fn new(names: &ColumnNames, context: ParserContext) -> JsonlParser {
        JsonlParser { names: names.clone(), context, line: 0, skipping: false }
    }

    /// Appends the order of one line, which is given without its line break.
    fn push_line(&self, block: &mut Block, epoch: Epoch, offset: u64, line: &[u8]) -> Result<(), String> {
        let line = if offset == 0 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_slice(line);
        let members = MembersOf(&self.names)
            .deserialize(&mut json)
            .and_then(|members| json.end().map(|()| members))
            .map_err(|error| not_an_object(&error))?;
        for role in Role::ALL {
            block.members_seen |= if members.values[role as usize].is_some() { role.bit() } else { 0 };
        }
        if let Some(role) = members.twice {
            return Err(format!("more than one member {}", role.name()));
        }
        let cells = CellTexts::of(&members, &self.names, &self.context)?;
        self.context.push_cells(block, epoch, offset, &cells.as_cells())
    }
}

impl Parser for JsonlParser {
    fn parse(
        &mut self,
        buffer: &[u8],
        valid: usize,
        offset: u64,
        at_end: bool,
        epoch: Epoch,
        block: &mut Block,
    ) -> usize {
        assert!(buffer.len() >= valid + BUFFER_PADDING, "the buffer is padded");
        let first_line = self.line;
        let mut at = 0;
        while at < valid {
            let bytes = &buffer[at..valid];
            if self.skipping {
                let line_break = memchr(b'\n', bytes);
                self.skipping = line_break.is_none();
                at += line_break.map_or(bytes.len(), |at| at + 1);
                continue;
            }
            let window = &bytes[..bytes.len().min(RECORD_BYTES_MAX)];
            let line = match memchr(b'\n', window) {
                Some(line_break) => &window[..line_break],
                None if window.len() == RECORD_BYTES_MAX => {
                    let reason = format!("record is longer than {RECORD_BYTES_MAX} bytes");
                    self.context.push_reject(block, self.line, reason, window);
                    self.line += 1;
                    self.skipping = true;
                    at += window.len();
                    continue;
                }
                None if at_end => window,
                None => break,
            };
            let text = line.strip_suffix(b"\r").unwrap_or(line);
            if let Err(reason) = self.push_line(block, epoch, offset + at as u64, text) {
                self.context.push_reject(block, self.line, reason, text);
            }
            self.line += 1;
            at = valid.min(at + line.len() + 1);
        }
        block.lines += self.line - first_line;
        at
    }

    fn set_round(&mut self, round: u32) {
        self.context.round = round;
    }

    fn skip_lines(&mut self, lines: u64) {
        self.line += lines;
    }
}

/// Returns the reason for refusing a line that is not an object. It keeps the column of the error
/// but not the line, which is known.
fn not_an_object(error: &serde_json::Error) -> String {
    format!("not a JSON object: {}", error.to_string().replacen(" at line 1 column ", " at column ", 1))
}

/// The members of an object that make an order, as they are spelled, by role.
#[derive(Default)]
struct Members<'a> {
    values: [Option<&'a RawValue>; Role::ALL.len()],
    /// A role that two members have; `None` if there is none.
    twice: Option<Role>,
}

/// Reads the members of an object.
struct MembersOf<'a>(&'a ColumnNames);

impl<'de> DeserializeSeed<'de> for MembersOf<'_> {
    type Value = Members<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Members<'de>, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersOf<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members<'de>, A::Error> {
        let mut members = Members::default();
        while let Some(role) = object.next_key_seed(RoleOf(self.0))? {
            let Some(role) = role else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            if members.values[role as usize].replace(object.next_value()?).is_some() {
                members.twice = Some(role);
            }
        }
        Ok(members)
    }
}

/// Finds the role of a member by its name.
struct RoleOf<'a>(&'a ColumnNames);

impl<'de> DeserializeSeed<'de> for RoleOf<'_> {
    type Value = Option<Role>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<Role>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for RoleOf<'_> {
    type Value = Option<Role>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<Role>, E> {
        Ok(self.0.role_of(name))
    }
}

/// The texts that the members spell, by role.
struct CellTexts<'a>([Cow<'a, str>; Role::ALL.len()]);

impl<'a> CellTexts<'a> {
    /// Returns the texts of the members, or the reason if one is missing or cannot be used.
    fn of(
        members: &Members<'a>,
        names: &ColumnNames,
        context: &ParserContext,
    ) -> Result<CellTexts<'a>, String> {
        let mut texts = CellTexts(Default::default());
        for role in Role::ALL {
            if let Some(value) = members.values[role as usize] {
                texts.0[role as usize] = cell_text(role, value.get())?;
            }
        }
        let deletes = parse_op(texts.0[Role::Op as usize].as_bytes(), context.envelope)? == Op::Delete;
        for role in Role::ALL {
            let may_miss = role == Role::Op || (deletes && matches!(role, Role::Price | Role::Timestamp));
            if members.values[role as usize].is_none() && !may_miss {
                return Err(format!("{NO_MEMBER}{}", Quoted(names.wanted(role).as_bytes())));
            }
        }
        Ok(texts)
    }

    fn as_cells(&self) -> Cells<'_> {
        let [user_id, order_id, price, timestamp, op] = &self.0;
        Cells {
            user_id: user_id.as_bytes(),
            order_id: order_id.as_bytes(),
            price: price.as_bytes(),
            timestamp: timestamp.as_bytes(),
            op: op.as_bytes(),
        }
    }
}

/// Returns the text that a value spells: the characters of a string, the digits of a number,
/// nothing for `null`.
///
/// An id or an operation is a string. Integers are accepted as ids too, because other programs
/// write them so.
fn cell_text(role: Role, json: &str) -> Result<Cow<'_, str>, String> {
    let is_id = matches!(role, Role::UserId | Role::OrderId);
    match json.as_bytes() {
        b"null" => Ok(Cow::Borrowed("")),
        [b'"', inner @ .., b'"'] if memchr(b'\\', inner).is_none() => {
            Ok(Cow::Borrowed(&json[1..json.len() - 1]))
        }
        [b'"', ..] => match serde_json::from_str(json) {
            Ok(text) => Ok(Cow::Owned(text)),
            Err(_) => Err(format!("{} {} is not a valid string", role.name(), Cut(json.as_bytes()))),
        },
        [b'-', digits @ ..] | digits if is_id && digits.iter().all(u8::is_ascii_digit) => {
            Ok(Cow::Borrowed(json))
        }
        _ if matches!(role, Role::Price | Role::Timestamp) => Ok(Cow::Borrowed(json)),
        _ => Err(format!("{} {} is not a string", role.name(), Cut(json.as_bytes()))),
    }
}
