//! Checks fjall's journals before fjall reads them. fjall takes the first byte of a journal that it
//! does not expect for the end of what was written, and silently drops the rest. It also refuses a
//! journal for good if its last batch reached the disk only in part. The first would lose
//! acknowledged commits, the second a whole store. Hence:
//!
//! - What follows the last sound batch of the newest journal is cut off if a crash may have left
//!   it: the torn part of the one batch that was being written and was not acknowledged yet.
//! - Sound batches after an unsound one, and anything unsound in an older journal, mean that
//!   acknowledged commits are damaged. The store is refused.
//! - If commits were not synced one by one, a crash may tear several batches. Everything from the
//!   first torn one on is cut off.
//!
//! This is the form of a journal, from fjall's `journal/entry.rs`. Numbers are little-endian, and
//! the bytes after the last batch are zeros:
//!
//! | entry | bytes |
//! |---|---|
//! | start | 1, count of items `u32`, sequence number `u64` |
//! | item | 2, kind `u8`, compression `u8`, keyspace `u64`, length of key `u16`, of value `u32`, stored length of value `u32`, key, value |
//! | clear | 4, keyspace `u64` |
//! | end | 3, XXH3 of items and clears `u64`, `FJL` 3 |

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::error::OpenError;

/// The greatest difference between the sequence numbers of two successive batches. Without a gap it
/// is 1; flushes and compactions take some numbers in between, but never so many.
const SEQUENCE_GAP_MAX: u64 = 1 << 32;
const READ_BYTES: usize = 1 << 20;
const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

/// Checks all journals in an engine's folder, and cuts off the torn end of the newest one.
///
/// `relaxed` says that commits may not have been synced one by one.
pub(super) fn repair(folder: &Path, relaxed: bool) -> Result<(), OpenError> {
    let journals = journals(folder)?;
    let newest = journals.len().saturating_sub(1);
    let mut last = 0;
    for (place, path) in journals.iter().enumerate() {
        let io = |error: io::Error| OpenError::io(path, &error);
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(path).map_err(io)?);
        let length = file.get_ref().metadata().map_err(io)?.len();
        let mut sound = 0;
        while let Some(batch) = read_batch(&mut file, length - sound, last).map_err(io)? {
            sound += batch.bytes;
            last = batch.sequence;
        }
        if is_zero_from(&mut file, sound).map_err(io)? {
            continue;
        }
        let followed = !relaxed && place == newest && batch_follows(path, sound).map_err(io)?;
        if place < newest || followed {
            let reason = format!("acknowledged commits from byte {sound} on cannot be read");
            return Err(OpenError::damaged(path, &reason));
        }
        let file = OpenOptions::new().write(true).open(path).map_err(io)?;
        file.set_len(sound).and_then(|()| file.sync_all()).map_err(io)?;
    }
    Ok(())
}

/// Cuts off what commits with sequence numbers from `unacknowledged` on have left, whole or torn.
/// The caller knows that they failed, and that all others are whole.
pub(super) fn cut(folder: &Path, unacknowledged: u64) -> Result<(), OpenError> {
    for path in journals(folder)? {
        let io = |error: io::Error| OpenError::io(&path, &error);
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(&path).map_err(io)?);
        let Batches { bytes, ended } = read_batches(&mut file, unacknowledged).map_err(io)?;
        if is_zero_from(&mut file, bytes).map_err(io)? {
            continue;
        }
        if !ended && batch_follows(&path, bytes).map_err(io)? {
            let reason = format!("acknowledged commits from byte {bytes} on cannot be read");
            return Err(OpenError::damaged(&path, &reason));
        }
        let file = OpenOptions::new().write(true).open(&path).map_err(io)?;
        file.set_len(bytes).and_then(|()| file.sync_all()).map_err(io)?;
    }
    Ok(())
}

