//! `orderflow restore`: makes a store of a backup.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use clap::Args;

use super::interrupt::interruptible;
use super::{Failure, say};
use store::Store;
use store::backup::{BackupError, Progress as Told, Summary};
use terminal::Thousands;
use terminal::progress::{Progress, RowCounters};

/// The bytes that are read at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// The help text after the flags.
const AFTER_HELP: &str = "\
Everything in FILE is checked. Until it is all there, DIR is no store, and can be restored into again.

The access key is not in a backup: put the keys.env of the old folder into DIR, or the next `up` makes a new key.

Exit codes:
  0    the store is there
  2    FILE is no backup, or damaged, or DIR has a store
  3    the disk failed
  130  interrupted: there is no store";

/// The flags of `restore`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct RestoreArgs {
    /// File that `orderflow backup` has written
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Folder of the new store; made if it does not exist
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// Show no progress
    #[arg(short, long, env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
}

/// Makes a store of a backup and prints what it holds.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if the file is not a sound backup, or the folder has a
/// store; 3 if the disk failed; 130 if it was interrupted. Then there is no new store.
pub fn restore(args: &RestoreArgs) -> Result<(), Failure> {
    let (started, file, data) = (Instant::now(), args.file.display(), args.data.display());
    let made = args.clone();
    let Summary { commit, rows, changes, bytes } = interruptible(move |stop| make(&made, stop))?;
    say(&format!(
        "{data} is {file} as of commit {}: {} rows and {} logged changes, {} MB in {:.1} s, checked\n",
        Thousands(commit),
        Thousands(rows),
        Thousands(changes),
        Thousands(bytes.div_ceil(1_000_000)),
        started.elapsed().as_secs_f64(),
    ))
}

fn make(args: &RestoreArgs, stop: &AtomicBool) -> Result<Summary, Failure> {
    let shown = args.file.display();
    let unreadable = |error: io::Error| {
        let code = if error.kind() == io::ErrorKind::NotFound { 2 } else { 3 };
        Failure::new(code, format!("{shown}: {error}"))
    };
    let file = File::open(&args.file).map_err(unreadable)?;
    let counters = Arc::new(RowCounters::default());
    let reading = counters.clone();
    let progress = Progress::of_rows(move || reading.load(), args.quiet);
    let told = &mut |now: Told| {
        counters.set(now.rows, now.entries, now.entries_about);
        !stop.load(Ordering::SeqCst)
    };
    let restored = Store::restore(&args.data, BufReader::with_capacity(BUFFER_BYTES, file), told);
    drop(progress);
    restored.map_err(|error| match error {
        BackupError::Damaged(reason) => {
            Failure::new(2, format!("{shown} is damaged: {reason}; nothing is restored"))
        }
        BackupError::Io(error) => unreadable(error),
        BackupError::Exists(_) => Failure::new(2, error),
        error => Failure::new(3, error),
    })
}
