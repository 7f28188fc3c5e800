//! Decodes Parquet's hybrid of run lengths and bit packing, in which levels and dictionary indexes
//! are stored.

use bytes::Bytes;

/// The most bits that one value may have.
const BIT_WIDTH_MAX: u8 = 32;

/// A reader of values of `bit_width` bits, which lie in runs of one repeated value and runs of
/// packed values.
pub(super) struct Hybrid {
    data: Bytes,
    /// The byte at which the next run begins.
    at: usize,
    bit_width: u8,
    run: Run,
}

#[derive(Copy, Clone)]
enum Run {
    Repeated { value: u32, left: usize },
    Packed { bit: usize, left: usize },
}

impl Hybrid {
    /// Creates a reader of the values in `data`; `None` if they are wider than 32 bits.
    pub(super) fn new(data: Bytes, bit_width: u8) -> Option<Hybrid> {
        let run = Run::Repeated { value: 0, left: 0 };
        (bit_width <= BIT_WIDTH_MAX).then_some(Hybrid { data, at: 0, bit_width, run })
    }

    /// Skips the next `count` values and returns true if all are `value` and lie in one run.
    /// Otherwise skips nothing.
    pub(super) fn skip_repeated(&mut self, value: u32, count: usize) -> bool {
        if let Run::Repeated { left: 0, .. } | Run::Packed { left: 0, .. } = self.run
            && self.next_run().is_none()
        {
            return false;
        }
        match &mut self.run {
            Run::Repeated { value: repeated, left } if *repeated == value && *left >= count => {
                *left -= count;
                true
            }
            _ => false,
        }
    }

    /// Fills `out` with the next values. Returns `None` if there are not so many.
    pub(super) fn read(&mut self, mut out: &mut [u32]) -> Option<()> {
        while !out.is_empty() {
            let count = match &mut self.run {
                Run::Repeated { left: 0, .. } | Run::Packed { left: 0, .. } => {
                    self.next_run()?;
                    continue;
                }
                Run::Repeated { value, left } => {
                    let count = out.len().min(*left);
                    out[..count].fill(*value);
                    *left -= count;
                    count
                }
                Run::Packed { bit, left } => {
                    let count = out.len().min(*left);
                    unpack(&self.data, *bit, self.bit_width, &mut out[..count])?;
                    *bit += count * usize::from(self.bit_width);
                    *left -= count;
                    count
                }
            };
            out = &mut out[count..];
        }
        Some(())
    }

    /// Starts the run at `at`. Returns `None` at the end, and for a run of no values, which would
    /// never end.
    fn next_run(&mut self) -> Option<()> {
        let header = self.varint()?;
        let count = (header >> 1) as usize;
        if count == 0 {
            return None;
        }
        if header & 1 == 1 {
            let left = count * 8;
            self.run = Run::Packed { bit: self.at * 8, left };
            // The last run of a page may be cut short. Its values are checked when they are read.
            self.at = self.at.saturating_add(count * usize::from(self.bit_width)).min(self.data.len());
        } else {
            let width_bytes = usize::from(self.bit_width).div_ceil(8);
            let bytes = self.data.get(self.at..self.at + width_bytes)?;
            let value = bytes.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
            self.at += width_bytes;
            self.run = Run::Repeated { value, left: count };
        }
        Some(())
    }

    fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = *self.data.get(self.at)?;
            self.at += 1;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// Fills `out` with the values of `bit_width` bits from bit `bit` on, least significant bit first.
/// Returns `None` if the bytes end before.
fn unpack(data: &[u8], mut bit: usize, bit_width: u8, out: &mut [u32]) -> Option<()> {
    let width = usize::from(bit_width);
    if (bit + out.len() * width).div_ceil(8) > data.len() {
        return None;
    }
    let mask = (1_u64 << bit_width) - 1;
    for slot in out {
        let byte = bit / 8;
        // A value and the bits before it in its byte have at most 39 bits, so that one word holds
        // them.
        let word = match data.get(byte..byte + 8) {
            Some(bytes) => u64::from_le_bytes(bytes.try_into().ok()?),
            None => {
                let mut padded = [0; 8];
                let rest = data.get(byte..).unwrap_or_default();
                padded[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(padded)
            }
        };
        *slot = (word >> (bit % 8) & mask) as u32;
        bit += width;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Parquet's documentation holds 0 to 7 in three bits each.
    #[test]
    fn packed_values_come_least_significant_bit_first() {
        let mut hybrid = Hybrid::new(vec![0x03, 0b1000_1000, 0b1100_0110, 0b1111_1010].into(), 3).unwrap();
        let mut out = [9; 8];
        hybrid.read(&mut out).unwrap();
        assert_eq!(out, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(hybrid.read(&mut out[..1]), None);
    }

    #[test]
    fn runs_follow_each_other_at_every_width_and_however_they_are_read() {
        for bit_width in 0..=32_u8 {
            let mask = ((1_u64 << bit_width) - 1) as u32;
            let packed: Vec<u32> = (0..16_u32).map(|at| at.wrapping_mul(0x9e37_79b9) & mask).collect();
            let repeated = 0xdead_beef & mask;
            let mut data = vec![10 << 1];
            data.extend(&repeated.to_le_bytes()[..usize::from(bit_width).div_ceil(8)]);
            data.push(2 << 1 | 1);
            let mut bytes = vec![0_u8; 2 * usize::from(bit_width)];
            for (at, value) in packed.iter().enumerate() {
                for bit in 0..usize::from(bit_width) {
                    let position = at * usize::from(bit_width) + bit;
                    bytes[position / 8] |= ((value >> bit & 1) as u8) << (position % 8);
                }
            }
            data.extend(bytes);
            let expected: Vec<u32> = std::iter::repeat_n(repeated, 10).chain(packed).collect();
            for step in 1..=26 {
                let mut hybrid = Hybrid::new(data.clone().into(), bit_width).unwrap();
                let mut out = vec![0; 26];
                out.chunks_mut(step).for_each(|chunk| hybrid.read(chunk).unwrap());
                assert_eq!(out, expected, "{bit_width} bits, {step} at a time");
                assert_eq!(hybrid.read(&mut out[..1]), None);
            }
        }
    }

    #[test]
    fn a_run_is_skipped_only_where_it_is_long_enough_and_of_the_value() {
        let mut hybrid = Hybrid::new(vec![10 << 1, 1, 4 << 1, 0].into(), 1).unwrap();
        assert!(!hybrid.skip_repeated(0, 2));
        assert!(!hybrid.skip_repeated(1, 11));
        assert!(hybrid.skip_repeated(1, 10));
        assert!(!hybrid.skip_repeated(1, 1));
        assert!(hybrid.skip_repeated(0, 4));
        assert!(!hybrid.skip_repeated(0, 1));
    }

    #[test]
    fn damaged_runs_end_the_values() {
        assert!(Hybrid::new(Bytes::new(), 33).is_none());
        for data in [vec![], vec![0x00], vec![0x80], vec![0xff; 5], vec![2 << 1], vec![0x03, 0xff]] {
            let mut hybrid = Hybrid::new(data.clone().into(), 9).unwrap();
            assert_eq!(hybrid.read(&mut [0; 8]), None, "{data:x?}");
        }
    }
}
