//! Runs the graph on worker threads: feeds its inputs, tells how far it is, and tells when a worker
//! panics.
//!
//! ```text
//!  files, a worker reads for itself:   read ─► WorkerGraph ─► changes
//!
//!  the live job feeds workers:   Host ─ tasks ─► worker 0 ─► WorkerGraph ─► changes, done ─► Host
//!                                     ─ tasks ─► worker 1 ─► WorkerGraph ─► changes ───────►
//! ```
//!
//! A [`WorkerGraph`] is one worker's copy of the graph: it holds the inputs, which advance
//! together, and the probe. It holds back a worker that is too far ahead of the epochs that are
//! done. Code that reads input on the worker's own thread uses it alone.
//!
//! A [`Host`] feeds the workers of this process from outside: it hands out blocks of orders in
//! turn, closes epochs, and collects the rows that they changed. Its channels are bounded, so a
//! caller waits while the workers are behind. A worker without a task sleeps.
//!
//! **Invariant:** a thread that waits for an epoch hears that it is done, or that a worker
//! panicked. The worker itself reports its panic ([`Workers::start`]): a [`Host`] then tells its
//! caller, and a cluster ends the run in all processes.
//!
//! Deliberately absent: where orders come from and where results go.

mod records;
mod report;
mod worker_graph;

use std::fmt;
use std::io;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::Thread;

use dataflows::{Change, Diff, Epoch, Order, RowKey, Totals};
use timely::communication::WorkerGuards;
use timely::worker::Worker;

pub use report::Report;
pub use worker_graph::{EPOCHS_IN_FLIGHT_MAX, GraphShape, OnChanges, OnReport, WorkerGraph};

use cluster::Workers;
use records::RecordCount;

/// The most orders, or totals, that a worker gets in one task.
pub const BLOCK_RECORDS_MAX: usize = 2_048;

/// The most tasks that may wait for one worker.
const TASKS_WAITING_MAX: usize = 8;

/// A task for a worker.
enum Task {
    /// Take in totals of a checkpoint.
    Keep(Vec<(RowKey, Totals)>),
    /// Take in orders.
    Orders(Vec<(Order, Epoch, Diff)>),
    /// Expect no more records of epochs before this one.
    Advance(Epoch),
}

/// A message from a worker to the host.
enum Told {
    /// One epoch changed these rows.
    Changes(Vec<Change>),
    /// All epochs before this one are done. Only the first worker of this process sends this.
    Done(Epoch),
    /// A worker of this process panicked.
    Lost,
}

/// The error that a worker panicked. The graph cannot go on after it.
#[derive(Debug)]
pub struct WorkerLost;

impl fmt::Display for WorkerLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a worker of the graph ended by an internal error; start again")
    }
}

impl std::error::Error for WorkerLost {}

/// The outcome of the epochs that one call of [`Host::finish`] ended.
pub struct Done {
    /// The rows that changed. Epochs ascend, and the rows of an epoch are sorted by key.
    pub changes: Vec<Change>,
    /// The number of records that the operators of this process's workers sent each other since the
    /// last call.
    pub records: u64,
}

/// The connection to one worker.
struct Lane {
    tasks: SyncSender<Task>,
    thread: Thread,
}

impl Lane {
    /// Hands a task to the worker and wakes it. Waits while [`TASKS_WAITING_MAX`] tasks are waiting
    /// there. Fails if the worker has ended.
    fn send(&self, task: Task) -> Result<(), WorkerLost> {
        self.tasks.send(task).map_err(|_| WorkerLost)?;
        self.thread.unpark();
        Ok(())
    }
}

/// A graph on the workers of this process, which are fed from outside.
pub struct Host {
    lanes: Vec<Lane>,
    told: Receiver<Told>,
    /// The index of the lane that got the last block.
    last: usize,
    records: RecordCount,
    /// The handles of the worker threads; `None` only while the host is dropped.
    guards: Option<WorkerGuards<()>>,
    lost: bool,
}

