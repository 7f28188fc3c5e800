//! A fingerprint of a file's content, by which processes check that they have the same file.

use std::os::unix::fs::FileExt;
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

use super::InputError;
use super::source::{open_file, read_error};

/// The number of bytes that are looked at in each place.
const PIECE_BYTES: u64 = 64 << 10;

/// Returns a hash of the first, the middle and the last [`PIECE_BYTES`] of a file of `size` bytes,
/// or of all of it if it is no longer than these.
///
/// # Errors
/// Returns an error if the file is gone or unreadable, or has become shorter.
pub(super) fn fingerprint(name: &str, path: &Path, size: u64) -> Result<u64, InputError> {
    let file = open_file(path)?;
    let mut hash = Xxh3::new();
    let mut bytes = Vec::new();
    for (start, end) in places(size) {
        bytes.resize((end - start) as usize, 0);
        file.read_exact_at(&mut bytes, start).map_err(|cause| read_error(name, &file, size, start, cause))?;
        hash.update(&bytes);
    }
    Ok(hash.digest())
}

/// The places of a file that are looked at, as start and end.
fn places(size: u64) -> Vec<(u64, u64)> {
    if size <= 3 * PIECE_BYTES {
        return vec![(0, size)];
    }
    let middle = size / 2 - PIECE_BYTES / 2;
    vec![(0, PIECE_BYTES), (middle, middle + PIECE_BYTES), (size - PIECE_BYTES, size)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_in_head_middle_or_tail_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders.csv");
        let of = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            fingerprint("orders.csv", &path, bytes.len() as u64).unwrap()
        };
        for size in [0, 1, 1000, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 1, 10 * PIECE_BYTES + 7] {
            let mut bytes = vec![7; size as usize];
            let before = of(&bytes);
            assert_eq!(of(&bytes), before);
            for at in [0, size / 2, size.saturating_sub(1)].map(|at| at as usize) {
                let Some(byte) = bytes.get_mut(at) else { continue };
                *byte = 8;
                assert_ne!(of(&bytes), before, "byte {at} of {size}");
                bytes[at] = 7;
            }
        }
    }

    #[test]
    fn a_file_that_shrank_or_is_gone_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("orders.csv");
        let error = fingerprint("orders.csv", &path, 5).unwrap_err().to_string();
        assert!(error.ends_with("orders.csv: no such file or directory"), "{error}");
        std::fs::write(&path, b"abc").unwrap();
        let error = fingerprint("orders.csv", &path, 5).unwrap_err().to_string();
        assert!(error.starts_with("orders.csv shrank from 5 to 3 bytes"), "{error}");
    }
}
