//! Makes a plan from the inputs as typed: which files there are, what they are, and which worker
//! reads which part.
//!
//! Every worker of every process makes the same plan for the same files and takes its own parts of
//! it. Nothing is handed out while the run goes on. A text file is cut into byte ranges; where
//! exactly is found when a part is opened, see [`boundary`](super::boundary). A Parquet file is cut
//! into row groups. Small, compressed and piped inputs are each read by one worker.

use std::collections::HashMap;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orders::rules::Role;

use super::discover::{discover, nothing_found};
use super::fingerprint::fingerprint;
pub use super::input::Input;
use super::input::{Inside, parser};
use super::reader::{Buffer, CsvHeader, NothingToRead, TextReader};
use super::source::{Source, open_file};
use super::{Compression, Format, InputError, ParserContext, Reader, RowForm, parquet};

/// Text files with fewer bytes than this are read by one worker.
pub const SPLIT_BYTES_MIN: u64 = 64 << 10;

/// The inputs and how to read them.
#[derive(Clone, Debug)]
pub struct InputOptions {
    /// The inputs as typed: paths, directories, globs, and `-` for standard input.
    pub inputs: Vec<String>,
    /// The format of inputs whose names tell none. Without it, standard input is CSV.
    pub format: Option<Format>,
    /// How orders are spelled.
    pub rows: RowForm,
    /// The most memory that the window of a Zstandard stream may take, in bytes.
    pub zstd_window_bytes_max: u64,
    /// The number of the first input. Processes with inputs of their own have different ones.
    pub first_input: u32,
    /// Whether a [`Tail`](super::Tail) continues where the parts end. The parts then leave to it a
    /// last line without a line break, and everything from standard input and pipes. A directory or
    /// a glob may be empty at first, and a CSV file may not have its header yet.
    pub follow: bool,
}

impl InputOptions {
    /// Returns what stands between two fields of the CSV file with this name.
    pub(super) fn delimiter_of(&self, name: &str) -> u8 {
        self.rows.delimiter.unwrap_or_else(|| Format::delimiter_of_name(name))
    }
}

/// What tells a file from others, on whichever host it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its name without the folder.
    pub file_name: String,
    /// Its size as it is stored, in bytes.
    pub size_bytes: u64,
    /// A hash of its first, middle and last bytes.
    pub hash: u64,
}

/// What one worker reads of one input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The index of the input in [`Plan::inputs`].
    pub input: usize,
    /// The number of the part within its input, from 0. The parts follow each other in this order.
    pub ordinal: u32,
    span: Span,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    Whole,
    /// The records that start in these bytes.
    Bytes(Range<u64>),
    RowGroups(Range<usize>),
}

/// A plan of all inputs, which were found and checked.
pub struct Plan {
    /// All inputs in the order of their positions: as typed, with directories and globs expanded in
    /// their place.
    pub inputs: Vec<Input>,
    pub(super) options: InputOptions,
    form: Arc<RowForm>,
}

impl Plan {
    /// Finds every input, opens it and reads its header or footer. Pipes are not opened.
    ///
    /// # Errors
    /// Returns the error of the first input that is missing, unreadable, named twice or not valid, or
    /// that is another one but for its compression.
    pub fn new(options: &InputOptions) -> Result<Plan, InputError> {
        let mut inputs = Vec::new();
        let (mut seen, mut twins) = (HashMap::new(), HashMap::new());
        for typed in &options.inputs {
            let found = discover(typed, options.format)?;
            if found.is_empty() && !options.follow {
                return Err(nothing_found(typed));
            }
            for found in found {
                let identity = found.path.as_ref().map(|path| canonical(path));
                if let Some(before) = seen.insert(identity, found.name.clone()) {
                    return Err(InputError::Twice { name: found.name, before });
                }
                if let Some(path) = &found.path {
                    let orders = canonical(path.parent().unwrap_or(path)).join(without_compression(path));
                    if let Some(before) = twins.insert(orders, found.name.clone()) {
                        return Err(InputError::Twins { name: found.name, before });
                    }
                }
                let ordinal = options.first_input + inputs.len() as u32;
                inputs.push(Input::new(found, ordinal, options)?);
            }
        }
        Ok(Plan { inputs, options: options.clone(), form: Arc::new(options.rows.clone()) })
    }

    /// Returns what tells each input from other files, in the order of the inputs. Processes compare
    /// it to check that they have the same files. Reads up to 192 KiB of each.
    ///
    /// # Errors
    /// Returns [`InputError::SharedStream`] for an input that is no file, because no other process
    /// can have it too, and an error if a file is gone, unreadable or has become shorter.
    pub fn manifest(&self) -> Result<Vec<FileFacts>, InputError> {
        let facts = |input: &Input| {
            let (Some(path), Some(size_bytes)) = (&input.path, input.size_bytes) else {
                return Err(InputError::SharedStream { name: input.name.clone() });
            };
            // Different hosts may keep the same files in different folders.
            let file_name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
            Ok(FileFacts { file_name, size_bytes, hash: fingerprint(&input.name, path, size_bytes)? })
        };
        self.inputs.iter().map(facts).collect()
    }

    /// Returns the roles of members without which no object of an input is an order, a bit each.
    /// There are none unless the input is JSON lines: other forms name their columns once, and are
    /// refused when the plan is made.
    pub fn required_members(&self, input: &Input) -> u8 {
        let required = |role: &Role| input.format == Format::Jsonl && self.form.requires(*role);
        Role::ALL.into_iter().filter(required).fold(0, |roles, role| roles | role.bit())
    }

