//! Finds exactly where the parts of a text file start, so that several workers can read one file.
//!
//! A part `[start, end)` owns the records that start in it. Both ends are record starts that are
//! found by the same rule. So the parts of a file hold each record once, whichever worker reads
//! them and however many there are.
//!
//! In JSON lines every line break ends a record. In CSV a line break may be inside quotes, and
//! whether a quote opens or closes depends on everything before it. What saves us from reading
//! everything is the limit `L` on a record ([`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX)) and the
//! rule of `csv::record_end`: a sound record has at most `L` bytes, and any other record ends at
//! its first line break. Hence, if there is no quote in the `L` bytes before a byte `b`:
//!
//! - *A line break among them ends a record.* Take the record that contains it. If that record is
//!   not sound, it ends at its first line break, which is its only one. If it is sound and the line
//!   break were not its end, the line break would be in quotes, and a quote would have to close
//!   after it. If the record starts before the `L` bytes, this quote would be before `b`, since the
//!   record has at most `L` bytes. If it starts among them, the opening quote would be among them
//!   too. Both contradict that there is no quote.
//! - *If there is no line break among them, the next one ends a record, and it is the first end
//!   after `b`.* The record around `b` does not start among the `L` bytes, because a line break
//!   would stand before it. So it is longer than `L`, hence not sound, and ends at its first line
//!   break.
//!
//! If there is a quote, records are counted off from the start of the file; stretches without
//! quotes are skipped at the speed of memory. This is done once per file for all workers of a
//! process. They wait for it at a lock, each only until its own part is found.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use memchr::{memchr, memrchr};

/// The number of bytes that are read at a time while searching. Tests use other numbers.
const SEARCH_BYTES: usize = 256 << 10;

