//! Reads a part of a text input in blocks, and has each parsed while it is in the cache.
//!
//! Files are read into a buffer and not mapped into memory. If another program cut a mapped file
//! short, a signal would kill this process, while a failed read is an error that we can name. The
//! copy costs little, because the block is small enough to stay in the cache until it is parsed.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use dataflows::Epoch;

use super::content::{Content, zstd_window_bytes};
use super::discover::open_error;
use super::gzip::{GzipReader, OtherBytes, Stored};
use super::{BUFFER_PADDING, Block, Compression, InputError, Parser, RECORD_BYTES_MAX, Reader, RowForm, csv};

/// The number of bytes of input in a block.
pub const BLOCK_BYTES: usize = 64 << 10;

/// The number of bytes that are read at a time from a compressed file.
const COMPRESSED_READ_BYTES: usize = 64 << 10;

/// The most memory that the window of a Zstandard stream may take if nothing else is said, in bytes.
/// It is what the `zstd` program allows.
pub const ZSTD_WINDOW_BYTES_MAX: u64 = 128 << 20;

/// The windows that the decoder knows, as powers of two.
const ZSTD_WINDOW_LOGS: std::ops::RangeInclusive<u32> = 10..=31;

/// The source of a part's bytes.
pub(super) enum Source {
    /// A byte range of a regular file.
    Range { file: File, position: u64, end: u64 },
    /// Standard input or a pipe, whose bytes come only once.
    Stream { stream: Box<dyn Read + Send>, read_bytes: u64 },
    /// A file compressed with gzip.
    Gzip(Box<GzipReader<BufReader<Counted>>>),
    /// A file compressed with Zstandard.
    Zstd {
        decoder: zstd::stream::read::Decoder<'static, BufReader<Counted>>,
        /// The window that the first frame needs, in bytes; `None` if it is not known.
        window_bytes: Option<u64>,
        window_bytes_max: u64,
    },
}

/// A reader that counts the bytes that are read of a compressed file.
pub(super) struct Counted {
    file: Box<dyn Read + Send>,
    read_bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read_bytes += count as u64;
        Ok(count)
    }
}

impl Stored for BufReader<Counted> {
    fn taken_bytes(&self) -> u64 {
        self.get_ref().read_bytes - self.buffer().len() as u64
    }
}

impl Source {
    /// Creates a source of a whole file or pipe, or of standard input, which is read from start to
    /// end. The window of a Zstandard stream may have `zstd_window_bytes_max` bytes.
    pub(super) fn whole(
        name: &str,
        path: Option<&Path>,
        compression: Compression,
        zstd_window_bytes_max: u64,
    ) -> Result<Source, InputError> {
        let stream: Box<dyn Read + Send> = match path {
            Some(path) => Box::new(open_file(path)?),
            None => Box::new(io::stdin()),
        };
        if compression == Compression::None {
            return Ok(Source::Stream { stream, read_bytes: 0 });
        }
        let unread = |cause| InputError::Read { name: name.to_owned(), at: 0, cause };
        let mut stored =
            BufReader::with_capacity(COMPRESSED_READ_BYTES, Counted { file: stream, read_bytes: 0 });
        let head = stored.fill_buf().map_err(unread)?;
        check_compressed(name, compression, head)?;
        if compression == Compression::Gzip {
            return Ok(Source::Gzip(Box::new(GzipReader::new(stored))));
        }
        let window_bytes = zstd_window_bytes(head);
        let window_bytes_max = zstd_window_bytes_max;
        let window_log = window_bytes_max.max(1).next_power_of_two().ilog2();
        let mut decoder = zstd::stream::read::Decoder::with_buffer(stored).map_err(unread)?;
        decoder
            .window_log_max(window_log.clamp(*ZSTD_WINDOW_LOGS.start(), *ZSTD_WINDOW_LOGS.end()))
            .map_err(unread)?;
        Ok(Source::Zstd { decoder, window_bytes, window_bytes_max })
    }