    /// Returns the error for an input of JSON lines of which no object has members of these roles.
    pub fn lacking_members(&self, name: &str, lacking: u8) -> InputError {
        let names = &self.form.names;
        let missing = Role::ALL.into_iter().filter(|role| lacking & role.bit() != 0);
        let missing = missing.map(|role| (names.wanted(role).to_owned(), role.option())).collect();
        InputError::Members { name: name.to_owned(), missing }
    }

    /// Returns the bytes of all inputs as they are stored; `None` if one is a pipe.
    pub fn total_bytes(&self) -> Option<u64> {
        self.inputs.iter().map(|input| input.size_bytes).sum()
    }

    /// Returns the parts that worker `worker` of `peers` reads. The parts of all workers hold every
    /// record once.
    pub fn parts(&self, worker: usize, peers: usize) -> Vec<Part> {
        assert!(worker < peers, "worker {worker} of {peers}");
        let mut parts = Vec::new();
        let mut compressed = 0;
        for (index, input) in self.inputs.iter().enumerate() {
            let mut push = |ordinal, span| parts.push(Part { input: index, ordinal, span });
            match (&input.inside, input.size_bytes) {
                (Inside::Text { .. }, Some(size)) if size >= SPLIT_BYTES_MIN => {
                    let cut = |part: usize| (size as u128 * part as u128 / peers as u128) as u64;
                    push(worker as u32, Span::Bytes(cut(worker)..cut(worker + 1)));
                }
                (Inside::Text { .. }, size) => {
                    if index % peers == worker {
                        push(0, Span::Bytes(0..size.unwrap_or(0)));
                    }
                }
                (Inside::Whole, Some(_)) => {
                    if compressed % peers == worker {
                        push(0, Span::Whole);
                    }
                    compressed += 1;
                }
                (Inside::Whole, None) => {
                    if !self.options.follow && input.stream_owner(index, peers) == worker {
                        push(0, Span::Whole);
                    }
                }
                (Inside::Empty | Inside::Unborn, _) => {}
                (Inside::RowGroups(rows), _) => {
                    // The shares are rotated by the index, so that small files do not all go to one
                    // worker.
                    let share = (worker + peers - index % peers) % peers;
                    let groups = row_group_share(rows, share, peers);
                    push(share as u32, Span::RowGroups(groups));
                }
            }
        }
        parts
    }

    /// Opens a part of this plan. Waits for the header if the input is a pipe. Panics if the part
    /// is of another plan.
    ///
    /// # Errors
    /// Returns an error if the input is gone, unreadable or changed, or if the header of a pipe is
    /// bad.
    pub fn open(&self, part: &Part) -> Result<Box<dyn Reader<Error = InputError>>, InputError> {
        let input = &self.inputs[part.input];
        let form = Arc::clone(&self.form);
        let context = ParserContext { form, input: input.ordinal, part: part.ordinal, round: 0 };
        match (&input.inside, &part.span, &input.path) {
            (Inside::Text { header, boundaries }, Span::Bytes(range), Some(path)) => {
                let file = open_file(path)?;
                let find =
                    |at| boundaries.start_from(&file, at).map_err(|cause| input.read_error(&file, at, cause));
                let (start, end) = (find(range.start)?, find(range.end)?);
                let parser = parser(input.format, header.as_ref(), context);
                let source = Source::Range { file, position: start, end };
                let header = header.as_ref().filter(|_| range.start == 0);
                Ok(Box::new(TextReader::new(&input.name, source, Buffer::new(start), parser, header)))
            }
            (Inside::RowGroups(_), Span::RowGroups(groups), Some(path)) => {
                Ok(Box::new(parquet::ParquetReader::open(path, context, groups.clone())?))
            }
            _ => {
                let (mut source, mut buffer) = (input.whole(&self.options)?, Buffer::new(0));
                let mut header = None;
                if input.format == Format::Csv {
                    let delimiter = self.options.delimiter_of(&input.name);
                    header = CsvHeader::read(&input.name, &mut source, &mut buffer, &self.form, delimiter)?;
                    if header.is_none() {
                        return Ok(Box::new(NothingToRead));
                    }
                }
                let parser = parser(input.format, header.as_ref(), context);
                Ok(Box::new(TextReader::new(&input.name, source, buffer, parser, header.as_ref())))
            }
        }
    }
}

/// Returns the row groups whose middle row falls into share `share` of `shares` equal shares of all
/// rows.
fn row_group_share(rows: &[u64], share: usize, shares: usize) -> Range<usize> {
    let total = rows.iter().map(|rows| u128::from(*rows)).sum::<u128>().max(1);
    let mut before = 0;
    let mut share_of = |rows: &u64| {
        // Counted in half rows, the middle is a whole number and never the end.
        let middle = 2 * before + u128::from(*rows);
        before += u128::from(*rows);
        (middle * shares as u128 / (2 * total)).min(shares as u128 - 1) as usize
    };
    let shares_of_groups: Vec<usize> = rows.iter().map(&mut share_of).collect();
    shares_of_groups.partition_point(|of| *of < share)..shares_of_groups.partition_point(|of| *of <= share)
}

/// Returns the name of a file without the extension of its compression.
fn without_compression(path: &Path) -> PathBuf {
    let compressed = Format::of_name(&path.to_string_lossy()).1 != Compression::None;
    PathBuf::from(if compressed { path.file_stem() } else { path.file_name() }.unwrap_or_default())
}

/// Returns the path without links, so that one file has one path. Pipes keep the name they have.
pub(super) fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl Reader for parquet::ParquetReader {
    type Error = InputError;

    fn read_block(&mut self, epoch: dataflows::Epoch, block: &mut super::Block) -> Result<bool, InputError> {
        Ok(parquet::ParquetReader::read_block(self, epoch, block)?)
    }
}

#[cfg(test)]
mod tests;
