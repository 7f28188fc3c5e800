//! A walk through the phases of the program: a step acts on it, and the faces tell.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;

use tempfile::TempDir;

use super::disk::{BadDisk, limited};
use super::look::{Doors, Faces, look, metrics, within};
use crate::store_server::{Up, orders};
use crate::support::{Ended, run};

/// The program on one store after another, and the disk below it.
pub(super) struct Walk {
    dir: TempDir,
    pub(super) disk: BadDisk,
    up: Option<Up>,
    doors: Option<Doors>,
    /// How the last program ended.
    ended: Option<Ended>,
    /// The sync that is held.
    pub(super) held: Option<File>,
    /// The orders that no later program may lose.
    there: BTreeMap<(String, String), (f64, i64)>,
    /// Refused writes that were counted so far by the program that runs.
    refused: f64,
}

impl Walk {
    pub(super) fn new() -> Walk {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let disk = BadDisk::new(dir.path());
        let there = BTreeMap::new();
        Walk { dir, disk, up: None, doors: None, ended: None, held: None, there, refused: 0.0 }
    }

    /// A file or folder of this walk.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program that runs.
    pub(super) fn up(&self) -> &Up {
        self.up.as_ref().expect("it runs")
    }

    /// Starts the program on this store.
    pub(super) fn start(&mut self, store: &str) {
        let data = self.path(store).display().to_string();
        let mut command = limited(&["up", "--data", &data, "--listen", "127.0.0.1:0"]);
        self.disk.under(&mut command);
        let up = Up::of(command);
        (self.doors, self.refused) = (Some(Doors::of(&up)), 0.0);
        self.up = Some(up);
    }

    /// Starts the program on this store, and waits until it holds a sync.
    pub(super) fn start_held(&mut self, store: &str) {
        let hold = self.disk.hold();
        self.start(store);
        self.held = Some(hold.await_reader());
    }

    /// Lets go the sync that is held.
    pub(super) fn let_go(&mut self) {
        self.disk.let_go(self.held.take().expect("a sync is held"));
    }

    /// Ends the program.
    pub(super) fn stop(&mut self, code: i32) {
        let ended = self.up.take().expect("it runs").stop("TERM");
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        self.ended = Some(ended);
    }

    /// Runs the store without the job.
    pub(super) fn alone(&self, store: &str, act: impl FnOnce(&Up)) {
        let up = Up::start(&self.path(store), &["--no-job"]);
        act(&up);
        assert_eq!(up.stop("TERM").code, Some(0));
    }

    /// Runs a command that must succeed.
    pub(super) fn runs(&self, args: &[&str]) {
        let ended = run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
    }

    /// Remembers the orders that are there.
    pub(super) fn remember(&mut self) {
        self.there = orders(self.up());
    }

    /// Asserts that all orders that are remembered are there. A commit whose sync failed may be
    /// there as well, so that they may have other prices.
    pub(super) fn recall(&self) {
        let again = orders(self.up());
        assert!(self.there.keys().all(|key| again.contains_key(key)), "an order is lost");
    }

    /// Does a step, and waits until all faces tell what is expected; `None` if none is to be left,
    /// but for the last words of the log.
    pub(super) fn step(&mut self, what: &str, step: fn(&mut Walk), log: &str, expected: Option<&Faces>) {
        let told = |walk: &Walk| walk.up.as_ref().map_or((0, 0), |up| (up.id(), up.told_times(log)));
        let (before, so_far) = told(self);
        step(self);
        let doors = self.doors.as_ref().expect("it ran");
        let Some(expected) = expected else {
            let ended = self.ended.as_ref().expect("it has ended");
            assert!(ended.stderr.trim_end().ends_with(log), "{what}: {}", ended.stderr);
            return assert!(doors.are_shut(), "{what}: somebody answers");
        };
        within(what, || look(doors, expected));
        let up = self.up.as_mut().expect("it runs");
        // Another program has told nothing yet.
        let so_far = if up.id() == before { so_far } else { 0 };
        if !log.is_empty() {
            up.await_told_times(log, so_far + 1);
        }
        let refused = metrics(doors)["orderflow_refused_writes_total"];
        assert_eq!(refused > self.refused, expected.refuses_more, "{what}: {refused} after {}", self.refused);
        self.refused = refused;
    }
}
