//! Reads inputs that grow: what was appended to files, and what pipes have given, since the last
//! look.
//!
//! The bounded parts read every file up to the end of the last record that was complete when the
//! plan was made. A tail starts there. Each input belongs to one worker. Its place in the plan
//! decides which, or its name if the file came later. So all workers of all processes agree without
//! talking.
//!
//! A file that is shorter than before is read again from its start. If a name leads to another file
//! than before (rotation), the old file is read to its end and then the new one from its start. A
//! file that was only renamed does not count as new. Content that replaces other content is read in
//! a later round than that, because its positions must be greater.
//!
//! Two things cannot be noticed: a file that is cut short and refilled beyond its old size between
//! two looks; and a CSV quote that is still open at the end of a file, which holds back what
//! follows until the record is complete or longer than
//! [`RECORD_BYTES_MAX`](super::RECORD_BYTES_MAX). Compressed and Parquet files do not grow: the
//! parts read those that exist at the start, and later ones are reported and not read.

mod file;
mod look;
mod pipe;

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dataflows::Epoch;

use self::file::TailedFile;
use self::look::{FileId, Look, file_id};
pub use self::look::{TAIL_PART, TailState};
use self::pipe::TailedPipe;
use super::discover::{Found, discover, is_pattern};
use super::input::Inside;
use super::inputs::canonical;
use super::reader::Buffer;
use super::{Block, Compression, Format, InputError, InputOptions, Plan};

/// The time between two looks for new files.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);

/// The input numbers from here on belong to files that came after the plan was made.
const NEW_INPUTS_FROM: u32 = 1 << 31;

/// A reader of what is appended to the inputs that belong to one worker.
pub struct Tail {
    options: InputOptions,
    /// The inputs as typed that may later mean more files.
    patterns: Vec<String>,
    worker: usize,
    peers: usize,
    files: Vec<TailedFile>,
    pipes: Vec<TailedPipe>,
    /// The paths of all files that were ever found, whichever worker reads them.
    known_paths: HashSet<PathBuf>,
    /// The ids of the files that a known path has led to.
    known_files: HashSet<FileId>,
    rescanned: Option<Instant>,
    rescan_interval: Duration,
    rescan_trouble: Option<String>,
    new_files: u32,
    /// The buffer for all inputs, which are looked at one at a time.
    buffer: Buffer,
}

impl Tail {
    /// Creates the tail of the inputs of a plan that belong to worker `worker` of `peers`.
    ///
    /// # Errors
    /// Returns an error if a file is gone or unreadable.
    pub fn new(plan: &Plan, options: &InputOptions, worker: usize, peers: usize) -> Result<Tail, InputError> {
        let mut tail = Tail {
            options: options.clone(),
            patterns: options.inputs.iter().filter(|typed| is_pattern(typed)).cloned().collect(),
            worker,
            peers,
            files: Vec::new(),
            pipes: Vec::new(),
            known_paths: HashSet::new(),
            known_files: HashSet::new(),
            rescanned: None,
            rescan_interval: RESCAN_INTERVAL,
            rescan_trouble: None,
            new_files: 0,
            buffer: Buffer::new(0),
        };
        for (index, input) in plan.inputs.iter().enumerate() {
            if let Some(path) = &input.path {
                tail.known_paths.insert(canonical(path));
                tail.known_files.extend(fs::metadata(path).ok().as_ref().map(file_id));
            }
            let is_stream = matches!(input.inside, Inside::Whole) && input.size_bytes.is_none();
            if is_stream && input.stream_owner(index, peers) == worker {
                tail.pipes.push(TailedPipe::new(input, options)?);
            } else if let (Some(path), true) = (&input.path, index % peers == worker)
                && matches!(input.inside, Inside::Text { .. } | Inside::Unborn)
            {
                tail.files.push(TailedFile::planned(input, path, options)?);
            }
        }
        Ok(tail)
    }

    /// Reads about 1 MiB of what each input of this worker has to give, without waiting for more.
    ///
    /// Records get positions in `round`, which must be at least 1 and never decrease.
    ///
    /// # Errors
    /// Returns an error if a file or pipe cannot be read, or if new content does not begin with a
    /// header.
    pub fn read(&mut self, round: u32, epoch: Epoch, block: &mut Block) -> Result<TailState, InputError> {
        let mut state = TailState::default();
        self.rescan(&mut state)?;
        let mut look = Look { round, epoch, block, options: &self.options, state: &mut state };
        for file in &mut self.files {
            file.read(&mut self.buffer, &mut look)?;
        }
        for pipe in &mut self.pipes {
            pipe.read(&mut look)?;
        }
        // A file that a known name leads to now does not count as new when it gets another name.
        self.known_files.extend(self.files.iter().map(TailedFile::id));
        state.ended =
            self.files.is_empty() && self.patterns.is_empty() && self.pipes.iter().all(TailedPipe::ended);
        Ok(state)
    }

    /// Looks for new files in directories and globs, if the last look is long enough ago.
    fn rescan(&mut self, state: &mut TailState) -> Result<(), InputError> {
        if self.rescanned.is_some_and(|at| at.elapsed() < self.rescan_interval) {
            return Ok(());
        }
        self.rescanned = Some(Instant::now());
        // This is done before new names are looked at, because a known file may have got another
        // name.
        let known = self.known_paths.iter().filter_map(|path| fs::metadata(path).ok());
        self.known_files.extend(known.map(|metadata| file_id(&metadata)));
        for typed in self.patterns.clone() {
            match discover(&typed, self.options.format) {
                Ok(found) => {
                    for found in found {
                        self.welcome(found, state)?;
                    }
                }
                // This can be a directory that is being replaced. The error is reported once, and
                // the look is repeated.
                Err(trouble) => {
                    let trouble = trouble.to_string();
                    if self.worker == 0 && self.rescan_trouble.as_ref() != Some(&trouble) {
                        state.notes.push(format!("looking for new files: {trouble}"));
                        self.rescan_trouble = Some(trouble);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes on a file of a directory or glob, if it is new and belongs to this worker.
    fn welcome(&mut self, found: Found, state: &mut TailState) -> Result<(), InputError> {
        let Some(path) = &found.path else { return Ok(()) };
        // The file is gone again, or it is a pipe, which would have to be opened to know more.
        let Some(metadata) = fs::metadata(path).ok().filter(Metadata::is_file) else { return Ok(()) };
        let is_new_path = self.known_paths.insert(canonical(path));
        let is_new_file = self.known_files.insert(file_id(&metadata));
        if !is_new_path || !is_new_file || owner(&found.name, self.peers) != self.worker {
            return Ok(());
        }
        if found.compression != Compression::None || found.format == Format::Parquet {
            state.notes.push(format!(
                "{} is new and left alone: compressed and Parquet files are only read at the start",
                found.name
            ));
            return Ok(());
        }
        // The number is different for each worker, and for each file of a worker.
        let ordinal = NEW_INPUTS_FROM
            + self.options.first_input
            + self.new_files * self.peers as u32
            + self.worker as u32;
        self.new_files += 1;
        state.new_inputs.push((ordinal, found.name.clone()));
        state.notes.push(format!("{} is new and read from its start", found.name));
        self.files.push(TailedFile::from_start(&found.name, path, found.format, ordinal)?);
        Ok(())
    }
}

/// Returns the worker that a file which came after the plan belongs to, by the FNV-1a hash of its
/// name.
fn owner(name: &str, peers: usize) -> usize {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % peers as u64) as usize
}

#[cfg(test)]
mod tests;
