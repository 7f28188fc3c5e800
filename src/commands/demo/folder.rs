//! The folder in which a demo keeps its store.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::commands::Failure;

/// The folder in which a demo keeps its store: one of the user's, or a temporary one.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    temporary: Option<TempDir>,
}

impl Folder {
    /// Returns the folder of `--data`; without it, makes a temporary one.
    pub(super) fn of(data: Option<&Path>) -> Result<Folder, Failure> {
        if let Some(data) = data {
            return Ok(Folder { path: data.to_owned(), temporary: None });
        }
        let temporary = tempfile::Builder::new()
            .prefix("orderflow-demo-")
            .tempdir()
            .map_err(|error| Failure::new(3, format!("cannot make a temporary folder: {error}")))?;
        Ok(Folder { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    /// Fails if there is anything in the folder.
    pub(super) fn check_empty(&self) -> Result<(), Failure> {
        let shown = self.path.display();
        match fs::read_dir(&self.path).map(|mut entries| entries.next().is_some()) {
            Ok(true) => Err(Failure::new(
                2,
                format!(
                    "{shown} is not empty: this demo needs a store of its own; name a new folder, or none"
                ),
            )),
            Ok(false) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Failure::new(2, format!("{shown} cannot be read: {error}"))),
        }
    }

    /// Removes the folder if it is a temporary one. The store must have been closed.
    pub(super) fn remove(self) -> Result<(), Failure> {
        let cannot = |error: std::io::Error| {
            Failure::new(3, format!("cannot remove {}: {error}", self.path.display()))
        };
        self.temporary.map_or(Ok(()), |temporary| temporary.close().map_err(cannot))
    }
}
