//! What can go wrong with an output folder, in one sentence each.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use orders::text::io_cause;

/// Why the output folder is refused, or could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputError {
    /// The path is a file.
    NotAFolder(PathBuf),
    /// The folder holds something that is not ours.
    NotEmpty {
        /// The folder.
        dir: PathBuf,
        /// The first entry by name.
        entry: String,
    },
    /// The folder holds results of another time zone.
    OtherZone {
        /// The folder.
        dir: PathBuf,
        /// The zone of its results.
        found: String,
        /// The zone of this run.
        asked: String,
    },
    /// The folder holds results of windows of another width.
    OtherWidth {
        /// The folder.
        dir: PathBuf,
        /// The width of its windows, in milliseconds.
        found_ms: u64,
        /// The width of this run's.
        asked_ms: u64,
    },
    /// One of our file names is taken by a folder.
    NameTaken(PathBuf),
    /// Another run writes to the folder.
    Busy(PathBuf),
    /// The folder could not be made ready. Nothing was changed.
    Prepare {
        /// What could not be made or read.
        path: PathBuf,
        /// Why, as the end of a sentence.
        cause: String,
    },
    /// A file could not be written. Nothing was changed.
    Write {
        /// The file, by the path it was meant for.
        path: PathBuf,
        /// Why, as the end of a sentence.
        cause: String,
    },
    /// The new set is written, but not all of it could be put in its place.
    Replace {
        /// What could not be replaced or moved.
        path: PathBuf,
        /// Why, as the end of a sentence.
        cause: String,
    },
    /// [`Abandon::abandon`](super::Abandon::abandon) was called.
    Abandoned(PathBuf),
}

impl OutputError {
    /// The exit code of the program: 2 for a refusal, 3 for a failure of the environment.
    pub fn exit_code(&self) -> u8 {
        match self {
            OutputError::NotAFolder(_)
            | OutputError::NotEmpty { .. }
            | OutputError::OtherZone { .. }
            | OutputError::OtherWidth { .. }
            | OutputError::NameTaken(_)
            | OutputError::Busy(_) => 2,
            OutputError::Prepare { .. }
            | OutputError::Write { .. }
            | OutputError::Replace { .. }
            | OutputError::Abandoned(_) => 3,
        }
    }

    pub(super) fn prepare(path: &Path, error: &io::Error) -> OutputError {
        OutputError::Prepare { path: path.to_owned(), cause: io_cause(error) }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputError::NotAFolder(path) => {
                write!(f, "output {} is not a folder; name one to be made", path.display())
            }
            OutputError::NotEmpty { dir, entry } => write!(
                f,
                "output folder {} is not empty and not orderflow's (it holds {entry:?}); choose another, \
                 or add --force to keep what is there and write beside it",
                dir.display()
            ),
            OutputError::OtherZone { dir, found, asked } => write!(
                f,
                "output folder {} holds results in time zone {found}, not {asked}; choose another, \
                 or add --force to replace them",
                dir.display()
            ),
            OutputError::OtherWidth { dir, found_ms, asked_ms } => write!(
                f,
                "output folder {} holds windows of {}, not {}; choose another, or add --force to replace them",
                dir.display(),
                Width(*found_ms),
                Width(*asked_ms)
            ),
            OutputError::NameTaken(path) => {
                write!(f, "cannot write {}: a folder has that name; move it away", path.display())
            }
            OutputError::Busy(dir) => {
                write!(f, "output folder {} is being written by another run", dir.display())
            }
            OutputError::Prepare { path, cause } => write!(f, "cannot write to {}: {cause}", path.display()),
            OutputError::Write { path, cause } => {
                write!(f, "cannot write {}: {cause}; nothing was changed", path.display())
            }
            OutputError::Replace { path, cause } => write!(f, "cannot replace {}: {cause}", path.display()),
            OutputError::Abandoned(dir) => {
                write!(f, "the run was given up before {} was written; nothing was changed", dir.display())
            }
        }
    }
}

impl std::error::Error for OutputError {}

/// A width as it is typed: `30s`, or `1500ms`.
struct Width(u64);

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}
