//! What can be wrong with an input as a whole. A bad row is a [`Reject`](super::Reject), not an error.

use std::fmt;
use std::io;

use super::Compression;
use super::parquet::ParquetError;

/// Why an input cannot be read. Each is one sentence that names the input; all of them end the run.
#[derive(Debug)]
pub enum InputError {
    /// Nothing is at the path.
    NotFound {
        /// The path as shown.
        name: String,
    },
    /// A directory without a file of a known extension.
    NoOrdersFiles {
        /// The directory as typed.
        directory: String,
    },
    /// A glob that no file matches.
    NoMatch {
        /// The glob as typed.
        pattern: String,
    },
    /// A glob that cannot be read as one.
    BadPattern {
        /// The glob as typed.
        pattern: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// A file whose extension tells nothing, with no format given.
    UnknownFormat {
        /// The path as shown.
        name: String,
    },
    /// One file under two names.
    Twice {
        /// The path as shown, the second time.
        name: String,
        /// The path as shown, the first time.
        before: String,
    },
    /// Parquet where the bytes come only once: its table of contents is at the end.
    ParquetStream {
        /// The path as shown.
        name: String,
    },
    /// A file that cannot be opened or asked for its size.
    Open {
        /// The path as shown.
        name: String,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A read that failed.
    Read {
        /// The path as shown.
        name: String,
        /// How far the file had been read, in bytes as stored.
        at: u64,
        /// What the operating system said.
        cause: io::Error,
    },
    /// A CSV file without a single byte.
    Empty {
        /// The path as shown.
        name: String,
        /// The header line that was expected.
        expected: String,
    },
    /// A CSV file whose first line is not a header that names the columns.
    Header {
        /// The path as shown.
        name: String,
        /// What is wrong with the line.
        reason: String,
    },
    /// A compressed file that ends before its stream does.
    CutShort {
        /// The path as shown.
        name: String,
        /// How it is compressed.
        compression: Compression,
        /// How many bytes it has.
        at: u64,
    },
    /// A compressed file whose stream makes no sense.
    Damaged {
        /// The path as shown.
        name: String,
        /// How it is compressed.
        compression: Compression,
        /// About where, in bytes as stored.
        at: u64,
        /// What the decompressor said.
        cause: io::Error,
    },
    /// A file that became shorter while it was being read.
    Shrank {
        /// The path as shown.
        name: String,
        /// Its size at the start, in bytes.
        from: u64,
        /// Where it ends now, in bytes.
        to: u64,
    },
    /// A Parquet file that cannot be read.
    Parquet(ParquetError),
}

impl InputError {
    /// The exit code of a program that ends with this error: what is wrong with a file is for its owner to put right.
    pub fn exit_code(&self) -> u8 {
        2
    }
}

impl From<ParquetError> for InputError {
    fn from(error: ParquetError) -> InputError {
        InputError::Parquet(error)
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::NotFound { name } => write!(f, "{name}: no such file or directory"),
            InputError::NoOrdersFiles { directory } => write!(
                f,
                "no orders files in directory {directory:?}: expected .csv, .jsonl, .ndjson, .json, .parquet, \
                 or these with .gz or .zst"
            ),
            InputError::NoMatch { pattern } => write!(f, "no file matches {pattern:?}"),
            InputError::BadPattern { pattern, reason } => {
                write!(f, "{pattern:?} is not a file name pattern: {reason}")
            }
            InputError::UnknownFormat { name } => write!(
                f,
                "{name}: the extension tells no format; name it with --format csv, jsonl or parquet"
            ),
            InputError::Twice { name, before } if name == before => {
                write!(f, "{name} is given twice: name each file once")
            }
            InputError::Twice { name, before } => {
                write!(f, "{name} is the same file as {before}: name each file once")
            }
            InputError::ParquetStream { name } => {
                write!(f, "{name}: parquet cannot be read from a stream; save it to a file first")
            }
            InputError::Open { name, cause } => write!(f, "{name}: cannot be opened: {cause}"),
            InputError::Read { name, at, cause } => write!(f, "{name}: cannot be read at byte {at}: {cause}"),
            InputError::Empty { name, expected } => {
                write!(f, "{name} is empty: expected a header line {expected}")
            }
            InputError::Header { name, reason } => write!(f, "{name}: {reason}"),
            InputError::CutShort { name, compression, at } => write!(
                f,
                "{name} ends in the middle of its {compression} stream at byte {at}: it was cut short"
            ),
            InputError::Damaged { name, compression, at, cause } => {
                write!(f, "{name} is damaged: its {compression} stream breaks near byte {at}: {cause}")
            }
            InputError::Shrank { name, from, to } => write!(
                f,
                "{name} shrank from {from} to {to} bytes while it was being read: run again when nothing \
                 writes to it"
            ),
            InputError::Parquet(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for InputError {}
