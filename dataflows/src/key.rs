//! What orders are grouped by, and how the groups' keys are hashed and sent.

use std::fmt::Debug;

use crate::exchange::{Packed, Words};
use crate::row::{Part, Parts};
use crate::{Amount, Diff, Epoch, Id, Order, Totals, Window, WindowWidth};

/// The key of a group of orders: of a row in a result.
pub trait Key: Clone + Ord + Debug + Send + 'static {
    /// A well-mixed hash. Equal seeds give equal hashes in every process of one build.
    fn hash64(&self, seed: u64) -> u64;

    /// The two words that stand for this key between processes.
    fn words(&self) -> [u64; 2];

    /// The text that the words do not hold.
    fn text(&self) -> Option<&str> {
        None
    }

    /// The key of these words; takes its text, where it has one, from the front of `text`.
    fn from_words(words: [u64; 2], text: &mut &[u8]) -> Option<Self>;

    /// The values of this key, as rows of any view have them.
    fn into_parts(self) -> Parts;

    /// The key of these values; none if they are not those of such a key.
    fn from_parts(parts: &Parts) -> Option<Self>;
}

/// A way to group orders: what is compiled for a view of its own.
pub trait Grouping: 'static {
    /// What names a group.
    type Key: Key;

    /// Whether neighbours are mostly of one group: they are then summed before they are looked up.
    const RUNS: bool = false;

    /// The grouping in a run whose windows are this wide.
    fn new(width: WindowWidth) -> Self;

    /// The group of an order.
    fn key(&self, order: &Order) -> Self::Key;

    /// The hash of the order's key; override where that needs no key of its own.
    #[inline]
    fn hash64(&self, order: &Order, seed: u64) -> u64 {
        self.key(order).hash64(seed)
    }

    /// Whether the order is of this group; override where that needs no key of its own.
    #[inline]
    fn holds(&self, order: &Order, key: &Self::Key) -> bool {
        self.key(order) == *key
    }
}

/// Multiplies two words and folds the product: each bit of either reaches all of the result.
#[inline]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Odd constants without pattern: fractional bits of the square roots of 2 and 3.
pub(crate) const MIX: [u64; 2] = [0x6a09_e667_f3bc_c909, 0xbb67_ae85_84ca_a73b];

#[inline]
fn hash_words(words: [u64; 2], seed: u64) -> u64 {
    mix(mix(words[0] ^ seed ^ MIX[0], words[1] ^ MIX[1]), seed ^ MIX[1])
}

impl Key for Id {
    #[inline]
    fn hash64(&self, seed: u64) -> u64 {
        hash_words(self.words(), seed)
    }

    #[inline]
    fn words(&self) -> [u64; 2] {
        match self.shared() {
            None => Id::words(self),
            // An inline id's last byte is at most 15, so this is not one of those.
            Some(text) => [text.len() as u64, u64::MAX],
        }
    }

    fn text(&self) -> Option<&str> {
        self.shared()
    }

    fn from_words(words: [u64; 2], text: &mut &[u8]) -> Option<Id> {
        if words[1] != u64::MAX {
            return Id::from_words(words);
        }
        let (bytes, rest) = text.split_at_checked(usize::try_from(words[0]).ok()?)?;
        *text = rest;
        let id = Id::new(std::str::from_utf8(bytes).ok()?);
        id.shared().is_some().then_some(id)
    }

    #[inline]
    fn into_parts(self) -> Parts {
        Parts::text(self)
    }

    fn from_parts(parts: &Parts) -> Option<Id> {
        match parts {
            Parts::One(Part::Text(id)) => Some(id.clone()),
            _ => None,
        }
    }
}

impl Key for Window {
    #[inline]
    fn hash64(&self, seed: u64) -> u64 {
        hash_words([self.start_ms as u64, 0], seed)
    }

    fn words(&self) -> [u64; 2] {
        [self.start_ms as u64, 0]
    }

