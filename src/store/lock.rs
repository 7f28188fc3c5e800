//! One process per folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::error::OpenError;

/// Name of the file that is locked, in the store's folder.
const LOCK: &str = "LOCK";

/// Holds a folder until it is dropped, or the process ends however it does.
#[derive(Debug)]
pub(crate) struct Lock {
    /// Locked as long as it is open.
    _file: File,
}

impl Lock {
    /// Locks a folder, or names the process that has it.
    pub(crate) fn acquire(folder: &Path) -> Result<Lock, OpenError> {
        let path = folder.join(LOCK);
        let io = |error: std::io::Error| OpenError::io(&path, &error);
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Its holder may be just about to write its name: then it has none yet.
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
