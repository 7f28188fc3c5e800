//! One input of a plan: what it is, what is inside, and how it is opened.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::boundary::{Boundaries, Quoted, Rule};
use super::discover::{Found, open_error};
use super::inputs::InputOptions;
use super::reader::{BLOCK_BYTES, Buffer, CsvHeader, check_text};
use super::source::{Source, open_file, read_error};
use super::{
    Compression, Envelope, Format, InputError, Parser, ParserContext, RECORD_BYTES_MAX, csv, jsonl, parquet,
};

/// One input of a plan.
pub struct Input {
    /// The path as it is shown.
    pub name: String,
    /// The path; `None` for standard input.
    pub path: Option<PathBuf>,
    /// The format of its records.
    pub format: Format,
    /// How the input is compressed.
    pub compression: Compression,
    /// Its size as it is stored, in bytes; `None` for standard input and pipes.
    pub size_bytes: Option<u64>,
    /// Its number among all inputs.
    pub ordinal: u32,
    pub(super) inside: Inside,
}

/// What is known about the inside of an input.
pub(super) enum Inside {
    /// A text file that can be read at any place.
    Text {
        /// The header of a CSV file; `None` for other formats.
        header: Option<CsvHeader>,
        boundaries: Boundaries,
    },
    /// An input that is read from its start to its end by one worker.
    Whole,
    /// A file without content, which is no orders in any form.
    Empty,
    /// A followed CSV file that does not have its header yet. The tail reads all of it.
    Unborn,
    /// A Parquet file, with the number of rows of each of its row groups.
    RowGroups(Vec<u64>),
}

impl Input {
    pub(super) fn new(found: Found, ordinal: u32, options: &InputOptions) -> Result<Input, InputError> {
        let Found { name, path, format, compression } = found;
        let metadata = match &path {
            Some(path) => Some(fs::metadata(path).map_err(|cause| open_error(path, cause))?),
            None => None,
        };
        let size_bytes = metadata.filter(fs::Metadata::is_file).map(|metadata| metadata.len());
        if options.rows.envelope == Envelope::Debezium && format != Format::Jsonl {
            return Err(InputError::NotDebezium { name });
        }
        if format == Format::Parquet && (size_bytes.is_none() || compression != Compression::None) {
            return Err(InputError::ParquetStream { name });
        }
        let mut input = Input { name, path, format, compression, size_bytes, ordinal, inside: Inside::Whole };
        if let (Some(path), Some(size)) = (&input.path, size_bytes) {
            input.inside = input.look_inside(path, size, options)?;
        }
        Ok(input)
    }

    /// Checks the start or the end of a regular file, if its format has something to check there.
    fn look_inside(&self, path: &Path, size: u64, options: &InputOptions) -> Result<Inside, InputError> {
        let may_grow =
            options.follow && self.compression == Compression::None && self.format != Format::Parquet;
        if size == 0 && !may_grow {
            return Ok(Inside::Empty);
        }
        if self.format == Format::Parquet {
            return Ok(Inside::RowGroups(parquet::row_groups(path)?));
        }
        let (rows, delimiter) = (&options.rows, options.delimiter_of(&self.name));
        if self.compression != Compression::None {
            let mut source = self.whole(options)?;
            let is_empty = self.format == Format::Csv
                && CsvHeader::read(&self.name, &mut source, &mut Buffer::new(0), rows, delimiter)?.is_none();
            return Ok(if is_empty { Inside::Empty } else { Inside::Whole });
        }
        let file = open_file(path)?;
        let mut header = None;
        if self.format == Format::Jsonl {
            let head = head(&file).map_err(|cause| self.read_error(&file, 0, cause))?;
            check_text(&self.name, &head)?;
            // Where an element of an array starts depends on all before it, so one worker reads it.
            if jsonl::is_array(&head) {
                return Ok(Inside::Whole);
            }
        }
        if self.format == Format::Csv {
            let mut source = Source::Range { file, position: 0, end: size };
            let mut buffer = Buffer::new(0);
            header = if options.follow {
                CsvHeader::read_complete(&self.name, &mut source, &mut buffer, rows, delimiter)?
            } else {
                CsvHeader::read(&self.name, &mut source, &mut buffer, rows, delimiter)?
            };
            if header.is_none() {
                return Ok(Inside::Unborn);
            }
        }
        let first = header.as_ref().map_or(0, |header| header.bytes);
        let boundaries = Boundaries::new(rule(self.format, delimiter), first, size, !options.follow);
        Ok(Inside::Text { header, boundaries })
    }

    /// Returns the worker that reads this input, if it is a pipe. `index` is its index in the plan.
    pub(super) fn stream_owner(&self, index: usize, peers: usize) -> usize {
        if self.path.is_none() { 0 } else { index % peers }
    }

    /// Opens the input so that it is read from start to end.
    pub(super) fn whole(&self, options: &InputOptions) -> Result<Source, InputError> {
        Source::whole(&self.name, self.path.as_deref(), self.compression, options.zstd_window_bytes_max)
    }

    /// Returns the error for a failed read of this input's file.
    pub(super) fn read_error(&self, file: &File, at: u64, cause: io::Error) -> InputError {
        read_error(&self.name, file, self.size_bytes.unwrap_or(0), at, cause)
    }
}

/// Creates a parser of the records after a header.
///
/// Panics if the format is CSV and there is no header.
pub(super) fn parser(format: Format, header: Option<&CsvHeader>, context: ParserContext) -> Box<dyn Parser> {
    match (format, header) {
        (Format::Csv, Some(header)) => Box::new(csv::CsvParser::new(&header.header, context)),
        (Format::Jsonl, _) => Box::new(jsonl::JsonParser::new(context)),
        (format, _) => unreachable!("{format:?} without a header is not parsed as text"),
    }
}

/// Returns the first bytes of a file, up to [`BLOCK_BYTES`].
fn head(file: &File) -> io::Result<Vec<u8>> {
    let mut head = vec![0; BLOCK_BYTES];
    let mut filled = 0;
    while filled < head.len() {
        match file.read_at(&mut head[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    Ok(head)
}

fn rule(format: Format, delimiter: u8) -> Rule {
    match format {
        Format::Csv => Rule::Quoted(Quoted {
            record_bytes_max: RECORD_BYTES_MAX,
            delimiter,
            record_end: |bytes, delimiter, at_end| match csv::record_end(bytes, delimiter, at_end) {
                csv::RecordEnd::Complete(end) => Some(end),
                csv::RecordEnd::Incomplete => None,
            },
        }),
        _ => Rule::Line,
    }
}
