//! Helpers that the tests of the text formats share. They cut inputs into calls of the parser and
//! check the results.

use std::sync::Arc;

use dataflows::{Amount, Diff, Epoch, Id, Order, PRICE_MAX, Upsert};

use super::{BUFFER_PADDING, Block, Envelope, Parser, ParserContext, RECORD_BYTES_MAX, Reject, RowForm};
use orders::rules::{AT_MS_MAX, AT_MS_MIN, ID_BYTES_MAX};

/// The epoch of all orders in tests.
pub(crate) const EPOCH: Epoch = 7;

/// Returns a context whose numbers are all different.
pub(crate) fn context(envelope: Envelope) -> ParserContext {
    context_of(RowForm { envelope, ..RowForm::default() })
}

/// Returns the same context for orders of another form.
pub(crate) fn context_of(form: RowForm) -> ParserContext {
    ParserContext { form: Arc::new(form), input: 3, part: 2, round: 1 }
}

/// Everything that a parser made of an input.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) orders: Vec<(Order, Epoch, Diff)>,
    pub(crate) upserts: Vec<Upsert>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) lines: u64,
}

impl From<Block> for Parsed {
    fn from(block: Block) -> Parsed {
        let Block { orders, upserts, rejects, bytes, lines, .. } = block;
        assert_eq!(bytes, 0, "bytes are the caller's to count");
        Parsed { orders, upserts, rejects, lines }
    }
}

impl Parsed {
    /// Returns the line and the reason of each reject.
    pub(crate) fn reasons(&self) -> Vec<(u64, &str)> {
        self.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect()
    }

    /// Panics unless everything that was accepted is within the limits.
    pub(crate) fn check_limits(&self) {
        for (order, epoch, diff) in &self.orders {
            check_id(&order.user_id);
            check_values(order.at_ms, order.price);
            assert_eq!((*epoch, *diff), (EPOCH, 1));
        }
        for upsert in &self.upserts {
            check_id(&upsert.key.user_id);
            check_id(&upsert.key.order_id);
            if let Some(after) = &upsert.after {
                check_values(after.at_ms, after.price);
            }
        }
    }
}

fn check_id(id: &Id) {
    assert!((1..=ID_BYTES_MAX).contains(&id.len()), "{id:?}");
    id.with_bytes(|bytes| assert!(std::str::from_utf8(bytes).is_ok(), "{id:?}"));
}

fn check_values(at_ms: i64, price: Amount) {
    let limit = Amount::from_decimal(PRICE_MAX, 0).unwrap().units();
    assert!((AT_MS_MIN..=AT_MS_MAX).contains(&at_ms), "{at_ms}");
    assert!((-limit..=limit).contains(&price.units()), "{price}");
}

/// Parses an input in calls. Each call gets as many more bytes as `more` says, at least one.
pub(crate) fn parse_in_cuts(
    parser: &mut dyn Parser,
    input: &[u8],
    mut more: impl FnMut() -> usize,
) -> Parsed {
    let mut block = Block::default();
    let (mut start, mut end) = (0, 0);
    let mut buffer = Vec::new();
    loop {
        end = input.len().min(end + more().max(1));
        let valid = end - start;
        buffer.clear();
        buffer.extend_from_slice(&input[start..end]);
        // The bytes in the padding must not matter.
        buffer.resize(valid + BUFFER_PADDING, b"\"\n,7"[valid % 4]);
        let at_end = end == input.len();
        let consumed = parser.parse(&buffer, valid, start as u64, at_end, EPOCH, &mut block);
        assert!(consumed <= valid, "no more was consumed than there is");
        assert!(consumed > 0 || valid < RECORD_BYTES_MAX, "a record is bounded");
        start += consumed;
        if at_end {
            assert_eq!(start, input.len(), "all was consumed at the end");
            return block.into();
        }
    }
}

/// Parses an input in one call.
pub(crate) fn parse_whole(parser: &mut dyn Parser, input: &[u8]) -> Parsed {
    parse_in_cuts(parser, input, || usize::MAX / 2)
}
