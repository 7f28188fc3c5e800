//! Manages the output folder, which holds the result files of one epoch. They are replaced as one
//! set.
//!
//! ```text
//! /data/out/                        what readers see: one epoch, whole
//! /data/.out.orderflow-4711.tmp/    ours while the run lasts, locked
//!   next/                           the next set, written and synced, then exchanged with out/
//! ```
//!
//! A set is written beside the folder, synced, and exchanged with the folder in one step
//! (`renameat2` with `RENAME_EXCHANGE`, or a plain rename if there is no folder yet). So at any
//! instant the folder's path leads to the whole old set or the whole new one, and a failure before
//! that step leaves the old set as it was. A file that a reader holds open does not change. A shell
//! whose current directory is the old folder finds it empty and must enter the folder again.
//!
//! Some folders cannot be exchanged: a mount point such as a container's volume, a file system
//! without the call, or a parent that may not be written to. Then the next set is written to
//! `out/.orderflow-4711.tmp/` and renamed file by file, [`MARK`] last. Each file is whole, but for
//! a moment the set may be of two epochs.
//!
//! Nothing of the user's is deleted: entries that orderflow did not write move to the new folder
//! right after the exchange. Only with `force` is a file replaced that has the name of a result
//! file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dataflows::ViewId;

mod error;
mod folder;
mod staging;

pub use self::error::OutputError;
use self::staging::{Place, Staging};
use super::files::{
    FileLayout, MARK, OutputFacts, REJECTS, file_name, names_of_ours, write_synced, write_view,
};
use super::rejects::Rejects;
use super::results::Results;
use orders::text::io_cause;

/// The output folder of a run. Dropping it removes everything that is not yet part of the folder.
#[derive(Debug)]
pub struct Output {
    shared: Arc<Shared>,
}

/// A handle that gives up an [`Output`] from any thread.
#[derive(Clone, Debug)]
pub struct Abandon {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    abandoned: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The folder as the user named it. It is used in messages.
    shown: PathBuf,
    /// The folder's path, absolute and without symbolic links.
    target: PathBuf,
    layout: FileLayout,
    /// Whether orderflow wrote the files in the folder that have result names, so that it may
    /// remove them.
    ours: bool,
    /// The folder in which the next set is written; `None` once the output is given up.
    staging: Option<Staging>,
    /// The folders above `target` that were created for it, outermost first.
    parents_made: Vec<PathBuf>,
}

impl Output {
    /// Prepares to write to `dir`, which need not exist. Creates the folders above it.
    ///
    /// Removes what dead runs left behind, and checks that files can be created. The folder itself
    /// appears or changes only with the first [`Output::write`].
    ///
    /// # Errors
    /// Refuses ([`OutputError::exit_code`] 2) a path that is no folder; a folder in which another
    /// run writes; a folder that has the name of a result file; and, unless `force` is set, a
    /// folder that holds other things than results, or results of another zone or width. Returns
    /// [`OutputError::Prepare`] (exit code 3) if the folder cannot be read or created.
    pub fn prepare(dir: &Path, force: bool, layout: FileLayout) -> Result<Output, OutputError> {
        let mut parents_made = Vec::new();
        let prepared = prepare(dir, force, layout, &mut parents_made);
        if prepared.is_err() {
            remove_empty(&parents_made);
        }
        let state = State { parents_made, ..prepared? };
        Ok(Output {
            shared: Arc::new(Shared { abandoned: AtomicBool::new(false), state: Mutex::new(state) }),
        })
    }

    /// Creates an empty set of rejects, which is kept on the disk that the results are written to.
    ///
    /// # Errors
    /// Returns [`OutputError::Write`] if no file can be created there, and
    /// [`OutputError::Abandoned`] if the output was given up.
    pub fn rejects(&self) -> Result<Rejects, OutputError> {
        let state = self.shared.lock();
        let staging = state.staging.as_ref().ok_or_else(|| state.abandoned())?;
        Rejects::new_in(staging.root()).map_err(|error| state.write_error(REJECTS, &error))
    }

    /// Writes all files of `results` and replaces the folder's old set. `orders` is the number of
    /// orders that were read from `inputs`.
    ///
    /// It may be called again; each set replaces the one before. It returns when the new set is on
    /// disk. It costs time by the size of the results and the rejects, and a sync of each file.
    ///
    /// # Errors
    /// After [`OutputError::Write`] and [`OutputError::Abandoned`] the folder is as it was. After
    /// [`OutputError::Replace`] the new set is in place, or some of its files are, and the output
    /// is given up.
    pub fn write(
        &self,
        results: &Results,
        rejects: &mut Rejects,
        orders: u64,
        inputs: &BTreeMap<u32, String>,
    ) -> Result<(), OutputError> {
        let mut state = self.shared.lock();
        let set = Set { results, rejects, orders, inputs };
        state.write(set, &self.shared.abandoned)
    }

