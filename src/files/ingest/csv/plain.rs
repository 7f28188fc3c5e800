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
use crate::ingest::{Block, ParserContext, RowForm};
use orders::DecimalMark;
use orders::rules::{AT_MS_MAX, AT_MS_MIN, ID_BYTES_MAX, Role};

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
    pub(super) const HEADER: Header = Header {
        columns: 4,
        delimiter: b',',
        user_id: 0,
        order_id: Some(1),
        price: 2,
        timestamp: 3,
        op: None,
        quantity: None,
    };
}

impl Columns for Canonical {
    #[inline]
    fn header(&self) -> &Header {
        &Canonical::HEADER
    }
}

/// How the values of rows are read. `None` leaves the row to another reader.
pub(super) trait Values {
    /// Whether an order's own id may be empty, if each line is an order of its own.
    const ORDER_ID_MAY_BE_EMPTY: bool;
    /// Returns the user id in the first `length` bytes.
    fn user_id(bytes: &[u8], length: usize, is_ascii: bool, form: &RowForm) -> Option<Id>;
    /// Returns the price or quantity in the first `length` bytes.
    fn number(role: Role, bytes: &[u8], length: usize, form: &RowForm) -> Option<Amount>;
    /// Returns the event time (epoch ms) in the first `length` bytes.
    fn at_ms(bytes: &[u8], length: usize, form: &RowForm) -> Option<i64>;
}

/// Reads short values of the usual forms, without allocation and with hardly a branch. Times are
/// epoch milliseconds.
pub(super) struct UsualValues;

impl Values for UsualValues {
    const ORDER_ID_MAY_BE_EMPTY: bool = false;
    #[inline(always)]
    fn user_id(bytes: &[u8], length: usize, _is_ascii: bool, _form: &RowForm) -> Option<Id> {
        if length == 0 {
            return None;
        }
        Id::from_ascii_window(bytes.first_chunk()?, length)
    }
    #[inline(always)]
    fn number(_role: Role, bytes: &[u8], length: usize, _form: &RowForm) -> Option<Amount> {
        short_price(bytes.first_chunk()?, length)
    }
    #[inline(always)]
    fn at_ms(bytes: &[u8], length: usize, _form: &RowForm) -> Option<i64> {
        usual_timestamp(bytes.first_chunk()?, length)
    }
}

/// Reads what [`UsualValues`] reads, with times as ISO 8601.
pub(super) struct IsoValues;

impl Values for IsoValues {
    const ORDER_ID_MAY_BE_EMPTY: bool = false;
    #[inline(always)]
    fn user_id(bytes: &[u8], length: usize, is_ascii: bool, form: &RowForm) -> Option<Id> {
        UsualValues::user_id(bytes, length, is_ascii, form)
    }
    #[inline(always)]
    fn number(role: Role, bytes: &[u8], length: usize, form: &RowForm) -> Option<Amount> {
        UsualValues::number(role, bytes, length, form)
    }
    #[inline(always)]
    fn at_ms(bytes: &[u8], length: usize, form: &RowForm) -> Option<i64> {
        form.time.iso_ms(&bytes[..length]).filter(|at_ms| (AT_MS_MIN..=AT_MS_MAX).contains(at_ms))
    }
}

/// Reads any good value.
pub(super) struct AnyValues;

impl Values for AnyValues {
    const ORDER_ID_MAY_BE_EMPTY: bool = true;
    fn user_id(bytes: &[u8], length: usize, is_ascii: bool, form: &RowForm) -> Option<Id> {
        match (&form.guest, length) {
            (Some(guest), 0) => Some(Id::new(guest)),
            _ => is_id(bytes, length, is_ascii).then(|| any_id(bytes, length)),
        }
    }
    fn number(role: Role, bytes: &[u8], length: usize, form: &RowForm) -> Option<Amount> {
        let has_point = form.decimal_mark == DecimalMark::Point;
        let short = if has_point { UsualValues::number(role, bytes, length, form) } else { None };
        short.or_else(|| form.decimal_mark.parse(role, &bytes[..length]).ok())
    }
    fn at_ms(bytes: &[u8], length: usize, form: &RowForm) -> Option<i64> {
        let usual = if form.time.counts_ms() { UsualValues::at_ms(bytes, length, form) } else { None };
        usual.or_else(|| form.time.parse(&bytes[..length]).ok())
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
    /// Whether a row replaces earlier ones with its key.
    pub(super) is_keyed: bool,
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
        let delimiter = self.columns.header().delimiter;
        let line_break = marks[count] as usize;
        let mut strange = self.bytes[line_break] ^ b'\n';
        for mark in &marks[1..count] {
            strange |= self.bytes[*mark as usize] ^ delimiter;
        }
        if strange != 0 {
            return false;
        }
        // The row has at least one delimiter, so there is a byte before its line break.
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
        let mut consumed =
            quoted_fields(bytes, self.columns.header().delimiter, marks, &mut fields).unwrap_or(0);
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
        if !self.is_keyed {
            self.block.orders.push((order, self.epoch, 1));
            return true;
        }
        let Some(order_id) = self.columns.header().order_id else { return false };
        let (order_id, length) = field(order_id);
        let key = OrderKey { user_id: order.user_id.clone(), order_id: any_id(order_id, length) };
        let position = self.context.position(self.offset + u64::from(before.wrapping_add(1)));
        let after = Some(OrderState { at_ms: order.at_ms, price: order.price });
        self.block.upserts.push(Upsert { key, position, after, epoch: self.epoch });
        true
    }

    /// Returns the order of a row, if its order id and operation are good too.
    #[inline(always)]
    fn order<V: Values>(&self, field: impl Fn(usize) -> (&'a [u8], usize)) -> Option<Order> {
        let (columns, form) = (self.columns.header(), &*self.context.form);
        let (price, length) = field(columns.price);
        let mut price = V::number(Role::Price, price, length, form)?;
        if let Some(quantity) = columns.quantity {
            let (quantity, length) = field(quantity);
            price = price.times(V::number(Role::Quantity, quantity, length, form)?).ok()?;
        }
        let (timestamp, length) = field(columns.timestamp);
        let at_ms = V::at_ms(timestamp, length, form)?;
        if let Some(op) = columns.op {
            let (op, length) = field(op);
            if !matches!(&op[..length], b"" | b"put") {
                return None;
            }
        }
        if let Some(order_id) = columns.order_id {
            let (order_id, length) = field(order_id);
            let may_be_empty = V::ORDER_ID_MAY_BE_EMPTY && !self.is_keyed;
            let is_good = is_id(order_id, length, self.is_ascii) || (may_be_empty && length == 0);
            if !is_good {
                return None;
            }
        }
        let (user_id, length) = field(columns.user_id);
        let user_id = V::user_id(user_id, length, self.is_ascii, form)?;
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
fn quoted_fields(bytes: &[u8], delimiter: u8, marks: &[u32], fields: &mut Vec<Field>) -> Option<usize> {
    fields.clear();
    let mut marks_passed = 0;
    loop {
        let start = marks[marks_passed].wrapping_add(1) as usize;
        marks_passed += 1;
        let mut end = *marks.get(marks_passed)? as usize;
        if end == start && bytes[start] == b'"' {
            let inner =
                marks[marks_passed + 1..].iter().position(|mark| bytes[*mark as usize] != delimiter)?;
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
            b'\n' => return Some(marks_passed),
            byte if byte == delimiter => {}
            _ => return None,
        }
    }
}
