//! Unpacks blocks of LZ4, as Parquet's codecs `LZ4_RAW` and `LZ4` hold them.
//!
//! A block is a row of sequences: some bytes as they are, then a match, which repeats bytes that
//! were unpacked before. Nothing in it says how long the result is. So the result grows as it is
//! unpacked, and never beyond the limit of the caller. A byte makes at most 255 others.

/// The shortest match.
const MATCH_BYTES_MIN: usize = 4;

/// The length in a token that says that more bytes of length follow.
const LENGTH_GOES_ON: u8 = 15;

/// Appends what a block unpacks to, which must not make `unpacked` longer than `bytes_max`. Returns
/// `None` if it would, or if the bytes are no block.
pub(super) fn unpack_block(mut packed: &[u8], unpacked: &mut Vec<u8>, bytes_max: usize) -> Option<()> {
    let start = unpacked.len();
    loop {
        let token = take(&mut packed)?;
        let literals = length(token >> 4, &mut packed)?;
        let (bytes, rest) = packed.split_at_checked(literals)?;
        if bytes.len() > bytes_max.checked_sub(unpacked.len())? {
            return None;
        }
        unpacked.extend_from_slice(bytes);
        packed = rest;
        if packed.is_empty() {
            // The last sequence has no match.
            return Some(());
        }
        let (distance, rest) = packed.split_first_chunk()?;
        packed = rest;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let repeated = length(token & 0x0f, &mut packed)?.checked_add(MATCH_BYTES_MIN)?;
        if distance == 0
            || distance > unpacked.len() - start
            || repeated > bytes_max.checked_sub(unpacked.len())?
        {
            return None;
        }
        let mut left = repeated;
        while left > 0 {
            // A match may run into the bytes that it makes itself. They repeat every `distance`.
            let from = unpacked.len() - distance;
            let count = left.min(distance);
            unpacked.extend_from_within(from..from + count);
            left -= count;
        }
    }
}

/// Appends what the frames of the old codec `LZ4` unpack to, as [`unpack_block`] does. Hadoop writes
/// frames: the size unpacked and the size packed, four bytes each, then a block. Old versions of
/// other writers wrote a block alone, which is tried if the bytes are no frames.
pub(super) fn unpack_hadoop(packed: &[u8], unpacked: &mut Vec<u8>, bytes_max: usize) -> Option<()> {
    let start = unpacked.len();
    if unpack_frames(packed, unpacked, bytes_max).is_some() {
        return Some(());
    }
    unpacked.truncate(start);
    unpack_block(packed, unpacked, bytes_max)
}

fn unpack_frames(mut packed: &[u8], unpacked: &mut Vec<u8>, bytes_max: usize) -> Option<()> {
    while !packed.is_empty() {
        let (size, rest) = packed.split_first_chunk()?;
        let (packed_size, rest) = rest.split_first_chunk()?;
        let (block, rest) = rest.split_at_checked(u32::from_be_bytes(*packed_size) as usize)?;
        let end = unpacked.len().checked_add(u32::from_be_bytes(*size) as usize)?;
        unpack_block(block, unpacked, bytes_max.min(end))?;
        if unpacked.len() != end {
            return None;
        }
        packed = rest;
    }
    Some(())
}

fn take(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// Returns the length that a half of a token begins.
fn length(first: u8, bytes: &mut &[u8]) -> Option<usize> {
    let mut length = usize::from(first);
    let mut goes_on = first == LENGTH_GOES_ON;
    while goes_on {
        let more = take(bytes)?;
        length = length.checked_add(usize::from(more))?;
        goes_on = more == u8::MAX;
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack(packed: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
        let mut unpacked = b"before".to_vec();
        unpack_block(packed, &mut unpacked, "before".len() + bytes_max)?;
        assert!(unpacked.starts_with(b"before"));
        Some(unpacked.split_off("before".len()))
    }

    fn frame(content: &[u8]) -> Vec<u8> {
        let block = lz4_flex::block::compress(content);
        let sizes = [content.len() as u32, block.len() as u32].map(u32::to_be_bytes);
        [&sizes.concat(), &block[..]].concat()
    }

    #[test]
    fn blocks_that_are_damaged_or_too_long_are_none() {
        let block = lz4_flex::block::compress(&b"orders ".repeat(1_000));
        assert_eq!(unpack(&block, 7_000).unwrap().len(), 7_000);
        assert_eq!(unpack(&block, 6_999), None);
        for length in 0..block.len() {
            // A block that is cut after literals is a shorter block.
            assert!(unpack(&block[..length], 7_000).is_none_or(|unpacked| unpacked.len() < 7_000));
        }
        assert_eq!(unpack(&[0x10, b'a', 0, 0], 100), None, "a match of distance 0");
        assert_eq!(unpack(&[0x10, b'a', 2, 0, 0], 100), None, "a match before the start");
        assert_eq!(unpack(&[0x1f, b'a', 1, 0, 255, 255, 255, 10, 0], 100), None, "a match that is too long");
        assert_eq!(unpack(&[0x10, b'a', 1, 0, 0x10, b'b'], 100).unwrap(), b"aaaaab");
    }

    #[test]
    fn frames_of_hadoop_and_blocks_alone() {
        let unpack = |packed: &[u8], bytes_max| {
            let mut unpacked = Vec::new();
            unpack_hadoop(packed, &mut unpacked, bytes_max).map(|()| unpacked)
        };
        let (one, two) = (b"one ".repeat(100), b"two ".repeat(50));
        let both = [&one[..], &two].concat();
        assert_eq!(unpack(&[frame(&one), frame(&two)].concat(), both.len()), Some(both.clone()));
        assert_eq!(unpack(&[frame(&one), frame(&two)].concat(), both.len() - 1), None);
        assert_eq!(unpack(&lz4_flex::block::compress(&both), both.len()), Some(both));
        assert_eq!(unpack(b"", 0), Some(vec![]));
        let mut lies = frame(&one);
        lies[0] = 0x7f;
        assert_eq!(unpack(&lies, 400), None);
    }

    proptest! {
        #[test]
        fn any_content_unpacks(pieces in proptest::collection::vec(("[a-c]{0,20}", 1_usize..60), 0..40)) {
            let content: Vec<u8> = pieces.iter().flat_map(|(text, times)| text.repeat(*times).into_bytes()).collect();
            let packed = lz4_flex::block::compress(&content);
            prop_assert_eq!(unpack(&packed, content.len()), Some(content.clone()));
            prop_assert!(content.is_empty() || unpack(&packed, content.len() - 1).is_none());
        }

        #[test]
        fn any_bytes_are_unpacked_within_the_limit(bytes in proptest::collection::vec(any::<u8>(), 0..200), limit in 0_usize..1_000) {
            let ours = unpack(&bytes, limit);
            prop_assert!(ours.as_ref().is_none_or(|unpacked| unpacked.len() <= limit));
            let mut theirs = vec![0; limit];
            if let Ok(length) = lz4_flex::block::decompress_into(&bytes, &mut theirs) {
                theirs.truncate(length);
                prop_assert_eq!(ours, Some(theirs));
            }
        }
    }
}
