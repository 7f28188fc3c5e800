//! The keys by which orders are grouped, and how they are hashed and sent.

use std::fmt::Debug;

use crate::exchange::{Packed, Words};
use crate::row::{Part, Parts};
use crate::{Amount, Diff, Epoch, Id, Order, Totals, Window, Windows};

/// The key of a group of orders, and so of a row in a result.
pub trait Key: Clone + Ord + Debug + Send + 'static {
    /// Returns a well-mixed hash. Equal seeds give equal hashes in every process of one build.
    fn hash64(&self, seed: u64) -> u64;

    /// Returns the two words that stand for this key between processes.
    fn words(&self) -> [u64; 2];

    /// Returns the text that the words do not hold, if there is any.
    fn text(&self) -> Option<&str> {
        None
    }

    /// Makes a key from words. If the key has a text, takes it from the front of `text`. Returns
    /// `None` if they are not those of a key.
    fn from_words(words: [u64; 2], text: &mut &[u8]) -> Option<Self>;

    /// Returns the values of this key, in the form in which rows of all views have them.
    fn into_parts(self) -> Parts;

    /// Makes a key from values; `None` if they are not those of such a key.
    fn from_parts(parts: &Parts) -> Option<Self>;
}

/// A way to group orders, for which the engine of a view is compiled.
pub trait Grouping: 'static {
    /// The type of the keys of the groups.
    type Key: Key;

    /// Whether neighbours are mostly of one group. Then they are summed before they are looked up.
    const RUNS: bool = false;

    /// Creates the grouping of a run with these windows.
    fn new(windows: &Windows) -> Self;

    /// Returns the key of an order's group.
    fn key(&self, order: &Order) -> Self::Key;

    /// Returns the hash of the order's key. Override it if that can be done without making the key.
    #[inline]
    fn hash64(&self, order: &Order, seed: u64) -> u64 {
        self.key(order).hash64(seed)
    }

    /// Returns whether the order is of this group. Override it if that can be done without making
    /// the key.
    #[inline]
    fn holds(&self, order: &Order, key: &Self::Key) -> bool {
        self.key(order) == *key
    }
}

/// Multiplies two words and folds the product. Each bit of either word affects the whole result.
#[inline]
pub(crate) fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// Odd constants without a pattern: fractional bits of the square roots of 2 and 3.
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
            // The last byte of an inline id is at most 15, so these words are not those of one.
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

/// The totals by one worker of one group in one epoch, on their way to the worker that keeps the
/// group.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial<K> {
    /// The key of the group.
    pub key: K,
    /// The epoch.
    pub epoch: Epoch,
    /// The change of the group's totals.
    pub totals: Totals,
}

/// The number of words of a [`Partial`].
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

/// A row that an epoch adds or removes, on its way to the worker that delivers results.
#[derive(Clone, Debug, PartialEq)]
pub struct RowUpdate<K> {
    /// The key of the row.
    pub key: K,
    /// The totals of the row.
    pub totals: Totals,
    /// The epoch.
    pub epoch: Epoch,
    /// 1 if the row is added, −1 if it is removed.
    pub diff: Diff,
}

/// The number of words of a [`RowUpdate`].
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
