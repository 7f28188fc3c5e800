//! How many files a process may have open, and has open. Connections are files too.

use std::fs;
use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The folder that lists the open files of the process that reads it.
const OPEN_FILES: &str = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };

/// Raises the limit of open files of this process as far as the system lets it: the soft limit to
/// the hard one. The usual soft limit of 1,024 is from a time when programs could not have more.
/// Where the system refuses, the limit stays as it is.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        // A program that cannot have more files gets by with what it has.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Returns the most files that this process may have open at a time.
pub fn limit() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// Returns the number of files that this process has open. Takes time in proportion to them, about
/// a millisecond for a thousand.
///
/// # Errors
/// Returns the error of the system, also where it does not list open files.
pub fn open_files() -> io::Result<usize> {
    // The folder itself is open meanwhile.
    fs::read_dir(OPEN_FILES).map(|files| files.count().saturating_sub(1))
}
