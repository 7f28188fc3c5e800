//! Changes folders in single steps, which other processes see as a whole or not at all.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::sinks::rejects::Rejects;

/// The reasons why a folder was not exchanged, or not wholly.
#[derive(Debug)]
pub(super) enum SwapError {
    /// Folders cannot be exchanged there, but files can still be replaced one by one.
    Impossible,
    /// The exchange failed, and nothing was changed.
    Failed(io::Error),
    /// The new folder is in place, but this entry of the old one could not be moved into it.
    Left(String, io::Error),
}

/// Returns the path of the folder `dir`, absolute and free of symbolic links, whether it exists or
/// not.
///
/// Creates missing folders above it and adds them to `made`.
pub(super) fn resolve(dir: &Path, made: &mut Vec<PathBuf>) -> io::Result<PathBuf> {
    match fs::canonicalize(dir) {
        Ok(target) => return Ok(target),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) if dir.symlink_metadata().is_ok() => {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the symbolic link leads nowhere"));
        }
        Err(_) => {}
    }
    let dir = std::path::absolute(dir)?;
    let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no such folder, and its name ends in `..`"));
    };
    make_all(parent, made)?;
    Ok(fs::canonicalize(parent)?.join(name))
}

fn make_all(dir: &Path, made: &mut Vec<PathBuf>) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        make_all(parent, made)?;
    }
    match fs::create_dir(dir) {
        Ok(()) => made.push(dir.to_owned()),
        Err(_) if dir.is_dir() => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Returns whether a folder is on another file system than its parent. Such a folder cannot be
/// moved.
pub(super) fn is_other_disk(dir: &Path) -> bool {
    let device = |dir: &Path| fs::metadata(dir).ok().map(|metadata| metadata.dev());
    dir.parent().is_some_and(|parent| device(parent) != device(dir))
}

/// Returns the names of the entries of a folder.
pub(super) fn entries(dir: &Path) -> io::Result<Vec<OsString>> {
    fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
}

/// Syncs a folder, so that its entries survive a loss of power.
pub(super) fn sync(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// Writes the rejects to `path` and syncs the file.
pub(super) fn write_rejects(
    path: &Path,
    rejects: &mut Rejects,
    inputs: &BTreeMap<u32, String>,
) -> io::Result<()> {
    let file = File::create(path)?;
    let mut out = BufWriter::new(&file);
    rejects.write(inputs, &mut out)?;
    out.flush()?;
    drop(out);
    file.sync_all()
}

/// Puts the folder `next` in the place of `target` in one step. Then removes the old folder: the
/// files named in `doomed` are deleted, and all other entries move to the new folder.
pub(super) fn exchange(next: &Path, target: &Path, doomed: &[String]) -> Result<(), SwapError> {
    if let Ok(metadata) = fs::metadata(target) {
        fs::set_permissions(next, metadata.permissions()).map_err(SwapError::Failed)?;
    }
    let mut flags = RenameFlags::EXCHANGE;
    loop {
        match renameat_with(CWD, next, CWD, target, flags) {
            Ok(()) => break,
            // The target does not exist yet, or others created or removed it in the meantime.
            Err(Errno::NOENT) if flags == RenameFlags::EXCHANGE => flags = RenameFlags::NOREPLACE,
            Err(Errno::EXIST) if flags == RenameFlags::NOREPLACE => flags = RenameFlags::EXCHANGE,
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if flags == RenameFlags::NOREPLACE => {
                fs::rename(next, target).map_err(SwapError::Failed)?;
                break;
            }
            Err(
                Errno::BUSY
                | Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::ACCESS,
            ) if target.is_dir() => return Err(SwapError::Impossible),
            Err(error) => return Err(SwapError::Failed(error.into())),
        }
    }
    if let Some(parent) = target.parent() {
        // The exchange is done. It is not undone only because it may not survive a loss of power.
        let _ = sync(parent);
    }
    if flags == RenameFlags::EXCHANGE {
        dissolve(next, target, doomed).map_err(|(entry, error)| SwapError::Left(entry, error))?;
    }
    Ok(())
}

/// Removes the folder `old` and the files in it that `doomed` names. All other entries move to
/// `target`.
///
/// It never deletes a file that is not named, nor anything in folders. If an entry cannot be moved,
/// it stays and so does `old`; the error names the first such entry.
pub(super) fn dissolve(old: &Path, target: &Path, doomed: &[String]) -> Result<(), (String, io::Error)> {
    let whole = |error| (".".to_owned(), error);
    let mut left = None;
    for name in entries(old).map_err(whole)? {
        let from = old.join(&name);
        let removed = if doomed.iter().any(|doomed| name == doomed.as_str()) {
            fs::remove_file(&from)
        } else {
            rename_to_free(&from, &target.join(&name))
        };
        if let Err(error) = removed {
            left = left.or_else(|| Some((name.to_string_lossy().into_owned(), error)));
        }
    }
    match left {
        Some(left) => Err(left),
        None => fs::remove_dir(old).map_err(whole),
    }
}

/// Renames `from` to `to`, or fails if `to` exists.
fn rename_to_free(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            if to.symlink_metadata().is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

/// Moves the files `names` from `next` to `target`, in order, and then removes the files `stale`
/// there. An error names the file that it is about.
pub(super) fn replace_each(
    next: &Path,
    target: &Path,
    names: &[String],
    stale: &[String],
) -> Result<(), (String, io::Error)> {
    for name in names {
        fs::rename(next.join(name), target.join(name)).map_err(|error| (name.clone(), error))?;
    }
    for name in stale {
        match fs::remove_file(target.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((name.clone(), error)),
            _ => {}
        }
    }
    sync(target).map_err(|error| (".".to_owned(), error))
}
