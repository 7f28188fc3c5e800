//! `orderflow demo recompute`: shows what one change of many orders costs, and what it changes.
//!
//! It loads orders into a store in this process, and then changes single orders, one after the
//! other. For each it shows the rows of the results before and after, as read from their tables.
//! For comparison, it shows how long a plain fold takes to count all orders anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use tokio::task::spawn_blocking;

use super::folder::Folder;
use super::load::load;
use super::runtime::{Interrupts, caught_up, environment, off_the_runtime, runtime};

use crate::commands::{Failure, say};
use crate::program::signals::{INTERRUPTED, STOP_TIME_MAX};
use files::generate::{Orders, Spec};
use live::job::{CHANGES_MAX, Job, JobConfig, JobWatch};
use order_tables::schemas;
use orders::Layout;
use report::Report;
use store::{Durability, Store, StoreOptions};
use terminal::Thousands;
use terminal::progress::{Progress, ProgressCounters, Read};

mod changes;
mod recount;
mod report;

/// The fewest orders: one is corrected, one is moved, and one is cancelled.
const ORDERS_MIN: u64 = 4;

/// The most orders. The numbers of orders stay far from their limit.
const ORDERS_MAX: u64 = 1_000_000_000;

/// The flags of `demo recompute`.
#[derive(Args, Clone, Debug)]
pub struct RecomputeArgs {
    /// Orders to load first
    #[arg(long, env = "ORDERFLOW_ORDERS", default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(ORDERS_MIN..=ORDERS_MAX))]
    pub orders: u64,
    /// Users who order; a few of them order most
    #[arg(long, env = "ORDERFLOW_USERS", default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub users: u32,
    /// The same seed makes the same orders
    #[arg(long, env = "ORDERFLOW_SEED", default_value_t = 42, value_name = "N")]
    pub seed: u64,
    /// Worker threads of the job
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// New folder to keep the store in; a temporary one, removed at the end, by default
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, env = "ORDERFLOW_JSON")]
    pub json: bool,
}

/// Runs the demo.
///
/// # Errors
/// Returns [`Failure`] with exit code 1 if the results do not agree; 2 for flags that are not
/// valid; 3 if the disk fails; 130 if it was interrupted before its end.
pub(super) fn recompute(args: &RecomputeArgs) -> Result<(), Failure> {
    let cluster = cluster::resolve(args.workers, None, None, None, None)
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let layout = Layout::default();
    let config = JobConfig { workers: cluster.workers, layout, changes_max: CHANGES_MAX };
    let (runtime, interrupts) = runtime()?;
    let folder = Folder::of(args.data.as_deref())?;
    folder.check_empty()?;
    let ended = runtime.block_on(run(args, interrupts, folder.path.clone(), config));
    // What a thread still does to the folder comes to its end before the folder is removed.
    runtime.shutdown_timeout(STOP_TIME_MAX);
    let removed = folder.remove();
    let report = ended?;
    removed?;
    match report.recount.differing {
        0 => Ok(()),
        rows => Err(Failure::new(
            1,
            format!("{} rows of the results are not those of a recount", Thousands(rows)),
        )),
    }
}

/// Opens the store, starts the job, runs the demo on it, and closes both job and store.
async fn run(
    args: &RecomputeArgs,
    mut interrupts: Interrupts,
    folder: PathBuf,
    config: JobConfig,
) -> Result<Report, Failure> {
    let options = StoreOptions { durability: Durability::Relaxed, ..StoreOptions::default() };
    let store = tokio::select! {
        opened = off_the_runtime(move || Store::open(&folder, options)) => opened?,
        () = interrupts.next() => return Err(Failure::new(INTERRUPTED, "stopped before its end")),
    };
    let (starting, layout) = (store.clone(), config.layout.clone());
    let job = spawn_blocking(move || Job::start(starting, config))
        .await
        .map_err(environment)?
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let demo = Recompute { args, layout, store: store.clone(), watch: job.watch() };
    let reported = tokio::select! {
        reported = demo.run() => reported,
        () = interrupts.next() => Err(Failure::new(INTERRUPTED, "stopped before its end")),
    };
    drop(demo);
    let closed = off_the_runtime(move || {
        job.stop();
        store.close()
    })
    .await;
    let report = reported?;
    closed.map(|()| report)
}

/// The parts that the demo works with.
struct Recompute<'a> {
    args: &'a RecomputeArgs,
    layout: Layout,
    store: Store,
    watch: JobWatch,
}

impl Recompute<'_> {
    async fn run(&self) -> Result<Report, Failure> {
        let [orders, ..] = schemas();
        self.store.create_table(orders).map_err(environment)?;
        caught_up(&self.watch, self.store.last_commit()).await?;
        let spec = Spec {
            orders: self.args.orders,
            users: self.args.users,
            seed: self.args.seed,
            ..Spec::default()
        };
        let loaded = self.load(&spec).await?;
        let mut report = Report::new(&spec, self.args.workers, loaded);
        self.show(&report.head())?;
        let mut committed = self.watch.committed();
        for change in changes::of(&spec) {
            let done = changes::make(&self.store, &mut committed, &self.layout, change).await?;
            self.show(&done.to_string())?;
            report.changes.push(done);
        }
        let (store, layout) = (self.store.clone(), self.layout.clone());
        report.recount = off_the_runtime(move || recount::recount(store.view()?, &layout)).await?;
        match self.args.json {
            true => say(&report.json()?)?,
            false => say(&report.end())?,
        }
        Ok(report)
    }

    /// Loads the orders, and waits until the results hold them. Returns how long each took.
    async fn load(&self, spec: &Spec) -> Result<report::Loaded, Failure> {
        let quiet = self.args.json;
        let started = Instant::now();
        let counters = Arc::new(ProgressCounters::default());
        let reading = Arc::clone(&counters);
        let progress = Progress::of_orders(move || reading.load(), spec.orders, quiet);
        load(&self.store, Orders::new(spec.clone()), &counters).await?;
        drop(progress);
        let acknowledged_s = started.elapsed().as_secs_f64();
        let watch = self.watch.clone();
        let held = move || Read { orders: watch.status().total.orders.unsigned_abs(), ..Read::default() };
        let progress = Progress::of_orders(held, spec.orders, quiet);
        caught_up(&self.watch, self.store.last_commit()).await?;
        drop(progress);
        Ok(report::Loaded { acknowledged_s, held_s: started.elapsed().as_secs_f64() })
    }

    /// Prints text for people, which is left out with `--json`.
    fn show(&self, text: &str) -> Result<(), Failure> {
        if self.args.json { Ok(()) } else { say(text) }
    }
}
