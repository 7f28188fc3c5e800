//! Plain rows: no quotes, as many fields as columns, values of the usual shapes.
//!
//! Almost every row of almost every file is one, so this is the loop that decides the speed. It
//! reads fields with loads of fixed width at the marked positions and has hardly a branch that
//! depends on the data. What it does not recognise it leaves, untouched, to the general way;
//! it refuses nothing by itself.

use dataflows::{Epoch, Id, Order, OrderKey};

use super::digits::{short_price, usual_timestamp};
use super::header::Header;
use crate::ingest::row::ID_BYTES_MAX;
use crate::ingest::{Block, Envelope, ParserContext, Upsert};

/// Where the columns of an order stand, known to the compiler or not.
pub(super) trait Columns {
    fn count(&self) -> usize;
    fn user_id(&self) -> usize;
    fn order_id(&self) -> usize;
    fn price(&self) -> usize;
    fn timestamp(&self) -> usize;
    fn op(&self) -> Option<usize>;
}

/// `user_id,order_id,price,timestamp` and nothing else: the loop over these is compiled by itself.
pub(super) struct Canonical;

impl Canonical {
    pub(super) const HEADER: Header =
        Header { columns: 4, user_id: 0, order_id: 1, price: 2, timestamp: 3, op: None };
}

impl Columns for Canonical {
    #[inline]
    fn count(&self) -> usize {
        Canonical::HEADER.columns
    }
    #[inline]
    fn user_id(&self) -> usize {
        Canonical::HEADER.user_id
    }
    #[inline]
    fn order_id(&self) -> usize {
        Canonical::HEADER.order_id
    }
    #[inline]
    fn price(&self) -> usize {
        Canonical::HEADER.price
    }
    #[inline]
    fn timestamp(&self) -> usize {
        Canonical::HEADER.timestamp
    }
    #[inline]
    fn op(&self) -> Option<usize> {
        Canonical::HEADER.op
    }
}

impl Columns for Header {
    #[inline]
    fn count(&self) -> usize {
        self.columns
    }
    #[inline]
    fn user_id(&self) -> usize {
        self.user_id
    }
    #[inline]
    fn order_id(&self) -> usize {
        self.order_id
    }
    #[inline]
    fn price(&self) -> usize {
        self.price
    }
    #[inline]
    fn timestamp(&self) -> usize {
        self.timestamp
    }
    #[inline]
    fn op(&self) -> Option<usize> {
        self.op
    }
}

/// A valid id, not made yet.
#[derive(Copy, Clone)]
struct PlainId<'a> {
    /// The id, and all that follows it.
    bytes: &'a [u8],
    length: usize,
}

/// How the user ids of rows are made.
pub(super) trait UserIds {
    /// The id, or `None` if it is not made this way.
    fn id(bytes: &[u8], length: usize, is_ascii: bool) -> Option<Id>;
}

/// Short ASCII: no allocation, no branch.
pub(super) struct ShortIds;

impl UserIds for ShortIds {
    #[inline(always)]
    fn id(bytes: &[u8], length: usize, _is_ascii: bool) -> Option<Id> {
        if length == 0 {
            return None;
        }
        Id::from_ascii_window(bytes.first_chunk()?, length)
    }
}

/// Any valid id.
struct AnyIds;

impl UserIds for AnyIds {
    fn id(bytes: &[u8], length: usize, is_ascii: bool) -> Option<Id> {
        Some(PlainId::checked(bytes, length, is_ascii)?.id())
    }
}

/// What the rows of a block share.
pub(super) struct PlainRows<'a, C> {
    /// The block, and all that follows it.
    pub(super) bytes: &'a [u8],
    /// Whether the block is ASCII.
    pub(super) is_ascii: bool,
    /// Where the block stands in the input.
    pub(super) offset: u64,
    pub(super) context: &'a ParserContext,
    pub(super) epoch: Epoch,
    pub(super) columns: &'a C,
    /// Where orders go.
    pub(super) block: &'a mut Block,
}

impl<'a, C: Columns> PlainRows<'a, C> {
    /// [`push`](PlainRows::push), with any ids.
    #[inline(never)]
    pub(super) fn push_any(&mut self, marks: &[u32]) -> bool {
        self.push::<AnyIds>(marks)
    }

    /// Appends the order of the row between `marks[0]` and `marks[columns.count()]`, or tells that
    /// it is not plain.
    #[inline(always)]
    pub(super) fn push<U: UserIds>(&mut self, marks: &[u32]) -> bool {
        let Some((order, order_id)) = self.row::<U>(marks) else { return false };
        match self.context.envelope {
            Envelope::Append => self.block.orders.push((order, self.epoch, 1)),
            Envelope::Upsert => {
                let key = OrderKey { user_id: order.user_id.clone(), order_id: order_id.id() };
                let position = self.context.position(self.offset + u64::from(marks[0].wrapping_add(1)));
                self.block.upserts.push(Upsert { key, position, after: Some(order) });
            }
        }
        true
    }

    #[inline(always)]
    fn row<U: UserIds>(&self, marks: &[u32]) -> Option<(Order, PlainId<'a>)> {
        let (bytes, columns) = (self.bytes, self.columns);
        let count = columns.count();
        let line_break = marks[count] as usize;
        let mut strange = bytes[line_break] ^ b'\n';
        for mark in &marks[1..count] {
            strange |= bytes[*mark as usize] ^ b',';
        }
        if strange != 0 {
            return None;
        }
        // The row has a comma at least, so there is a byte before its line break.
        let line_end = line_break - usize::from(bytes[line_break - 1] == b'\r');
        let field = |column: usize| {
            let start = marks[column].wrapping_add(1) as usize;
            let end = if column + 1 == count { line_end } else { marks[column + 1] as usize };
            (&bytes[start..], end - start)
        };
        let (price, length) = field(columns.price());
        let price = short_price(price.first_chunk()?, length)?;
        let (timestamp, length) = field(columns.timestamp());
        let at_ms = usual_timestamp(timestamp.first_chunk()?, length)?;
        if let Some(op) = columns.op() {
            let (op, length) = field(op);
            if !matches!(&op[..length], b"" | b"put") {
                return None;
            }
        }
        let (order_id, length) = field(columns.order_id());
        let order_id = PlainId::checked(order_id, length, self.is_ascii)?;
        let (user_id, length) = field(columns.user_id());
        let user_id = U::id(user_id, length, self.is_ascii)?;
        Some((Order { user_id, at_ms, price }, order_id))
    }
}

impl<'a> PlainId<'a> {
    #[inline]
    fn checked(bytes: &'a [u8], length: usize, is_ascii: bool) -> Option<PlainId<'a>> {
        let is_long_enough = length.wrapping_sub(1) < ID_BYTES_MAX;
        let is_valid = is_long_enough && (is_ascii || std::str::from_utf8(&bytes[..length]).is_ok());
        is_valid.then_some(PlainId { bytes, length })
    }

    #[inline]
    fn id(self) -> Id {
        let window = self.bytes.first_chunk();
        match window.and_then(|window| Id::from_ascii_window(window, self.length)) {
            Some(id) => id,
            None => self.long_id(),
        }
    }

    fn long_id(self) -> Id {
        Id::new(&String::from_utf8_lossy(&self.bytes[..self.length]))
    }
}
