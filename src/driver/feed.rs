//! Feeds one worker: it reads its share of the inputs a block at a time, at its own pace, and lets
//! the graph run in between.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dataflows::Epoch;
use timely::worker::Worker;

use super::error::RunError;
use super::first_times::FirstTimes;
use super::run_state::RunState;
use super::sink::ResultSink;
use files::ingest::{Block, Reader, Reject, Tail};
use host::{GraphShape, OnChanges, OnReport, Report, WorkerGraph};

/// One worker's copy of the graph, and what it reads.
struct Feed<'a> {
    run: &'a RunState,
    graph: WorkerGraph,
    epoch_orders: u64,
    block: Block,
    /// The first times that this worker read; `None` once they were reported.
    first_times: Option<FirstTimes>,
}

/// What a part of an input held.
#[derive(Default)]
struct Count {
    /// Its lines, good and bad.
    lines: u64,
    /// Its good orders (or upsert lines).
    good: u64,
    /// The roles of the members that its rows had, a bit each.
    seen: u8,
}

/// Runs one worker from its first block until the graph has taken in everything. Returns the sink
/// on the first worker of all, and `None` on the others.
pub(super) fn work(worker: &mut Worker, run: &RunState) -> Option<ResultSink> {
    let sink = Rc::new(RefCell::new((worker.index() == 0).then(|| run.take_sink())));
    let mut feed = Feed::new(worker, run, &sink);
    feed.name_inputs(worker);
    if let Err(error) = feed.bounded(worker) {
        run.abort().fail(&error);
    }
    feed.report_first_times();
    if let Some(tick) = run.config.follow_tick
        && let Err(error) = feed.follow(worker, tick, &sink)
    {
        run.abort().fail(&error);
    }
    feed.report_first_times();
    feed.graph.finish(worker);
    sink.take()
}

