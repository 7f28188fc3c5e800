//! What the tests of the text formats share: a driver that cuts inputs into calls, and a generator.

use dataflows::{Diff, Epoch, Order, PRICE_MAX, Totals, Upsert};

use super::row::{AT_MS_MAX, AT_MS_MIN, ID_BYTES_MAX};
use super::{BUFFER_PADDING, Block, Envelope, Parser, ParserContext, RECORD_BYTES_MAX, Reject};

/// The epoch of all orders of tests.
pub(crate) const EPOCH: Epoch = 7;

/// A context whose ordinals are all different.
pub(crate) fn context(envelope: Envelope) -> ParserContext {
    ParserContext { envelope, input: 3, part: 2, round: 1 }
}

/// All that a parser made of an input.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) orders: Vec<(Order, Epoch, Diff)>,
    pub(crate) upserts: Vec<Upsert>,
    pub(crate) rejects: Vec<Reject>,
    pub(crate) lines: u64,
}

impl From<Block> for Parsed {
    fn from(block: Block) -> Parsed {
        let Block { orders, upserts, rejects, bytes, lines } = block;
        assert_eq!(bytes, 0, "bytes are the caller's to count");
        Parsed { orders, upserts, rejects, lines }
    }
}

impl Parsed {
    /// The line and the reason of each reject.
    pub(crate) fn reasons(&self) -> Vec<(u64, &str)> {
        self.rejects.iter().map(|reject| (reject.line, reject.reason.as_str())).collect()
    }

    /// Panics unless all that was accepted is within the limits.
    pub(crate) fn check_limits(&self) {
        let upserted = self.upserts.iter().filter_map(|upsert| upsert.after.as_ref());
        for order in self.orders.iter().map(|(order, _, _)| order).chain(upserted) {
            assert!((1..=ID_BYTES_MAX).contains(&order.user_id.len()), "{order:?}");
            order.user_id.with_bytes(|bytes| assert!(std::str::from_utf8(bytes).is_ok(), "{order:?}"));
            assert!((AT_MS_MIN..=AT_MS_MAX).contains(&order.at_ms), "{order:?}");
            let limit = Totals::of(dataflows::Amount::from_decimal(PRICE_MAX, 0).unwrap(), 1).amount;
            assert!(order.price <= limit, "{order:?}");
        }
        for upsert in &self.upserts {
            let order_id = &upsert.key.order_id;
            assert!((1..=ID_BYTES_MAX).contains(&order_id.len()), "{upsert:?}");
            order_id.with_bytes(|bytes| assert!(std::str::from_utf8(bytes).is_ok(), "{upsert:?}"));
        }
        for (_, epoch, diff) in &self.orders {
            assert_eq!((*epoch, *diff), (EPOCH, 1));
        }
    }
}

/// Parses an input in calls to which `more` says how many bytes are added, at least one.
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
        // What stands in the padding must not matter.
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

/// Numbers that look random: splitmix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(crate) fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Changes a few bytes: removes, doubles, overwrites, or inserts one of `tokens`.
    pub(crate) fn mutate(&mut self, text: &mut Vec<u8>, tokens: &[&[u8]]) {
        for _ in 0..self.below(4) {
            let at = self.below(text.len() + 1);
            let until = text.len().min(at + 1 + self.below(6));
            match self.below(4) {
                0 => drop(text.drain(at..until)),
                1 => text.extend_from_within(at..until),
                2 => text[at..until].fill(self.next() as u8),
                _ => drop(text.splice(at..at, self.pick(tokens).iter().copied())),
            }
        }
    }
}
