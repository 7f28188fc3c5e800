//! Finds out why fjall takes no more writes: for want of something that may be there again, or for
//! good.
//!
//! A commit returns its error. What goes wrong on fjall's own threads is only logged there, and
//! commits return [`Poisoned`](::fjall::Error::Poisoned) afterwards. So the log is listened to. All
//! databases of the process share it: an error of another one may make a cause look worse, and
//! never better, than it is.

use std::error::Error;
use std::io;
use std::sync::{Mutex, Once, PoisonError};

use log::{LevelFilter, Log, Metadata, Record};
use rustix::io::Errno;

use super::EngineFailure;

/// The most errors that are kept. The first ones are those that matter.
const ERRORS_MAX: usize = 32;

/// The errors that fjall has logged since they were last forgotten.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// A logger that keeps the errors of fjall, and nothing else.
struct Ear;

impl Log for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        target.starts_with("fjall") || target.starts_with("lsm_tree")
    }

    fn log(&self, record: &Record<'_>) {
        let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
        if self.enabled(record.metadata()) && heard.len() < ERRORS_MAX {
            heard.push(record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// Listens to fjall's log from now on, unless the program has another logger. Then the cause of an
/// error on fjall's own threads stays unknown.
pub(super) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if log::set_logger(&Ear).is_ok() {
            log::set_max_level(LevelFilter::Error);
        }
    });
}

/// Forgets what was heard.
pub(super) fn forget() {
    HEARD.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// Returns whether a sync has failed. Data that was written before may then be lost, though the
/// next sync succeeds.
pub(super) fn sync_has_failed() -> bool {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    heard.iter().any(|text| text.contains("fsync"))
}

/// Returns what is wanting, if that is all that is wrong, or else what is known of the error.
pub(super) fn of(error: &EngineFailure) -> Result<&'static str, String> {
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let own = code_of(error);
    let codes: Vec<i32> = own.into_iter().chain(heard.iter().filter_map(|text| code_in(text))).collect();
    match codes.iter().map(|code| wanting(*code)).collect::<Option<Vec<_>>>() {
        Some(wants) if !wants.is_empty() => Ok(wants[0]),
        _ => Err(heard.first().filter(|_| own.is_none()).cloned().unwrap_or_else(|| format!("{error:?}"))),
    }
}

/// Returns the operating system's code of an error.
fn code_of(error: &EngineFailure) -> Option<i32> {
    let EngineFailure::Error(error) = error else { return None };
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.raw_os_error();
        }
        cause = error.source();
    }
    None
}

/// Returns the operating system's code in the text of an error, as `Debug` of the standard library
/// prints it.
fn code_in(text: &str) -> Option<i32> {
    let (_, rest) = text.split_once("Os { code: ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Returns what is wanting where this error comes from. `None` if the error means something else.
pub(super) fn wanting(code: i32) -> Option<&'static str> {
    match Errno::from_raw_os_error(code) {
        Errno::NOSPC => Some("the disk is full"),
        Errno::DQUOT => Some("the quota of the disk is used up"),
        Errno::FBIG => Some("a file has reached the largest size that is allowed"),
        Errno::MFILE | Errno::NFILE => Some("no file descriptor is free"),
        Errno::NOMEM => Some("no memory is free"),
        Errno::AGAIN => Some("no thread can be started"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanting_is_told_from_what_is_broken() {
        let failure = |code| EngineFailure::Error(io::Error::from_raw_os_error(code).into());
        for (errno, expected) in [
            (Errno::NOSPC, Some("the disk is full")),
            (Errno::FBIG, Some("a file has reached the largest size that is allowed")),
            (Errno::MFILE, Some("no file descriptor is free")),
            (Errno::IO, None),
            (Errno::ROFS, None),
            (Errno::NOTDIR, None),
        ] {
            assert_eq!(code_of(&failure(errno.raw_os_error())).and_then(wanting), expected, "{errno:?}");
            let logged = format!("Worker #1 crashed: {:?}", failure(errno.raw_os_error()));
            assert_eq!(code_in(&logged).and_then(wanting), expected, "{logged}");
        }
        assert_eq!(code_of(&EngineFailure::Error(::fjall::Error::Poisoned)), None);
        assert_eq!(code_of(&EngineFailure::Panic("a panic".to_owned())), None);
    }
}
