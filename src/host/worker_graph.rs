//! Builds and drives one worker's copy of the graph.

use std::rc::Rc;

use dataflows::{Change, Diff, Epoch, KeptInputs, Order, RowKey, Totals, Upsert, Upserts, Windows};
use dataflows::{build, build_on_kept, deliver, upsert};
use differential_dataflow::AsCollection;
use timely::container::{CapacityContainerBuilder, NoopBuilder};
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::{Input, Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Scope};
use timely::worker::Worker;

use super::report::Report;

/// The number of epochs that a worker may be ahead of the epochs that are done. Beyond that it
/// holds back, which bounds the records in flight.
pub const EPOCHS_IN_FLIGHT_MAX: Epoch = 64;

type OrdersInput = InputHandle<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, Diff)>>>>;
type UpsertsInput = InputHandle<Epoch, NoopBuilder<Upserts>>;
type ReportsInput = InputHandle<Epoch, CapacityContainerBuilder<Vec<Report>>>;

/// The choices that a graph is built from. They are the same on all workers of a run.
#[derive(Clone, Debug)]
pub struct GraphShape {
    /// Whether the last line of an order's key wins. Otherwise each line adds an order or removes
    /// one.
    pub upserts: bool,
    /// Whether the views start from the totals of a checkpoint.
    pub kept: bool,
    /// The windows.
    pub windows: Windows,
}

/// The function that takes each report, on the first worker of all.
pub type OnReport = Box<dyn FnMut(Report)>;

/// A function that gets the rows that an epoch changed, on the first worker of all. It is boxed so
/// that the graph is compiled here alone, and not once more in each room that runs it.
pub type OnChanges = Box<dyn FnMut(Epoch, Vec<Change>)>;

/// The input of orders, in one of its two forms.
enum Source {
    Orders(OrdersInput),
    Upserts(UpsertsInput),
}

/// One worker's copy of the graph. It holds the inputs and knows how far the graph is on all
/// workers.
///
/// All inputs are at the same epoch, which starts at 0. A worker that sends nothing must still call
/// [`advance_to`](WorkerGraph::advance_to) or [`finish`](WorkerGraph::finish), because no epoch is
/// done before all workers have left it.
pub struct WorkerGraph {
    source: Source,
    kept: Option<KeptInputs>,
    reports: Option<ReportsInput>,
    probe: ProbeHandle<Epoch>,
    epoch: Epoch,
    /// The upper bound that [`WorkerGraph::newly_done`] returned last.
    told: Epoch,
}

impl WorkerGraph {
    /// Builds the graph on this worker.
    ///
    /// `on_changes` gets the rows that an epoch changed, on the first worker of all (see
    /// [`deliver`]). With `on_report`, all workers can send reports to the first one, which has got
    /// all reports of an epoch before the epoch is done.
    pub fn build(
        worker: &mut Worker,
        shape: GraphShape,
        on_changes: OnChanges,
        on_report: Option<OnReport>,
    ) -> WorkerGraph {
        let mut source = match shape.upserts {
            false => Source::Orders(InputHandle::new_with_builder()),
            true => Source::Upserts(InputHandle::new_with_builder()),
        };
        let (kept, probe, reports) = worker.dataflow::<Epoch, _, _>(|scope| {
            let orders = match &mut source {
                Source::Orders(input) => scope.input_from(input).as_collection(),
                Source::Upserts(input) => upsert(scope.input_from(input)),
            };
            let (views, kept) = match shape.kept {
                false => (build(orders, &shape.windows), None),
                true => {
                    let (views, kept) = build_on_kept(orders, &shape.windows);
                    (views, Some(kept))
                }
            };
            let probe = deliver(views, on_changes);
            let reports = on_report.map(|on_report| gather_reports(scope, &probe, on_report));
            (kept, probe, reports)
        });
        WorkerGraph { source, kept, reports, probe, epoch: 0, told: 0 }
    }

    /// Sends a block of orders. No order may have an epoch before the graph's own.
    ///
    /// # Panics
    /// Panics if the graph was built for upserts.
    pub fn send_orders(&mut self, orders: Vec<(Order, Epoch, Diff)>) {
        match &mut self.source {
            Source::Orders(input) => input.send_batch(&mut Rc::new(orders)),
            Source::Upserts(_) => unreachable!("the graph was built for upserts"),
        }
    }

