//! Makes a store of a backup.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Backup, BackupError, Summary, Told};
use crate::engine::Engine;
use crate::engine::fjall::FjallEngine;
use crate::error::{Damage, OpenError};
use crate::lock::Lock;
use crate::transaction::last_of;
use crate::{Store, catalog};

/// The name of the file that says that a folder is being made of a backup.
const RESTORING: &str = "RESTORING";

/// A file in the folder of a store that is being made of a backup. The folder is not opened as long
/// as it is there, because it would be taken for the folder of a new store.
#[derive(Debug)]
pub(crate) struct Restoring(PathBuf);

impl Restoring {
    /// Refuses a folder that was not made to its end.
    pub(crate) fn check(folder: &Path) -> Result<(), OpenError> {
        let path = folder.join(RESTORING);
        match path.try_exists() {
            Ok(false) => Ok(()),
            Ok(true) => Err(OpenError::damaged(&path, "a restore of a backup did not come to its end")),
            Err(error) => Err(OpenError::io(&path, &error)),
        }
    }

    fn begin(folder: &Path) -> Result<Restoring, OpenError> {
        let path = folder.join(RESTORING);
        File::create(&path).and_then(|file| file.sync_all()).map_err(|error| OpenError::io(&path, &error))?;
        sync(folder)?;
        Ok(Restoring(path))
    }

    fn end(self, folder: &Path) -> Result<(), OpenError> {
        fs::remove_file(&self.0).map_err(|error| OpenError::io(&self.0, &error))?;
        sync(folder)
    }
}

fn sync(folder: &Path) -> Result<(), OpenError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| OpenError::io(folder, &error))
}

impl Store {
    /// Makes a store in `folder` from a backup, all of which is checked. The folder is made if it
    /// does not exist, and must have no store. A process that dies meanwhile leaves a folder that
    /// no store is opened in, and that may be restored again.
    ///
    /// Cost: one pass over the backup, whose entries go straight into sorted files.
    ///
    /// # Errors
    /// Returns [`BackupError`]. Then the folder has no store.
    pub fn restore(folder: &Path, backup: impl Read, told: &mut Told<'_>) -> Result<Summary, BackupError> {
        let io = |error: io::Error| OpenError::io(folder, &error);
        let mut backup = Backup::open(backup)?;
        fs::create_dir_all(folder).map_err(io)?;
        let _lock = Lock::acquire(folder)?;
        if FjallEngine::is_in(folder) && Restoring::check(folder).is_ok() {
            return Err(BackupError::Exists(folder.to_owned()));
        }
        let restoring = Restoring::begin(folder)?;
        FjallEngine::remove_from(folder)?;
        let summary = load(folder, &mut backup, told).and_then(|()| backup.finish());
        let summary = summary.and_then(|summary| check(folder, &summary).map(|()| summary));
        if summary.is_err() {
            FjallEngine::remove_from(folder)?;
        }
        restoring.end(folder)?;
        summary
    }
}

fn load(folder: &Path, backup: &mut Backup<impl Read>, told: &mut Told<'_>) -> Result<(), BackupError> {
    FjallEngine::create_of(folder, &mut |space| backup.next(space, told))
}

/// Opens what was made, as the next start will.
fn check(folder: &Path, summary: &Summary) -> Result<(), BackupError> {
    let engine = FjallEngine::open(folder, false)?;
    let snapshot = engine.snapshot();
    catalog::load(snapshot.as_ref())?;
    let last = last_of(snapshot.as_ref())?;
    if last.commit != summary.commit {
        let (found, named) = (last.commit, summary.commit);
        return Err(Damage(format!("it is as of commit {found}, and its head names commit {named}")).into());
    }
    Ok(())
}