/// Bytes that can be read at any place: those of a file, or of a test.
pub(super) trait ReadAt {
    /// Reads bytes as [`FileExt::read_at`] does.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

/// Reads exactly `buffer.len()` bytes. Fails with [`io::ErrorKind::UnexpectedEof`] if there are
/// fewer.
fn read_exact_at(file: &impl ReadAt, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The rule for the end of a record.
#[derive(Copy, Clone)]
pub(super) enum Rule {
    /// Every line break ends a record.
    Line,
    /// A line break that is not in quotes ends a record.
    Quoted(Quoted),
}

/// The rule for the end of a CSV record.
#[derive(Copy, Clone)]
pub(super) struct Quoted {
    /// The limit `L` of the argument in this module's documentation.
    pub(super) record_bytes_max: usize,
    /// What stands between two fields.
    pub(super) delimiter: u8,
    /// Returns the length of the record at the start of the given bytes, or `None` if more bytes
    /// are needed to tell. The second argument is the delimiter, the third says that no more bytes
    /// follow.
    pub(super) record_end: fn(&[u8], u8, bool) -> Option<usize>,
}

/// The record starts of one file between `first` and `size`.
pub(super) struct Boundaries {
    rule: Rule,
    /// The place where the first record starts, after the header.
    first: u64,
    /// The number of bytes of the file that are read.
    size: u64,
    /// Whether the end of the file ends the last record, which then needs no line break.
    ends: bool,
    /// The number of bytes that are read at a time while searching.
    search_bytes: usize,
    /// The record starts that were found by counting off, by the place that was asked for.
    counted: Mutex<BTreeMap<u64, u64>>,
}

impl Boundaries {
    pub(super) fn new(rule: Rule, first: u64, size: u64, ends: bool) -> Boundaries {
        Boundaries {
            rule,
            first: first.min(size),
            size,
            ends,
            search_bytes: SEARCH_BYTES,
            counted: Mutex::default(),
        }
    }

    /// Returns the first record start at or after `at`, or the end of the last record if there is
    /// none.
    pub(super) fn start_from(&self, file: &impl ReadAt, at: u64) -> io::Result<u64> {
        if at <= self.first {
            return Ok(self.first);
        }
        if at >= self.size {
            return if self.ends { Ok(self.size) } else { self.complete_end(file) };
        }
        let start = match self.rule {
            Rule::Line => self.line_start_from(file, at)?,
            Rule::Quoted(quoted) => match self.sound_line(file, at, quoted)? {
                Sound::Start(start) => Some(self.walk(file, start, at, quoted)?),
                Sound::InLongLine => self.line_start_from(file, at)?,
                Sound::Unknown => Some(self.count_off(file, at, quoted)?),
            },
        };
        match start {
            Some(start) => Ok(start),
            None if self.ends => Ok(self.size),
            None => self.complete_end(file),
        }
    }

    /// Returns the end of the last record that is complete without the end of the file.
    fn complete_end(&self, file: &impl ReadAt) -> io::Result<u64> {
        match self.rule {
            Rule::Line => self.last_line_start(file),
            Rule::Quoted(quoted) => match self.sound_line(file, self.size, quoted)? {
                Sound::Start(start) => Ok(start),
                Sound::InLongLine | Sound::Unknown => self.count_off(file, self.size, quoted),
            },
        }
    }

    /// Returns what the bytes before `at` alone tell, by the argument in this module's
    /// documentation.
    fn sound_line(&self, file: &impl ReadAt, at: u64, quoted: Quoted) -> io::Result<Sound> {
        let before = quoted.record_bytes_max as u64;
        if at < self.first + before {
            return Ok(Sound::Unknown);
        }
        let mut bytes = vec![0; quoted.record_bytes_max];
        read_exact_at(file, &mut bytes, at - before)?;
        Ok(match (memchr(b'"', &bytes), memrchr(b'\n', &bytes)) {
            (Some(_), _) => Sound::Unknown,
            (None, Some(line_break)) => Sound::Start(at - before + line_break as u64 + 1),
            (None, None) => Sound::InLongLine,
        })
    }

    /// Does a [`walk`](Self::walk) from the nearest record start that is known.
    fn count_off(&self, file: &impl ReadAt, at: u64, quoted: Quoted) -> io::Result<u64> {
        // The lock is held during the walk: a worker that waits here needs its result, or continues
        // from its end.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let known = counted.range(..=at).next_back().map_or(self.first, |(_, start)| *start);
        let start = self.walk(file, known, at, quoted)?;
        counted.insert(at, start);
        Ok(start)
    }

    /// Walks from the record start `start` to the first record start at or after `target`, or to
    /// the end. Without [`ends`](Self::ends), the end is the start of the record that is not
    /// complete.
    fn walk(&self, file: &impl ReadAt, mut start: u64, target: u64, quoted: Quoted) -> io::Result<u64> {
        let mut bytes = vec![0; quoted.record_bytes_max + self.search_bytes];
        while start < target {
            let held = ((self.size - start) as usize).min(bytes.len());
            let window = &mut bytes[..held];
            read_exact_at(file, window, start)?;
            let window_ends = start + held as u64 == self.size;
            let target_in_window = ((target - start) as usize).min(held);
            let mut at = 0;
            while at < target_in_window {
                let quote = memchr(b'"', &window[at..target_in_window])
                    .map_or(target_in_window, |length| at + length);
                if let Some(line_break) = memrchr(b'\n', &window[at..quote]) {
                    at += line_break + 1;
                    continue;
                }
                match (quoted.record_end)(&window[at..], quoted.delimiter, window_ends && self.ends) {
                    Some(length) => at += length,
                    None => break,
                }
            }
            start += at as u64;
            if at == 0 {
                // The window is longer than a record may be. So this is one line that is too long,
                // or the last record.
                let next = if window_ends { None } else { self.line_start_from(file, start + held as u64)? };
                match next {
                    Some(next) => start = next,
                    None if self.ends => return Ok(self.size),
                    None => return Ok(start),
                }
            } else if window_ends && at < target_in_window {
                return Ok(start);
            }
        }
        Ok(start)
    }

    /// Returns the start of the first line that starts at or after `at`; `None` if no line break
    /// comes. `at` must be after the start of the first record.
    fn line_start_from(&self, file: &impl ReadAt, at: u64) -> io::Result<Option<u64>> {
        let mut bytes = vec![0; self.search_bytes];
        let mut from = at - 1;
        while from < self.size {
            let held = ((self.size - from) as usize).min(self.search_bytes);
            read_exact_at(file, &mut bytes[..held], from)?;
            if let Some(line_break) = memchr(b'\n', &bytes[..held]) {
                return Ok(Some(from + line_break as u64 + 1));
            }
            from += held as u64;
        }
        Ok(None)
    }

    /// Returns the position after the last line break, or the first record start if there is none.
    fn last_line_start(&self, file: &impl ReadAt) -> io::Result<u64> {
        let mut bytes = vec![0; self.search_bytes];
        let mut end = self.size;
        while end > self.first {
            let held = ((end - self.first) as usize).min(self.search_bytes);
            let from = end - held as u64;
            read_exact_at(file, &mut bytes[..held], from)?;
            if let Some(line_break) = memrchr(b'\n', &bytes[..held]) {
                return Ok(from + line_break as u64 + 1);
            }
            end = from;
        }
        Ok(self.first)
    }
}

/// What the bytes before a place tell about records.
enum Sound {
    /// A record starts here, and there is no line break between here and the place.
    Start(u64),
    /// The place is in a line that is longer than a record may be.
    InLongLine,
    /// They tell nothing: there are quotes, or too few bytes.
    Unknown,
}

#[cfg(test)]
mod tests;
