//! Turns a log of upserts into the orders that it leaves: each key's last line, and nothing else.
//!
//! A line says what its order is *now*, or that it is deleted. What the order was before must be
//! remembered here. This costs state for each order, live or deleted. A source that brings the row
//! before a change, such as the tunnel of the order store, needs none.
//!
//! | what | costs |
//! |---|---|
//! | a key that is or was ever in the log | 110 to 220 bytes, as full as the map is, and its text where that is longer than 15 bytes |
//! | a line | one exchange, one lookup, up to two updates into the views |
//!
//! The last line of a key is the one with the greatest [`Position`], whenever it arrives, because
//! workers read their parts of the input side by side. So a deleted key keeps its position: an
//! older line that arrives later must not bring it back. A line that is read twice changes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};

use differential_dataflow::collection::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::Stream;
use timely::dataflow::operators::core::rc::SharedStream;
use timely::dataflow::operators::{Capability, Operator};

use crate::exchange::{Packed, Parcel, Words, exchange};
use crate::key::Key;
use crate::totals_by::least;
use crate::{Amount, Diff, Epoch, Id, Order, OrderKey, Orders, Position};

/// A line of an upsert log: what it says about its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// The key of the order.
    pub key: OrderKey,
    /// The position of the line. The greatest position of a key wins; of equal ones, the first to
    /// arrive.
    pub position: Position,
    /// The order as the line makes it; `None` if the line deletes it.
    pub after: Option<OrderState>,
    /// The epoch from which the line counts.
    pub epoch: Epoch,
}

/// An order without its key.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct OrderState {
    /// The event time (epoch ms).
    pub at_ms: i64,
    /// The price.
    pub price: Amount,
}

/// The number of words of an [`Upsert`] between processes.
pub const UPSERT_WORDS: usize = 11;

/// Upserts on their way to the worker that keeps their key.
pub type Upserts = Parcel<Upsert, UPSERT_WORDS>;

impl Packed<UPSERT_WORDS> for Upsert {
    fn pack(&self) -> Words<UPSERT_WORDS> {
        let ([a, b], [c, d]) = (Key::words(&self.key.user_id), Key::words(&self.key.order_id));
        let Position { round, input, offset } = self.position;
        let place = u64::from(round) << 32 | u64::from(input);
        let OrderState { at_ms, price } = self.after.unwrap_or(OrderState { at_ms: 0, price: Amount::ZERO });
        let [high, low] = [(price.units() >> 64) as u64, price.units() as u64];
        Words([a, b, c, d, place, offset, self.epoch, self.after.is_some().into(), at_ms as u64, high, low])
    }

    fn texts(&self) -> [Option<&str>; 2] {
        [self.key.user_id.text(), self.key.order_id.text()]
    }

    fn unpack(words: &Words<UPSERT_WORDS>, text: &mut &[u8]) -> Option<Upsert> {
        let [a, b, c, d, place, offset, epoch, live, at_ms, high, low] = words.0;
        let key =
            OrderKey { user_id: Key::from_words([a, b], text)?, order_id: Key::from_words([c, d], text)? };
        let position = Position { round: (place >> 32) as u32, input: place as u32, offset };
        let price = Amount::from_units(i128::from(high as i64) << 64 | i128::from(low));
        let after = match live {
            0 if (at_ms, high, low) == (0, 0, 0) => None,
            1 => Some(OrderState { at_ms: at_ms as i64, price }),
            _ => return None,
        };
        Some(Upsert { key, position, after, epoch })
    }
}

/// Returns the orders that a log of upserts leaves, at each epoch.
pub fn upsert<'scope>(log: Stream<'scope, Epoch, Upserts>) -> Orders<'scope> {
    let by_key = exchange(|line: &Upsert| route(&line.key));
    let updates = log.unary_frontier::<CapacityContainerBuilder<Vec<(Order, Epoch, Diff)>>, _, _, _>(
        by_key,
        "Upsert: orders",
        move |_, _| {
            let mut last = Last::default();
            let mut pending: Vec<Upsert> = Vec::new();
            let mut pending_at: Option<Capability<Epoch>> = None;
            move |(input, frontier), output| {
                input.for_each(|capability, lines| {
                    pending_at = least(pending_at.take(), capability.retain_least(0));
                    pending.append(&mut lines.records);
                });
                let Some(at) = pending_at.take_if(|at| !frontier.less_equal(at.time())) else { return };
                let mut complete: Vec<Upsert> =
                    pending.extract_if(.., |line| !frontier.less_equal(&line.epoch)).collect();
                complete.sort_by_key(|line| line.epoch);
                let mut session = output.session(&at);
                for line in complete {
                    last.put(line, |update| session.give(update));
                }
                drop(session);
                let next = pending.iter().map(|line| line.epoch).min();
                pending_at = next.map(|next| at.delayed(&next));
            }
        },
    );
    // The batches are behind a reference count, so that all views read the same one.
    updates.shared().as_collection()
}

/// Returns the number of the worker that keeps a key. The number is taken modulo the number of
/// workers.
fn route(key: &OrderKey) -> u64 {
    key.user_id.hash64(key.order_id.hash64(0)) >> 32
}

/// Each key's last line: its position, and the order unless it is deleted.
#[derive(Default)]
struct Last {
    lines: HashMap<OrderKey, (Position, Option<OrderState>), Seeded>,
}

impl Last {
    fn put(&mut self, line: Upsert, mut give: impl FnMut((Order, Epoch, Diff))) {
        let Upsert { key, position, after, epoch } = line;
        let user_id = key.user_id.clone();
        let before = match self.lines.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert((position, after));
                None
            }
            Entry::Occupied(mut occupied) => {
                if position <= occupied.get().0 {
                    return;
                }
                occupied.insert((position, after)).1
            }
        };
        if before == after {
            return;
        }
        let order =
            |user_id: Id, state: OrderState| Order { user_id, at_ms: state.at_ms, price: state.price };
        if let Some(before) = before {
            give((order(user_id.clone(), before), epoch, -1));
        }
        if let Some(after) = after {
            give((order(user_id, after), epoch, 1));
        }
    }
}

/// Hashes order keys by their words, with a seed that is drawn at start.
struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Seeded {
        Seeded(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for Seeded {
    type Hasher = WordHasher;
    fn build_hasher(&self) -> WordHasher {
        WordHasher(self.0)
    }
}

/// Folds words one after the other, in the order in which an [`Id`] gives them.
struct WordHasher(u64);

impl std::hash::Hasher for WordHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = crate::key::mix(self.0 ^ u64::from_le_bytes(word), crate::key::MIX[0]).rotate_left(23);
        }
    }
}
