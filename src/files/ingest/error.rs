//! The errors of a whole input. A bad row is a [`Reject`](super::Reject) and not an error.

use std::fmt;
use std::io;

use super::parquet::ParquetError;
use super::{Compression, Content};

/// Why an input cannot be read. Each is printed as one sentence that names the input, and ends the
/// run.
#[derive(Debug)]
pub enum InputError {
    /// There is nothing at the path.
    NotFound {
        /// The path as it is shown.
        name: String,
    },
    /// The directory holds no file with a known extension.
    NoOrdersFiles {
        /// The directory as typed.
        directory: String,
    },
    /// No file matches the glob.
    NoMatch {
        /// The glob as typed.
        pattern: String,
    },
    /// The glob is not valid.
    BadPattern {
        /// The glob as typed.
        pattern: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The extension of the file tells no format, and none was given.
    UnknownFormat {
        /// The path as it is shown.
        name: String,
    },
    /// The same file is given under two names.
    Twice {
        /// The second name, as it is shown.
        name: String,
        /// The first name, as it is shown.
        before: String,
    },
    /// Several processes are to share an input that is no file.
    SharedStream {
        /// The path as it is shown.
        name: String,
    },
    /// Parquet comes from a stream. It cannot be read so, because its table of contents is at the
    /// end.
    ParquetStream {
        /// The path as it is shown.
        name: String,
    },
    /// The envelope is Debezium's, but the input is no JSON.
    NotDebezium {
        /// The path as it is shown.
        name: String,
    },
    /// The file cannot be opened, or its size cannot be read.
    Open {
        /// The path as it is shown.
        name: String,
        /// The operating system's error.
        cause: io::Error,
    },
    /// Reading has failed.
    Read {
        /// The path as it is shown.
        name: String,
        /// How far the file had been read, in bytes as they are stored.
        at: u64,
        /// The operating system's error.
        cause: io::Error,
    },
    /// A file and a compressed file of the same name beside it are both inputs.
    Twins {
        /// The name of one, as it is shown.
        name: String,
        /// The name of the one before it, as it is shown.
        before: String,
    },
    /// The first line of the CSV file is not a header that names the columns.
    Header {
        /// The path as it is shown.
        name: String,
        /// What is wrong with the line.
        reason: String,
    },
    /// No object of the JSON lines has these members, without which none is an order.
    Members {
        /// The path as it is shown.
        name: String,
        /// The names of the members, each with the option that gives it another name.
        missing: Vec<(String, &'static str)>,
    },
    /// The compressed file ends before its compressed stream does.
    CutShort {
        /// The path as it is shown.
        name: String,
        /// The kind of compression.
        compression: Compression,
        /// The number of bytes that the file has.
        at: u64,
    },
    /// The input is something else than its name says, or than text.
    OtherContent {
        /// The path as it is shown.
        name: String,
        /// What it is.
        content: Content,
    },
    /// The name says that the file is compressed, but it is not.
    NotCompressed {
        /// The path as it is shown.
        name: String,
        /// The kind of compression that the name says.
        compression: Compression,
    },
    /// The gzip stream is followed by bytes that are neither gzip nor zeros.
    AfterGzip {
        /// The path as it is shown.
        name: String,
        /// Where they begin, in bytes as they are stored.
        at: u64,
    },
    /// The Zstandard stream needs more memory than is allowed.
    ZstdWindow {
        /// The path as it is shown.
        name: String,
        /// The window that it needs, in bytes; `None` if that is not known.
        needed: Option<u64>,
    },
    /// The compressed stream of the file is not valid.
    Damaged {
        /// The path as it is shown.
        name: String,
        /// The kind of compression.
        compression: Compression,
        /// Roughly where the error is, in bytes as they are stored.
        at: u64,
        /// The decompressor's error.
        cause: io::Error,
    },
    /// The file became shorter while it was being read.
    Shrank {
        /// The path as it is shown.
        name: String,
        /// Its size at the start, in bytes.
        from: u64,
        /// Its size now, in bytes.
        to: u64,
    },
    /// The Parquet file cannot be read.
    Parquet(ParquetError),
}

impl InputError {
    /// Returns the exit code of a program that ends with this error. It is always 2, as for every
    /// bad input.
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
                "no orders files in directory {directory:?}: expected .csv, .tsv, .jsonl, .ndjson, .json, .parquet, \
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
            InputError::SharedStream { name } => write!(
                f,
                "{name}: each process would read one of its own, so several processes cannot share it; give a \
                 file, or --local-input if each is to read its own"
            ),
            InputError::ParquetStream { name } => {
                write!(f, "{name}: parquet cannot be read from a stream; save it to a file first")
            }
            InputError::NotDebezium { name } => {
                write!(f, "{name}: --envelope debezium is for JSON (.jsonl, .ndjson, .json)")
            }
            InputError::Open { name, cause } => write!(f, "{name}: cannot be opened: {cause}"),
            InputError::Read { name, at, cause } => write!(f, "{name}: cannot be read at byte {at}: {cause}"),
            InputError::Twins { name, before } => write!(
                f,
                "{name} and {before} seem to be the same orders, one of them compressed: name only one of them"
            ),
            InputError::Header { name, reason } => write!(f, "{name}: {reason}"),
            InputError::Members { name, missing } => {
                let names: Vec<_> = missing.iter().map(|(name, _)| format!("{name:?}")).collect();
                let options: Vec<_> = missing.iter().map(|(_, option)| format!("{option} NAME")).collect();
                let (plural, they_are) = if names.len() == 1 { ("", "it is") } else { ("s", "they are") };
                write!(
                    f,
                    "{name}: no member{plural} {} in any line: say what {they_are} called with {}",
                    names.join(", "),
                    options.join(", ")
                )
            }
            InputError::CutShort { name, compression, at } => write!(
                f,
                "{name} ends in the middle of its {compression} stream at byte {at}: it was cut short"
            ),
            InputError::OtherContent { name, content } => {
                write!(f, "{name} ")?;
                content.describe(name, f)
            }
            InputError::NotCompressed { name, compression } => {
                let ending = if *compression == Compression::Gzip { ".gz" } else { ".zst" };
                write!(f, "{name} is not compressed with {compression}: take {ending} off its name")
            }
            InputError::AfterGzip { name, at } => write!(
                f,
                "{name} has other bytes after its gzip stream: cut them off, so that it has {at} bytes"
            ),
            InputError::ZstdWindow { name, needed: Some(needed) } => {
                let mib = needed.div_ceil(1 << 20);
                write!(f, "{name} needs a window of {mib} MiB to unpack: give --zstd-window-max {mib}MiB")
            }
            InputError::ZstdWindow { name, needed: None } => {
                write!(f, "{name} needs a larger window to unpack: give a larger --zstd-window-max")
            }
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
