//! Runs the graph over inputs: files, streams and tables in, the rows of all views out.
//!
//! ```text
//!  part ─► reader ─► block ─► orders ─► build ─► deliver ─► sink ─► result files, updates
//!   (every worker its own)     reports ────────────────────► (first worker of all)
//! ```
//!
//! A bounded run and one that follows are the same graph fed by the same blocks; the one's input ends. Epochs
//! are counted by the workers (blocks of orders, or ticks) and the wall clock takes part in no result.
//!
//! The first worker of process 0 has the results. Whatever fails, on any worker or process, ends the run with
//! one sentence and leaves the output as it was: see [`Abort`].

mod error;
mod feed;
mod report;
mod sink;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dataflows::views::WINDOWS;
use dataflows::{Part, Parts};
use timely::worker::Worker;

pub use error::{Abort, RunError};
pub use sink::Sink;

use cluster;
use crate::config::RunConfig;
use files::ingest::Plan;
use crate::table::Table;
use terminal::progress::{Progress, ProgressCounters, Read};
use files::sinks::{Output, Results, UpdateWriter};
use crate::summary::{Summary, seconds_warning};

/// What all workers of this process share.
struct Job {
    config: RunConfig,
    plan: Plan,
    tables: Vec<Table>,
    counters: Arc<ProgressCounters>,
    abort: Abort,
    /// For the first worker to take.
    output: Mutex<Option<Output>>,
}

impl Job {
    fn abort(&self) -> &Abort {
        &self.abort
    }

    /// Which share of the inputs a worker reads: its index, and among how many.
    fn share(&self, worker: &Worker) -> (usize, usize) {
        if self.config.local_input {
            let workers = self.config.cluster.workers;
            (worker.index() % workers, workers)
        } else {
            (worker.index(), worker.peers())
        }
    }

    fn take_sink(&self) -> Sink {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let config = &self.config;
        let updates = config.follow_tick.map(|_| UpdateWriter::new(std::io::stdout(), config.layout.clone()));
        Sink::new(output, updates, config.fail_on_reject, self.abort.clone())
            .unwrap_or_else(|error| self.abort.fail(&error))
    }
}

/// What a run gave: everything on process 0, nothing on the others.
pub struct Outcome {
    /// The rows of all views.
    pub results: Results,
    /// What there is to say.
    pub summary: Summary,
}

/// Runs the graph as configured and writes the results where they go. `None` on all processes but 0.
///
/// Returns when the results are in place, on every process. Panics are bugs; what fails after the processes
/// have found each other ends this process directly ([`Abort::fail`]).
///
/// # Errors
/// [`RunError`] for what is wrong before the run begins.
pub fn run(config: RunConfig) -> Result<Option<Outcome>, RunError> {
    let started = Instant::now();
    let plan = Plan::new(&config.inputs).map_err(RunError::Input)?;
    let first_table = config.inputs.first_input + plan.inputs.len() as u32;
    let tables =
        Table::open_all(&config.tables, first_table).map_err(|error| RunError::Input(error.into()))?;
    let writes = config.cluster.process == 0;
    // Before the output: of two processes with one index, the second has no port, whatever else it lacks.
    let cluster = cluster::connect(&config.cluster, &facts(&config, &plan)).map_err(RunError::Cluster)?;
    let control = cluster.control();
    let mut abort = Abort { control: control.clone(), output: None };
    let output = config.output.as_ref().filter(|_| writes).map(|output| {
        Output::prepare(&output.dir, output.force, config.layout.clone())
            .unwrap_or_else(|error| abort.fail(&RunError::Output(error)))
    });
    abort.output = output.as_ref().map(Output::abandon_handle);
    if let Some(abandon) = abort.output.clone() {
        control.on_failure(Box::new(move || abandon.abandon()));
    }
    let counters = Arc::new(ProgressCounters::default());
    let bytes_total = plan.total_bytes().filter(|_| !config.local_input && tables.is_empty());
    let quiet =
        config.summary != crate::summary::SummaryForm::Text || !writes || config.follow_tick.is_some();
    let watched = control.clone();
    let read = move || {
        watched.peers_progress().into_iter().fold(Read::default(), |sum, read| Read {
            bytes: sum.bytes + read.bytes,
            orders: sum.orders + read.orders,
            rejected: sum.rejected + read.rejected,
        })
    };
    let progress = Progress::start(read, bytes_total, quiet);
    let job =
        Arc::new(Job { config, plan, tables, counters, abort: abort.clone(), output: Mutex::new(output) });
    let working = Arc::clone(&job);
    let finished = cluster.execute(move |worker| feed::work(worker, &working)).map_err(RunError::Cluster)?;
    let sink = finished.results.into_iter().flatten().next();
    let outcome = sink.map(|sink| settle(sink, &job, progress, started));
    control.finish(Ok(())).map_err(RunError::Cluster)?;
    Ok(outcome)
}

/// Puts the results in place, once all processes have done their share.
fn settle(mut sink: Sink, job: &Job, progress: Progress, started: Instant) -> Outcome {
    let fail = |error: RunError| -> ! { job.abort.fail(&error) };
    sink.refuse();
    job.abort.control.await_peers().unwrap_or_else(|error| fail(RunError::Cluster(error)));
    if job.abort.control.stop_requested() && job.config.follow_tick.is_none() {
        fail(RunError::Interrupted);
    }
    sink.write().unwrap_or_else(|error| fail(error));
    progress.finish();
    let mut summary =
        Summary::new(&sink.results, sink.orders, sink.rejected, started.elapsed().as_secs_f64());
    summary.output = job.config.output.as_ref().map(|output| output.dir.display().to_string());
    let latest = sink.results.rows(WINDOWS).last_key_value();
    if let Some((Parts::One(Part::Integer(start_ms)), _)) = latest
        && let Some(warning) = seconds_warning(*start_ms)
    {
        eprintln!("{warning}");
    }
    Outcome { results: std::mem::take(&mut sink.results), summary }
}

/// Inputs whose sizes are compared one by one; of more, the sum is.
const FACTS_OF_INPUTS_MAX: usize = 1_000;

/// What all processes of a run must agree on, in the order that differences are told.
fn facts(config: &RunConfig, plan: &Plan) -> Vec<(String, String)> {
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut facts = vec![
        fact("--window", format!("{} ms", config.layout.width.ms())),
        fact("--envelope", format!("{:?}", config.inputs.envelope).to_lowercase()),
        fact("--epoch-size", config.epoch_orders.map_or("all".to_owned(), |orders| orders.to_string())),
        fact("--follow", config.follow_tick.is_some().to_string()),
        fact("--local-input", config.local_input.to_string()),
    ];
    if !config.local_input {
        facts.push(fact("number of inputs", plan.inputs.len().to_string()));
        let bytes =
            |size: Option<u64>| size.map_or("unknown size".to_owned(), |bytes| format!("{bytes} bytes"));
        for (name, size) in plan.manifest().into_iter().take(FACTS_OF_INPUTS_MAX) {
            // Hosts may keep the same files in different places.
            let file_name = name.rsplit('/').next().unwrap_or(&name);
            facts.push((format!("an {file_name} of"), bytes(size)));
        }
        facts.push(fact("inputs of", bytes(plan.total_bytes())));
    }
    facts
}
