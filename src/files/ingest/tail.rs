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
//! follows until the record is complete or longer than [`RECORD_BYTES_MAX`]. Compressed and Parquet
//! files do not grow: the parts read those that exist at the start, and later ones are reported and
//! not read.

mod file;
mod pipe;

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dataflows::Epoch;

use self::file::TailedFile;
use self::pipe::TailedPipe;
use super::discover::{Found, discover, is_pattern};
use super::inputs::{Layout, canonical, parser};
use super::reader::{Buffer, CsvHeader};
use super::{
    Block, Compression, Format, InputError, InputOptions, Parser, ParserContext, Plan, RECORD_BYTES_MAX,
};

/// The part number of records that a tail has read. Their lines are counted from where the tail
/// began.
pub const TAIL_PART: u32 = u32::MAX;

/// The most bytes that are read of one input in one look. The longest record fits in.
const LOOK_BYTES: usize = RECORD_BYTES_MAX;

/// The time between two looks for new files.
const RESCAN_INTERVAL: Duration = Duration::from_secs(1);

/// The input numbers from here on belong to files that came after the plan was made.
const NEW_INPUTS_FROM: u32 = 1 << 31;

/// What one call of [`Tail::read`] has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TailState {
    /// Whether there was anything to read. If so, there may be more already.
    pub read_anything: bool,
    /// What the user should know, such as a rotated, shortened or new file. Each is a sentence that
    /// names the file.
    pub notes: Vec<String>,
    /// The numbers and names of inputs that have come since the last call.
    pub new_inputs: Vec<(u32, String)>,
    /// Whether no input of this worker can give anything more.
    pub ended: bool,
}

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

/// One look at the inputs: its round and epoch, and where its findings go.
struct Look<'a> {
    round: u32,
    epoch: Epoch,
    block: &'a mut Block,
    options: &'a InputOptions,
    state: &'a mut TailState,
}

/// Device and inode number of a file. They are the same under any name.
type FileId = (u64, u64);

fn file_id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
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
            let is_stream = matches!(input.layout, Layout::Whole) && input.size_bytes.is_none();
            if is_stream && input.stream_owner(index, peers) == worker {
                tail.pipes.push(TailedPipe::new(input)?);
            } else if let (Some(path), true) = (&input.path, index % peers == worker)
                && matches!(input.layout, Layout::Text { .. } | Layout::Unborn)
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

/// Turns the bytes of one growing input into records. Reads its header first.
struct Growing {
    name: String,
    format: Format,
    ordinal: u32,
    /// The parser; `None` until the header is known.
    parser: Option<Box<dyn Parser>>,
}

impl Growing {
    fn new(name: &str, format: Format, ordinal: u32) -> Growing {
        Growing { name: name.to_owned(), format, ordinal, parser: None }
    }

    /// Creates the parser of the records after this header. Their lines are counted from here.
    fn start(&mut self, header: Option<&CsvHeader>, options: &InputOptions) -> &mut dyn Parser {
        let context =
            ParserContext { envelope: options.envelope, input: self.ordinal, part: TAIL_PART, round: 0 };
        &mut **self.parser.insert(parser(self.format, header, &options.names, context))
    }

    /// Parses the complete records in the buffer, or all of it if `at_end`. Returns the number of
    /// bytes parsed.
    fn parse(&mut self, buffer: &mut Buffer, at_end: bool, look: &mut Look<'_>) -> Result<u64, InputError> {
        let mut consumed = 0;
        if self.parser.is_none() {
            let header = match self.format {
                Format::Csv => {
                    match CsvHeader::parse(&self.name, buffer.bytes(), at_end, &look.options.names)? {
                        Some(header) => Some(header),
                        None => return Ok(0),
                    }
                }
                _ => None,
            };
            let (bytes, lines) = header.as_ref().map_or((0, 0), |header| (header.bytes, header.lines));
            self.start(header.as_ref(), look.options).skip_lines(lines);
            buffer.skip(bytes as usize);
            consumed = bytes;
            look.block.lines += lines;
        }
        if let Some(parser) = &mut self.parser {
            parser.set_round(look.round);
            consumed += buffer.parse(&mut **parser, at_end, look.epoch, look.block) as u64;
        }
        look.block.bytes += consumed;
        look.state.read_anything |= consumed > 0;
        Ok(consumed)
    }
}

#[cfg(test)]
mod tests;
