//! The bytes of an input as they come: of a part of a file, of a pipe, or unpacked.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::content::{Content, zstd_window_bytes};
use super::discover::open_error;
use super::gzip::{GzipReader, OtherBytes, Stored};
use super::{Compression, InputError};

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
    pub(super) fn stored_bytes(&self) -> u64 {
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

/// Opens a file. Its error names it.
pub(super) fn open_file(path: &Path) -> Result<File, InputError> {
    File::open(path).map_err(|cause| open_error(path, cause))
}
