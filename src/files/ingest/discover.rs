//! Finds the files that an input as typed means, before any of them is opened.
//!
//! A path is looked up as it stands before it is tried as a glob, so a file whose name contains
//! brackets can be named. Directories are read with their subdirectories, in the order of names.
//! Links to directories, which may form circles, are skipped, and so are names that begin with `.`
//! or `_`: hidden files, and by the custom of Hadoop and Spark what is no data or not done yet. A
//! glob finds such names only if it spells them so. A glob or a directory finds the same on all
//! workers and hosts that have the same files.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Compression, Format, InputError};

/// The input as typed that means standard input.
pub(super) const STDIN: &str = "-";

/// The name of standard input in messages.
pub(super) const STDIN_NAME: &str = "standard input";

/// One input, and what its name tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// The path as it is shown.
    pub(super) name: String,
    /// The path; `None` for standard input.
    pub(super) path: Option<PathBuf>,
    pub(super) format: Format,
    pub(super) compression: Compression,
}

/// Returns the inputs that an argument means, in order. The list is empty only for a pattern (see
/// [`is_pattern`]).
///
/// `format` is the format of files whose names do not tell one.
pub(super) fn discover(typed: &str, format: Option<Format>) -> Result<Vec<Found>, InputError> {
    if typed == STDIN {
        let format = format.unwrap_or(Format::Csv);
        let found = Found { name: STDIN_NAME.to_owned(), path: None, format, compression: Compression::None };
        return Ok(vec![found]);
    }
    let path = Path::new(typed);
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let mut found = Vec::new();
            expand_directory(path, &mut found)?;
            Ok(found)
        }
        Ok(_) => Ok(vec![named_file(path, format)?]),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound && is_glob(typed) => expand_glob(typed, format),
        Err(cause) => Err(open_error(path, cause)),
    }
}

/// Returns whether an argument may later mean more files than now, because it is a directory or a
/// glob.
pub(super) fn is_pattern(typed: &str) -> bool {
    match fs::metadata(typed) {
        Ok(metadata) => metadata.is_dir(),
        Err(_) => typed != STDIN && is_glob(typed),
    }
}

/// Returns the error for an argument that means no file.
pub(super) fn nothing_found(typed: &str) -> InputError {
    if Path::new(typed).is_dir() {
        InputError::NoOrdersFiles { directory: typed.to_owned() }
    } else {
        InputError::NoMatch { pattern: typed.to_owned() }
    }
}

/// Returns the error for a file that the operating system does not open.
pub(super) fn open_error(path: &Path, cause: io::Error) -> InputError {
    let name = path.display().to_string();
    match cause.kind() {
        io::ErrorKind::NotFound => InputError::NotFound { name },
        _ => InputError::Open { name, cause },
    }
}

fn is_glob(typed: &str) -> bool {
    typed.contains(['*', '?', '['])
}

fn named_file(path: &Path, format: Option<Format>) -> Result<Found, InputError> {
    let name = path.display().to_string();
    let (told, compression) = Format::of_name(&name);
    match told.or(format) {
        Some(format) => Ok(Found { name, path: Some(path.to_owned()), format, compression }),
        None => Err(InputError::UnknownFormat { name }),
    }
}

fn expand_glob(pattern: &str, format: Option<Format>) -> Result<Vec<Found>, InputError> {
    let bad = |error: glob::PatternError| InputError::BadPattern {
        pattern: pattern.to_owned(),
        reason: error.to_string(),
    };
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
    let mut paths = Vec::new();
    for path in glob::glob_with(pattern, options).map_err(bad)? {
        let path = path.map_err(|error| {
            let path = error.path().to_owned();
            open_error(&path, error.into())
        });
        paths.push(path?);
    }
    paths.sort();
    let is_spelled = |name: &OsStr| {
        let first = name.as_encoded_bytes().first();
        let mut parts = Path::new(pattern).iter();
        parts.any(|part| {
            part == name || (is_glob(&part.to_string_lossy()) && part.as_encoded_bytes().first() == first)
        })
    };
    paths.retain(|path| path.iter().all(|name| !is_left_out(name) || is_spelled(name)));
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            expand_directory(&path, &mut found)?;
        } else {
            found.push(named_file(&path, format)?);
        }
    }
    Ok(found)
}

/// Returns whether a name is one of those that are left out: `.hidden`, `_SUCCESS`, `_temporary`.
fn is_left_out(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b"_") || (name.starts_with(b".") && name != b"." && name != b"..")
}

fn expand_directory(directory: &Path, found: &mut Vec<Found>) -> Result<(), InputError> {
    let unreadable = |cause| open_error(directory, cause);
    let mut entries = fs::read_dir(directory)
        .and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
        .map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if is_left_out(&entry.file_name()) {
            continue;
        }
        if entry.file_type().map_err(|cause| open_error(&path, cause))?.is_dir() {
            expand_directory(&path, found)?;
        } else if let (Some(_), _) = Format::of_name(&path.to_string_lossy())
            && !path.is_dir()
        {
            found.push(named_file(&path, None)?);
        }
    }
    Ok(())
}
