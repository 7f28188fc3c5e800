//! Holds the results on the first worker and writes them where they go.

use std::collections::BTreeMap;
use std::io::Stdout;
use std::time::{Duration, Instant};

use dataflows::{Change, Epoch};

use super::config::RunConfig;
use super::error::{Abort, RunError};
use super::first_times::FirstTimes;
use super::parts::Parts;
use super::reasons::{MaxRejects, Place, ReasonTold, Reasons};
use super::summary::SummaryForm;
use files::ingest::Reject;
use files::sinks::{Output, Readers, Rejects, Results, UpdateWriter};
use host::Report;
use orders::rules::{NO_MEMBER, NO_USER};

/// The shortest time between two replacements of the result files while a run follows.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// How many rows may be set aside.
#[derive(Copy, Clone, Debug)]
pub struct Limits {
    /// Whether none may.
    pub fail_on_reject: bool,
    /// How many may, if any may.
    pub max_rejects: MaxRejects,
}

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
    /// The row set aside that comes first by input, part and line: its place, and the reason.
    first_reject: Option<(Place, String)>,
    reasons: Reasons,
    parts: Parts,
    /// The first times that all workers have read.
    first_times: FirstTimes,
    output: Option<Output>,
    updates: Option<UpdateWriter<Stdout>>,
    limits: Limits,
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
        limits: Limits,
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
            reasons: Reasons::default(),
            parts: Parts::default(),
            output,
            updates,
            limits,
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
            Report::PartDone { input, part, lines, good, lacking } => {
                self.parts.done(input, part, lines, good, lacking);
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
        if follows && !self.limits.fail_on_reject && self.rejects.is_none() {
            eprintln!("orderflow: set aside: {}: {}", self.name_of(reject.input), reject.reason);
        }
        self.reasons.add(&reject);
        let lacks_member = reject.reason.starts_with(NO_MEMBER) || reject.reason == NO_USER;
        self.parts.rejected(reject.input, lacks_member);
        let place = (reject.input, reject.part, reject.line);
        if self.first_reject.as_ref().is_none_or(|(first, _)| place < *first) {
            self.first_reject = Some((place, reject.reason));
        }
        if follows {
            self.refuse();
            // A number is passed for good. What the share of bad rows is, shows only at the end.
            if matches!(self.limits.max_rejects, MaxRejects::Rows(most) if self.rejected > most) {
                self.refuse_beyond_limit();
            }
        }
    }

    fn name_of(&self, input: u32) -> String {
        self.inputs.get(&input).cloned().unwrap_or_else(|| format!("input {input}"))
    }

    /// Ends the process if a row was set aside and `--on-reject fail` forbids that.
    pub fn refuse(&self) {
        if let Some((place, reason)) = self.first_reject.as_ref().filter(|_| self.limits.fail_on_reject) {
            self.abort.fail(&RunError::Rejected {
                count: self.rejected,
                file: self.name_of(place.0),
                line: self.parts.line_of(*place),
                reason: reason.clone(),
            });
        }
    }

    /// Returns an input that cannot be used because none of its rows has members of some roles: its
    /// name, and these roles as bits. To be asked when all parts are read.
    pub fn lacking(&self) -> Option<(String, u8)> {
        let (input, lacking) = self.parts.lacking()?;
        Some((self.name_of(input), lacking))
    }

    /// Ends the process if more rows were set aside than the run allows, or all of them.
    pub fn refuse_beyond_limit(&self) {
        if self.is_beyond_limit() {
            let rows = self.orders + self.rejected;
            let limit = (self.orders > 0).then(|| self.limits.max_rejects.to_string());
            self.abort.fail(&RunError::TooManyRejected {
                rejected: self.rejected,
                rows,
                limit,
                reasons: self.reasons_told(),
                followed: self.updates.is_some(),
            });
        }
    }

    fn is_beyond_limit(&self) -> bool {
        let none_used = self.orders == 0 && self.rejected > 0;
        none_used || !self.limits.max_rejects.allows(self.rejected, self.orders + self.rejected)
    }

    /// Returns the commonest reasons for which rows were set aside.
    pub fn reasons_told(&self) -> Vec<ReasonTold> {
        let told = |(rows, place, reason): (u64, Place, &str)| ReasonTold {
            rows,
            file: self.name_of(place.0),
            line: self.parts.line_of(place),
            reason: reason.to_owned(),
        };
        self.reasons.commonest().into_iter().map(told).collect()
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
        let due = self.output.is_some() && self.changed && self.written_at.elapsed() >= WRITE_INTERVAL;
        // Whether the rest makes up for it shows later. Until then the earlier files stay.
        if due && !self.is_beyond_limit() {
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