    /// Returns a handle that gives up this output from any thread.
    pub fn abandon_handle(&self) -> Abandon {
        Abandon { shared: Arc::clone(&self.shared) }
    }

    /// Gives up this output: see [`Abandon::abandon`].
    pub fn abandon(&self) {
        self.shared.abandon();
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

impl Abandon {
    /// Removes everything that is not yet part of the output folder. A set that was written stays.
    /// A write under way either stops before it changes the folder or is waited for. Later writes
    /// fail with [`OutputError::Abandoned`].
    pub fn abandon(&self) {
        self.shared.abandon();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The lock stays usable: a panic in a write leaves the folder as it was, or replaced.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
        let mut state = self.lock();
        if let Some(staging) = state.staging.take() {
            staging.remove(&state.target);
            remove_empty(&state.parents_made);
        }
    }
}

/// The contents of one write.
struct Set<'a> {
    results: &'a Results,
    rejects: &'a mut Rejects,
    orders: u64,
    inputs: &'a BTreeMap<u32, String>,
}

impl State {
    fn abandoned(&self) -> OutputError {
        OutputError::Abandoned(self.shown.clone())
    }

    fn write_error(&self, name: &str, error: &io::Error) -> OutputError {
        OutputError::Write { path: self.shown.join(name), cause: io_cause(error) }
    }

    fn write(&mut self, mut set: Set<'_>, abandoned: &AtomicBool) -> Result<(), OutputError> {
        let Some(mut staging) = self.staging.take() else { return Err(self.abandoned()) };
        let result = self.write_from(&mut staging, &mut set, abandoned);
        match result {
            // Files that are stuck in the staging may be the user's, so it is not written to again.
            Err(OutputError::Replace { .. }) => staging.remove(&self.target),
            Err(OutputError::Write { .. }) => {
                // The space on a full disk is freed at once, not only when the process ends.
                staging.empty_next();
                self.staging = Some(staging);
            }
            _ => self.staging = Some(staging),
        }
        result
    }

    fn write_from(
        &mut self,
        staging: &mut Staging,
        set: &mut Set<'_>,
        abandoned: &AtomicBool,
    ) -> Result<(), OutputError> {
        let names = self.write_files(staging, set, abandoned)?;
        if staging.place() == Place::Beside {
            match self.exchange(staging, &names) {
                Err(folder::SwapError::Impossible) => {
                    let inside = Staging::create(&self.target, Place::Inside)
                        .map_err(|error| self.write_error(MARK, &error))?;
                    std::mem::replace(staging, inside).remove(&self.target);
                    self.write_files(staging, set, abandoned)?;
                }
                Err(folder::SwapError::Failed(error)) => return Err(self.write_error(MARK, &error)),
                Err(folder::SwapError::Left(entry, error)) => {
                    self.ours = true;
                    return Err(self.replace_error(&entry, &error));
                }
                Ok(()) => {
                    self.ours = true;
                    return Ok(());
                }
            }
        }
        let stale = self.stale_names(&names);
        folder::replace_each(&staging.next(), &self.target, &names, &stale)
            .map_err(|(name, error)| self.replace_error(&name, &error))?;
        self.ours = true;
        Ok(())
    }

    fn replace_error(&self, name: &str, error: &io::Error) -> OutputError {
        OutputError::Replace { path: self.shown.join(name), cause: io_cause(error) }
    }

    /// Writes and syncs the set to the staging. Returns the names of its files, [`MARK`] last.
    fn write_files(
        &self,
        staging: &Staging,
        set: &mut Set<'_>,
        abandoned: &AtomicBool,
    ) -> Result<Vec<String>, OutputError> {
        let next = staging.make_next().map_err(|error| self.write_error(MARK, &error))?;
        let go_on = || if abandoned.load(Ordering::Acquire) { Err(self.abandoned()) } else { Ok(()) };
        // The mark is written first, so that the rest of a dead run's staging is recognised as
        // orderflow's.
        let mark = self.facts(set).to_bytes();
        write_synced(&next.join(MARK), &mark).map_err(|error| self.write_error(MARK, &error))?;
        let mut names = Vec::new();
        for view in ViewId::all() {
            go_on()?;
            let name = file_name(view, self.layout.format);
            write_view(&next.join(&name), view, set.results, &self.layout)
                .map_err(|error| self.write_error(&name, &error))?;
            names.push(name);
        }
        if set.rejects.count() > 0 {
            go_on()?;
            folder::write_rejects(&next.join(REJECTS), set.rejects, set.inputs)
                .map_err(|error| self.write_error(REJECTS, &error))?;
            names.push(REJECTS.to_owned());
        }
        names.push(MARK.to_owned());
        folder::sync(&next).map_err(|error| self.write_error(MARK, &error))?;
        go_on()?;
        Ok(names)
    }

