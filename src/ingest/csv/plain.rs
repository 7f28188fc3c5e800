//! Plain rows: no quotes, as many fields as columns, values of the usual shapes.
//!
//! Almost every row of almost every file is one, so this is the loop that decides the speed. It
//! reads fields with loads of fixed width at the marked positions and has hardly a branch that
//! depends on the data. What it does not recognise it leaves, untouched, to the general way;
//! it refuses nothing by itself.

use dataflows::{Id, Order};

use super::digits::{short_price, usual_timestamp};
use super::header::Header;
use crate::ingest::row::ID_BYTES_MAX;

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

/// A plain row: its order, and the id of the order.
pub(super) struct PlainRow<'a> {
    pub(super) order: Order,
    pub(super) order_id: PlainId<'a>,
}

/// A valid id, not made yet.
#[derive(Copy, Clone)]
pub(super) struct PlainId<'a> {
    /// The id, and all that follows it.
    bytes: &'a [u8],
    length: usize,
}

/// The row between `marks[0]` and `marks[columns.count()]`; `None` if it is not plain.
///
/// `is_ascii` tells that `bytes` are, as far as they are marked.
#[inline(always)]
pub(super) fn plain_row<'a>(
    bytes: &'a [u8],
    is_ascii: bool,
    marks: &[u32],
    columns: &impl Columns,
) -> Option<PlainRow<'a>> {
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
    let order_id = PlainId::checked(order_id, length, is_ascii)?;
    let (user_id, length) = field(columns.user_id());
    let user_id = PlainId::checked(user_id, length, is_ascii)?.id();
    Some(PlainRow { order: Order { user_id, at_ms, price }, order_id })
}

impl<'a> PlainId<'a> {
    #[inline]
    fn checked(bytes: &'a [u8], length: usize, is_ascii: bool) -> Option<PlainId<'a>> {
        let is_long_enough = length.wrapping_sub(1) < ID_BYTES_MAX;
        let is_valid = is_long_enough && (is_ascii || std::str::from_utf8(&bytes[..length]).is_ok());
        is_valid.then_some(PlainId { bytes, length })
    }

    #[inline]
    pub(super) fn id(self) -> Id {
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
