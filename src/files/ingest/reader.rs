//! Reads a part of a text input block by block and has it parsed while it is warm in the cache.
//!
//! Files are read into a buffer, not mapped into memory: a mapped file that another program cuts short
//! kills the process with a signal, while a read of it is an error we can name. The copy costs little,
//! for the block is small enough to stay in the cache that the parser reads it from.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use dataflows::Epoch;
use flate2::bufread::MultiGzDecoder;

use super::discover::open_error;
use super::{
    BUFFER_PADDING, Block, ColumnNames, Compression, InputError, Parser, RECORD_BYTES_MAX, Reader, csv,
};

/// Bytes of input in a block.
pub const BLOCK_BYTES: usize = 64 << 10;

/// Bytes read at a time from a compressed file.
const COMPRESSED_READ_BYTES: usize = 64 << 10;

/// Where the bytes of a part come from.
pub(super) enum Source {
    /// A byte range of a regular file.
    Range { file: File, position: u64, end: u64 },
    /// Bytes that come once: standard input or a pipe.
    Stream { stream: Box<dyn Read + Send>, read_bytes: u64 },
    /// A compressed file.
    Gzip(Box<MultiGzDecoder<BufReader<Counted>>>),
    /// A compressed file.
    Zstd(zstd::stream::read::Decoder<'static, BufReader<Counted>>),
}

/// Counts what is read of a compressed file.
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

impl Source {
    /// All of a file or pipe, or of standard input, to be read from its start to its end.
    pub(super) fn whole(
        name: &str,
        path: Option<&Path>,
        compression: Compression,
    ) -> Result<Source, InputError> {
        let stream: Box<dyn Read + Send> = match path {
            Some(path) => Box::new(open_file(path)?),
            None => Box::new(io::stdin()),
        };
        let counted = |file| BufReader::with_capacity(COMPRESSED_READ_BYTES, Counted { file, read_bytes: 0 });
        Ok(match compression {
            Compression::None => Source::Stream { stream, read_bytes: 0 },
            Compression::Gzip => Source::Gzip(Box::new(MultiGzDecoder::new(counted(stream)))),
            Compression::Zstd => Source::Zstd(
                zstd::stream::read::Decoder::with_buffer(counted(stream))
                    .map_err(|cause| InputError::Open { name: name.to_owned(), cause })?,
            ),
        })
    }

    /// Bytes read so far, of the input as it is stored.
    fn stored_bytes(&self) -> u64 {
        match self {
            Source::Range { position, .. } => *position,
            Source::Stream { read_bytes, .. } => *read_bytes,
            Source::Gzip(decoder) => decoder.get_ref().get_ref().read_bytes,
            Source::Zstd(decoder) => decoder.get_ref().get_ref().read_bytes,
        }
    }

    fn compression(&self) -> Compression {
        match self {
            Source::Range { .. } | Source::Stream { .. } => Compression::None,
            Source::Gzip(_) => Compression::Gzip,
            Source::Zstd(_) => Compression::Zstd,
        }
    }

    /// As [`Read::read`]; a file that ends before its range does is an unexpected end.
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
            Source::Zstd(decoder) => decoder.read(buffer),
        }
    }

    /// The error for a failed [`read`](Self::read) of an input.
    pub(super) fn error(&self, name: &str, cause: io::Error) -> InputError {
        let name = name.to_owned();
        let at = self.stored_bytes();
        let is_end = cause.kind() == io::ErrorKind::UnexpectedEof;
        // What the operating system reports has a number; what a decompressor finds has none.
        let is_stream = cause.raw_os_error().is_none();
        match (self, self.compression()) {
            (Source::Range { end, file, .. }, _) if is_end => read_error(&name, file, *end, at, cause),
            (_, Compression::None) => InputError::Read { name, at, cause },
            (_, compression) if is_end => InputError::CutShort { name, compression, at },
            (_, compression) if is_stream => InputError::Damaged { name, compression, at, cause },
            _ => InputError::Read { name, at, cause },
        }
    }
}

/// The error for a read of a file, which had `size` bytes, that failed.
pub(super) fn read_error(name: &str, file: &File, size: u64, at: u64, cause: io::Error) -> InputError {
    let name = name.to_owned();
    if cause.kind() == io::ErrorKind::UnexpectedEof {
        let to = file.metadata().map_or(at, |metadata| metadata.len());
        InputError::Shrank { name, from: size, to }
    } else {
        InputError::Read { name, at, cause }
    }
}

/// Bytes of an input that are not parsed yet.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    valid: usize,
    /// Where the first byte stands in the (uncompressed) input.
    offset: u64,
}

impl Buffer {
    pub(super) fn new(offset: u64) -> Buffer {
        Buffer { bytes: vec![0; BLOCK_BYTES + BUFFER_PADDING], valid: 0, offset }
    }