    /// Sends a block of lines, of which the last of each key wins. No line may have an epoch before
    /// the graph's own.
    ///
    /// # Panics
    /// Panics if the graph was not built for upserts.
    pub fn send_upserts(&mut self, records: Vec<Upsert>) {
        match &mut self.source {
            Source::Upserts(input) => input.send_batch(&mut Upserts { records }),
            Source::Orders(_) => unreachable!("the graph was built for orders"),
        }
    }

    /// Sends totals of a checkpoint, which hold from the graph's own epoch on.
    ///
    /// # Panics
    /// Panics if the graph was not built to start from totals.
    pub fn send_kept(&mut self, totals: Vec<(RowKey, Totals)>) {
        let kept = self.kept.as_mut().expect("the graph was built to start from totals");
        totals.iter().for_each(|(key, totals)| kept.send(self.epoch, key, *totals));
    }

    /// Sends a report to the first worker of all.
    ///
    /// # Panics
    /// Panics if the graph was built without reports.
    pub fn report(&mut self, report: Report) {
        self.reports.as_mut().expect("the graph was built with reports").send(report);
    }

    /// Returns the epoch that all inputs are at.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Promises that this worker sends nothing more of epochs before `epoch`.
    ///
    /// # Panics
    /// Panics if the graph is past `epoch` already.
    pub fn advance_to(&mut self, epoch: Epoch) {
        self.epoch = epoch;
        match &mut self.source {
            Source::Orders(input) => input.advance_to(epoch),
            Source::Upserts(input) => input.advance_to(epoch),
        }
        if let Some(kept) = &mut self.kept {
            kept.advance_to(epoch);
        }
        if let Some(reports) = &mut self.reports {
            reports.advance_to(epoch);
        }
    }

    /// Returns the first epoch that is not done. All epochs before it are done on all workers, and
    /// their changes are delivered.
    ///
    /// Returns `None` once all workers have [finished](WorkerGraph::finish), because all epochs are
    /// done then.
    pub fn done_before(&self) -> Option<Epoch> {
        self.probe.with_frontier(|frontier| frontier.first().copied())
    }

    /// Returns [`done_before`](WorkerGraph::done_before) if it has grown since the last call, else
    /// `None`. So each epoch is told as done once.
    pub fn newly_done(&mut self) -> Option<Epoch> {
        let done = self.done_before().filter(|done| *done > self.told)?;
        self.told = done;
        Some(done)
    }

    /// Runs the graph while it is more than [`EPOCHS_IN_FLIGHT_MAX`] epochs behind this worker.
    pub fn hold_back(&self, worker: &mut Worker) {
        let bound = self.epoch.saturating_sub(EPOCHS_IN_FLIGHT_MAX);
        run_while(worker, || self.probe.less_than(&bound));
    }

    /// Closes the inputs, and runs the graph until all workers have closed theirs and all epochs
    /// are done.
    pub fn finish(self, worker: &mut Worker) {
        let WorkerGraph { source, kept, reports, probe, .. } = self;
        // Dropping an input closes it.
        drop((source, kept, reports));
        run_while(worker, || !probe.done());
    }
}

/// Runs the graph while `is_behind` returns true, and sleeps while there is nothing to do.
fn run_while(worker: &mut Worker, is_behind: impl FnMut() -> bool) {
    worker.step_or_park_while(None, is_behind);
}

/// Adds an input of reports to the graph. The reports go to the first worker, and the probe also
/// waits for them.
fn gather_reports(
    scope: Scope<'_, Epoch>,
    probe: &ProbeHandle<Epoch>,
    mut on_report: OnReport,
) -> ReportsInput {
    let mut input = ReportsInput::new();
    scope
        .input_from(&mut input)
        .unary::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Exchange::new(|_| 0), "Reports", |_, _| {
            move |input, _output| input.for_each(|_, reports| reports.drain(..).for_each(&mut on_report))
        })
        .probe_with(probe);
    input
}
