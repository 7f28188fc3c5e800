//! Defines why a store cannot be opened, or was not closed well.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{CommitError, Damage};
use crate::format::FORMAT_VERSION;

/// The reason why a store's folder cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Another process has the store open.
    Locked {
        /// The store's folder.
        folder: PathBuf,
        /// The id of the process; `None` if it could not be read.
        holder: Option<u32>,
    },
    /// The store is in a format that this version does not know.
    Version {
        /// The folder in that format.
        folder: PathBuf,
        /// The number of the format.
        found: u32,
    },
    /// A file or folder is not what the store has written.
    Damaged {
        /// The damaged file, or the folder if no single file is to blame.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system returned an error.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The message of the operating system.
        reason: String,
    },
}

impl OpenError {
    pub(crate) fn io(path: &Path, error: &std::io::Error) -> OpenError {
        OpenError::Io { path: path.to_owned(), reason: error.to_string() }
    }

    pub(crate) fn damaged(path: &Path, reason: &str) -> OpenError {
        OpenError::Damaged { path: path.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked { folder, holder: Some(pid) } => {
                write!(f, "{} is in use by process {pid}; stop it, or name another folder", folder.display())
            }
            OpenError::Locked { folder, holder: None } => {
                write!(
                    f,
                    "{} is in use by another process; stop it, or name another folder",
                    folder.display()
                )
            }
            OpenError::Version { folder, found } => write!(
                f,
                "{} is in format {found}, and this version of orderflow knows format {FORMAT_VERSION} only; \
                 open it with the version that wrote it",
                folder.display()
            ),
            OpenError::Damaged { path, reason } => write!(
                f,
                "{} is damaged: {reason}; restore it from a copy, or start with another folder",
                path.display()
            ),
            OpenError::Io { path, reason } => write!(f, "{}: {reason}", path.display()),
        }
    }
}

impl std::error::Error for OpenError {}

/// The reason why a store was not closed well. The last acknowledged writes may not be on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CloseError {
    /// A write failed before. The sentence says why, and what to do.
    Failed(String),
    /// The last sync failed, or the file that says that not all is synced could not be removed.
    NotSynced(Damage),
}

impl From<CommitError> for CloseError {
    fn from(error: CommitError) -> CloseError {
        CloseError::NotSynced(Damage(error.cause))
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseError::Failed(sentence) => f.write_str(sentence),
            CloseError::NotSynced(damage) => damage.fmt(f),
        }
    }
}

impl std::error::Error for CloseError {}
