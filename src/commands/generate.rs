//! `orderflow generate`: writes made-up orders to a file, the same for the same flags.

use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;

use super::Failure;
use crate::cli::parse_duration_ms;
use crate::format::{Compression, Format};
use crate::generate::{Spec, WriteError, write};
use crate::summary::Thousands;

/// Level of gzip and Zstandard: quick, since the orders are made to be read soon.
const COMPRESSION_LEVEL: i32 = 1;

/// The flags of `orderflow generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// File to write; its extension tells the format (.csv, .jsonl, .parquet; text also with .gz or .zst). `-` is stdout
    #[arg(long, value_name = "FILE", env = "ORDERFLOW_TO")]
    pub to: PathBuf,
    /// Format, where the extension does not tell
    #[arg(long, value_enum, env = "ORDERFLOW_FORMAT")]
    pub format: Option<Format>,
    /// Lines to write: orders placed, corrected and cancelled
    #[arg(long, default_value_t = 1_000_000, env = "ORDERFLOW_ORDERS")]
    pub orders: u64,
    /// Users that the orders are of; a few of them order far more than the rest
    #[arg(long, default_value_t = 100_000, env = "ORDERFLOW_USERS")]
    pub users: u32,
    /// The same seed makes the same orders
    #[arg(long, default_value_t = 42, env = "ORDERFLOW_SEED")]
    pub seed: u64,
    /// Event time of the first order, in epoch milliseconds
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 1_767_225_600_000,
        allow_negative_numbers = true,
        env = "ORDERFLOW_START"
    )]
    pub start: i64,
    /// Hours of event time that the orders are spread over
    #[arg(long, default_value_t = 24, env = "ORDERFLOW_HOURS")]
    pub hours: u32,
    /// Of a hundred orders, how many are late
    #[arg(long, value_name = "PERCENT", default_value_t = 5, env = "ORDERFLOW_LATE")]
    pub late: u8,
    /// The most that a late order is late by, such as 90s, 10m, 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration_ms, env = "ORDERFLOW_LATE_MAX")]
    pub late_max: u64,
    /// Of a hundred lines, how many correct an earlier order: the file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CORRECTIONS")]
    pub corrections: u8,
    /// Of a hundred lines, how many cancel an earlier order: the file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CANCELS")]
    pub cancels: u8,
    /// Replace the file if there is one
    #[arg(long, env = "ORDERFLOW_FORCE")]
    pub force: bool,
}

impl GenerateArgs {
    /// The orders that the flags describe.
    pub fn spec(&self) -> Spec {
        Spec {
            orders: self.orders,
            users: self.users,
            seed: self.seed,
            start_ms: self.start,
            span_ms: u64::from(self.hours) * 3_600_000,
            late_percent: self.late,
            late_max_ms: self.late_max,
            corrections_percent: self.corrections,
            cancels_percent: self.cancels,
        }
    }
}

/// Why no orders were written.
#[derive(Debug)]
pub enum GenerateError {
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

impl GenerateError {
    /// 2 where the flags are wrong, 3 where the disk is.
    pub fn exit_code(&self) -> u8 {
        if matches!(self, GenerateError::Write { .. }) { 3 } else { 2 }
    }
}

impl fmt::Display for GenerateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GenerateError::Spec(reason) => write!(f, "orders {reason}"),
            GenerateError::UnknownFormat(path) => write!(
                f,
                "{}: the extension tells no format; name it with --format csv, jsonl or parquet",
                path.display()
            ),
            GenerateError::CompressedParquet(path) => {
                write!(f, "{}: parquet is compressed inside; leave .gz and .zst away", path.display())
            }
            GenerateError::Exists(path) => {
                write!(f, "{} exists already; replace it with --force", path.display())
            }
            GenerateError::Write { path, cause } => {
                write!(f, "{}: cannot be written: {cause}", path.display())
            }
        }
    }
}

impl std::error::Error for GenerateError {}

