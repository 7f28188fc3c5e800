//! Lets only one process use a folder, and marks a folder whose commits may not have been synced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::error::OpenError;

/// The name of the file that is locked, in the store's folder.
const LOCK: &str = "LOCK";

/// A lock on a folder. It is held until it is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub(crate) struct Lock {
    /// The file stays locked as long as it is open.
    _file: File,
}

impl Lock {
    /// Locks a folder. If another process holds the lock, returns an error that names its process
    /// id if it could be read.
    pub(crate) fn acquire(folder: &Path) -> Result<Lock, OpenError> {
        let path = folder.join(LOCK);
        let io = |error: io::Error| OpenError::io(&path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder may be about to write its process id, so the file may still be empty.
                let read = file.read_to_string(&mut holder);
                let holder = read.ok().and_then(|_| holder.trim().parse().ok());
                return Err(OpenError::Locked { folder: folder.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "{}", std::process::id()).map_err(io)?;
        Ok(Lock { _file: file })
    }
}

/// The name of the file that says that commits may not have been synced one by one.
const RELAXED: &str = "RELAXED";

/// A file that exists from before the first commit that is not synced until all commits are synced.
#[derive(Debug)]
pub(crate) struct Marker {
    path: PathBuf,
}

impl Marker {
    /// Creates the marker of a store's folder. Nothing is written yet.
    pub(crate) fn new(folder: &Path) -> Marker {
        Marker { path: folder.join(RELAXED) }
    }

    /// Returns whether the file exists.
    pub(crate) fn is_set(&self) -> Result<bool, OpenError> {
        self.path.try_exists().map_err(|error| self.error(&error))
    }

    /// Creates the file and makes it durable.
    pub(crate) fn set(&self) -> Result<(), OpenError> {
        File::create(&self.path).and_then(|_| self.sync_folder()).map_err(|error| self.error(&error))
    }

    /// Removes the file, if it exists, and makes that durable.
    pub(crate) fn clear(&self) -> Result<(), OpenError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.and_then(|()| self.sync_folder()).map_err(|error| self.error(&error)),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    fn error(&self, error: &io::Error) -> OpenError {
        OpenError::io(&self.path, error)
    }
}