impl Host {
    /// Starts the workers, each with its copy of the graph. Their first epoch is `first`.
    ///
    /// # Errors
    /// Returns the error of the operating system if it refuses a thread.
    pub fn start(workers: Workers, shape: GraphShape, first: Epoch) -> io::Result<Host> {
        let count = workers.count();
        let (tell, told) = channel();
        let (tasks, waiting): (Vec<_>, Vec<_>) = (0..count).map(|_| sync_channel(TASKS_WAITING_MAX)).unzip();
        let waiting: Vec<_> = waiting.into_iter().map(|waiting| Mutex::new(Some(waiting))).collect();
        let records = RecordCount::default();
        let (counted, lost) = (records.clone(), tell.clone());
        let on_panic = move || {
            // This fails only if the host is gone, and then nobody needs the message.
            let _ = lost.send(Told::Lost);
        };
        let work = move |worker: &mut Worker| {
            // Each process has the same number of workers, and their indices follow each other.
            let local = worker.index() % count;
            let waiting = waiting[local].lock().unwrap_or_else(PoisonError::into_inner).take();
            counted.watch(worker);
            let results = tell.clone();
            let on_changes: OnChanges = Box::new(move |_, changes| {
                // This fails only if the host is gone, and then nobody needs the message.
                let _ = results.send(Told::Changes(changes));
            });
            let mut graph = WorkerGraph::build(worker, shape.clone(), on_changes, None);
            graph.advance_to(first);
            if let Some(waiting) = waiting {
                serve(worker, graph, &waiting, (local == 0).then(|| tell.clone()));
            }
        };
        let guards = workers.start(Box::new(on_panic), Box::new(work))?;
        let threads = guards.guards().iter().map(|guard| guard.thread().clone());
        let lanes = tasks.into_iter().zip(threads).map(|(tasks, thread)| Lane { tasks, thread }).collect();
        Ok(Host { lanes, told, last: 0, records, guards: Some(guards), lost: false })
    }

    /// Hands totals of a checkpoint to the workers. They hold from the first epoch on. Waits while
    /// the workers are behind.
    ///
    /// # Errors
    /// Returns [`WorkerLost`] if a worker has panicked, as all methods do. The host is useless
    /// then.
    pub fn keep(&mut self, totals: Vec<(RowKey, Totals)>) -> Result<(), WorkerLost> {
        self.deal(totals, Task::Keep)
    }

    /// Hands orders to the workers. Waits while the workers are behind.
    pub fn orders(&mut self, orders: Vec<(Order, Epoch, Diff)>) -> Result<(), WorkerLost> {
        self.deal(orders, Task::Orders)
    }

    /// Cuts the records into blocks, beginning at their end, and hands them to the workers in turn.
    fn deal<T>(&mut self, mut records: Vec<T>, task: impl Fn(Vec<T>) -> Task) -> Result<(), WorkerLost> {
        while !records.is_empty() {
            let block = match records.len().checked_sub(BLOCK_RECORDS_MAX) {
                Some(rest) if rest > 0 => records.split_off(rest),
                _ => std::mem::take(&mut records),
            };
            self.last = (self.last + 1) % self.lanes.len();
            self.lanes[self.last].send(task(block)).inspect_err(|WorkerLost| self.lost = true)?;
        }
        Ok(())
    }

    /// Ends all epochs before `upper`, waits until they are done on all workers, and returns the
    /// rows that they changed.
    pub fn finish(&mut self, upper: Epoch) -> Result<Done, WorkerLost> {
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
        Ok(Done { changes, records: self.records.take() })
    }
}

/// Ends the workers. If one of them panicked, the others wait for it for ever, so all of them are
/// left behind.
impl Drop for Host {
    fn drop(&mut self) {
        let lost = self.lost || self.told.try_iter().any(|told| matches!(told, Told::Lost));
        for Lane { tasks, thread } in self.lanes.drain(..) {
            drop(tasks);
            thread.unpark();
        }
        match self.guards.take() {
            Some(guards) if lost => std::mem::forget(guards),
            guards => drop(guards),
        }
    }
}

/// Does the tasks of one worker until the host is dropped. With `tell`, tells which epochs are
/// done, each once.
fn serve(worker: &mut Worker, mut graph: WorkerGraph, tasks: &Receiver<Task>, tell: Option<Sender<Told>>) {
    loop {
        match tasks.try_recv() {
            Ok(task) => {
                match task {
                    Task::Keep(totals) => graph.send_kept(totals),
                    Task::Orders(orders) => graph.send_orders(orders),
                    Task::Advance(epoch) => graph.advance_to(epoch),
                }
                worker.step();
            }
            Err(TryRecvError::Empty) => drop(worker.step_or_park(None)),
            Err(TryRecvError::Disconnected) => return,
        }
        if let Some(tell) = &tell
            && let Some(done) = graph.newly_done()
        {
            // This fails only if the host is gone, and then nobody needs the message.
            let _ = tell.send(Told::Done(done));
        }
    }
}

#[cfg(test)]
mod tests;
