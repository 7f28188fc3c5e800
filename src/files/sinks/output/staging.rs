//! Creates the folder in which the next set of files is written (the staging), and removes the
//! stagings of dead runs.
//!
//! A staging is named after its process and locked while that lives. The lock, not the number,
//! tells whether the run is dead, because process numbers are reused: in a container at every
//! start.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::folder::{dissolve, entries};
use crate::sinks::files::{MARK, OutputFacts, names_of_ours};

/// The text between the name of the output folder and the process number in the name of a staging.
const INFIX: &str = ".orderflow-";

/// The end of the name of a staging.
const SUFFIX: &str = ".tmp";

/// The most bytes of the output folder's name that the name of its staging repeats. A name has at
/// most 255 bytes.
const NAME_BYTES_MAX: usize = 200;

/// The name of the folder within a staging that is exchanged with the output folder.
const NEXT: &str = "next";

/// The number of attempts to create a staging that other runs remove because they take it for a
/// dead run's.
const ATTEMPTS_MAX: usize = 10;

/// The place of a staging.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is in the folder that holds the output folder.
    Beside,
    /// It is in the output folder.
    Inside,
}

impl Place {
    /// Returns the folder that holds the staging, and the prefix of the staging's name.
    fn parent_and_prefix(self, target: &Path) -> Option<(PathBuf, OsString)> {
        match self {
            Place::Beside => {
                let mut prefix = b".".to_vec();
                let name = target.file_name()?.as_bytes();
                prefix.extend_from_slice(&name[..name.len().min(NAME_BYTES_MAX)]);
                prefix.extend_from_slice(INFIX.as_bytes());
                Some((target.parent()?.to_owned(), OsString::from_vec(prefix)))
            }
            Place::Inside => Some((target.to_owned(), INFIX.into())),
        }
    }
}

/// The error that another run has its staging there.
#[derive(Debug)]
pub(super) struct Busy;

/// A folder that belongs to this run and is locked.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    place: Place,
    _lock: File,
}

impl Staging {
    /// Creates the staging of this process for the output folder `target`.
    pub(super) fn create(target: &Path, place: Place) -> io::Result<Staging> {
        let (parent, mut name) =
            place.parent_and_prefix(target).ok_or_else(|| io::Error::other("it has no parent folder"))?;
        name.push(std::process::id().to_string());
        name.push(SUFFIX);
        let root = parent.join(name);
        for _ in 0..ATTEMPTS_MAX {
            fs::create_dir(&root)?;
            let lock = File::open(&root)?;
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) | Err(Errno::NOLCK | Errno::OPNOTSUPP | Errno::NOSYS) => {}
                Err(Errno::WOULDBLOCK) => continue,
                Err(error) => return Err(error.into()),
            }
            // Before it was locked, another run may have removed it because it took it for a dead
            // run's.
            if fs::metadata(&root).is_ok_and(|at_path| is_same(&lock, &at_path)) {
                let staging = Staging { root, place, _lock: lock };
                staging.make_next()?;
                return Ok(staging);
            }
        }
        Err(io::Error::other("other runs keep removing the temporary folder"))
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Returns the path of the folder for the next set.
    pub(super) fn next(&self) -> PathBuf {
        self.root.join(NEXT)
    }

    /// Creates the folder for the next set if it is missing.
    pub(super) fn make_next(&self) -> io::Result<PathBuf> {
        let next = self.next();
        match fs::create_dir(&next) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(next),
        }
    }

    /// Removes the files of the next set.
    pub(super) fn empty_next(&self) {
        for name in names_of_ours() {
            // A file that is missing need not be removed.
            let _ = fs::remove_file(self.next().join(name));
        }
    }

    /// Removes the staging. Entries in it that orderflow did not write move to `target`.
    pub(super) fn remove(self, target: &Path) {
        remove_root(&self.root, target);
    }
}

fn is_same(file: &File, metadata: &fs::Metadata) -> bool {
    file.metadata().is_ok_and(|held| held.dev() == metadata.dev() && held.ino() == metadata.ino())
}

/// Removes the stagings that dead runs left for `target`, beside and inside it.
///
/// # Errors
/// Returns [`Busy`] if one of them belongs to a living run other than `own`.
pub(super) fn clean_leftovers(target: &Path, own: Option<&Staging>) -> Result<(), Busy> {
    for place in [Place::Beside, Place::Inside] {
        let Some((parent, prefix)) = place.parent_and_prefix(target) else { continue };
        // A folder that cannot be listed cannot be cleaned. Whether it can be written is checked
        // elsewhere.
        for name in entries(&parent).unwrap_or_default() {
            let root = parent.join(&name);
            let Some(pid) = pid_in(&name, &prefix) else { continue };
            if own.is_some_and(|own| own.root == root) {
                continue;
            }
            if is_alive(&root, pid) {
                return Err(Busy);
            }
            remove_root(&root, target);
        }
    }
    Ok(())
}

/// Returns the process number in the name of a staging; `None` if the name is not one of a staging.
fn pid_in(name: &OsStr, prefix: &OsStr) -> Option<Pid> {
    let digits = name.as_bytes().strip_prefix(prefix.as_bytes())?.strip_suffix(SUFFIX.as_bytes())?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Pid::from_raw(std::str::from_utf8(digits).ok()?.parse().ok()?)
}

/// Returns whether the run of a staging is alive. If the file system has no locks, this goes by the
/// process number.
fn is_alive(root: &Path, pid: Pid) -> bool {
    let Ok(dir) = File::open(root) else { return false };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => false,
        Err(Errno::WOULDBLOCK) => true,
        Err(_) => test_kill_process(pid) != Err(Errno::SRCH),
    }
}

/// Removes a staging. Entries in it that orderflow did not write move to `target`; one that cannot
/// be moved stays.
fn remove_root(root: &Path, target: &Path) {
    let next = root.join(NEXT);
    // A set has its mark from the start. A folder without a mark is the user's and was exchanged by
    // force.
    let ours = OutputFacts::read(&next).is_some();
    let doomed = if ours { names_of_ours() } else { vec![MARK.to_owned()] };
    // Nobody can be told of an error. What stays is cleaned by the next run, or is the user's.
    let _ = dissolve(&next, target, &doomed);
    let _ = fs::remove_dir(root);
}
