//! Collects the metrics of a running instance for Prometheus, and tells whether it is ready.

mod text;

use std::fmt;
use std::fs;

use tokio::sync::watch;

use self::text::{Kind, Text};
use connections::{ListenerLoad, Places, descriptors};
use driver::summary::grouped_views;
use live::job::{JobWatch, Phase, Status};
use live::verify::Verification;
use store::{Stats, Store};
use tablestore::server::{ServerLoad, Vitals};

/// A collector of metrics from the store, the live job and the recount.
pub struct Metrics {
    store: Store,
    /// The status of the live job; `None` if the store runs alone.
    job: Option<watch::Receiver<Status>>,
    /// The latest result of the recount; `None` if nothing recounts the results.
    verified: Option<watch::Receiver<Option<Verification>>>,
    places: Places,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Creates metrics of the store, the live job (if any), the recount (if any) and all
    /// connections.
    pub fn new(
        store: Store,
        job: Option<&JobWatch>,
        verified: Option<watch::Receiver<Option<Verification>>>,
        places: Places,
    ) -> Metrics {
        Metrics { store, job: job.map(JobWatch::follow), verified, places }
    }

    fn status(&self) -> Option<Status> {
        self.job.as_ref().map(|job| job.borrow().clone())
    }
}

impl Vitals for Metrics {
    fn metrics(&self, load: &ServerLoad) -> String {
        let mut text = Text::default();
        text.family("orderflow_build_info", Kind::Gauge, "1, with the version of the program.")
            .labelled(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        let status = self.status();
        // The commit number is read after the status, so that it is never lower than the commits
        // that the status speaks of.
        let (epoch, stats) = (self.store.last_commit(), self.store.stats());
        if let Some(status) = &status {
            results(&mut text, status);
            progress(&mut text, status, epoch);
        }
        if let Some(verification) = self.verified.as_ref().and_then(|verified| verified.borrow().clone()) {
            verified(&mut text, &verification);
        }
        text.number("orderflow_epoch", Kind::Gauge, "Number of the store's last commit.", epoch);
        store(&mut text, &stats, self.store.refusal().is_some());
        requests(&mut text, load);
        connections(&mut text, &self.places);
        open_files(&mut text);
        memory(&mut text, &stats, status.as_ref(), load);
        text.finish()
    }

    fn unready(&self) -> Option<String> {
        let status = self.status()?;
        match status.phase {
            Phase::Waiting => None,
            Phase::Starting | Phase::Running if status.caught_up => None,
            Phase::Starting | Phase::Running => Some(format!(
                "the job has not caught up with what was committed before it began: the results are those of the commits below {}",
                status.upper
            )),
            Phase::Rebuilding(rows) => Some(format!("the job rebuilds the results: {rows} orders so far")),
            Phase::Blocked(reason) => Some(format!("the job is blocked: {reason}")),
            Phase::Failed(reason) => Some(format!("the job has failed: {reason}")),
            Phase::Stopped => Some("the job has stopped".to_owned()),
        }
    }
}

/// Writes the numbers of orders, users, windows and rejects in the results, as far as they are known.
fn results(text: &mut Text, status: &Status) {
    text.number(
        "orderflow_order_changes_total",
        Kind::Counter,
        "Orders placed, corrected or deleted that were taken into the results.",
        status.changes,
    );
    // Until the job has read its results back, zero would be no count of what is there.
    if status.is_counted {
        text.number("orderflow_orders", Kind::Gauge, "Orders in the results.", status.total.orders);
        for view in grouped_views() {
            let name = view.name;
            let help = format!("{}{} with orders.", name[..1].to_uppercase(), &name[1..]);
            text.number(&format!("orderflow_{name}"), Kind::Gauge, &help, status.rows(view));
        }
    }
    text.number("orderflow_rejects", Kind::Gauge, "Orders that are set aside.", status.rejects);
}

/// Writes how far the results are, and what the job is doing.
fn progress(text: &mut Text, status: &Status, epoch: u64) {
    text.number(
        "orderflow_upper",
        Kind::Gauge,
        "The results are those of the orders as of all commits below this one.",
        status.upper,
    );
    // The job's own commits and those of other tables do not count as lag.
    let behind = status.behind_since;
    text.number(
        "orderflow_upper_lag_commits",
        Kind::Gauge,
        "Commits that the results may not hold yet; 0 when they hold all orders.",
        behind.map_or(0, |_| (epoch + 1).saturating_sub(status.upper)),
    );
    text.number(
        "orderflow_upper_lag_seconds",
        Kind::Gauge,
        "How long there have been commits that the results do not hold; 0 when they hold all orders.",
        behind.map_or(0.0, |since| since.elapsed().as_secs_f64()),
    );
    let phase = status.phase.name();
    let mut family = text.family("orderflow_job_phase", Kind::Gauge, "1 for what the live job is doing.");
    for name in Phase::NAMES {
        family.labelled(&[("phase", name)], u8::from(name == phase));
    }
    text.number("orderflow_result_commits_total", Kind::Counter, "Commits of results.", status.commits);
}

/// Writes what the last recount found.
fn verified(text: &mut Text, verification: &Verification) {
    text.number(
        "orderflow_verified_epoch",
        Kind::Gauge,
        "The last commit of orders that the results held when they were last recounted.",
        verification.epoch,
    );
    text.number(
        "orderflow_verified_equal",
        Kind::Gauge,
        "1 if the results were those of the orders then, else 0.",
        u8::from(verification.is_equal),
    );
    text.number(
        "orderflow_verify_seconds",
        Kind::Gauge,
        "Seconds that the recount took, with the pauses that it makes.",
        verification.took.as_secs_f64(),
    );
}

fn store(text: &mut Text, stats: &Stats, refuses: bool) {
    text.number(
        "orderflow_writes_refused",
        Kind::Gauge,
        "1 while the store refuses writes because one has failed, else 0.",
        u8::from(refuses),
    );
    text.number(
        "orderflow_refused_writes_total",
        Kind::Counter,
        "Requests to write that were refused because a write had failed.",
        stats.refused,
    );
    text.number("orderflow_store_commits_total", Kind::Counter, "Commits of the store.", stats.commits);
    text.family(
        "orderflow_store_sync_seconds",
        Kind::Histogram,
        "Seconds to write a group of commits to the journal and sync it to disk.",
    )
    .durations(&stats.syncs);
}

fn requests(text: &mut Text, load: &ServerLoad) {
    let mut family = text.family(
        "orderflow_requests_total",
        Kind::Counter,
        "Requests answered, by operation and class of status.",
    );
    for request in &load.requests {
        family.labelled(&[("operation", request.operation), ("status", request.class)], request.count);
    }
}

/// Writes what became of connections, by listener.
fn connections(text: &mut Text, places: &Places) {
    let loads = places.loads();
    let help = "Connections that are open.";
    let mut family = text.family("orderflow_connections", Kind::Gauge, help);
    for load in &loads {
        family.labelled(&[("listener", load.listener)], load.open);
    }
    text.number(
        "orderflow_connections_max",
        Kind::Gauge,
        "The most connections that may be open, over all listeners together.",
        places.places_max(),
    );
    let mut counter = |name: &str, help: &str, count: fn(&ListenerLoad) -> u64| {
        let name = format!("orderflow_connections_{name}_total");
        let mut family = text.family(&name, Kind::Counter, help);
        for load in &loads {
            family.labelled(&[("listener", load.listener)], count(load));
        }
    };
    counter("taken", "Connections that got a place.", |load| load.taken);
    counter("refused", "Connections that got no place.", |load| load.refused);
    counter("dropped", "Connections that had to make room for others.", |load| load.dropped);
}

/// Writes how many files are open, connections among them, and how many may be.
fn open_files(text: &mut Text) {
    if let Ok(files) = descriptors::open_files() {
        let help = "Files that the program has open, connections among them.";
        text.number("orderflow_open_files", Kind::Gauge, help, files);
    }
    let help = "The most files that the program may have open.";
    text.number("orderflow_open_files_max", Kind::Gauge, help, descriptors::limit());
}

fn memory(text: &mut Text, stats: &Stats, status: Option<&Status>, load: &ServerLoad) {
    let mut family = text.family(
        "orderflow_memory_bytes",
        Kind::Gauge,
        "Memory by part; resident is all that the process has, with what no other part names.",
    );
    let mut part = |name, bytes: Option<u64>| {
        if let Some(bytes) = bytes {
            family.labelled(&[("part", name)], bytes);
        }
    };
    part("graph", status.map(|status| status.state_bytes));
    part("store_cache", Some(stats.cache_bytes));
    part("store_memtables", Some(stats.memtable_bytes));
    part("bodies", u64::try_from(load.bodies_bytes).ok());
    part("answers", u64::try_from(load.answers_bytes).ok());
    part("resident", resident_bytes());
}

/// Returns the bytes of memory that the process occupies; `None` if the operating system does not
/// tell.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes << 10)
}

#[cfg(test)]
mod tests;
