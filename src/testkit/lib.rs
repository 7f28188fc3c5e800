//! Generates numbers that look random but are the same in every run, for the tests of several
//! crates.

/// A generator of numbers that look random (splitmix64). Equal seeds give equal numbers.
pub struct Random(pub u64);

impl Random {
    /// Returns the next number. The type is no `Iterator`, because its numbers never end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Returns one of the elements of `from`.
    ///
    /// # Panics
    /// If `from` is empty.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Changes a text in up to three places. In each, removes, doubles or overwrites a few bytes,
    /// or inserts one of `tokens`.
    pub fn mutate(&mut self, text: &mut Vec<u8>, tokens: &[&[u8]]) {
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
