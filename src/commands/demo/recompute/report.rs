//! The report of the demo, for people and for machines. Lines that begin with `took` differ from
//! run to run. All other lines are the same for the same orders, whatever the number of workers.

use serde::Serialize;

use super::changes::Changed;
use super::recount::DemoRecount;
use crate::commands::Failure;
use files::generate::Spec;
use terminal::Thousands;

/// How long loading took. The names of its fields are the names in JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Loaded {
    /// The seconds until the store had acknowledged all orders.
    pub(super) acknowledged_s: f64,
    /// The seconds until the results held all orders.
    pub(super) held_s: f64,
}

/// What the demo found. The names of its fields are the names in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    orders: u64,
    users: u32,
    seed: u64,
    workers: usize,
    loaded: Loaded,
    /// The changes, in the order in which they were made.
    pub(super) changes: Vec<Changed>,
    /// The recount of all orders, after all changes.
    pub(super) recount: DemoRecount,
}

impl Report {
    /// Creates a report without changes.
    pub(super) fn new(spec: &Spec, workers: usize, loaded: Loaded) -> Report {
        let Spec { orders, users, seed, .. } = *spec;
        Report { orders, users, seed, workers, loaded, changes: Vec::new(), recount: DemoRecount::default() }
    }

    /// Returns the text that is printed before the changes.
    pub(super) fn head(&self) -> String {
        let (orders, users) = (Thousands(self.orders), Thousands(self.users.into()));
        let Loaded { acknowledged_s, held_s } = self.loaded;
        let with = if self.workers == 1 { "worker" } else { "workers" };
        format!(
            "loaded {orders} orders of {users} users\n\
             took {acknowledged_s:.2} s to write them, {held_s:.2} s until the results held them, with {} {with}\n",
            self.workers
        )
    }

    /// Returns the text that is printed after the changes.
    pub(super) fn end(&self) -> String {
        let DemoRecount { orders, users, windows, seconds, differing } = self.recount;
        let [orders, users, windows] = [orders.unsigned_abs(), users, windows].map(Thousands);
        let equal = match differing {
            0 => "the results hold the same, row by row".to_owned(),
            rows => format!("THE RESULTS DIFFER in {} rows", Thousands(rows)),
        };
        let mut in_graph: Vec<u64> = self.changes.iter().map(|changed| changed.in_graph_us).collect();
        in_graph.sort_unstable();
        let median_us = in_graph.get(in_graph.len() / 2).copied().unwrap_or(0).max(1);
        format!(
            "\ncount all orders anew: {orders} orders, {users} users, {windows} windows; {equal}\n\
             took {seconds:.3} s, where a change took {:.3} ms in the graph (median): {} times less\n",
            median_us as f64 / 1_000.0,
            Thousands((seconds * 1e6 / median_us as f64) as u64)
        )
    }

    /// Returns the report as one JSON object, with a line break at its end.
    ///
    /// # Errors
    /// Returns [`Failure`] with exit code 3 if it cannot be written as JSON.
    pub(super) fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::new(3, error))?;
        Ok(text + "\n")
    }
}
