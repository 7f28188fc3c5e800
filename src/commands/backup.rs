//! `orderflow backup`: writes a backup of a store, running or not, to a file.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;

use super::interrupt::interruptible;
use super::{Failure, say};
use crate::program::instance::backups;
use store::backup::{self, BackupError, Summary};
use store::error::OpenError;
use store::{Store, StoreOptions};
use terminal::Thousands;
use terminal::progress::{Progress, RowCounters};

/// The bytes that are written or read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// The help text after the flags.
const AFTER_HELP: &str = "\
The backup is as of one commit. A running store goes on taking writes meanwhile: the command asks it through the socket
DIR/backup.sock, which answers the user that it runs as, and root. Every row and change is read as it is written, and
the file is read back and checked before it gets its name; until then it is FILE.part.

The access key of the store, DIR/keys.env, is not in the backup.

Exit codes:
  0    the backup is there
  2    there is no store in DIR, or FILE exists
  3    the store or the disk failed
  130  interrupted: there is no backup";

/// The flags of `backup`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct BackupArgs {
    /// Folder of the store
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// File to write the backup to
    #[arg(long, env = "ORDERFLOW_TO", value_name = "FILE")]
    pub to: PathBuf,
    /// Replace FILE if it exists
    #[arg(long, env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// Show no progress
    #[arg(short, long, env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
}

/// Writes a backup and prints what it holds.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if there is no store, or if the file exists; 3 if the store
/// or the disk failed; 130 if it was interrupted. Then there is no new file.
pub fn backup(args: &BackupArgs) -> Result<(), Failure> {
    let (started, of, to) = (Instant::now(), args.data.display(), args.to.display());
    let taken = args.clone();
    let Summary { commit, rows, changes, bytes } = interruptible(move |stop| take(&taken, stop))?;
    say(&format!(
        "backup of {of} as of commit {}: {} rows and {} logged changes, {} MB in {:.1} s, checked: {to}\n",
        Thousands(commit),
        Thousands(rows),
        Thousands(changes),
        Thousands(bytes.div_ceil(1_000_000)),
        started.elapsed().as_secs_f64(),
    ))
}

fn take(args: &BackupArgs, stop: &AtomicBool) -> Result<Summary, Failure> {
    let BackupArgs { data, to, force, quiet } = args;
    let shown = to.display();
    if !Store::is_in(data) {
        let data = data.display();
        return Err(Failure::new(2, format!("{data} holds no store: name the folder of an `orderflow up`")));
    }
    if !force && to.symlink_metadata().is_ok() {
        return Err(Failure::new(2, format!("{shown} exists: name another file, or say --force")));
    }
    let part = Part::create(to)?;
    let failed = |error| failure(&part, error);
    let running = backups::ask(data)
        .map_err(|error| Failure::new(3, format!("{} runs, and gives no backup: {error}", data.display())))?;
    let counters = Arc::new(RowCounters::default());
    let reading = counters.clone();
    let progress = Progress::of_rows(move || reading.load(), *quiet);
    let told = &mut |now: backup::Progress| {
        counters.set(now.rows, now.entries, now.entries_about);
        !stop.load(Ordering::SeqCst)
    };
    let written = match running {
        Some(stream) => {
            let input = Tee { input: BufReader::with_capacity(BUFFER_BYTES, stream), out: part.buffered() };
            backup::check(input, told).map_err(failed)?
        }
        None => {
            let store = open(data)?;
            store.back_up(part.buffered(), false, told).map_err(failed)?
        }
    };
    part.file.sync_all().map_err(|error| failed(error.into()))?;
    // What the disk gives back counts, not what was sent to it.
    let file = File::open(&part.path).map_err(|error| failed(error.into()))?;
    let read = backup::check(BufReader::with_capacity(BUFFER_BYTES, file), told).map_err(failed)?;
    drop(progress);
    if read != written {
        return Err(failed(BackupError::Damaged("it is not what was written".to_owned())));
    }
    part.keep(to, *force)?;
    Ok(read)
}

fn open(data: &Path) -> Result<Store, Failure> {
    Store::open(data, StoreOptions::default()).map_err(|error| match error {
        OpenError::Locked { .. } => {
            let shown = data.display();
            Failure::new(
                3,
                format!("{error}; an instance of `orderflow up` gives a backup once it says that it is ready, unless {shown} cannot hold a socket"),
            )
        }
        error => Failure::new(3, error),
    })
}

fn failure(part: &Part, error: BackupError) -> Failure {
    match error {
        BackupError::Io(error) => Failure::new(3, format!("{}: {error}", part.path.display())),
        BackupError::Damaged(reason) => Failure::new(
            3,
            format!("the backup came to no end: {reason}; see the log of the instance, or the disk"),
        ),
        error => Failure::new(3, error),
    }
}

/// A reader that writes all that it reads.
struct Tee<R, W> {
    input: R,
    out: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(bytes)?;
        self.out.write_all(bytes.get(..count).unwrap_or_default())?;
        if count == 0 {
            self.out.flush()?;
        }
        Ok(count)
    }
}

/// A file that is being written beside its place. It is removed if it does not get its name; a
/// process that dies leaves it to the next one that writes the same file.
struct Part {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl Part {
    fn create(to: &Path) -> Result<Part, Failure> {
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let path = PathBuf::from(name);
        let shown = path.display().to_string();
        let failed = |error: io::Error| Failure::new(3, format!("{shown}: {error}"));
        // What is in a store is for its owner.
        let options = File::options().write(true).create(true).truncate(false).mode(0o600).to_owned();
        let file = options.open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(3, format!("{shown} is being written by another backup")));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        Ok(Part { path, file, is_kept: false })
    }

    fn buffered(&self) -> BufWriter<&File> {
        BufWriter::with_capacity(BUFFER_BYTES, &self.file)
    }

    /// Gives the file its name, and makes that durable.
    fn keep(mut self, to: &Path, force: bool) -> Result<(), Failure> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                Failure::new(2, format!("{} exists: name another file, or say --force", to.display()))
            }
            _ => Failure::new(3, format!("{}: {error}", to.display())),
        };
        match force {
            true => fs::rename(&self.path, to).map_err(failed)?,
            // A link fails if there is such a file meanwhile.
            false => {
                fs::hard_link(&self.path, to).map_err(failed)?;
                fs::remove_file(&self.path).map_err(failed)?;
            }
        }
        self.is_kept = true;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_kept {
            // The next backup to the same file removes it otherwise.
            let _ = fs::remove_file(&self.path);
        }
    }
}
