//! The folder in which the next set of files is made, and the removal of those of dead runs.
//!
//! It is named after the process and locked as long as it lives: the lock, not the number, tells
//! whether its run is dead, because numbers come again, in a container at every start.

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
use super::names_of_ours;
use crate::sinks::files::{MARK, OutputFacts};

/// What follows the name of the output folder in the name of its staging.
const INFIX: &str = ".orderflow-";

/// The end of a staging's name.
const SUFFIX: &str = ".tmp";

/// The longest part of the output folder's name that its staging repeats: a name has 255 bytes.
const NAME_BYTES_MAX: usize = 200;

/// The folder within a staging that is exchanged with the output folder.
const NEXT: &str = "next";

/// How often a folder is made again that another run took for a dead one's.
const ATTEMPTS_MAX: usize = 10;

/// Where the staging lies.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the folder that holds the output folder.
    Beside,
    /// In the output folder.
    Inside,
}

impl Place {
    /// The folder that holds the staging, and what its name begins with.
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

/// Another run has its staging there.
#[derive(Debug)]
pub(super) struct Busy;

/// A folder of this run's own, locked.
#[derive(Debug)]
pub(super) struct Staging {
    root: PathBuf,
    place: Place,
    _lock: File,
}

impl Staging {
    /// Makes the staging of this process for the output folder `target`.
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
            // Between making and locking it, another run may have removed it as a dead one's.
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

    /// The folder of the next set.
    pub(super) fn next(&self) -> PathBuf {
        self.root.join(NEXT)
    }

    /// Makes the folder of the next set where it is not there.
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
            // What is not there need not be removed.
            let _ = fs::remove_file(self.next().join(name));
        }
    }

    /// Removes the staging; what is not ours in it moves to `target`.
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
/// [`Busy`] where one of them is of a living run other than `own`.
pub(super) fn clean_leftovers(target: &Path, own: Option<&Staging>) -> Result<(), Busy> {
    for place in [Place::Beside, Place::Inside] {
        let Some((parent, prefix)) = place.parent_and_prefix(target) else { continue };
        // What cannot be listed cannot be cleaned; whether it can be written is tried elsewhere.
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

/// The process that a staging's name holds, or `None` for any other name.
fn pid_in(name: &OsStr, prefix: &OsStr) -> Option<Pid> {
    let digits = name.as_bytes().strip_prefix(prefix.as_bytes())?.strip_suffix(SUFFIX.as_bytes())?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Pid::from_raw(std::str::from_utf8(digits).ok()?.parse().ok()?)
}

/// Whether the run of a staging is alive: by its lock, or by its process where locks are not known.
fn is_alive(root: &Path, pid: Pid) -> bool {
    let Ok(dir) = File::open(root) else { return false };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => false,
        Err(Errno::WOULDBLOCK) => true,
        Err(_) => test_kill_process(pid) != Err(Errno::SRCH),
    }
}

/// Removes a staging. What is not ours in it moves to `target`, and stays where it cannot move.
fn remove_root(root: &Path, target: &Path) {
    let next = root.join(NEXT);
    // A set has its mark from the start, so a folder without one is the user's, exchanged by force.
    let ours = OutputFacts::read(&next).is_some();
    let doomed = if ours { names_of_ours() } else { vec![MARK.to_owned()] };
    // Nobody is there to be told: what stays is cleaned by the next run, or is the user's.
    let _ = dissolve(&next, target, &doomed);
    let _ = fs::remove_dir(root);
}
