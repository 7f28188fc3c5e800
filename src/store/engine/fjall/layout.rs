//! Checks the files of an engine's folder before fjall reads them.

use std::fs;
use std::io;
use std::path::Path;

use crate::engine::Space;
use crate::error::OpenError;
use crate::format::FORMAT_VERSION;

/// The name of the file in the engine's folder that names the format.
pub(super) const FORMAT: &str = "FORMAT";

pub(super) fn format_text() -> String {
    format!("orderflow store, format {FORMAT_VERSION}\n")
}

pub(super) fn check_format(folder: &Path) -> Result<(), OpenError> {
    let path = folder.join(FORMAT);
    let found = fs::read(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => OpenError::damaged(&path, "it is missing"),
        _ => OpenError::io(&path, &error),
    })?;
    let found = String::from_utf8_lossy(&found);
    if found == format_text() {
        return Ok(());
    }
    let version =
        found.trim_end().strip_prefix("orderflow store, format ").and_then(|text| text.parse().ok());
    match version {
        Some(version) => Err(OpenError::Version { folder: folder.to_owned(), found: version }),
        None => Err(OpenError::damaged(&path, "it does not name a format")),
    }
}

/// Refuses a folder of which parts are missing. fjall would take the parts that are left for
/// remains of something unfinished and remove them.
pub(super) fn check_layout(folder: &Path) -> Result<(), OpenError> {
    for part in ["version", "lock"] {
        let path = folder.join(part);
        if !path.try_exists().map_err(|error| OpenError::io(&path, &error))? {
            return Err(OpenError::damaged(&path, "it is missing"));
        }
    }
    // Keyspace 0 belongs to fjall and holds the names and options of the others.
    (0..=Space::ALL.len()).try_for_each(|id| check_manifest(&folder.join(format!("keyspaces/{id}"))))
}

/// Checks the list of a keyspace's files against its hash, which fjall writes but does not check.
/// fjall would remove the files that a damaged list leaves out.
fn check_manifest(keyspace: &Path) -> Result<(), OpenError> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::damaged(path, "it is missing"),
            _ => OpenError::io(path, &error),
        })
    };
    let current = keyspace.join("current");
    let bytes = read(&current)?;
    let parts = bytes.split_first_chunk().and_then(|(id, hash)| Some((id, hash.split_first_chunk()?)));
    let Some((id, (hash, [0]))) = parts else {
        return Err(OpenError::damaged(&current, "it has not the form of a version"));
    };
    let manifest = keyspace.join(format!("v{}", u64::from_le_bytes(*id)));
    if xxhash_rust::xxh3::xxh3_128(&read(&manifest)?) != u128::from_le_bytes(*hash) {
        return Err(OpenError::damaged(&manifest, "its hash is not that in the file \"current\""));
    }
    Ok(())
}
