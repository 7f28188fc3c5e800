//! The blocks of a backup. Numbers are little-endian.
//!
//! | part of a block | bytes |
//! |---|---|
//! | kind: 1 head, 2 end, 3 a failure, 4 + index of the space: entries | `u8` |
//! | length when decompressed | `u32` |
//! | length | `u32` |
//! | XXH3 (64 bits, seed 0) of the number `u64` of the block, the parts above and those below | `u64` |
//! | contents, compressed by LZ4 | |
//!
//! Head and end are JSON, a failure is text, and an entry is the length `u32` of its key, that of
//! its value, key and value. A failure is the last thing that comes over a connection if a backup
//! cannot be brought to its end; it is in no file.

use std::io::{self, Read, Write};

use xxhash_rust::xxh3::Xxh3;

use super::BackupError;
use crate::engine::Space;

/// The first bytes of a backup.
const MAGIC: &[u8] = b"orderflow backup 1\n";
/// The bytes of a block before its contents.
const HEAD_BYTES: usize = 17;
/// The most bytes that a block may have. A row, with its row before in the log, is much smaller.
const BLOCK_BYTES_MAX: usize = 64 << 20;

/// What a block holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Head,
    End,
    Failure,
    Entries(Space),
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Kind::Head => 1,
            Kind::End => 2,
            Kind::Failure => 3,
            Kind::Entries(space) => 4 + space.index() as u8,
        }
    }

    fn of(byte: u8) -> Option<Kind> {
        match byte {
            1 => Some(Kind::Head),
            2 => Some(Kind::End),
            3 => Some(Kind::Failure),
            _ => Space::ALL.get(usize::from(byte.checked_sub(4)?)).copied().map(Kind::Entries),
        }
    }
}

fn hash(number: u64, head: &[u8], contents: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    hash.update(&number.to_le_bytes());
    hash.update(head);
    hash.update(contents);
    hash.digest()
}

/// A writer of blocks.
pub(super) struct BlockWriter<W> {
    out: W,
    number: u64,
    bytes: u64,
}

impl<W: Write> BlockWriter<W> {
    /// Begins a backup.
    pub(super) fn begin(mut out: W) -> io::Result<BlockWriter<W>> {
        out.write_all(MAGIC)?;
        Ok(BlockWriter { out, number: 0, bytes: MAGIC.len() as u64 })
    }

    /// Writes a block.
    pub(super) fn block(&mut self, kind: Kind, contents: &[u8]) -> io::Result<()> {
        let stored = lz4_flex::block::compress(contents);
        let too_long = |_| io::Error::other("a block of a backup is too long");
        let mut head = [0; HEAD_BYTES];
        head[0] = kind.byte();
        head[1..5].copy_from_slice(&u32::try_from(contents.len()).map_err(too_long)?.to_le_bytes());
        head[5..9].copy_from_slice(&u32::try_from(stored.len()).map_err(too_long)?.to_le_bytes());
        let hash = hash(self.number, &head[..9], &stored);
        head[9..].copy_from_slice(&hash.to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(&stored)?;
        self.number += 1;
        self.bytes += (HEAD_BYTES + stored.len()) as u64;
        Ok(())
    }

    /// Hands everything on, and returns how many bytes it was.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.bytes)
    }
}

/// Writes a backup that says only why there is none. For a failure after a backup has begun, the
/// writer of that backup does the same.
///
/// # Errors
/// Returns the error of `out`.
pub fn write_failure(out: impl Write, reason: &str) -> io::Result<()> {
    let mut blocks = BlockWriter::begin(out)?;
    blocks.block(Kind::Failure, reason.as_bytes())?;
    blocks.finish().map(drop)
}

/// A reader of blocks.
pub(super) struct BlockReader<R> {
    input: R,
    number: u64,
    bytes: u64,
    stored: Vec<u8>,
}

impl<R: Read> BlockReader<R> {
    /// Reads the first bytes of a backup.
    pub(super) fn open(input: R) -> Result<BlockReader<R>, BackupError> {
        let mut reader = BlockReader { input, number: 0, bytes: 0, stored: Vec::new() };
        let mut magic = [0; MAGIC.len()];
        match reader.exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(reader),
            Err(BackupError::Io(error)) => Err(error.into()),
            _ => Err(BackupError::Damaged("it does not begin as a backup of orderflow does".to_owned())),
        }
    }

    /// Reads the next block into `contents`. A failure is returned as an error.
    pub(super) fn next(&mut self, contents: &mut Vec<u8>) -> Result<Kind, BackupError> {
        let at = self.bytes;
        let damaged = || BackupError::Damaged(format!("the block at byte {at} is not as it was written"));
        let mut head = [0; HEAD_BYTES];
        self.exact(&mut head)?;
        let number = |range: std::ops::Range<usize>| {
            let bytes = head.get(range).and_then(|bytes| bytes.try_into().ok()).unwrap_or_default();
            u32::from_le_bytes(bytes) as usize
        };
        let (length, stored_length) = (number(1..5), number(5..9));
        let most = lz4_flex::block::get_maximum_output_size(BLOCK_BYTES_MAX);
        if length > BLOCK_BYTES_MAX || stored_length > most {
            return Err(damaged());
        }
        let mut stored = std::mem::take(&mut self.stored);
        stored.resize(stored_length, 0);
        self.exact(&mut stored)?;
        let (described, hashed) = head.split_at(9);
        if hash(self.number, described, &stored).to_le_bytes() != hashed {
            return Err(damaged());
        }
        contents.resize(length, 0);
        let decompressed = lz4_flex::block::decompress_into(&stored, contents);
        if decompressed.ok() != Some(length) {
            return Err(damaged());
        }
        self.stored = stored;
        self.number += 1;
        match Kind::of(head[0]).ok_or_else(damaged)? {
            Kind::Failure => Err(BackupError::Failed(String::from_utf8_lossy(contents).into_owned())),
            kind => Ok(kind),
        }
    }

    /// Checks that nothing follows. Returns the number of bytes of the backup.
    pub(super) fn end(mut self) -> Result<u64, BackupError> {
        match self.input.read(&mut [0])? {
            0 => Ok(self.bytes),
            _ => Err(BackupError::Damaged(format!("it goes on after its end at byte {}", self.bytes))),
        }
    }

    fn exact(&mut self, bytes: &mut [u8]) -> Result<(), BackupError> {
        match self.input.read_exact(bytes) {
            Ok(()) => {
                self.bytes += bytes.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(BackupError::Damaged(format!("it is cut off after byte {}", self.bytes)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Appends an entry to the contents of a block.
pub(super) fn put_entry(contents: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    // Rows and keys are limited to much less than 4 GiB.
    contents.extend_from_slice(&(key.len() as u32).to_le_bytes());
    contents.extend_from_slice(&(value.len() as u32).to_le_bytes());
    contents.extend_from_slice(key);
    contents.extend_from_slice(value);
}

/// Takes the entry at `at`, and moves `at` behind it. Returns `None` if there is no whole entry.
pub(super) fn take_entry<'a>(contents: &'a [u8], at: &mut usize) -> Option<(&'a [u8], &'a [u8])> {
    let (key_length, rest) = contents.get(*at..)?.split_first_chunk()?;
    let (value_length, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_le_bytes(*key_length) as usize)?;
    let (value, _) = rest.split_at_checked(u32::from_le_bytes(*value_length) as usize)?;
    *at += 8 + key.len() + value.len();
    Some((key, value))
}
