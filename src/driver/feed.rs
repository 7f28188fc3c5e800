//! A worker's end of the inputs: reads its parts at its own pace, a block at a time, and lets the graph run.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use dataflows::{Diff, Epoch, Order, Upserts, build, deliver, upsert};
use differential_dataflow::AsCollection;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::{Input, Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::worker::Worker;

use super::Job;
use super::error::RunError;
use super::report::Report;
use super::sink::Sink;
use files::ingest::{Block, Envelope, Reader, Tail};

/// Epochs that a worker may be ahead of the results: bounds what is in flight.
const EPOCHS_IN_FLIGHT_MAX: Epoch = 64;

type OrdersInput = InputHandle<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, Diff)>>>>;
type UpsertsInput = InputHandle<Epoch, NoopBuilder<Upserts>>;
type ReportsInput = InputHandle<Epoch, CapacityContainerBuilder<Vec<Report>>>;

/// The inputs of one worker's copy of the graph.
struct Feed<'a> {
    job: &'a Job,
    orders: OrdersInput,
    upserts: UpsertsInput,
    reports: ReportsInput,
    probe: ProbeHandle<Epoch>,
    epoch: Epoch,
    epoch_orders: u64,
    block: Block,
}

/// Runs one worker from its first block to the end of the input. Gives the sink back on the first worker.
pub(super) fn work(worker: &mut Worker, job: &Job) -> Option<Sink> {
    let sink = Rc::new(RefCell::new((worker.index() == 0).then(|| job.take_sink())));
    let mut feed = Feed::new(worker, job, &sink);
    feed.name_inputs(worker);
    if let Err(error) = feed.bounded(worker) {
        job.abort().fail(&error);
    }
    if let Some(tick) = job.config.follow_tick
        && let Err(error) = feed.follow(worker, tick, &sink)
    {
        job.abort().fail(&error);
    }
    let Feed { orders, upserts, reports, probe, .. } = feed;
    orders.close();
    upserts.close();
    reports.close();
    worker.step_or_park_while(None, || !probe.done());
    sink.take()
}

impl<'a> Feed<'a> {
    /// Builds the graph, the same on each worker.
    fn new(worker: &mut Worker, job: &'a Job, sink: &Rc<RefCell<Option<Sink>>>) -> Feed<'a> {
        let mut orders = OrdersInput::new_with_builder();
        let mut upserts = UpsertsInput::new_with_builder();
        let mut reports = ReportsInput::new();
        let probe = worker.dataflow::<Epoch, _, _>(|scope| {
            let collection = match job.config.inputs.envelope {
                Envelope::Append => scope.input_from(&mut orders).as_collection(),
                Envelope::Upsert => upsert(scope.input_from(&mut upserts)),
            };
            let views = build(collection, job.config.layout.width);
            let (results, read) = (Rc::clone(sink), Rc::clone(sink));
            let probe = deliver(views, move |epoch, changes| {
                if let Some(sink) = results.borrow_mut().as_mut() {
                    sink.deliver(epoch, changes);
                }
            });
            scope
                .input_from(&mut reports)
                .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
                    Exchange::new(|_| 0),
                    "Reports",
                    |_, _| {
                        move |input, _output| {
                            input.for_each(|_, reports| {
                                if let Some(sink) = read.borrow_mut().as_mut() {
                                    reports.drain(..).for_each(|report| sink.report(report));
                                }
                            });
                        }
                    },
                )
                .probe_with(&probe);
            probe
        });
        Feed { job, orders, upserts, reports, probe, epoch: 0, epoch_orders: 0, block: Block::default() }
    }

    /// Tells what the inputs are called: the first worker of each process whose inputs are its own does.
    fn name_inputs(&mut self, worker: &Worker) {
        let (index, _) = self.job.share(worker);
        if index == 0 {
            let files = self.job.plan.inputs.iter().map(|input| (input.ordinal, &input.name));
            let tables = self.job.tables.iter().map(|table| (table.ordinal, &table.name));
            for (ordinal, name) in files.chain(tables) {
                self.reports.send(Report::Input { ordinal, name: name.clone() });
            }
        }
    }

