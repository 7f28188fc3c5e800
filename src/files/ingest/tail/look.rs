//! Parses what one look at a growing input has found.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use dataflows::Epoch;

use crate::ingest::input::parser;
use crate::ingest::reader::{Buffer, CsvHeader};
use crate::ingest::{Block, Format, InputError, InputOptions, Parser, ParserContext, RECORD_BYTES_MAX};

/// The part number of records that a tail has read. Their lines are counted from where the tail
/// began.
pub const TAIL_PART: u32 = u32::MAX;

/// The most bytes that are read of one input in one look. The longest record fits in.
pub(super) const LOOK_BYTES: usize = RECORD_BYTES_MAX;

/// What one call of [`Tail::read`](super::Tail::read) has found.
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

/// One look at the inputs: its round and epoch, and where its findings go.
pub(super) struct Look<'a> {
    pub(super) round: u32,
    pub(super) epoch: Epoch,
    pub(super) block: &'a mut Block,
    pub(super) options: &'a InputOptions,
    pub(super) state: &'a mut TailState,
}

/// Device and inode number of a file. They are the same under any name.
pub(super) type FileId = (u64, u64);

pub(super) fn file_id(metadata: &Metadata) -> FileId {
    (metadata.dev(), metadata.ino())
}

/// Turns the bytes of one growing input into records. Reads its header first.
pub(super) struct Growing {
    pub(super) name: String,
    pub(super) format: Format,
    ordinal: u32,
    /// The parser; `None` until the header is known.
    pub(super) parser: Option<Box<dyn Parser>>,
}

impl Growing {
    pub(super) fn new(name: &str, format: Format, ordinal: u32) -> Growing {
        Growing { name: name.to_owned(), format, ordinal, parser: None }
    }

    /// Creates the parser of the records after this header. Their lines are counted from here.
    pub(super) fn start(&mut self, header: Option<&CsvHeader>, options: &InputOptions) -> &mut dyn Parser {
        let form = Arc::new(options.rows.clone());
        let context = ParserContext { form, input: self.ordinal, part: TAIL_PART, round: 0 };
        &mut **self.parser.insert(parser(self.format, header, context))
    }

    /// Parses the complete records in the buffer, or all of it if `at_end`. Returns the number of
    /// bytes parsed.
    pub(super) fn parse(
        &mut self,
        buffer: &mut Buffer,
        at_end: bool,
        look: &mut Look<'_>,
    ) -> Result<u64, InputError> {
        let mut consumed = 0;
        if self.parser.is_none() {
            let header = match self.format {
                Format::Csv => {
                    let (form, delimiter) = (&look.options.rows, look.options.delimiter_of(&self.name));
                    match CsvHeader::parse(&self.name, buffer.bytes(), at_end, form, delimiter)? {
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