impl<'a> Feed<'a> {
    /// Builds the graph, which is the same on each worker.
    fn new(worker: &mut Worker, run: &'a RunState, sink: &Rc<RefCell<Option<ResultSink>>>) -> Feed<'a> {
        let shape = GraphShape {
            upserts: run.config.inputs.rows.envelope.is_keyed(),
            kept: false,
            windows: run.config.layout.windows.clone(),
        };
        let (results, read) = (Rc::clone(sink), Rc::clone(sink));
        let on_changes: OnChanges = Box::new(move |epoch, changes| {
            if let Some(sink) = results.borrow_mut().as_mut() {
                sink.deliver(epoch, changes);
            }
        });
        let on_report: OnReport = Box::new(move |report| {
            if let Some(sink) = read.borrow_mut().as_mut() {
                sink.report(report);
            }
        });
        let graph = WorkerGraph::build(worker, shape, on_changes, Some(on_report));
        Feed {
            run,
            graph,
            epoch_orders: 0,
            block: Block::default(),
            first_times: Some(FirstTimes::default()),
        }
    }

    /// Reports the names of the inputs. With local inputs the first worker of each process does so,
    /// else only the first worker of all.
    fn name_inputs(&mut self, worker: &Worker) {
        let (index, _) = self.run.share(worker);
        if index == 0 {
            let files = self.run.plan.inputs.iter().map(|input| (input.ordinal, &input.name));
            let tables = self.run.tables.iter().map(|table| (table.ordinal, &table.name));
            for (ordinal, name) in files.chain(tables) {
                self.graph.report(Report::Input { ordinal, name: name.clone() });
            }
        }
    }

    /// Reads this worker's parts of the files to their ends, and then the tables, in turn with the
    /// other workers.
    fn bounded(&mut self, worker: &mut Worker) -> Result<(), RunError> {
        let run = self.run;
        let (index, peers) = run.share(worker);
        for part in run.plan.parts(index, peers) {
            let mut reader = run.plan.open(&part).map_err(RunError::Input)?;
            let Some(Count { lines, good, seen }) = self.read(worker, &mut *reader)? else { return Ok(()) };
            let input = &run.plan.inputs[part.input];
            let lacking = run.plan.required_members(input) & !seen;
            let (input, part) = (input.ordinal, part.ordinal);
            self.graph.report(Report::PartDone { input, part, lines, good, lacking });
        }
        for table in &run.tables {
            if self.read(worker, &mut table.reader())?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads to the end of `reader` and returns what it held. `None` if a run that follows was asked
    /// to stop; a run that does not follow fails with [`RunError::Interrupted`] then.
    fn read<E>(
        &mut self,
        worker: &mut Worker,
        reader: &mut dyn Reader<Error = E>,
    ) -> Result<Option<Count>, RunError>
    where
        RunError: From<E>,
    {
        let run = self.run;
        let mut count = Count::default();
        while reader.read_block(self.graph.epoch(), &mut self.block)? {
            if run.abort().control.stop_requested() {
                return if run.config.follow_tick.is_some() { Ok(None) } else { Err(RunError::Interrupted) };
            }
            count.lines += self.block.lines;
            count.good += (self.block.orders.len() + self.block.upserts.len()) as u64;
            count.seen |= std::mem::take(&mut self.block.members_seen);
            self.send();
            worker.step();
            self.close_full_epoch(worker);
        }
        Ok(Some(count))
    }

    /// Sends the block into the graph and empties it.
    fn send(&mut self) {
        let run = self.run;
        if let Some(first_times) = &mut self.first_times {
            first_times.look_at(&self.block);
            if first_times.is_full() {
                self.report_first_times();
            }
        }
        let Block { orders, upserts, rejects, bytes, .. } = &mut self.block;
        let read = (orders.len() + upserts.len()) as u64;
        run.count(*bytes, read, rejects.len() as u64);
        if !orders.is_empty() {
            let room = Vec::with_capacity(orders.len() + orders.len() / 8);
            self.graph.send_orders(std::mem::replace(orders, room));
        }
        if !upserts.is_empty() {
            self.graph.send_upserts(std::mem::take(upserts));
        }
        if read > 0 {
            self.graph.report(Report::Read(read));
        }
        for reject in rejects.drain(..) {
            let Reject { input, part, line, reason, raw } = reject;
            self.graph.report(Report::Reject { input, part, line, reason, raw });
        }
        self.block.bytes = 0;
        self.block.lines = 0;
        self.epoch_orders += read;
    }

    /// Reports the first times that this worker read, unless there are none or that was done.
    fn report_first_times(&mut self) {
        let bounds = self.first_times.as_ref().and_then(FirstTimes::bounds);
        if let Some((count, earliest_ms, latest_ms)) = bounds {
            self.first_times = None;
            self.graph.report(Report::FirstTimes { count, earliest_ms, latest_ms });
        }
    }

    /// Closes the epoch if it holds `epoch_orders` orders. Then waits until the results are at most
    /// [`EPOCHS_IN_FLIGHT_MAX`](host::EPOCHS_IN_FLIGHT_MAX) epochs behind.
    fn close_full_epoch(&mut self, worker: &mut Worker) {
        if self.run.config.epoch_orders.is_some_and(|full| self.epoch_orders >= full) {
            self.advance_to(self.graph.epoch() + 1);
            self.graph.hold_back(worker);
        }
    }

    fn advance_to(&mut self, epoch: Epoch) {
        self.graph.advance_to(epoch);
        self.epoch_orders = 0;
    }

    /// Reads what is added to the inputs and closes an epoch each `tick`, until the run is asked to
    /// stop or no input can grow any more.
    fn follow(
        &mut self,
        worker: &mut Worker,
        tick: Duration,
        sink: &RefCell<Option<ResultSink>>,
    ) -> Result<(), RunError> {
        let run = self.run;
        let (index, peers) = run.share(worker);
        let mut tail = Tail::new(&run.plan, &run.config.inputs, index, peers).map_err(RunError::Input)?;
        self.advance_to(1);
        let mut next_tick = Instant::now() + tick;
        while !run.abort().control.stop_requested() {
            // There is one epoch a tick and one round an epoch, so 2^32 of either last 13 years at
            // the default tick.
            let epoch = self.graph.epoch();
            let round = epoch as u32;
            let state = tail.read(round, epoch, &mut self.block).map_err(RunError::Input)?;
            state.notes.iter().for_each(|note| eprintln!("orderflow: {note}"));
            for (ordinal, name) in state.new_inputs {
                self.graph.report(Report::Input { ordinal, name });
            }
            self.send();
            if state.ended {
                break;
            }
            let now = Instant::now();
            if now >= next_tick {
                self.advance_to(self.graph.epoch() + 1);
                next_tick = (next_tick + tick).max(now);
            }
            if state.read_anything {
                worker.step();
            } else {
                worker.step_or_park(Some(next_tick.saturating_duration_since(now)));
            }
            if let Some(sink) = sink.borrow_mut().as_mut() {
                sink.write_if_due();
                sink.warn_of_times(&run.config);
            }
        }
        Ok(())
    }
}