    fn facts(&self, set: &Set<'_>) -> OutputFacts {
        OutputFacts {
            orderflow: env!("CARGO_PKG_VERSION").to_owned(),
            window_ms: self.layout.keys.windows.width_ms().unsigned_abs(),
            timezone: self.layout.keys.zone.name().to_owned(),
            format: self.layout.format,
            epoch: set.results.epoch,
            orders: set.orders,
            rejected: set.rejects.count(),
            inputs: set.inputs.values().cloned().collect(),
        }
    }

    fn exchange(&self, staging: &Staging, names: &[String]) -> Result<(), folder::SwapError> {
        let mut doomed = self.stale_names(names);
        doomed.extend_from_slice(names);
        folder::exchange(&staging.next(), &self.target, &doomed)
    }

    /// Returns the result names that the folder may hold from before and that the new set does not
    /// have.
    fn stale_names(&self, names: &[String]) -> Vec<String> {
        let all = if self.ours { names_of_ours() } else { Vec::new() };
        all.into_iter().filter(|name| !names.contains(name)).collect()
    }
}

fn prepare(
    dir: &Path,
    force: bool,
    layout: FileLayout,
    parents_made: &mut Vec<PathBuf>,
) -> Result<State, OutputError> {
    let target = folder::resolve(dir, parents_made).map_err(|error| OutputError::prepare(dir, &error))?;
    let exists = match fs::metadata(&target) {
        Ok(metadata) if !metadata.is_dir() => return Err(OutputError::NotAFolder(dir.to_owned())),
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::NotFound => false,
        Err(error) => return Err(OutputError::prepare(dir, &error)),
    };
    let busy = || Err(OutputError::Busy(dir.to_owned()));
    if staging::clean_leftovers(&target, None).is_err() {
        return busy();
    }
    let mut ours = false;
    if exists {
        let found = OutputFacts::read(&target);
        ours = found.is_some();
        refuse(dir, &target, force, &layout, found)?;
    }
    let place = if exists && folder::is_other_disk(&target) { Place::Inside } else { Place::Beside };
    let staging = match Staging::create(&target, place) {
        // A folder may be writable although its parent is not.
        Err(_) if exists => Staging::create(&target, Place::Inside),
        staging => staging,
    }
    .map_err(|error| OutputError::prepare(dir, &error))?;
    // If two runs start at once, at least one of them sees the other here.
    if staging::clean_leftovers(&target, Some(&staging)).is_err() {
        staging.remove(&target);
        return busy();
    }
    let shown = dir.to_owned();
    Ok(State { shown, target, layout, ours, staging: Some(staging), parents_made: Vec::new() })
}

/// Returns an error if the folder holds something else than results of the same layout. With
/// `force`, only refuses folders that have result names.
fn refuse(
    dir: &Path,
    target: &Path,
    force: bool,
    layout: &FileLayout,
    found: Option<OutputFacts>,
) -> Result<(), OutputError> {
    let entries = folder::entries(target).map_err(|error| OutputError::prepare(dir, &error))?;
    for name in names_of_ours() {
        if target.join(&name).symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(OutputError::NameTaken(dir.join(name)));
        }
    }
    if force {
        return Ok(());
    }
    let dir = dir.to_owned();
    let Some(found) = found else {
        return match entries.into_iter().min() {
            Some(entry) => Err(OutputError::NotEmpty { dir, entry: entry.to_string_lossy().into_owned() }),
            None => Ok(()),
        };
    };
    let (asked, asked_ms) = (layout.keys.zone.name(), layout.keys.windows.width_ms().unsigned_abs());
    if found.timezone != asked {
        return Err(OutputError::OtherZone { dir, found: found.timezone, asked: asked.to_owned() });
    }
    if found.window_ms != asked_ms {
        return Err(OutputError::OtherWidth { dir, found_ms: found.window_ms, asked_ms });
    }
    Ok(())
}

/// Removes those of the created folders that are still empty, innermost first.
fn remove_empty(made: &[PathBuf]) {
    for dir in made.iter().rev() {
        // A folder that holds something by now stays, and so do the folders above it.
        let _ = fs::remove_dir(dir);
    }
}

#[cfg(test)]
mod tests;
