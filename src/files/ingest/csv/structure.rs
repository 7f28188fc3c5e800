//! Finds the positions of the structural bytes in a block of CSV: delimiters, line breaks and
//! quotes.
//!
//! 64 bytes at a time become a word of bits, and the bits become positions. So the code that
//! follows need not search for the ends of fields. Quotes are marked but not interpreted.

/// The number of bytes that become one word of bits.
const CHUNK_BYTES: usize = 64;

/// The number of marks that are always written for a chunk, even if it has fewer. This needs fewer
/// branches than writing only those it has.
const MARKS_AT_ONCE: usize = 8;

/// The positions of the structural bytes of one block.
#[derive(Default)]
pub(super) struct Structure {
    /// First the mark before the block, then the positions in order, then room for spare writes.
    slots: Vec<u32>,
    count: usize,
    /// Whether all bytes of the block are ASCII.
    ascii: bool,
}

/// The mark before the block. Adding one wraps around to the position of the first byte.
const BEFORE_BLOCK: u32 = u32::MAX;

impl Structure {
    /// Marks the structural bytes of a block. The loop for commas is compiled separately.
    pub(super) fn index(&mut self, bytes: &[u8], delimiter: u8) {
        match delimiter {
            b',' => self.index_with(bytes, || b','),
            other => self.index_with(bytes, || other),
        }
    }

    #[inline(always)]
    fn index_with(&mut self, bytes: &[u8], delimiter: impl Fn() -> u8) {
        let length = bytes.len();
        let slots_needed = 1 + (length / CHUNK_BYTES + 2) * CHUNK_BYTES;
        if self.slots.len() < slots_needed {
            self.slots.resize(slots_needed, 0);
        }
        self.slots[0] = BEFORE_BLOCK;
        let mut count = 1;
        let (whole, rest) = bytes.as_chunks::<CHUNK_BYTES>();
        for (at, chunk) in whole.iter().enumerate() {
            count += self.write_marks(count, (at * CHUNK_BYTES) as u32, structural_bits(chunk, delimiter()));
        }
        let mut last = [0; CHUNK_BYTES];
        last[..rest.len()].copy_from_slice(rest);
        count += self.write_marks(count, (length - rest.len()) as u32, structural_bits(&last, delimiter()));
        self.count = count;
        self.ascii = bytes.is_ascii();
    }

    /// Writes the positions of the bits that are set in `structural`. Returns how many there are.
    #[inline]
    fn write_marks(&mut self, at: usize, start: u32, mut structural: u64) -> usize {
        let marks = structural.count_ones() as usize;
        let Some(slots) = self.slots[at..].first_chunk_mut::<CHUNK_BYTES>() else {
            unreachable!("there are as many slots as bytes");
        };
        for slot in &mut slots[..MARKS_AT_ONCE] {
            *slot = start + structural.trailing_zeros();
            structural &= structural.wrapping_sub(1);
        }
        if marks > MARKS_AT_ONCE {
            for slot in &mut slots[MARKS_AT_ONCE..marks] {
                *slot = start + structural.trailing_zeros();
                structural &= structural.wrapping_sub(1);
            }
        }
        marks
    }

    /// Returns the mark before the block ([`u32::MAX`]), and then the positions of all structural
    /// bytes.
    #[inline]
    pub(super) fn marks(&self) -> &[u32] {
        &self.slots[..self.count]
    }

    /// Returns whether all bytes of the block are ASCII.
    #[inline]
    pub(super) fn is_ascii(&self) -> bool {
        self.ascii
    }
}

/// Returns a word with a bit set for each structural byte of the chunk, in order.
///
/// Compilers turn the loop into vector instructions, whatever the instruction set. No portable
/// instruction gathers one bit from each byte. So bytes that are eight apart share a byte of bits,
/// and the square of 8 × 8 bits is transposed at the end.
#[inline(always)]
fn structural_bits(chunk: &[u8; CHUNK_BYTES], delimiter: u8) -> u64 {
    let mut bits = [0; CHUNK_BYTES];
    for (at, byte) in chunk.iter().enumerate() {
        let structural = (*byte == delimiter) | (*byte == b'\n') | (*byte == b'"');
        bits[at] = if structural { 1 << (at / 8) } else { 0 };
    }
    let (vectors, _) = bits.as_chunks::<16>();
    let bits = vectors.iter().fold(0, |bits, vector| bits | u128::from_le_bytes(*vector));
    transposed(bits as u64 | (bits >> 64) as u64)
}

/// Returns the transposed square of 8 × 8 bits. A row is a byte, the lowest byte first.
#[inline]
fn transposed(mut square: u64) -> u64 {
    let mut swap = |distance: u32, mask: u64| {
        let differing = (square ^ (square >> distance)) & mask;
        square ^= differing | differing << distance;
    };
    swap(7, 0x00aa_00aa_00aa_00aa);
    swap(14, 0x0000_cccc_0000_cccc);
    swap(28, 0x0000_0000_f0f0_f0f0);
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks_of(bytes: &[u8], delimiter: u8) -> (Vec<u32>, bool) {
        let mut structure = Structure::default();
        structure.index(bytes, delimiter);
        assert_eq!(structure.marks()[0], BEFORE_BLOCK);
        (structure.marks()[1..].to_vec(), structure.is_ascii())
    }

    proptest::proptest! {
        #[test]
        fn marks_are_the_structural_bytes(
            bytes in proptest::collection::vec(
                proptest::prop_oneof![proptest::prelude::any::<u8>(), proptest::sample::select(b",;\n\"a".to_vec())],
                0..300,
            ),
            delimiter in proptest::sample::select(b",;\t|\xa7".to_vec()),
        ) {
            let expected: Vec<u32> =
                (0..bytes.len()).filter(|at| bytes[*at] == delimiter || matches!(bytes[*at], b'\n' | b'"')).map(|at| at as u32).collect();
            let (marks, ascii) = marks_of(&bytes, delimiter);
            proptest::prop_assert_eq!(marks, expected);
            proptest::prop_assert_eq!(ascii, bytes.is_ascii());
        }
    }

    #[test]
    fn every_byte_may_be_structural() {
        for length in [1, 63, 64, 65, 4096] {
            let expected: Vec<u32> = (0..length as u32).collect();
            assert_eq!(marks_of(&vec![b','; length], b','), (expected, true));
        }
    }
}
