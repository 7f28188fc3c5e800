//! A table of totals by key: dense entries behind an open-addressing index, probed a block at a
//! time.
//!
//! With a hundred thousand users, neither index nor entries fit the first caches, and a hash map
//! spends its time waiting for memory. So a block of orders is looked up in passes whose loads do
//! not depend on each other (touch the index for all, then compare the entries of all, then add),
//! and the processor overlaps the waits of a whole block. A general map cannot be used in this way.
//!
//! Slots hold 32 bits of hash beside the entry's index. So growing never reads a key, and a wrong
//! slot rarely costs a look at its entry. The seed is drawn at start, so nobody can choose names
//! that collide.

use std::hash::{BuildHasher, RandomState};

use differential_dataflow::difference::{IsZero, Semigroup};

use crate::Totals;
use crate::key::Key;

/// The number of lookups that overlap: a few times what a core keeps in flight.
pub(crate) const BLOCK: usize = 64;

/// The number of slots of the smallest table. It is a power of two.
const SLOTS_MIN: usize = 16;

/// The index that stands for no entry.
const MISSED: u32 = u32::MAX;

/// A group and its totals.
#[derive(Clone, Debug)]
pub(crate) struct Entry<K> {
    pub(crate) key: K,
    pub(crate) totals: Totals,
}

/// A table of totals by key. With keys of 24 bytes, an entry takes 48 bytes, and its share of the
/// index 10 to 21 bytes.
pub(crate) struct TotalsTable<K> {
    /// Each slot holds a hash (upper half) and the index of an entry plus one (lower half); 0 is
    /// empty. The number of slots is a power of two.
    slots: Vec<u64>,
    entries: Vec<Entry<K>>,
    seed: u64,
}

impl<K: Key> TotalsTable<K> {
    pub(crate) fn new() -> Self {
        TotalsTable { slots: vec![0; SLOTS_MIN], entries: Vec::new(), seed: RandomState::new().hash_one(0) }
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    pub(crate) fn entries(&self) -> &[Entry<K>] {
        &self.entries
    }

    #[inline]
    pub(crate) fn entry_mut(&mut self, index: u32) -> &mut Entry<K> {
        &mut self.entries[index as usize]
    }

    /// Removes all entries and yields them in the order in which they came. Keeps the memory that
    /// the next use will need.
    pub(crate) fn drain(&mut self) -> std::vec::Drain<'_, Entry<K>> {
        let wanted = slots_for(self.entries.len());
        if wanted * 4 < self.slots.len() {
            // The table is far larger than what it last held, because a big load is over.
            self.slots = vec![0; wanted];
            self.entries.shrink_to(wanted);
        } else {
            self.slots.fill(0);
        }
        self.entries.drain(..)
    }

    /// Returns the entries of up to [`BLOCK`] lookups, and makes those that are missing.
    ///
    /// The functions take the number of a lookup. `hash` returns its key's hash by
    /// [`seed`](Self::seed), `is` whether a key is its own, and `key` its key, which is asked for
    /// only if an entry is made.
    #[inline]
    pub(crate) fn find_block(
        &mut self,
        lookups: usize,
        hash: impl Fn(usize) -> u64,
        is: impl Fn(usize, &K) -> bool,
        key: impl Fn(usize) -> K,
    ) -> [u32; BLOCK] {
        assert!(lookups <= BLOCK);
        self.reserve(lookups);
        let (slots, mask) = (&self.slots[..], self.slots.len() - 1);
        let mut hashes = [0_u64; BLOCK];
        let mut homes = [0_u64; BLOCK];
        let mut found = [MISSED; BLOCK];
        for at in 0..lookups {
            hashes[at] = hash(at);
            homes[at] = slots[hashes[at] as u32 as usize & mask];
        }
        // The home slots are in the cache now, and the next slots are their neighbours. No entry is
        // read yet.
        for at in 0..lookups {
            let tag = u64::from(hashes[at] as u32);
            let (mut slot, mut place) = (homes[at], hashes[at] as u32 as usize);
            while slot >> 32 != tag && slot != 0 {
                place += 1;
                slot = slots[place & mask];
            }
            found[at] = (slot as u32).wrapping_sub(1);
        }
        // Both ends of an entry are read, because it may lie across two lines of the cache.
        let mut touched = 0;
        for (at, found) in found.iter_mut().enumerate().take(lookups) {
            match self.entries.get(*found as usize) {
                Some(entry) if is(at, &entry.key) => touched ^= entry.totals.amount.units() as u64,
                _ => *found = MISSED,
            }
        }
        std::hint::black_box(touched);
        for at in 0..lookups {
            if found[at] == MISSED {
                found[at] = self.find_or_insert(hashes[at], |other| is(at, other), || key(at));
            }
        }
        found
    }

