//! The graph on worker threads of this process: orders in, epoch by epoch, changed rows out.
//!
//! ```text
//!  Graph ─ tasks ─► worker 0 ─► build ─► deliver ─ done ─► Graph
//!        ─ tasks ─► worker 1 ─►   "
//! ```
//!
//! The caller hands blocks of orders to the workers in turn and closes epochs; the channels to them are bounded, so it waits
//! where they are behind. A worker without anything to do sleeps.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use dataflows::{
    Change, Diff, Epoch, KeptInputs, Order, RowKey, Totals, WindowWidth, build_on_kept, deliver,
};
use differential_dataflow::AsCollection;
use timely::communication::WorkerGuards;
use timely::container::NoopBuilder;
use timely::dataflow::operators::Input;
use timely::dataflow::{InputHandle, ProbeHandle};
use timely::logging::{TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;
use timely::{CommunicationConfig, WorkerConfig};

/// Orders that a worker gets at a time.
pub(super) const BLOCK_ORDERS: usize = 2_048;

/// Tasks that may wait for a worker.
const TASKS_WAITING_MAX: usize = 8;

type OrdersInput = InputHandle<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, Diff)>>>>;

/// What a worker is to do next.
enum Task {
    /// Take in totals of a checkpoint, as of this epoch.
    Keep(Epoch, Vec<(RowKey, Totals)>),
    /// Take in orders.
    Orders(Vec<(Order, Epoch, Diff)>),
    /// Expect nothing more of epochs before this one.
    Advance(Epoch),
}

/// What the first worker tells.
enum Told {
    /// Rows that an epoch changed.
    Changes(Vec<Change>),
    /// All epochs before this one are done.
    Done(Epoch),
    /// A worker panicked.
    Lost,
}

/// A worker panicked, and the graph has come to nothing.
#[derive(Debug)]
pub(super) struct WorkerLost;

impl fmt::Display for WorkerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker of the graph ended by an internal error; start again")
    }
}

/// What an epoch came to.
pub(super) struct Done {
    /// Rows that changed, sorted by key.
    pub(super) changes: Vec<Change>,
    /// Records that crossed from one operator to another.
    pub(super) records: u64,
    /// From its first order until all of its changes were there.
    pub(super) in_graph: Duration,
}

struct Lane {
    tasks: SyncSender<Task>,
    thread: Thread,
}

/// The running graph.
pub(super) struct Graph {
    lanes: Vec<Lane>,
    told: Receiver<Told>,
    next: usize,
    records: Arc<AtomicU64>,
    /// When the first orders of the open epoch were handed over.
    since: Option<Instant>,
    guards: Option<WorkerGuards<()>>,
    lost: bool,
}

/// Says that its worker panics: the others would wait for it for ever.
struct Alarm(Sender<Told>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            // It fails only where the caller is gone.
            let _ = self.0.send(Told::Lost);
        }
    }
}

impl Graph {
    /// Starts so many workers. Their first epoch is `epoch`.
    pub(super) fn start(workers: usize, width: WindowWidth, epoch: Epoch) -> std::io::Result<Graph> {
        let mut lanes = Vec::new();
        let mut ends = Vec::new();
        let (tell, told) = channel();
        let records = Arc::new(AtomicU64::new(0));
        let (builders, others) =
            CommunicationConfig::Process(workers.max(1)).try_build().map_err(std::io::Error::other)?;
        for _ in 0..workers.max(1) {
            let (tasks, waiting) = sync_channel(TASKS_WAITING_MAX);
            lanes.push(tasks);
            ends.push(std::sync::Mutex::new(Some(waiting)));
        }
        let (introduce, threads) = channel();
        let introduce = std::sync::Mutex::new(introduce);
        let counted = records.clone();
        let tell = std::sync::Mutex::new(tell);
        let work = move |worker: &mut Worker| {
            let waiting = lock(&ends[worker.index()]).take();
            // It fails only where the caller is gone.
            let _ = lock(&introduce).send((worker.index(), thread::current()));
            let tell = lock(&tell).clone();
            let _alarm = Alarm(tell.clone());
            let tell = (worker.index() == 0).then_some(tell);
            if let Some(waiting) = waiting {
                Lines::new(worker, width, epoch, tell, &counted).run(worker, &waiting);
            }
        };
        let guards = timely::execute::execute_from(builders, others, WorkerConfig::default(), work)
            .map_err(std::io::Error::other)?;
        let mut known: Vec<(usize, Thread)> = threads.iter().take(lanes.len()).collect();
        known.sort_by_key(|(index, _)| *index);
        let lanes = lanes.into_iter().zip(known).map(|(tasks, (_, thread))| Lane { tasks, thread }).collect();
        Ok(Graph { lanes, told, next: 0, records, since: None, guards: Some(guards), lost: false })
    }

    /// Hands totals of a checkpoint to the workers, as of the first epoch.
    pub(super) fn keep(&mut self, epoch: Epoch, totals: Vec<(RowKey, Totals)>) -> Result<(), WorkerLost> {
        self.hand_over(Task::Keep(epoch, totals))
    }