/// Returns whether any journal has a whole batch with a sequence number from `sequence` on.
pub(super) fn has_batch_from(folder: &Path, sequence: u64) -> Result<bool, OpenError> {
    for path in journals(folder)? {
        let io = |error: io::Error| OpenError::io(&path, &error);
        let mut file = BufReader::with_capacity(READ_BYTES, File::open(&path).map_err(io)?);
        if read_batches(&mut file, sequence).map_err(io)?.ended {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What [`read_batches`] has found.
struct Batches {
    /// The bytes of the batches that were read.
    bytes: u64,
    /// Whether a sound batch with a sequence number that was not asked for follows.
    ended: bool,
}

/// Reads the sound batches at the beginning of a journal whose sequence numbers are below `upper`.
fn read_batches(file: &mut BufReader<File>, upper: u64) -> io::Result<Batches> {
    let length = file.get_ref().metadata()?.len();
    let (mut bytes, mut last) = (0, 0);
    while let Some(batch) = read_batch(file, length - bytes, last)? {
        if batch.sequence >= upper {
            return Ok(Batches { bytes, ended: true });
        }
        bytes += batch.bytes;
        last = batch.sequence;
    }
    Ok(Batches { bytes, ended: false })
}

/// Returns the paths of all journals, oldest first.
fn journals(folder: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let io = |error: io::Error| OpenError::io(folder, &error);
    let mut journals = Vec::new();
    for file in fs::read_dir(folder).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.extension().is_none_or(|extension| extension != "jnl") {
            continue;
        }
        let id = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse::<u64>().ok());
        let id = id.ok_or_else(|| OpenError::damaged(&path, "it has not the name of a journal"))?;
        journals.push((id, path));
    }
    if journals.is_empty() {
        return Err(OpenError::damaged(folder, "it has no journal"));
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

struct Batch {
    bytes: u64,
    sequence: u64,
}

/// Reads one batch of at most `left` bytes whose sequence number is above `last`; any number will
/// do if `last` is 0. Returns `None` if the bytes are not such a batch.
fn read_batch(file: &mut impl Read, left: u64, last: u64) -> io::Result<Option<Batch>> {
    let mut reader = Entries { file, left, hash: Xxh3::new(), bytes: 0 };
    match reader.batch(last) {
        Ok(sequence) => Ok(Some(Batch { bytes: reader.bytes, sequence })),
        Err(Stop::Unsound) => Ok(None),
        Err(Stop::Io(error)) => Err(error),
    }
}

enum Stop {
    /// The bytes are not those of a batch.
    Unsound,
    Io(io::Error),
}

struct Entries<'f, F> {
    file: &'f mut F,
    left: u64,
    hash: Xxh3,
    bytes: u64,
}

impl<F: Read> Entries<'_, F> {
    /// Reads a batch and returns its sequence number.
    fn batch(&mut self, last: u64) -> Result<u64, Stop> {
        let [tag] = self.take()?;
        let count = u32::from_le_bytes(self.take()?);
        let sequence = u64::from_le_bytes(self.take()?);
        // The hash covers neither of these.
        let numbered = sequence > last && sequence - last <= SEQUENCE_GAP_MAX || last == 0;
        if tag != START || count == 0 || !numbered {
            return Err(Stop::Unsound);
        }
        for _ in 0..count {
            self.item()?;
        }
        let [tag] = self.take()?;
        let hash = u64::from_le_bytes(self.take()?);
        let trailer: [u8; 4] = self.take()?;
        let sound = tag == END && trailer == TRAILER && hash == self.hash.digest();
        if sound { Ok(sequence) } else { Err(Stop::Unsound) }
    }

    fn item(&mut self) -> Result<(), Stop> {
        match self.take_hashed()? {
            [CLEAR] => self.take_hashed::<8>().map(drop),
            [ITEM] => {
                let [_kind, compression] = self.take_hashed()?;
                self.take_hashed::<8>()?;
                let key = u16::from_le_bytes(self.take_hashed()?);
                let value = u32::from_le_bytes(self.take_hashed()?);
                let stored = u32::from_le_bytes(self.take_hashed()?);
                // Our journals are not compressed.
                if compression != 0 || value != stored {
                    return Err(Stop::Unsound);
                }
                self.skip_hashed(u64::from(key) + u64::from(stored))
            }
            _ => Err(Stop::Unsound),
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let mut bytes = [0; N];
        if self.left < N as u64 {
            return Err(Stop::Unsound);
        }
        self.file.read_exact(&mut bytes).map_err(Stop::Io)?;
        self.left -= N as u64;
        self.bytes += N as u64;
        Ok(bytes)
    }

    fn take_hashed<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = self.take()?;
        self.hash.update(&bytes);
        Ok(bytes)
    }

    fn skip_hashed(&mut self, mut count: u64) -> Result<(), Stop> {
        if self.left < count {
            return Err(Stop::Unsound);
        }
        self.left -= count;
        self.bytes += count;
        let mut bytes = [0; 4 << 10];
        while count > 0 {
            let part = bytes.len().min(usize::try_from(count).unwrap_or(usize::MAX));
            let Some(part) = bytes.get_mut(..part) else { break };
            self.file.read_exact(part).map_err(Stop::Io)?;
            self.hash.update(part);
            count -= part.len() as u64;
        }
        Ok(())
    }
}

fn is_zero_from(file: &mut BufReader<File>, start: u64) -> io::Result<bool> {
    file.seek(SeekFrom::Start(start))?;
    // The bytes are compared as a whole, at the speed of memory, because a new journal is 64 MiB of
    // zeros.
    let (mut bytes, zeros) = (vec![0; READ_BYTES], vec![0; READ_BYTES]);
    loop {
        match file.read(&mut bytes)? {
            0 => return Ok(true),
            count if bytes.get(..count) != zeros.get(..count) => return Ok(false),
            _ => {}
        }
    }
}

/// Returns whether a sound batch with any number starts anywhere after `start`. Reads the rest of
/// the file into memory, so this runs only if something is unsound.
fn batch_follows(path: &Path, start: u64) -> io::Result<bool> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    let mut rest = bytes.as_slice();
    while let Some(at) = memchr::memchr(START, rest) {
        rest = rest.get(at..).unwrap_or_default();
        if read_batch(&mut &*rest, rest.len() as u64, 0)?.is_some() {
            return Ok(true);
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    Ok(false)
}
