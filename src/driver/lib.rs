//! Runs the graph: orders from files, streams and tables go in, and three results come out.
//!
//! ```text
//!  part ─► reader ─► block ─► orders ─► build ─► deliver ─► sink ─► result files, updates
//!   (every worker its own)     reports ────────────────────► (first worker of all)
//! ```
//!
//! A bounded run and a run that follows are the same graph, fed by the same blocks; only the inputs
//! of the first end. The workers count the epochs, by blocks of orders or by ticks. The clock takes
//! part in no result.
//!
//! The first worker of process 0 holds the results. Any failure, on any worker or process, ends the
//! run with one sentence and leaves the earlier output unchanged: see [`Abort`].

pub mod config;
mod error;
mod facts;
mod feed;
mod first_times;
mod parts;
mod reasons;
mod run_state;
mod sink;
pub mod summary;
pub mod table;

use std::sync::{Arc, Mutex};
use std::time::Instant;

pub use error::{Abort, RunError};
pub use sink::ResultSink;

use crate::config::RunConfig;
use crate::run_state::RunState;
use crate::summary::{Summary, SummaryForm};
use crate::table::Table;
use files::ingest::Plan;
use files::sinks::{FileLayout, Output, Results};
use terminal::progress::{Progress, ProgressCounters, Read};

/// The outcome of a run, on process 0.
pub struct Outcome {
    /// The rows of all views.
    pub results: Results,
    /// The summary to print.
    pub summary: Summary,
}

/// Runs the graph as configured and writes the results. Returns `None` on all processes but process
/// 0.
///
/// On every process it returns only when the results are in place. An error after the processes
/// have found each other ends this process directly, see [`Abort::fail`]. A panic is a bug.
///
/// # Errors
/// Returns [`RunError`] for what is wrong before the run begins.
pub fn run(config: RunConfig) -> Result<Option<Outcome>, RunError> {
    let started = Instant::now();
    let mut facts = facts::flags(&config);
    let (plan, tables) = match look(&config, &mut facts) {
        Ok(inputs) => inputs,
        Err(error) => {
            let disagreement = cluster::give_up(&config.cluster, &facts, &error.to_string());
            return Err(disagreement.map_or(error, RunError::Cluster));
        }
    };
    let writes = config.cluster.process == 0;
    // The processes connect before the output is prepared: if two processes have the same index,
    // the second finds its port in use and fails here, before it touches the output.
    let cluster = cluster::connect(&config.cluster, &facts).map_err(RunError::Cluster)?;
    let control = cluster.control();
    let mut abort = Abort { control: control.clone(), output: None };
    let output = config.output.as_ref().filter(|_| writes).map(|output| {
        let layout = FileLayout { format: output.format, keys: config.layout.clone() };
        Output::prepare(&output.dir, output.force, layout)
            .unwrap_or_else(|error| abort.fail(&RunError::Output(error)))
    });
    abort.output = output.as_ref().map(Output::abandon_handle);
    if let Some(abandon) = abort.output.clone() {
        control.on_failure(Box::new(move || abandon.abandon()));
    }
    let counters = Arc::new(ProgressCounters::default());
    let bytes_total = plan.total_bytes().filter(|_| !config.local_input && tables.is_empty());
    let quiet = config.summary != SummaryForm::Text || !writes || config.follow_tick.is_some();
    let watched = control.clone();
    let read = move || {
        watched.peers_progress().into_iter().fold(Read::default(), |sum, read| Read {
            bytes: sum.bytes + read.bytes,
            orders: sum.orders + read.orders,
            rejected: sum.rejected + read.rejected,
        })
    };
    let progress = Progress::start(read, bytes_total, quiet);
    let run = Arc::new(RunState {
        config,
        plan,
        tables,
        counters,
        abort: abort.clone(),
        output: Mutex::new(output),
    });
    let working = Arc::clone(&run);
    let finished = cluster.execute(move |worker| feed::work(worker, &working)).map_err(RunError::Cluster)?;
    let sink = finished.results.into_iter().flatten().next();
    let outcome = sink.map(|sink| settle(sink, &run, progress, started));
    control.finish(Ok(())).map_err(RunError::Cluster)?;
    Ok(outcome)
}

/// Finds and opens the inputs. Appends to `facts` what all processes of the run must find there.
fn look(config: &RunConfig, facts: &mut Vec<(String, String)>) -> Result<(Plan, Vec<Table>), RunError> {
    let plan = Plan::new(&config.inputs)?;
    let first_table = config.inputs.first_input + plan.inputs.len() as u32;
    let tables = Table::open_all(&config.tables, first_table)?;
    if config.cluster.processes > 1 && !config.local_input {
        facts.extend(facts::files(&plan)?);
    }
    Ok((plan, tables))
}

/// Waits until all processes have done their share, and writes the results.
fn settle(mut sink: ResultSink, run: &RunState, progress: Progress, started: Instant) -> Outcome {
    let fail = |error: RunError| -> ! { run.abort.fail(&error) };
    sink.refuse();
    if let (Some((name, lacking)), None) = (sink.lacking(), run.config.follow_tick) {
        fail(RunError::Input(run.plan.lacking_members(&name, lacking)));
    }
    sink.refuse_beyond_limit();
    run.abort.control.await_peers().unwrap_or_else(|error| fail(RunError::Cluster(error)));
    if run.abort.control.stop_requested() && run.config.follow_tick.is_none() {
        fail(RunError::Interrupted);
    }
    sink.write().unwrap_or_else(|error| fail(error));
    progress.finish();
    let seconds = started.elapsed().as_secs_f64();
    let mut summary = Summary::new(&sink.results, sink.orders, sink.rejected, seconds);
    summary.guests = sink.guests;
    summary.reasons = sink.reasons_told();
    summary.output = run.config.output.as_ref().map(|output| output.dir.display().to_string());
    sink.warn_of_times(&run.config);
    Outcome { results: std::mem::take(&mut sink.results), summary }
}
