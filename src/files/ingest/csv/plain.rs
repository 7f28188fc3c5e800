//! Reads plain rows: rows with the right number of fields and good values, in which quotes stand
//! only around whole fields.
//!
//! Almost every row of almost every file is plain, so this loop decides the speed. It reads fields
//! with loads of fixed width at the marked positions, and has hardly a branch that depends on the
//! data. A row that it does not recognise is left to the general way, unchanged. It never refuses a
//! row.

use std::mem;

use dataflows::{Amount, Epoch, Id, Order, OrderKey, OrderState, Upsert};

use super::digits::{short_price, usual_timestamp};
use super::header::Header;
use super::record::Field;
use crate::ingest::{Block, Envelope, ParserContext};
use orders::rules::{ID_BYTES_MAX, parse_at_ms, parse_price};

/// The places of the columns of an order, which the compiler may or may not know.
pub(super) trait Columns {
    fn header(&self) -> &Header;
}

impl Columns for Header {
    #[inline]
    fn header(&self) -> &Header {
        self
    }
}

/// The columns `user_id,order_id,price,timestamp` and no others. The loop for them is compiled
/// separately.
pub(super) struct Canonical;

impl Canonical {
    pub(super) const HEADER: Header =
        Header { columns: 4, user_id: 0, order_id: 1, price: 2, timestamp: 3, op: None };
}

impl Columns for Canonical {
    #[inline]
    fn header(&self) -> &Header {
        &Canonical::HEADER
    }
}

/// How the values of rows are read. `None` leaves the row to another reader.
pub(super) trait Values {
    /// Returns the user id in the first `length` bytes.
    fn user_id(bytes: &[u8], length: usize, is_ascii: bool) -> Option<Id>;
    /// Returns the price in the first `length` bytes.
    fn price(bytes: &[u8], length: usize) -> Option<Amount>;
    /// Returns the event time (epoch ms) in the first `length` bytes.
    fn at_ms(bytes: &[u8], length: usize) -> Option<i64>;
}

/// Reads short values of the usual forms, without allocation and with hardly a branch.
pub(super) struct UsualValues;

impl Values for UsualValues {
    #[inline(always)]
    fn user_id(bytes: &[u8], length: usize, _is_ascii: bool) -> Option<Id> {
        if length == 0 {
            return None;
        }
        Id::from_ascii_window(bytes.first_chunk()?, length)
    }
    #[inline(always)]
    fn price(bytes: &[u8], length: usize) -> Option<Amount> {
        short_price(bytes.first_chunk()?, length)
    }
    #[inline(always)]
    fn at_ms(bytes: &[u8], length: usize) -> Option<i64> {
        usual_timestamp(bytes.first_chunk()?, length)
    }
}

/// Reads any good value.
struct AnyValues;

impl Values for AnyValues {
    fn user_id(bytes: &[u8], length: usize, is_ascii: bool) -> Option<Id> {
        is_id(bytes, length, is_ascii).then(|| any_id(bytes, length))
    }
    fn price(bytes: &[u8], length: usize) -> Option<Amount> {
        UsualValues::price(bytes, length).or_else(|| parse_price(&bytes[..length]).ok())
    }
    fn at_ms(bytes: &[u8], length: usize) -> Option<i64> {
        UsualValues::at_ms(bytes, length).or_else(|| parse_at_ms(&bytes[..length]).ok())
    }
}

/// What all rows of a block share.
pub(super) struct PlainRows<'a, C> {
    /// The bytes of the block, and everything that follows it.
    pub(super) bytes: &'a [u8],
    /// Whether all bytes of the block are ASCII.
    pub(super) is_ascii: bool,
    /// The position of the block in the input.
    pub(super) offset: u64,
    pub(super) context: &'a ParserContext,
    pub(super) epoch: Epoch,
    pub(super) columns: &'a C,
    /// The block to which orders are appended.
    pub(super) block: &'a mut Block,
    /// Reused memory for the fields of a row with quotes.
    pub(super) fields: &'a mut Vec<Field>,
}

impl<'a, C: Columns> PlainRows<'a, C> {
    /// Appends the order of one row. `marks` are the mark before the row and the marks in it, one
    /// more than there are columns. Returns false, and appends nothing, if the row is left to
    /// another reader.
    #[inline(always)]
    pub(super) fn push<V: Values>(&mut self, marks: &[u32]) -> bool {
        let count = self.columns.header().columns;
        let line_break = marks[count] as usize;
        let mut strange = self.bytes[line_break] ^ b'\n';
        for mark in &marks[1..count] {
            strange |= self.bytes[*mark as usize] ^ b',';
        }
        if strange != 0 {
            return false;
        }
        // The row has at least one comma, so there is a byte before its line break.
        let line_end = line_break - usize::from(self.bytes[line_break - 1] == b'\r');
        let bytes = self.bytes;
        self.push_fields::<V>(marks[0], |column| {
            let start = marks[column].wrapping_add(1) as usize;
            let end = if column + 1 == count { line_end } else { marks[column + 1] as usize };
            (&bytes[start..], end - start)
        })
    }