    #[cold]
    #[inline(never)]
    fn find_or_insert(&mut self, hash: u64, is: impl Fn(&K) -> bool, key: impl FnOnce() -> K) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash as u32 as usize & mask;
        while self.slots[at] != 0 {
            let index = self.slots[at] as u32 - 1;
            if self.slots[at] >> 32 == u64::from(hash as u32) && is(&self.entries[index as usize].key) {
                return index;
            }
            at = (at + 1) & mask;
        }
        let index = u32::try_from(self.entries.len()).expect("fewer than 2^32 groups");
        self.slots[at] = u64::from(hash as u32) << 32 | (u64::from(index) + 1);
        self.entries.push(Entry { key: key(), totals: Totals::ZERO });
        index
    }

    /// Returns the slot that holds the entry `index`, whose key has this hash.
    fn find_slot(&self, hash: u64, index: u32) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as u32 as usize & mask;
        while self.slots[at] as u32 != index + 1 {
            debug_assert_ne!(self.slots[at], 0, "each entry has a slot");
            at = (at + 1) & mask;
        }
        at
    }

    /// Makes room, so that the next `more` lookups move nothing.
    fn reserve(&mut self, more: usize) {
        let wanted = self.entries.len() + more;
        if wanted > self.entries.capacity() {
            // The entries grow by a quarter, because growing is rare and the memory of a state is
            // never given back.
            self.entries.reserve_exact(more.max(self.entries.len() / 4));
        }
        let slots = slots_for(wanted);
        if slots > self.slots.len() {
            let mut grown = vec![0; slots];
            for slot in self.slots.iter().filter(|slot| **slot != 0) {
                let mut at = (slot >> 32) as usize & (slots - 1);
                while grown[at] != 0 {
                    at = (at + 1) & (slots - 1);
                }
                grown[at] = *slot;
            }
            self.slots = grown;
        }
    }

    /// Removes those of the entries with these indexes whose totals are zero. The last entries move
    /// into their places.
    ///
    /// Calls `moved(from, to)` for each move. Sorts `indexes`.
    pub(crate) fn remove_zeros(&mut self, indexes: &mut [u32], mut moved: impl FnMut(u32, u32)) {
        // The indexes are taken from the last to the first, so an entry that moves is never about
        // to be removed itself.
        indexes.sort_unstable_by(|a, b| b.cmp(a));
        for &index in indexes.iter() {
            let entry = &self.entries[index as usize];
            if !entry.totals.is_zero() {
                continue;
            }
            let slot = self.find_slot(entry.key.hash64(self.seed), index);
            self.empty_slot(slot);
            let last = self.entries.len() as u32 - 1;
            if index != last {
                let slot = self.find_slot(self.entries[last as usize].key.hash64(self.seed), last);
                self.slots[slot] = self.slots[slot] & !u64::from(u32::MAX) | (u64::from(index) + 1);
                moved(last, index);
            }
            self.entries.swap_remove(index as usize);
        }
    }

    /// Empties a slot, and moves entries that were probed past it nearer to their home.
    fn empty_slot(&mut self, mut hole: usize) {
        let mask = self.slots.len() - 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let home = (slot >> 32) as usize & mask;
            // The slot may move if its home is not cyclically in (hole, at].
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = 0;
    }

    /// Adds to the totals of an entry.
    #[inline]
    pub(crate) fn add(&mut self, index: u32, totals: &Totals) {
        self.entries[index as usize].totals.plus_equals(totals);
    }
}

/// Returns the number of slots for this many entries, so that at most three quarters are taken.
fn slots_for(entries: usize) -> usize {
    (entries * 4).div_ceil(3).next_power_of_two().max(SLOTS_MIN)
}

#[cfg(test)]
mod tests;
