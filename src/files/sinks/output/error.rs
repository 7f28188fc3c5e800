//! The errors of an output folder. Each is printed as one sentence.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use orders::text::io_cause;

/// Why the output folder was refused, or could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OutputError {
    /// The path leads to a file.
    NotAFolder(PathBuf),
    /// The folder holds something that orderflow did not write.
    NotEmpty {
        /// The folder with the foreign entry.
        dir: PathBuf,
        /// The first entry, sorted by name.
        entry: String,
    },
    /// The folder holds results of another time zone.
    OtherZone {
        /// The folder with the older results.
        dir: PathBuf,
        /// The zone of the results in the folder.
        found: String,
        /// The zone of this run.
        asked: String,
    },
    /// The folder holds results of windows of another width.
    OtherWidth {
        /// The folder with the older results.
        dir: PathBuf,
        /// The width of the windows in the folder, in milliseconds.
        found_ms: u64,
        /// The width of the windows of this run, in milliseconds.
        asked_ms: u64,
    },
    /// A folder has the name of one of the result files.
    NameTaken(PathBuf),
    /// Another run writes to the folder.
    Busy(PathBuf),
    /// The folder could not be prepared. Nothing was changed.
    Prepare {
        /// The path that could not be created or read.
        path: PathBuf,
        /// The cause, worded as the end of a sentence.
        cause: String,
    },
    /// A file could not be written. Nothing was changed.
    Write {
        /// The path that the file was meant for.
        path: PathBuf,
        /// The cause, worded as the end of a sentence.
        cause: String,
    },
    /// The new set is written, but not all of it could be put in its place.
    Replace {
        /// The entry that could not be replaced or moved.
        path: PathBuf,
        /// The cause, worded as the end of a sentence.
        cause: String,
    },
    /// The output was given up with [`Abandon::abandon`](super::Abandon::abandon).
    Abandoned(PathBuf),
}

impl OutputError {
    /// Returns the exit code of the program: 2 if the folder is refused, 3 if writing failed.
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

/// A width in milliseconds, which prints as the user types it: `30s`, or `1500ms`.
struct Width(u64);

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_multiple_of(1000) { write!(f, "{}s", self.0 / 1000) } else { write!(f, "{}ms", self.0) }
    }
}