/// Writes the orders that the flags describe and says how many on standard error.
///
/// # Errors
/// [`Failure`], of [`GenerateError`].
pub fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let bytes = write_args(args).map_err(|error| Failure::new(error.exit_code(), error))?;
    let (orders, megabytes) = (Thousands(args.orders), Thousands(bytes / 1_000_000));
    eprintln!("{orders} lines, {megabytes} MB in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

fn write_args(args: &GenerateArgs) -> Result<u64, GenerateError> {
    write_file(&args.to, args.format, args.force, &args.spec(), |_| {})
}

/// Writes the orders, beside the file at first and renamed at the end; gives the bytes written.
///
/// `on_progress` is told now and then how many of the lines are written.
///
/// # Errors
/// [`GenerateError`]; a file that was there is untouched then.
pub fn write_file(
    path: &Path,
    format: Option<Format>,
    force: bool,
    spec: &Spec,
    on_progress: impl FnMut(u64),
) -> Result<u64, GenerateError> {
    spec.check().map_err(GenerateError::Spec)?;
    let (format, compression) = target(path, format)?;
    let failed = |cause: WriteError| GenerateError::Write { path: path.to_owned(), cause };
    if path.as_os_str() == "-" {
        let out = Counted { out: io::stdout(), bytes: 0 };
        return write_compressed(spec, format, compression, out, on_progress)
            .map(|out| out.bytes)
            .map_err(failed);
    }
    if !force && path.symlink_metadata().is_ok() {
        return Err(GenerateError::Exists(path.to_owned()));
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
            Err(GenerateError::Exists(path.to_owned()))
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
fn target(path: &Path, flag: Option<Format>) -> Result<(Format, Compression), GenerateError> {
    let (by_name, compression) = Format::of_name(&path.to_string_lossy());
    if compression != Compression::None {
        let (inner, _) = Format::of_name(&path.with_extension("").to_string_lossy());
        if flag.or(inner) == Some(Format::Parquet) {
            return Err(GenerateError::CompressedParquet(path.to_owned()));
        }
    }
    let format = flag.or(by_name).ok_or_else(|| GenerateError::UnknownFormat(path.to_owned()))?;
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

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: GenerateArgs,
    }

    fn args(to: &Path, more: &[&str]) -> GenerateArgs {
        let to = to.to_str().unwrap();
        let all = ["generate", "--to", to, "--orders", "1000"].into_iter().chain(more.iter().copied());
        <Command as clap::Parser>::try_parse_from(all).unwrap().args
    }

    #[test]
    fn the_flags_by_default_are_the_default_spec() {
        let args = <Command as clap::Parser>::try_parse_from(["generate", "--to", "x.csv"]).unwrap().args;
        assert_eq!(args.spec(), Spec::default());
    }

    #[test]
    fn compressed_text_unpacks_to_the_text() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        for (plain, packed) in [("a.csv", "b.csv.gz"), ("a.jsonl", "b.jsonl.zst")] {
            let bytes = write_args(&args(&path(plain), &[])).unwrap();
            let expected = std::fs::read(path(plain)).unwrap();
            assert_eq!(bytes, expected.len() as u64);
            let bytes = write_args(&args(&path(packed), &[])).unwrap();
            let file = File::open(path(packed)).unwrap();
            assert_eq!(bytes, file.metadata().unwrap().len());
            let mut unpacked = Vec::new();
            match packed.ends_with("gz") {
                true => flate2::read::GzDecoder::new(file).read_to_end(&mut unpacked).unwrap(),
                false => zstd::Decoder::new(file).unwrap().read_to_end(&mut unpacked).unwrap(),
            };
            assert_eq!(unpacked, expected, "{packed}");
        }
        // Nothing is left beside them.
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 4);
    }

    #[test]
    fn a_file_that_exists_is_replaced_by_force_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("orders.csv");
        std::fs::write(&path, "mine").unwrap();
        let error = write_args(&args(&path, &[])).unwrap_err();
        assert_eq!(error.to_string(), format!("{} exists already; replace it with --force", path.display()));
        assert_eq!((error.exit_code(), std::fs::read(&path).unwrap()), (2, b"mine".to_vec()));
        write_args(&args(&path, &["--force"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1_001);
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let refused = |to: &str, more: &[&str]| {
            let error = write_args(&args(Path::new(to), more)).unwrap_err();
            (error.to_string(), error.exit_code())
        };
        assert_eq!(
            refused("orders.txt", &[]),
            (
                "orders.txt: the extension tells no format; name it with --format csv, jsonl or parquet"
                    .into(),
                2
            )
        );
        assert_eq!(
            refused("orders.parquet.gz", &[]),
            ("orders.parquet.gz: parquet is compressed inside; leave .gz and .zst away".into(), 2)
        );
        assert_eq!(refused("a.csv", &["--users", "0"]), ("orders need at least one user".into(), 2));
        let (message, code) = refused("/nowhere/at/all/orders.csv", &[]);
        assert!(
            message.starts_with("/nowhere/at/all/orders.csv: cannot be written: No such file"),
            "{message}"
        );
        assert_eq!(code, 3);
    }
}
