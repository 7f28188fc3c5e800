//! Keeps the lines that were set aside on disk until they are written out in order.
//!
//! Rejects come from all workers in any order, and there may be millions. Their reasons and raw
//! bytes go to a nameless temporary file as they arrive; the system frees it however the process
//! ends. Memory holds only an entry of [`ENTRY_BYTES`] for each reject, and these entries are
//! sorted.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files::push_reject;
use crate::ingest::{Reject, TAIL_PART};

/// The memory that each reject takes, in bytes.
pub const ENTRY_BYTES: usize = size_of::<Entry>();

/// The least number of bytes that one read takes from the temporary file.
const READ_BYTES: usize = 64 << 10;

/// The number of bytes of `rejects.jsonl` that are collected before they are written.
const WRITE_BYTES: usize = 256 << 10;

/// The number of bytes before reason and raw bytes in the temporary file. They hold the lengths of
/// both.
const HEADER_BYTES: usize = 8;

/// The place of a reject in its input, and the place of its text in the temporary file. Entries
/// sort in the order in which rejects are written.
#[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    input: u32,
    part: u32,
    line: u64,
    spilled_at: u64,
}

/// The rejects of a run.
#[derive(Debug)]
pub struct Rejects {
    spill: BufWriter<File>,
    spilled_bytes: u64,
    entries: Vec<Entry>,
    /// The number of lines of each part that was read to its end, by input and part.
    part_lines: BTreeMap<(u32, u32), u64>,
}

impl Rejects {
    /// Creates an empty set. The rejects that are added go to a nameless file in `dir`.
    ///
    /// # Errors
    /// Returns the error of the operating system if the file cannot be created.
    pub fn new_in(dir: &Path) -> io::Result<Rejects> {
        let spill = BufWriter::with_capacity(READ_BYTES, tempfile::tempfile_in(dir)?);
        Ok(Rejects { spill, spilled_bytes: 0, entries: Vec::new(), part_lines: BTreeMap::new() })
    }

    /// Adds a reject. The rejects of one part must come in the order of their lines.
    ///
    /// # Errors
    /// Returns the error of the operating system if the file cannot be written, and an error if
    /// reason or line is longer than 4 GiB. The reject is lost then.
    pub fn push(&mut self, reject: &Reject) -> io::Result<()> {
        let too_long = |_| io::Error::other("a line set aside is longer than 4 GiB");
        let reason_bytes = u32::try_from(reject.reason.len()).map_err(too_long)?;
        let raw_bytes = u32::try_from(reject.raw.len()).map_err(too_long)?;
        self.spill.write_all(&reason_bytes.to_le_bytes())?;
        self.spill.write_all(&raw_bytes.to_le_bytes())?;
        self.spill.write_all(reject.reason.as_bytes())?;
        self.spill.write_all(&reject.raw)?;
        let Reject { input, part, line, .. } = *reject;
        self.entries.push(Entry { input, part, line, spilled_at: self.spilled_bytes });
        self.spilled_bytes += HEADER_BYTES as u64 + u64::from(reason_bytes) + u64::from(raw_bytes);
        Ok(())
    }

    /// Records that a part was read to its end and how many lines it has. The line numbers of later
    /// parts of the same input build on that. A second call for a part replaces the first.
    pub fn part_done(&mut self, input: u32, part: u32, lines: u64) {
        self.part_lines.insert((input, part), lines);
    }

    /// Returns the number of lines that were set aside.
    pub fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Writes all rejects as JSON lines, sorted by input and line. More rejects may be added
    /// afterwards, and all written again.
    ///
    /// Lines are numbered from 1 in their input. The number is `null` if the part is [`TAIL_PART`],
    /// or if a part before it was not (yet) read to its end. This costs one sort and a read of the
    /// temporary file.
    ///
    /// # Errors
    /// Returns the error of the operating system on either file.
    pub fn write(&mut self, inputs: &BTreeMap<u32, String>, out: &mut impl Write) -> io::Result<()> {
        self.spill.flush()?;
        // The entries are sorted already, except those added since the last call.
        self.entries.sort();
        let lines_before = self.lines_before();
        let mut spill = Spill { file: self.spill.get_ref(), start: 0, bytes: Vec::new() };
        let mut text = Vec::with_capacity(WRITE_BYTES);
        for entry in &self.entries {
            let (reason, raw) = spill.read(entry.spilled_at)?;
            let before = lines_before.get(&(entry.input, entry.part));
            let line = before.map(|before| before + entry.line + 1);
            let file = inputs.get(&entry.input).map(String::as_str);
            push_reject(&mut text, file, line, &String::from_utf8_lossy(reason), raw);
            if text.len() >= WRITE_BYTES {
                out.write_all(&text)?;
                text.clear();
            }
        }
        out.write_all(&text)
    }

    /// Returns the number of lines before each part, for the parts where it is known.
    fn lines_before(&self) -> BTreeMap<(u32, u32), u64> {
        let mut before = BTreeMap::new();
        let inputs = self.entries.iter().map(|entry| entry.input);
        for input in inputs.collect::<std::collections::BTreeSet<_>>() {
            let mut sum = 0;
            for part in 0..TAIL_PART {
                before.insert((input, part), sum);
                match self.part_lines.get(&(input, part)) {
                    Some(lines) => sum += lines,
                    None => break,
                }
            }
        }
        before
    }
}

/// A reader of the temporary file that holds one piece of it at a time.
struct Spill<'a> {
    file: &'a File,
    /// The position in the file at which `bytes` begins.
    start: u64,
    bytes: Vec<u8>,
}

impl Spill<'_> {
    /// Returns reason and raw bytes of the reject that was written at position `at`.
    fn read(&mut self, at: u64) -> io::Result<(&[u8], &[u8])> {
        let header = self.need(at, HEADER_BYTES)?;
        let length = |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let (reason_bytes, raw_bytes) = (length(&header[..4]), length(&header[4..]));
        let body = self.need(at + HEADER_BYTES as u64, reason_bytes + raw_bytes)?;
        Ok(body.split_at(reason_bytes))
    }

    /// Returns `length` bytes at position `at`. Reads ahead what one read brings.
    fn need(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.start <= at && at + length as u64 <= held.end) {
            self.bytes.resize(length.max(READ_BYTES), 0);
            let mut filled = 0;
            while filled < self.bytes.len() {
                match self.file.read_at(&mut self.bytes[filled..], at + filled as u64) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            self.bytes.truncate(filled);
            self.start = at;
            if filled < length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let from = (at - self.start) as usize;
        Ok(&self.bytes[from..from + length])
    }
}

#[cfg(test)]
mod tests;
