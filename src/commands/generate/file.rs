//! Orders to a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use files::format::{Compression, Format};
use files::generate::{Spec, WriteError, write};

/// Level of gzip and Zstandard: quick, since the orders are made to be read soon.
const COMPRESSION_LEVEL: i32 = 1;

/// Why no orders were written to a file.
#[derive(Debug)]
pub enum FileError {
    /// The flags ask for orders that cannot be.
    Spec(String),
    /// Neither the extension nor a flag tells the format.
    UnknownFormat(PathBuf),
    /// The extension asks to compress what is compressed inside.
    CompressedParquet(PathBuf),
    /// There is a file already.
    Exists(PathBuf),
    /// The file could not be written.
    Write {
        /// Where to.
        path: PathBuf,
        /// What went wrong.
        cause: WriteError,
    },
}

impl FileError {
    /// 2 where the flags are wrong, 3 where the disk is.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, FileError::Write { .. }) { 3 } else { 2 }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Spec(reason) => write!(f, "orders {reason}"),
            FileError::UnknownFormat(path) => write!(
                f,
                "{}: the extension tells no format; name it with --format csv, jsonl or parquet",
                path.display()
            ),
            FileError::CompressedParquet(path) => {
                write!(f, "{}: parquet is compressed inside; leave .gz and .zst away", path.display())
            }
            FileError::Exists(path) => {
                write!(f, "{} exists already; replace it with --force", path.display())
            }
            FileError::Write { path, cause } => {
                write!(f, "{}: cannot be written: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for FileError {}

/// Writes the orders, beside the file at first and renamed at the end; gives the bytes written.
///
/// `on_progress` is told now and then how many of the lines are written.
///
/// # Errors
/// [`FileError`]; a file that was there is untouched then.
pub fn write_file(
    path: &Path,
    format: Option<Format>,
    force: bool,
    spec: &Spec,
    on_progress: impl FnMut(u64),
) -> Result<u64, FileError> {
    spec.check().map_err(FileError::Spec)?;
    let (format, compression) = target(path, format)?;
    let failed = |cause: WriteError| FileError::Write { path: path.to_owned(), cause };
    if path.as_os_str() == "-" {
        let out = Counted { out: io::stdout(), bytes: 0 };
        return write_compressed(spec, format, compression, out, on_progress)
            .map(|out| out.bytes)
            .map_err(failed);
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(path.to_owned()));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = named_beside(directory).map_err(|cause| failed(cause.into()))?;
    let (file, beside) = beside.into_parts();
    let out = Counted { out: file, bytes: 0 };
    let out = write_compressed(spec, format, compression, out, on_progress).map_err(failed)?;
    let renamed = if force { beside.persist(path) } else { beside.persist_noclobber(path) };
    match renamed {
        Ok(()) => Ok(out.bytes),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(FileError::Exists(path.to_owned()))
        }
        Err(error) => Err(failed(error.error.into())),
    }
}

/// A new file that goes away unless it is kept, with the permissions of any other new file.
fn named_beside(directory: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .prefix(".orderflow-")
        .suffix(".tmp")
        .permissions(permissions)
        .tempfile_in(directory)
}

/// The format and compression that the file's name and the flag ask for.
fn target(path: &Path, flag: Option<Format>) -> Result<(Format, Compression), FileError> {
    let (by_name, compression) = Format::of_name(&path.to_string_lossy());
    if compression != Compression::None {
        let (inner, _) = Format::of_name(&path.with_extension("").to_string_lossy());
        if flag.or(inner) == Some(Format::Parquet) {
            return Err(FileError::CompressedParquet(path.to_owned()));
        }
    }
    let format = flag.or(by_name).ok_or_else(|| FileError::UnknownFormat(path.to_owned()))?;
    Ok((format, compression))
}

fn write_compressed<W: Write + Send>(
    spec: &Spec,
    format: Format,
    compression: Compression,
    mut out: W,
    on_progress: impl FnMut(u64),
) -> Result<W, WriteError> {
    match compression {
        Compression::None => {
            write(spec, format, &mut out, on_progress)?;
            Ok(out)
        }
        Compression::Gzip => {
            let level = flate2::Compression::new(COMPRESSION_LEVEL as u32);
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            write(spec, format, &mut encoder, on_progress)?;
            Ok(encoder.finish()?)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(out, COMPRESSION_LEVEL)?;
            write(spec, format, &mut encoder, on_progress)?;
            Ok(encoder.finish()?)
        }
    }
}

/// Counts the bytes that pass.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.out.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