    /// Reads this worker's parts to their ends, and its turns of the tables.
    fn bounded(&mut self, worker: &mut Worker) -> Result<(), RunError> {
        let job = self.job;
        let (index, peers) = job.share(worker);
        for part in job.plan.parts(index, peers) {
            let mut reader = job.plan.open(&part).map_err(RunError::Input)?;
            let Some(lines) = self.read(worker, &mut *reader)? else { return Ok(()) };
            let input = job.plan.inputs[part.input].ordinal;
            self.reports.send(Report::PartDone { input, part: part.ordinal, lines });
        }
        for table in &job.tables {
            if self.read(worker, &mut table.reader())?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads to the end and gives the number of lines; none if a run that follows was asked to stop.
    fn read(&mut self, worker: &mut Worker, reader: &mut dyn Reader) -> Result<Option<u64>, RunError> {
        let job = self.job;
        let mut lines = 0;
        while reader.read_block(self.epoch, &mut self.block).map_err(RunError::Input)? {
            if job.abort().control.stop_requested() {
                return if job.config.follow_tick.is_some() { Ok(None) } else { Err(RunError::Interrupted) };
            }
            lines += self.block.lines;
            self.send();
            worker.step();
            self.close_full_epoch(worker);
        }
        Ok(Some(lines))
    }

    /// Sends the block on, and empties it.
    fn send(&mut self) {
        let job = self.job;
        let Block { orders, upserts, rejects, bytes, .. } = &mut self.block;
        let read = (orders.len() + upserts.len()) as u64;
        job.count(*bytes, read, rejects.len() as u64);
        if !orders.is_empty() {
            let room = Vec::with_capacity(orders.len() + orders.len() / 8);
            self.orders.send_batch(&mut Rc::new(std::mem::replace(orders, room)));
        }
        if !upserts.is_empty() {
            self.upserts.send_batch(&mut Upserts { records: std::mem::take(upserts) });
        }
        if read > 0 {
            self.reports.send(Report::Read(read));
        }
        for reject in rejects.drain(..) {
            self.reports.send(Report::of(reject));
        }
        self.block.bytes = 0;
        self.block.lines = 0;
        self.epoch_orders += read;
    }

    /// Closes the epoch if it holds as many orders as one is to hold.
    fn close_full_epoch(&mut self, worker: &mut Worker) {
        if self.job.config.epoch_orders.is_some_and(|full| self.epoch_orders >= full) {
            self.advance_to(self.epoch + 1);
            let bound = self.epoch.saturating_sub(EPOCHS_IN_FLIGHT_MAX);
            worker.step_or_park_while(None, || self.probe.less_than(&bound));
        }
    }

    fn advance_to(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        self.epoch_orders = 0;
        self.orders.advance_to(epoch);
        self.upserts.advance_to(epoch);
        self.reports.advance_to(epoch);
    }

    /// Reads what comes, an epoch a tick, until it is asked to stop or nothing can come any more.
    fn follow(
        &mut self,
        worker: &mut Worker,
        tick: Duration,
        sink: &RefCell<Option<Sink>>,
    ) -> Result<(), RunError> {
        let job = self.job;
        let (index, peers) = job.share(worker);
        let mut tail = Tail::new(&job.plan, &job.config.inputs, index, peers).map_err(RunError::Input)?;
        self.advance_to(1);
        let mut next_tick = Instant::now() + tick;
        while !job.abort().control.stop_requested() {
            // One epoch a tick and one round an epoch: 2^32 of either are 13 years of the default tick.
            let round = self.epoch as u32;
            let state = tail.read(round, self.epoch, &mut self.block).map_err(RunError::Input)?;
            state.notes.iter().for_each(|note| eprintln!("orderflow: {note}"));
            for (ordinal, name) in state.new_inputs {
                self.reports.send(Report::Input { ordinal, name });
            }
            self.send();
            if state.ended {
                break;
            }
            let now = Instant::now();
            if now >= next_tick {
                self.advance_to(self.epoch + 1);
                next_tick = (next_tick + tick).max(now);
            }
            if state.read_anything {
                worker.step();
            } else {
                worker.step_or_park(Some(next_tick.saturating_duration_since(now)));
            }
            if let Some(sink) = sink.borrow_mut().as_mut() {
                sink.write_if_due();
            }
        }
        Ok(())
    }
}

impl Job {
    /// Counts what a block held, for whoever shows progress.
    fn count(&self, bytes: u64, orders: u64, rejected: u64) {
        self.counters.add(bytes, orders, rejected);
        self.abort().control.report(self.counters.load());
    }
}