    /// Drops all bytes held and begins at another place.
    pub(super) fn restart(&mut self, offset: u64) {
        self.valid = 0;
        self.offset = offset;
    }

    /// The bytes held.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.valid]
    }

    /// Room for `wanted` more bytes behind those held, to be taken with [`extend`](Self::extend).
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

    /// Has the records parsed; what is left is moved to the front. Returns the bytes consumed.
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

    /// Drops the first bytes.
    pub(super) fn skip(&mut self, count: usize) {
        self.bytes.copy_within(count..self.valid, 0);
        self.valid -= count;
        self.offset += count as u64;
    }

    /// Reads until [`BLOCK_BYTES`] more bytes are held or the source ends; whether it did.
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
        // A range that is used up has ended; asking anything else might wait for what never comes.
        Ok(matches!(source, Source::Range { position, end, .. } if position == end))
    }
}

/// The header of a CSV input and the room it takes.
#[derive(Clone, Debug)]
pub(super) struct CsvHeader {
    pub(super) header: csv::Header,
    pub(super) bytes: u64,
    pub(super) lines: u64,
}

impl CsvHeader {
    /// The header at the start of `bytes`, or `None` if it takes more bytes to tell.
    pub(super) fn parse(
        name: &str,
        bytes: &[u8],
        at_end: bool,
        names: &ColumnNames,
    ) -> Result<Option<CsvHeader>, InputError> {
        if bytes.is_empty() && at_end {
            return Err(InputError::Empty { name: name.to_owned(), expected: expected_header(names) });
        }
        let refused = |reason| Err(InputError::Header { name: name.to_owned(), reason });
        let end = match csv::record_end(bytes, bytes.len(), at_end) {
            csv::RecordEnd::Complete(end) if end <= RECORD_BYTES_MAX => end,
            csv::RecordEnd::Incomplete if bytes.len() < RECORD_BYTES_MAX => return Ok(None),
            _ => {
                return refused(format!(
                    "no header: the first {RECORD_BYTES_MAX} bytes hold no line break, so it is not CSV"
                ));
            }
        };
        match csv::Header::parse(&bytes[..end], names) {
            Ok(header) => {
                let lines = memchr::memchr_iter(b'\n', &bytes[..end]).count().max(1);
                Ok(Some(CsvHeader { header, bytes: end as u64, lines: lines as u64 }))
            }
            Err(error) => refused(error.to_string()),
        }
    }

    /// Reads the header of an input from its start, or `None` if it has no line break yet.
    pub(super) fn read_complete(
        name: &str,
        source: &mut Source,
        buffer: &mut Buffer,
        names: &ColumnNames,
    ) -> Result<Option<CsvHeader>, InputError> {
        loop {
            let at_end = buffer.fill(source).map_err(|cause| source.error(name, cause))?;
            let header = CsvHeader::parse(name, buffer.bytes(), false, names)?;
            if header.is_some() || at_end {
                return Ok(header);
            }
        }
    }

    /// Reads the header of an input from its start; the buffer then begins behind it.
    pub(super) fn read(
        name: &str,
        source: &mut Source,
        buffer: &mut Buffer,
        names: &ColumnNames,
    ) -> Result<CsvHeader, InputError> {
        loop {
            let at_end = buffer.fill(source).map_err(|cause| source.error(name, cause))?;
            if let Some(header) = CsvHeader::parse(name, buffer.bytes(), at_end, names)? {
                buffer.skip(header.bytes as usize);
                return Ok(header);
            }
        }
    }
}

/// The header line that was expected, as the columns are called here.
fn expected_header(names: &ColumnNames) -> String {
    use orders::rules::Role;
    [Role::UserId, Role::OrderId, Role::Price, Role::Timestamp].map(|role| names.wanted(role)).join(",")
}

/// Opens a file whose errors are to name it.
pub(super) fn open_file(path: &Path) -> Result<File, InputError> {
    File::open(path).map_err(|cause| open_error(path, cause))
}

/// Reads a part of a CSV or JSON lines input.
pub(super) struct TextReader {
    name: String,
    source: Source,
    buffer: Buffer,
    parser: Box<dyn Parser>,
    /// Lines before the buffer that were not given to the parser and are not counted yet.
    header_lines: u64,
    /// Bytes of the input, as stored, that blocks have counted.
    counted_bytes: u64,
    at_end: bool,
}

impl TextReader {
    /// Reads on where `buffer` and `source` are; `header` is what was read before, in this part.
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
        TextReader {
            name: name.to_owned(),
            source,
            buffer,
            parser,
            header_lines,
            counted_bytes,
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
            let consumed = self.buffer.parse(&mut *self.parser, self.at_end, epoch, block);
            // A record longer than the block takes more of them.
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
