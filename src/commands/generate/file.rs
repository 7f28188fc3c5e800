//! Writes made-up orders to a file.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use files::format::{Compression, Format};
use files::generate::{Shape, Spec, WriteError, write, write_shape};

/// The level of gzip and Zstandard. It is quick, because the orders are made to be read soon.
const COMPRESSION_LEVEL: i32 = 1;

/// The form of a file as it is asked for.
#[derive(Copy, Clone, Debug, Default)]
pub struct FileForm {
    /// The format; `None` if the extension tells it.
    pub format: Option<Format>,
    /// The shape; `None` for our own, which needs no flags to be read.
    pub shape: Option<Shape>,
}

/// Why no orders were written to a file.
#[derive(Debug)]
pub enum FileError {
    /// The flags ask for orders that are not possible, for this reason.
    Spec(String),
    /// Neither the extension nor a flag tells the format.
    UnknownFormat(PathBuf),
    /// The extension asks to compress Parquet, which is compressed inside.
    CompressedParquet(PathBuf),
    /// The extension asks for tabs, which are read but not written.
    Tabs(PathBuf),
    /// The extension tells another format than the shape has.
    OtherFormat {
        /// The path of the file.
        path: PathBuf,
        /// The format of the shape.
        wanted: Format,
    },
    /// There is a file at the path already.
    Exists(PathBuf),
    /// The file could not be written.
    Write {
        /// The path of the file.
        path: PathBuf,
        /// What went wrong.
        cause: WriteError,
    },
}

impl FileError {
    /// Returns the exit code: 2 if the flags are wrong, 3 if the file could not be written.
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
            FileError::Tabs(path) => {
                write!(f, "{}: files with tabs are read but not written; name it .csv", path.display())
            }
            FileError::OtherFormat { path, wanted } => {
                let ending = if *wanted == Format::Jsonl { "json" } else { wanted.name() };
                write!(f, "{}: a file of this shape is named .{ending}", path.display())
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

/// Writes the orders to a temporary file beside `path`, which is renamed at the end. Returns the
/// number of bytes written.
///
/// Breaks off with an error once `stop` is true.
///
/// # Errors
/// Returns [`FileError`]. Then a file that was there is untouched.
pub fn write_file(
    path: &Path,
    form: FileForm,
    force: bool,
    spec: &Spec,
    stop: &AtomicBool,
) -> Result<u64, FileError> {
    spec.check().map_err(FileError::Spec)?;
    if let Some(shape) = form.shape {
        shape.check(spec).map_err(FileError::Spec)?;
    }
    let (format, compression) = target(path, form)?;
    let content = form.shape.map_or(Content::Usual(format), Content::Shape);
    let failed = |cause: WriteError| FileError::Write { path: path.to_owned(), cause };
    if path.as_os_str() == "-" {
        let out = Counted { out: io::stdout(), bytes: 0, stop };
        return write_compressed(spec, content, compression, out).map(|out| out.bytes).map_err(failed);
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(path.to_owned()));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = named_beside(directory).map_err(|cause| failed(cause.into()))?;
    let (file, beside) = beside.into_parts();
    let out = Counted { out: file, bytes: 0, stop };
    let out = write_compressed(spec, content, compression, out).map_err(failed)?;
    let renamed = if force { beside.persist(path) } else { beside.persist_noclobber(path) };
    match renamed {
        Ok(()) => Ok(out.bytes),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            Err(FileError::Exists(path.to_owned()))
        }
        Err(error) => Err(failed(error.error.into())),
    }
}

/// Creates a temporary file with the permissions of any other new file. It is removed unless it is
/// renamed.
fn named_beside(directory: &Path) -> io::Result<tempfile::NamedTempFile<File>> {
    use std::os::unix::fs::PermissionsExt;
    let permissions = std::fs::Permissions::from_mode(0o666);
    tempfile::Builder::new()
        .prefix(".orderflow-")
        .suffix(".tmp")
        .permissions(permissions)
        .tempfile_in(directory)
}

/// Returns the format and compression that the file's name and the flags ask for.
fn target(path: &Path, form: FileForm) -> Result<(Format, Compression), FileError> {
    let flag = form.format.or(form.shape.map(Shape::format));
    let (by_name, compression) = Format::of_name(&path.to_string_lossy());
    if Format::delimiter_of_name(&path.to_string_lossy()) == b'\t' {
        return Err(FileError::Tabs(path.to_owned()));
    }
    if let (Some(shape), Some(by_name)) = (form.shape, by_name)
        && by_name != shape.format()
    {
        return Err(FileError::OtherFormat { path: path.to_owned(), wanted: shape.format() });
    }
    if compression != Compression::None {
        let (inner, _) = Format::of_name(&path.with_extension("").to_string_lossy());
        if flag.or(inner) == Some(Format::Parquet) {
            return Err(FileError::CompressedParquet(path.to_owned()));
        }
    }
    let format = flag.or(by_name).ok_or_else(|| FileError::UnknownFormat(path.to_owned()))?;
    Ok((format, compression))
}

/// What a file holds.
#[derive(Copy, Clone)]
enum Content {
    Usual(Format),
    Shape(Shape),
}

impl Content {
    fn write(self, spec: &Spec, out: &mut (impl Write + Send)) -> Result<(), WriteError> {
        match self {
            Content::Usual(format) => write(spec, format, out, |_| {}),
            Content::Shape(shape) => write_shape(spec, shape, out, |_| {}),
        }
    }
}

fn write_compressed<W: Write + Send>(
    spec: &Spec,
    content: Content,
    compression: Compression,
    mut out: W,
) -> Result<W, WriteError> {
    match compression {
        Compression::None => {
            content.write(spec, &mut out)?;
            Ok(out)
        }
        Compression::Gzip => {
            let level = flate2::Compression::new(COMPRESSION_LEVEL as u32);
            let mut encoder = flate2::write::GzEncoder::new(out, level);
            content.write(spec, &mut encoder)?;
            Ok(encoder.finish()?)
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(out, COMPRESSION_LEVEL)?;
            content.write(spec, &mut encoder)?;
            Ok(encoder.finish()?)
        }
    }
}

/// A writer that counts the bytes that pass through it, until it is to stop.
struct Counted<'s, W> {
    out: W,
    bytes: u64,
    stop: &'s AtomicBool,
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("stopped before its end"));
        }
        let written = self.out.write(buffer)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