    /// Returns the number of bytes read so far, counted as they are stored. For a range it is the
    /// position in the file.
    fn stored_bytes(&self) -> u64 {
        match self {
            Source::Range { position, .. } => *position,
            Source::Stream { read_bytes, .. } => *read_bytes,
            Source::Gzip(decoder) => decoder.get_ref().get_ref().read_bytes,
            Source::Zstd { decoder, .. } => decoder.get_ref().get_ref().read_bytes,
        }
    }

    fn compression(&self) -> Compression {
        match self {
            Source::Range { .. } | Source::Stream { .. } => Compression::None,
            Source::Gzip(_) => Compression::Gzip,
            Source::Zstd { .. } => Compression::Zstd,
        }
    }

    /// Reads as [`Read::read`] does. It is an unexpected end if a file ends before its range does.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Range { file, position, end } => {
                let held =
                    usize::try_from(*end - *position).map_or(buffer.len(), |left| left.min(buffer.len()));
                let count = file.read_at(&mut buffer[..held], *position)?;
                if count == 0 && held > 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                *position += count as u64;
                Ok(count)
            }
            Source::Stream { stream, read_bytes } => {
                let count = stream.read(buffer)?;
                *read_bytes += count as u64;
                Ok(count)
            }
            Source::Gzip(decoder) => decoder.read(buffer),
            Source::Zstd { decoder, .. } => decoder.read(buffer),
        }
    }

    /// Returns the error for a failed [`read`](Self::read) of an input.
    pub(super) fn error(&self, name: &str, cause: io::Error) -> InputError {
        let name = name.to_owned();
        let at = self.stored_bytes();
        let is_end = cause.kind() == io::ErrorKind::UnexpectedEof;
        // Errors of the operating system have a number; errors of a decompressor have none.
        let is_stream = cause.raw_os_error().is_none();
        if let Some(OtherBytes { at }) = cause.get_ref().and_then(|cause| cause.downcast_ref()) {
            return InputError::AfterGzip { name, at: *at };
        }
        if let Source::Zstd { window_bytes, window_bytes_max, .. } = self
            && cause.to_string().contains(ZSTD_TOO_MUCH_MEMORY)
        {
            let needed = window_bytes.filter(|needed| needed > window_bytes_max);
            return InputError::ZstdWindow { name, needed };
        }
        match (self, self.compression()) {
            (Source::Range { end, file, .. }, _) if is_end => read_error(&name, file, *end, at, cause),
            (_, Compression::None) => InputError::Read { name, at, cause },
            (_, compression) if is_end => InputError::CutShort { name, compression, at },
            (_, compression) if is_stream => InputError::Damaged { name, compression, at, cause },
            _ => InputError::Read { name, at, cause },
        }
    }
}

/// What the decoder says of a frame whose window is larger than is allowed.
const ZSTD_TOO_MUCH_MEMORY: &str = "too much memory";

/// Checks that the first bytes of a compressed input are what its name says. An empty input, and one
/// that is cut short at once, are left to the decoder.
fn check_compressed(name: &str, compression: Compression, head: &[u8]) -> Result<(), InputError> {
    match Content::of(head) {
        Some(Content::Compressed(found)) if found == compression => Ok(()),
        Some(content) => Err(InputError::OtherContent { name: name.to_owned(), content }),
        // Zstandard's frames may also be skippable ones, or of old versions.
        None if head.len() < 4 || compression == Compression::Zstd => Ok(()),
        None => Err(InputError::NotCompressed { name: name.to_owned(), compression }),
    }
}

/// Returns the error for a failed read of a file, which had `size` bytes at the start.
pub(super) fn read_error(name: &str, file: &File, size: u64, at: u64, cause: io::Error) -> InputError {
    let name = name.to_owned();
    if cause.kind() == io::ErrorKind::UnexpectedEof {
        let to = file.metadata().map_or(at, |metadata| metadata.len());
        InputError::Shrank { name, from: size, to }
    } else {
        InputError::Read { name, at, cause }
    }
}

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

/// Opens a file. Its error names it.
pub(super) fn open_file(path: &Path) -> Result<File, InputError> {
    File::open(path).map_err(|cause| open_error(path, cause))
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