    /// Appends the order of the row after `marks[0]`, if it has good values of any form and quotes
    /// only around whole fields. Returns the number of its marks, or 0 if the row is left to
    /// another reader.
    #[inline(never)]
    pub(super) fn push_any(&mut self, marks: &[u32]) -> usize {
        let count = self.columns.header().columns;
        if marks.len() > count && self.push::<AnyValues>(&marks[..=count]) {
            return count;
        }
        let mut fields = mem::take(self.fields);
        let bytes = self.bytes;
        let mut consumed = quoted_fields(bytes, marks, &mut fields).unwrap_or(0);
        let pushed = consumed > 0
            && fields.len() == count
            && self.push_fields::<AnyValues>(marks[0], |column| {
                let span = &fields[column].span;
                (&bytes[span.start..], span.len())
            });
        if !pushed {
            consumed = 0;
        }
        *self.fields = fields;
        consumed
    }

    /// Appends the order of a row, or returns false if the row is left to another reader. `field`
    /// returns the text of a column, with everything that follows it, and its length.
    #[inline(always)]
    fn push_fields<V: Values>(&mut self, before: u32, field: impl Fn(usize) -> (&'a [u8], usize)) -> bool {
        let Some(order) = self.order::<V>(&field) else { return false };
        match self.context.envelope {
            Envelope::Append => self.block.orders.push((order, self.epoch, 1)),
            Envelope::Upsert => {
                let (order_id, length) = field(self.columns.header().order_id);
                let key = OrderKey { user_id: order.user_id.clone(), order_id: any_id(order_id, length) };
                let position = self.context.position(self.offset + u64::from(before.wrapping_add(1)));
                let after = Some(OrderState { at_ms: order.at_ms, price: order.price });
                self.block.upserts.push(Upsert { key, position, after, epoch: self.epoch });
            }
        }
        true
    }

    /// Returns the order of a row, if its order id and operation are good too.
    #[inline(always)]
    fn order<V: Values>(&self, field: impl Fn(usize) -> (&'a [u8], usize)) -> Option<Order> {
        let columns = self.columns.header();
        let (price, length) = field(columns.price);
        let price = V::price(price, length)?;
        let (timestamp, length) = field(columns.timestamp);
        let at_ms = V::at_ms(timestamp, length)?;
        if let Some(op) = columns.op {
            let (op, length) = field(op);
            if !matches!(&op[..length], b"" | b"put") {
                return None;
            }
        }
        let (order_id, length) = field(columns.order_id);
        let (user_id, user_id_length) = field(columns.user_id);
        if !is_id(order_id, length, self.is_ascii) {
            return None;
        }
        let user_id = V::user_id(user_id, user_id_length, self.is_ascii)?;
        Some(Order { user_id, at_ms, price })
    }
}

/// Returns whether the first `length` bytes are a good id.
#[inline]
fn is_id(bytes: &[u8], length: usize, is_ascii: bool) -> bool {
    let is_long_enough = length.wrapping_sub(1) < ID_BYTES_MAX;
    is_long_enough && (is_ascii || std::str::from_utf8(&bytes[..length]).is_ok())
}

/// Returns the good id in the first `length` bytes.
#[inline]
fn any_id(bytes: &[u8], length: usize) -> Id {
    match bytes.first_chunk().and_then(|window| Id::from_ascii_window(window, length)) {
        Some(id) => id,
        None => long_id(&bytes[..length]),
    }
}

#[inline(never)]
fn long_id(text: &[u8]) -> Id {
    // The text was checked to be UTF-8, so nothing is replaced.
    Id::new(&String::from_utf8_lossy(text))
}

/// Finds the fields of the row after `marks[0]`, some of which are in quotes. Returns the number of
/// marks in the row. `None` if the row needs the general way: it has doubled quotes, line breaks in
/// quotes, broken quotes, or no end.
fn quoted_fields(bytes: &[u8], marks: &[u32], fields: &mut Vec<Field>) -> Option<usize> {
    fields.clear();
    let mut marks_passed = 0;
    loop {
        let start = marks[marks_passed].wrapping_add(1) as usize;
        marks_passed += 1;
        let mut end = *marks.get(marks_passed)? as usize;
        if end == start && bytes[start] == b'"' {
            let inner = marks[marks_passed + 1..].iter().position(|mark| bytes[*mark as usize] != b',')?;
            marks_passed += 1 + inner;
            let close = marks[marks_passed] as usize;
            marks_passed += 1;
            end = *marks.get(marks_passed)? as usize;
            if bytes[close] != b'"' || !matches!(&bytes[close + 1..end], b"" | b"\r") {
                return None;
            }
            if end > close + 1 && bytes[end] != b'\n' {
                return None;
            }
            fields.push(Field { span: start + 1..close, escaped: false });
        } else {
            let returns = usize::from(bytes[end] == b'\n' && bytes[start..end].ends_with(b"\r"));
            fields.push(Field { span: start..end - returns, escaped: false });
        }
        match bytes[end] {
            b',' => {}
            b'\n' => return Some(marks_passed),
            _ => return None,
        }
    }
}