    fn from_words(words: [u64; 2], _text: &mut &[u8]) -> Option<Window> {
        (words[1] == 0).then_some(Window { start_ms: words[0] as i64 })
    }

    #[inline]
    fn into_parts(self) -> Parts {
        Parts::integer(self.start_ms)
    }

    fn from_parts(parts: &Parts) -> Option<Window> {
        match parts {
            Parts::One(Part::Integer(start_ms)) => Some(Window { start_ms: *start_ms }),
            _ => None,
        }
    }
}

/// The key of the one group that holds every order.
impl Key for () {
    #[inline]
    fn hash64(&self, _seed: u64) -> u64 {
        0
    }

    fn words(&self) -> [u64; 2] {
        [0, 0]
    }

    fn from_words(words: [u64; 2], _text: &mut &[u8]) -> Option<()> {
        (words == [0, 0]).then_some(())
    }

    #[inline]
    fn into_parts(self) -> Parts {
        Parts::None
    }

    fn from_parts(parts: &Parts) -> Option<()> {
        (*parts == Parts::None).then_some(())
    }
}

/// One worker's totals of one group in one epoch, on the way to the worker that keeps the group.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial<K> {
    /// Which group.
    pub key: K,
    /// When.
    pub epoch: Epoch,
    /// How its totals change.
    pub totals: Totals,
}

/// Words of a [`Partial`].
pub const PARTIAL_WORDS: usize = 6;

fn amount_words(amount: Amount) -> [u64; 2] {
    [(amount.units() >> 64) as u64, amount.units() as u64]
}

fn amount_of(words: [u64; 2]) -> Amount {
    Amount::from_units(i128::from(words[0] as i64) << 64 | i128::from(words[1]))
}

impl<K: Key> Packed<PARTIAL_WORDS> for Partial<K> {
    fn pack(&self) -> Words<PARTIAL_WORDS> {
        let ([a, b], [high, low]) = (self.key.words(), amount_words(self.totals.amount));
        Words([a, b, self.epoch, self.totals.orders as u64, high, low])
    }

    fn texts(&self) -> [Option<&str>; 2] {
        [self.key.text(), None]
    }

    fn unpack(words: &Words<PARTIAL_WORDS>, text: &mut &[u8]) -> Option<Self> {
        let [a, b, epoch, orders, high, low] = words.0;
        let totals = Totals { orders: orders as i64, amount: amount_of([high, low]) };
        Some(Partial { key: K::from_words([a, b], text)?, epoch, totals })
    }
}

/// A row of a result with its time and difference, on the way to the worker that delivers results.
#[derive(Clone, Debug, PartialEq)]
pub struct RowUpdate<K> {
    /// Which row.
    pub key: K,
    /// What it says.
    pub totals: Totals,
    /// When.
    pub epoch: Epoch,
    /// Whether it appears (1) or goes (−1).
    pub diff: Diff,
}

/// Words of a [`RowUpdate`].
pub const ROW_UPDATE_WORDS: usize = 7;

impl<K: Key> Packed<ROW_UPDATE_WORDS> for RowUpdate<K> {
    fn pack(&self) -> Words<ROW_UPDATE_WORDS> {
        let ([a, b], [high, low]) = (self.key.words(), amount_words(self.totals.amount));
        Words([a, b, self.epoch, self.totals.orders as u64, high, low, self.diff as u64])
    }

    fn texts(&self) -> [Option<&str>; 2] {
        [self.key.text(), None]
    }

    fn unpack(words: &Words<ROW_UPDATE_WORDS>, text: &mut &[u8]) -> Option<Self> {
        let [a, b, epoch, orders, high, low, diff] = words.0;
        let totals = Totals { orders: orders as i64, amount: amount_of([high, low]) };
        Some(RowUpdate { key: K::from_words([a, b], text)?, totals, epoch, diff: diff as i64 })
    }
}