    /// Hands orders to the workers, block by block. Waits where they are behind.
    pub(super) fn orders(&mut self, mut orders: Vec<(Order, Epoch, Diff)>) -> Result<(), WorkerLost> {
        while !orders.is_empty() {
            let rest = orders.split_off(orders.len().min(BLOCK_ORDERS));
            self.hand_over(Task::Orders(std::mem::replace(&mut orders, rest)))?;
        }
        Ok(())
    }

    fn hand_over(&mut self, task: Task) -> Result<(), WorkerLost> {
        self.since.get_or_insert_with(Instant::now);
        self.next = (self.next + 1) % self.lanes.len();
        self.lanes[self.next].send(task).inspect_err(|WorkerLost| self.lost = true)
    }

    /// Ends all epochs before `upper`, and returns what they came to once all of it is there.
    pub(super) fn finish(&mut self, upper: Epoch) -> Result<Done, WorkerLost> {
        let since = self.since.take().unwrap_or_else(Instant::now);
        for lane in &self.lanes {
            lane.send(Task::Advance(upper)).inspect_err(|WorkerLost| self.lost = true)?;
        }
        let mut changes = Vec::new();
        loop {
            match self.told.recv().map_err(|_| WorkerLost)? {
                Told::Changes(more) => changes.extend(more),
                Told::Done(done) if done >= upper => break,
                Told::Done(_) => {}
                Told::Lost => {
                    self.lost = true;
                    return Err(WorkerLost);
                }
            }
        }
        Ok(Done { changes, records: self.records.swap(0, Ordering::Relaxed), in_graph: since.elapsed() })
    }

    /// Ends the workers. Where one of them panicked the others wait for it for ever, and are left behind.
    pub(super) fn stop(mut self) {
        let lost = self.lost || self.told.try_iter().any(|told| matches!(told, Told::Lost));
        for lane in self.lanes.drain(..) {
            drop(lane.tasks);
            lane.thread.unpark();
        }
        match self.guards.take() {
            Some(guards) if lost => std::mem::forget(guards),
            guards => drop(guards),
        }
    }
}

impl Lane {
    fn send(&self, task: Task) -> Result<(), WorkerLost> {
        self.tasks.send(task).map_err(|_| WorkerLost)?;
        self.thread.unpark();
        Ok(())
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One worker's copy of the graph and its inputs.
struct Lines {
    orders: OrdersInput,
    kept: KeptInputs,
    probe: ProbeHandle<Epoch>,
    /// On the first worker.
    tell: Option<Sender<Told>>,
    done: Epoch,
}

impl Lines {
    /// Builds the graph, the same on each worker.
    fn new(
        worker: &mut Worker,
        width: WindowWidth,
        epoch: Epoch,
        tell: Option<Sender<Told>>,
        records: &Arc<AtomicU64>,
    ) -> Lines {
        count_records(worker, records);
        let mut orders = OrdersInput::new_with_builder();
        let results = tell.clone();
        let (kept, probe) = worker.dataflow::<Epoch, _, _>(|scope| {
            let (views, kept) = build_on_kept(scope.input_from(&mut orders).as_collection(), width);
            let probe = deliver(views, move |_, changes| {
                if let Some(results) = &results {
                    // It fails only where the caller is gone.
                    let _ = results.send(Told::Changes(changes));
                }
            });
            (kept, probe)
        });
        let mut lines = Lines { orders, kept, probe, tell, done: 0 };
        lines.advance(epoch);
        lines
    }

    /// Does what it is told until nobody tells it anything any more.
    fn run(mut self, worker: &mut Worker, waiting: &Receiver<Task>) {
        loop {
            match waiting.try_recv() {
                Ok(task) => {
                    self.take(task);
                    worker.step();
                }
                Err(TryRecvError::Empty) => drop(worker.step_or_park(None)),
                Err(TryRecvError::Disconnected) => break,
            }
            self.tell_done();
        }
    }

    fn take(&mut self, task: Task) {
        match task {
            Task::Keep(epoch, totals) => {
                totals.into_iter().for_each(|(key, totals)| self.kept.send(epoch, &key, totals));
            }
            Task::Orders(orders) => self.orders.send_batch(&mut Rc::new(orders)),
            Task::Advance(epoch) => self.advance(epoch),
        }
    }

    fn advance(&mut self, epoch: Epoch) {
        self.orders.advance_to(epoch);
        self.kept.advance_to(epoch);
    }

    /// On the first worker: tells of epochs that are done, once each.
    fn tell_done(&mut self) {
        let Some(tell) = &self.tell else { return };
        let done = Cell::new(self.done);
        self.probe.with_frontier(|frontier| {
            if let Some(first) = frontier.first() {
                done.set(*first);
            }
        });
        if done.get() > self.done {
            self.done = done.get();
            let _ = tell.send(Told::Done(self.done));
        }
    }
}

/// Counts the records that this worker's operators send.
fn count_records(worker: &Worker, records: &Arc<AtomicU64>) {
    let records = records.clone();
    if let Some(mut log) = worker.log_register() {
        log.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
            let sent = |event: &TimelyEvent| match event {
                TimelyEvent::Messages(messages) if messages.is_send => messages.record_count.max(0) as u64,
                _ => 0,
            };
            let sent: u64 = events.iter().flatten().map(|(_, event)| sent(event)).sum();
            records.fetch_add(sent, Ordering::Relaxed);
        });
    }
}
