//! The first worker's end of the graph: the results as they are, on their way out.

use std::collections::BTreeMap;
use std::io::Stdout;
use std::time::{Duration, Instant};

use dataflows::{Change, Epoch};

use super::error::{Abort, RunError};
use super::report::Report;
use files::ingest::Reject;
use files::sinks::{Output, Readers, Rejects, Results, UpdateWriter};

/// While a run follows, result files are replaced at most this often.
const WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// The results, what was set aside, and where both go.
pub struct Sink {
    /// The rows of all views as of the last delivered epoch.
    pub results: Results,
    /// Good orders (or upsert lines) that all workers have read.
    pub orders: u64,
    /// Rows that all workers have set aside.
    pub rejected: u64,
    /// Names of inputs, by ordinal.
    pub inputs: BTreeMap<u32, String>,
    rejects: Option<Rejects>,
    /// The first of the rejects, by place.
    first_reject: Option<Reject>,
    part_lines: BTreeMap<(u32, u32), u64>,
    output: Option<Output>,
    updates: Option<UpdateWriter<Stdout>>,
    fail_on_reject: bool,
    /// When the files were last written, and whether anything has changed since.
    written_at: Instant,
    changed: bool,
    abort: Abort,
}

impl Sink {
    /// An empty result. With `updates`, the run follows: changed rows are printed as they come.
    pub fn new(
        output: Option<Output>,
        updates: Option<UpdateWriter<Stdout>>,
        fail_on_reject: bool,
        abort: Abort,
    ) -> Result<Sink, RunError> {
        let rejects = output.as_ref().map(Output::rejects).transpose().map_err(RunError::Output)?;
        Ok(Sink {
            results: Results::default(),
            orders: 0,
            rejected: 0,
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

    /// Takes in the rows that one epoch changed.
    pub fn deliver(&mut self, epoch: Epoch, mut changes: Vec<Change>) {
        if let Err(mismatch) = self.results.apply_epoch(epoch, &changes) {
            self.abort.fail(&RunError::Internal(mismatch.to_string()));
        }
        self.changed = true;
        if let Some(updates) = &mut self.updates {
            match updates.write_epoch(epoch, &mut changes) {
                Ok(Readers::Reading) => {}
                // Nobody reads on: end as Ctrl-C does.
                Ok(Readers::Gone) => {
                    self.updates = None;
                    self.abort.control.request_stop();
                }
                Err(error) => self.abort.fail(&RunError::Internal(format!("cannot print updates: {error}"))),
            }
        }
    }

    /// Takes in what a worker tells of what it read.
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
            Report::Reject { input, part, line, reason, raw } => {
                self.reject(Reject { input, part, line, reason, raw });
            }
        }
    }

    fn reject(&mut self, reject: Reject) {
        self.rejected += 1;
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

    /// Ends the run if a row was set aside and none may be.
    pub fn refuse(&self) {
        let Some(first) = self.first_reject.as_ref().filter(|_| self.fail_on_reject) else { return };
        // Lines are counted within parts; those before the reject's own must all have been read.
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

    /// While a run follows: replaces the result files if they are due.
    pub fn write_if_due(&mut self) {
        if self.output.is_some() && self.changed && self.written_at.elapsed() >= WRITE_INTERVAL {
            self.write().unwrap_or_else(|error| self.abort.fail(&error));
            self.written_at = Instant::now();
        }
    }

    /// Checks that the views agree, and writes them where they go.
    pub fn write(&mut self) -> Result<(), RunError> {
        self.results.check().map_err(|disagreement| RunError::Internal(disagreement.to_string()))?;
        if let (Some(output), Some(rejects)) = (&self.output, &mut self.rejects) {
            output.write(&self.results, rejects, self.orders, &self.inputs).map_err(RunError::Output)?;
        }
        self.changed = false;
        Ok(())
    }
}
