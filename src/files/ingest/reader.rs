//! Reads a part of a text input in blocks, and has each parsed while it is in the cache.
//!
//! Files are read into a buffer and not mapped into memory. If another program cut a mapped file
//! short, a signal would kill this process, while a failed read is an error that we can name. The
//! copy costs little, because the block is small enough to stay in the cache until it is parsed.

use std::io;

use dataflows::Epoch;

use super::content::Content;
use super::source::Source;
use super::{BUFFER_PADDING, Block, InputError, Parser, RECORD_BYTES_MAX, Reader, RowForm, csv};

/// The number of bytes of input in a block.
pub const BLOCK_BYTES: usize = 64 << 10;

/// A buffer of bytes of an input that are not parsed yet.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    valid: usize,
    /// The position of the first byte in the (uncompressed) input.
    offset: u64,
}

impl Buffer {
    pub(super) fn new(offset: u64) -> Buffer {
        Buffer { bytes: vec![0; BLOCK_BYTES + BUFFER_PADDING], valid: 0, offset }
    }

    /// Drops all bytes held, and begins at another position.
    pub(super) fn restart(&mut self, offset: u64) {
        self.valid = 0;
        self.offset = offset;
    }

    /// Returns the bytes held.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.valid]
    }

    /// Returns room for `wanted` more bytes after those held. [`extend`](Self::extend) then takes
    /// them.
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        let needed = self.valid + wanted + BUFFER_PADDING;
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
        &mut self.bytes[self.valid..needed - BUFFER_PADDING]
    }

    /// Takes the first `count` bytes of the last [`room`](Self::room) as read.
    pub(super) fn extend(&mut self, count: usize) {
        self.valid += count;
    }

    /// Has the complete records parsed and moves the rest to the front. Returns the number of bytes
    /// consumed.
    pub(super) fn parse(
        &mut self,
        parser: &mut dyn Parser,
        at_end: bool,
        epoch: Epoch,
        block: &mut Block,
    ) -> usize {
        let consumed = parser.parse(&self.bytes, self.valid, self.offset, at_end, epoch, block);
        self.skip(consumed);
        consumed
    }

    /// Drops the first `count` bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.bytes.copy_within(count..self.valid, 0);
        self.valid -= count;
        self.offset += count as u64;
    }

    /// Reads until [`BLOCK_BYTES`] more bytes are held or the source ends. Returns whether it
    /// ended.
    fn fill(&mut self, source: &mut Source) -> io::Result<bool> {
        let mut wanted = BLOCK_BYTES;
        while wanted > 0 {
            match source.read(self.room(wanted)) {
                Ok(0) => return Ok(true),
                Ok(count) => {
                    self.extend(count);
                    wanted -= count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // A range that is used up has ended. Any other source is not asked again, because it might
        // wait for bytes that never come.
        Ok(matches!(source, Source::Range { position, end, .. } if position == end))
    }
}

/// The header of a CSV input, with its length in bytes and lines.
#[derive(Clone, Debug)]
pub(super) struct CsvHeader {
    pub(super) header: csv::Header,
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

impl CsvHeader {
    /// Reads the header at the start of `bytes`. Returns `None` if more bytes are needed to tell, or
    /// if there are none at all.
    pub(super) fn parse(
        name: &str,
        bytes: &[u8],
        at_end: bool,
        form: &RowForm,
        delimiter: u8,
    ) -> Result<Option<CsvHeader>, InputError> {
        if bytes.is_empty() {
            return Ok(None);
        }
        check_text(name, bytes)?;
        let refused = |reason| Err(InputError::Header { name: name.to_owned(), reason });
        let end = match csv::record_end(bytes, delimiter, at_end) {
            csv::RecordEnd::Complete(end) if end <= RECORD_BYTES_MAX => end,
            csv::RecordEnd::Incomplete if bytes.len() < RECORD_BYTES_MAX => return Ok(None),
            _ => {
                return refused(format!(
                    "no header: the first {RECORD_BYTES_MAX} bytes hold no line break, so it is not CSV"
                ));
            }
        };
        match csv::Header::parse(&bytes[..end], form, delimiter) {
            Ok(header) => {
                let lines = memchr::memchr_iter(b'\n', &bytes[..end]).count().max(1);
                Ok(Some(CsvHeader { header, bytes: end as u64, lines: lines as u64 }))
            }
            Err(error) => refused(error.to_string()),
        }
    }

    /// Reads the header of an input from its start. Returns `None` if it has no line break yet.
    pub(super) fn read_complete(
        name: &str,
        source: &mut Source,
        buffer: &mut Buffer,
        form: &RowForm,
        delimiter: u8,
    ) -> Result<Option<CsvHeader>, InputError> {
        loop {
            let at_end = buffer.fill(source).map_err(|cause| source.error(name, cause))?;
            let header = CsvHeader::parse(name, buffer.bytes(), false, form, delimiter)?;
            if header.is_some() || at_end {
                return Ok(header);
            }
        }
    }

    /// Reads the header of an input from its start. The buffer then begins after it. Returns `None`
    /// if the input is empty.
    pub(super) fn read(
        name: &str,
        source: &mut Source,
        buffer: &mut Buffer,
        form: &RowForm,
        delimiter: u8,
    ) -> Result<Option<CsvHeader>, InputError> {
        loop {
            let at_end = buffer.fill(source).map_err(|cause| source.error(name, cause))?;
            if let Some(header) = CsvHeader::parse(name, buffer.bytes(), at_end, form, delimiter)? {
                buffer.skip(header.bytes as usize);
                return Ok(Some(header));
            }
            if at_end {
                return Ok(None);
            }
        }
    }
}

/// A reader of an input that is empty.
pub(super) struct NothingToRead;

impl Reader for NothingToRead {
    type Error = InputError;

    fn read_block(&mut self, _: Epoch, _: &mut Block) -> Result<bool, InputError> {
        Ok(false)
    }
}

/// Checks that the first bytes of an input that is not compressed may be text.
pub(super) fn check_text(name: &str, bytes: &[u8]) -> Result<(), InputError> {
    match Content::of(bytes) {
        Some(content) => Err(InputError::OtherContent { name: name.to_owned(), content }),
        None => Ok(()),
    }
}

/// A reader of a part of a CSV or JSON lines input.
pub(super) struct TextReader {
    name: String,
    source: Source,
    buffer: Buffer,
    parser: Box<dyn Parser>,
    /// The lines of a header before the buffer, which the parser did not get and no block has
    /// counted yet.
    header_lines: u64,
    /// The bytes of the input, as they are stored, that blocks have counted.
    counted_bytes: u64,
    /// Whether nothing of the input was read yet, so that its first bytes are to be looked at.
    at_start: bool,
    at_end: bool,
}

impl TextReader {
    /// Creates a reader that continues where `buffer` and `source` are. `header` is the header that
    /// was read before, if it is in this part.
    pub(super) fn new(
        name: &str,
        source: Source,
        buffer: Buffer,
        mut parser: Box<dyn Parser>,
        header: Option<&CsvHeader>,
    ) -> TextReader {
        let header_lines = header.map_or(0, |header| header.lines);
        parser.skip_lines(header_lines);
        let counted_bytes = match &source {
            Source::Range { position, .. } => *position - header.map_or(0, |header| header.bytes),
            _ => 0,
        };
        let at_start = header.is_none() && buffer.offset == 0;
        TextReader {
            name: name.to_owned(),
            source,
            buffer,
            parser,
            header_lines,
            counted_bytes,
            at_start,
            at_end: false,
        }
    }
}

impl Reader for TextReader {
    type Error = InputError;

    fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, InputError> {
        if self.at_end {
            return Ok(false);
        }
        loop {
            self.at_end =
                self.buffer.fill(&mut self.source).map_err(|cause| self.source.error(&self.name, cause))?;
            if std::mem::take(&mut self.at_start) {
                check_text(&self.name, self.buffer.bytes())?;
            }
            let consumed = self.buffer.parse(&mut *self.parser, self.at_end, epoch, block);
            // If a record is longer than the block, more blocks are read.
            if consumed > 0 || self.at_end {
                block.lines += std::mem::take(&mut self.header_lines);
                let stored_bytes = self.source.stored_bytes();
                block.bytes += stored_bytes - self.counted_bytes;
                self.counted_bytes = stored_bytes;
                return Ok(true);
            }
        }
    }
}
