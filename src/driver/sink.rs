//! Holds the results on the first worker and writes them where they go.

use std::collections::BTreeMap;
use std::io::Stdout;
use std::time::{Duration, Instant};

use dataflows::{Change, Epoch};

use super::config::RunConfig;
use super::error::{Abort, RunError};
use super::first_times::FirstTimes;
use super::summary::SummaryForm;
use files::ingest::Reject;
use files::sinks::{Output, Readers, Rejects, Results, UpdateWriter};
use host::Report;
use orders::rules::NO_USER;

/// The shortest time between two replacements of the result files while a run follows.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// A sink that holds the results and what was set aside, and writes both.
pub struct ResultSink {
    /// The rows of all views as of the last delivered epoch.
    pub results: Results,
    /// Good orders (or upsert lines) that all workers have read.
    pub orders: u64,
    /// Rows that all workers have set aside.
    pub rejected: u64,
    /// Those of them that were set aside because they have no user.
    pub guests: u64,
    /// The names of the inputs, by their number among all inputs.
    pub inputs: BTreeMap<u32, String>,
    rejects: Option<Rejects>,
    /// The row set aside that comes first by input, part and line.
    first_reject: Option<Reject>,
    part_lines: BTreeMap<(u32, u32), u64>,
    /// The first times that all workers have read.
    first_times: FirstTimes,
    output: Option<Output>,
    updates: Option<UpdateWriter<Stdout>>,
    fail_on_reject: bool,
    /// When the files were last written.
    written_at: Instant,
    /// Whether anything has changed since then.
    changed: bool,
    abort: Abort,
}

impl ResultSink {
    /// Creates a sink with empty results. With `updates`, the run follows: changed rows are printed
    /// as they come.
    pub fn new(
        output: Option<Output>,
        updates: Option<UpdateWriter<Stdout>>,
        fail_on_reject: bool,
        abort: Abort,
    ) -> Result<ResultSink, RunError> {
        let rejects = output.as_ref().map(Output::rejects).transpose().map_err(RunError::Output)?;
        Ok(ResultSink {
            results: Results::default(),
            orders: 0,
            rejected: 0,
            guests: 0,
            first_times: FirstTimes::default(),
            inputs: BTreeMap::new(),
            rejects,
            first_reject: None,
            part_lines: BTreeMap::new(),
            output,
            updates,
            fail_on_reject,
            written_at: Instant::now(),
            changed: true,
            abort,
        })
    }

    /// Takes in the result rows that one epoch changed. Prints them if the run follows.
    pub fn deliver(&mut self, epoch: Epoch, mut changes: Vec<Change>) {
        if let Err(mismatch) = self.results.apply_epoch(epoch, &changes) {
            self.abort.fail(&RunError::Internal(mismatch.to_string()));
        }
        self.changed = true;
        if let Some(updates) = &mut self.updates {
            match updates.write_epoch(epoch, &mut changes) {
                Ok(Readers::Reading) => {}
                // The reader of the updates is gone: the run ends as it does at Ctrl-C.
                Ok(Readers::Gone) => {
                    self.updates = None;
                    self.abort.control.request_stop();
                }
                Err(error) => self.abort.fail(&RunError::Internal(format!("cannot print updates: {error}"))),
            }
        }
    }

    /// Takes in the report of a worker.
    pub fn report(&mut self, report: Report) {
        match report {
            Report::Input { ordinal, name } => drop(self.inputs.insert(ordinal, name)),
            Report::Read(orders) => {
                self.orders += orders;
                self.changed = true;
            }
            Report::PartDone { input, part, lines } => {
                self.part_lines.insert((input, part), lines);
                if let Some(rejects) = &mut self.rejects {
                    rejects.part_done(input, part, lines);
                }
            }
            Report::FirstTimes { count, earliest_ms, latest_ms } => {
                self.first_times.add(&FirstTimes::between(count, earliest_ms, latest_ms));
            }
            Report::Reject { input, part, line, reason, raw } => {
                self.reject(Reject { input, part, line, reason, raw });
            }
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
        self.guests += u64::from(reject.reason == NO_USER);
        self.changed = true;
        if let Some(rejects) = &mut self.rejects
            && let Err(error) = rejects.push(&reject)
        {
            self.abort.fail(&RunError::Internal(format!("cannot keep what was set aside: {error}")));
        }
        let follows = self.updates.is_some();
        if follows && !self.fail_on_reject && self.rejects.is_none() {
            eprintln!("orderflow: set aside: {}: {}", self.name_of(reject.input), reject.reason);
        }
        let place = |reject: &Reject| (reject.input, reject.part, reject.line);
        if self.first_reject.as_ref().is_none_or(|first| place(&reject) < place(first)) {
            self.first_reject = Some(reject);
        }
        if follows {
            self.refuse();
        }
    }

    fn name_of(&self, input: u32) -> String {
        self.inputs.get(&input).cloned().unwrap_or_else(|| format!("input {input}"))
    }

    /// Ends the process if a row was set aside and `fail_on_reject` forbids that.
    pub fn refuse(&self) {
        let Some(first) = self.first_reject.as_ref().filter(|_| self.fail_on_reject) else { return };
        // Lines are counted within their part. So the line is known only if all parts before the
        // row's own were read to their ends.
        let before: Option<u64> =
            (0..first.part).map(|part| self.part_lines.get(&(first.input, part)).copied()).sum();
        let known = first.part != files::ingest::TAIL_PART;
        self.abort.fail(&RunError::Rejected {
            count: self.rejected,
            file: self.name_of(first.input),
            line: before.filter(|_| known).map(|before| before + first.line + 1),
            reason: first.reason.clone(),
        });
    }

    /// Prints a warning, once, if the first times look as if they counted another unit.
    pub(super) fn warn_of_times(&mut self, config: &RunConfig) {
        let quiet = config.summary == SummaryForm::Quiet;
        if let Some(warning) = self.first_times.warning(config.inputs.rows.time.unit(), quiet) {
            eprintln!("{warning}");
            self.first_times = FirstTimes::default();
        }
    }

    /// Replaces the result files if something changed and they were last written `WRITE_INTERVAL`
    /// ago or earlier. Called while a run follows.
    pub fn write_if_due(&mut self) {
        if self.output.is_some() && self.changed && self.written_at.elapsed() >= WRITE_INTERVAL {
            self.write().unwrap_or_else(|error| self.abort.fail(&error));
            self.written_at = Instant::now();
        }
    }

    /// Checks that the three results agree with each other, and replaces the result files if there
    /// is an output.
    pub fn write(&mut self) -> Result<(), RunError> {
        self.results.check().map_err(|contradiction| RunError::Internal(contradiction.to_string()))?;
        if let (Some(output), Some(rejects)) = (&self.output, &mut self.rejects) {
            output.write(&self.results, rejects, self.orders, &self.inputs).map_err(RunError::Output)?;
        }
        self.changed = false;
        Ok(())
    }
}
