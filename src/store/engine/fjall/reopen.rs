//! Opens the database anew within the process, once what was wanting is there again.
//!
//! fjall takes no writes after any error, of a commit as well as of its own threads, until it is
//! opened anew. That is safe as long as no sync has failed: every acknowledged commit was synced
//! before its acknowledgement, or handed to the operating system if commits are not synced one by
//! one. What a failed commit left in the journal was acknowledged to nobody, and is cut off, whole
//! or torn.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use super::{EngineFailure, FjallEngine, Opened, cause, journal, open_database};
use crate::error::{CommitError, OpenError};

/// The free bytes of the disk, besides those for what is in memory, that make an attempt worth
/// while.
const ROOM_BYTES_MIN: u64 = 16 << 20;
/// The bytes that are written to see whether there is room.
const PROBE_BYTES: usize = 1 << 20;
/// The name of the file, in the engine's folder, that they are written to.
const PROBE: &str = "ROOM";
/// How long those who read may go on until what they read is taken from them.
const READERS_TIME_MAX: Duration = Duration::from_secs(1);
/// The time between two looks at them.
const READERS_POLL: Duration = Duration::from_millis(2);

impl FjallEngine {
    /// Returns what to say of an error, and keeps in mind that no commit with a sequence number
    /// from `unacknowledged` on was acknowledged.
    pub(super) fn failed(&self, error: &EngineFailure, unacknowledged: u64) -> CommitError {
        self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(unacknowledged);
        let folder = self.folder.display();
        // Where the journals cannot be read for want of something, this is found out before the
        // database is opened anew.
        let is_synced = !cause::sync_has_failed() && is_torn(&self.folder, unacknowledged).unwrap_or(true);
        match cause::of(error) {
            Ok(wanting) if is_synced => {
                CommitError { cause: format!("cannot write to {folder}: {wanting}"), passes: true }
            }
            Ok(wanting) => CommitError { cause: format!("cannot sync {folder}: {wanting}"), passes: false },
            Err(text) => CommitError { cause: format!("cannot write to {folder}: {text}"), passes: false },
        }
    }

    /// Closes the database and opens it anew. Meanwhile reads wait; those that take longer than
    /// [`READERS_TIME_MAX`] fail.
    pub(super) fn reopen(&self) -> Result<(), CommitError> {
        let mut opened = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        let bytes = opened.as_ref().map_or(0, |opened| opened.database.write_buffer_size());
        self.has_room(bytes)?;
        let unacknowledged = *self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        // Closing may write the rest of a torn commit, so afterwards this would tell nothing.
        if opened.is_some() && !self.is_torn_now(unacknowledged)? {
            return Err(CommitError {
                cause: format!("cannot sync {}", self.folder.display()),
                passes: false,
            });
        }
        if let Some(old) = opened.take() {
            self.close(old)?;
        }
        journal::cut(&self.folder, unacknowledged.unwrap_or(u64::MAX))
            .map_err(|error| self.unopened(&error))?;
        cause::forget();
        *opened = Some(open_database(&self.folder).map_err(|error| self.unopened(&error))?);
        *self.unacknowledged.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn is_torn_now(&self, unacknowledged: Option<u64>) -> Result<bool, CommitError> {
        let torn = unacknowledged.map_or(Ok(true), |from| is_torn(&self.folder, from));
        torn.map_err(|error| self.unopened(&error))
    }

    /// Closes a database of which nobody may read any more.
    fn close(&self, old: Opened) -> Result<(), CommitError> {
        let began = Instant::now();
        while !self.readers.are_gone() && began.elapsed() < READERS_TIME_MAX {
            thread::sleep(READERS_POLL);
        }
        self.readers.take_back();
        drop(old);
        if cause::sync_has_failed() {
            let cause = format!("cannot sync {}", self.folder.display());
            return Err(CommitError { cause, passes: false });
        }
        Ok(())
    }

    /// Checks that there is room for `bytes` and more, and that files can be made.
    fn has_room(&self, bytes: u64) -> Result<(), CommitError> {
        let wants = |error: &io::Error| {
            let wanting = error.raw_os_error().and_then(cause::wanting);
            let passes = wanting.is_some();
            let text = wanting.map_or_else(|| error.to_string(), str::to_owned);
            CommitError { cause: format!("cannot write to {}: {text}", self.folder.display()), passes }
        };
        let free = rustix::fs::statvfs(&*self.folder).map_err(|error| wants(&error.into()))?;
        if free.f_bavail.saturating_mul(free.f_frsize) < bytes + ROOM_BYTES_MIN {
            return Err(wants(&rustix::io::Errno::NOSPC.into()));
        }
        let path = self.folder.join(PROBE);
        let written = File::create(&path)
            .and_then(|mut file| file.write_all(&vec![1; PROBE_BYTES]).and_then(|()| file.sync_all()));
        let removed = fs::remove_file(&path);
        written.and(removed).map_err(|error| wants(&error))
    }

    fn unopened(&self, error: &OpenError) -> CommitError {
        let passes = matches!(error, OpenError::Io { .. });
        CommitError { cause: format!("cannot open {} anew: {error}", self.folder.display()), passes }
    }
}

/// Returns whether no commit from `unacknowledged` on is whole in the journals. If one is, then all
/// of it was written, and its sync is what failed.
fn is_torn(folder: &Path, unacknowledged: u64) -> Result<bool, OpenError> {
    journal::has_batch_from(folder, unacknowledged).map(|has| !has)
}
