//! What all processes of a run must agree on, before any of them begins.

use std::collections::HashMap;

use dataflows::ViewId;

use crate::config::RunConfig;
use files::ingest::{InputError, Plan};

/// The most files that are compared one by one. All others are compared as one.
const FILES_ONE_BY_ONE_MAX: usize = 1_000;

/// Returns the facts that follow from the flags and the program alone, as pairs of name and value
/// with unique names.
pub(crate) fn flags(config: &RunConfig) -> Vec<(String, String)> {
    let views: Vec<&str> = ViewId::all().map(|view| view.name).collect();
    let views = ("the views".to_owned(), views.join(", "));
    config.agreed.iter().cloned().chain([views]).collect()
}

/// Returns the facts about the files that all processes share.
///
/// # Errors
/// Returns an error if an input cannot be shared, or if a file cannot be read.
pub(crate) fn files(plan: &Plan) -> Result<Vec<(String, String)>, InputError> {
    let files = plan.manifest()?;
    let mut facts = Vec::new();
    let mut named: HashMap<&str, usize> = HashMap::new();
    for file in files.iter().take(FILES_ONE_BY_ONE_MAX) {
        let count = named.entry(&file.file_name).or_default();
        *count += 1;
        // Several folders may each have a file of this name.
        let name = match *count {
            1 => format!("file {}", file.file_name),
            count => format!("file {} in folder {count}", file.file_name),
        };
        facts.push((name, format!("({} bytes, content {:016x})", file.size_bytes, file.hash)));
    }
    if files.len() > FILES_ONE_BY_ONE_MAX {
        let rest = &files[FILES_ONE_BY_ONE_MAX..];
        let bytes = rest.iter().map(|file| u128::from(file.size_bytes)).sum::<u128>();
        let hash = rest.iter().fold(0_u64, |hash, file| hash.rotate_left(1) ^ file.hash);
        let value = format!("{} files ({bytes} bytes, content {hash:016x})", files.len());
        facts.push(("as inputs".to_owned(), value));
    }
    Ok(facts)
}
