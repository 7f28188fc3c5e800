//! What workers, main thread and control thread share: requests one way, progress and the end the other.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedSender;

use super::config::OnLoss;
use super::error::ClusterError;
use super::frame::{Body, Heartbeat};
use super::handshake::{Failed, Met};

/// How far a process is. All are counts since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of input read.
    pub bytes: u64,
    /// Orders fed into the graph.
    pub orders: u64,
    /// Lines of input seen, bad ones included.
    pub rejected: u64,
}

impl From<Progress> for Heartbeat {
    fn from(Progress { bytes, orders, rejected }: Progress) -> Heartbeat {
        Heartbeat { bytes, orders, rejected }
    }
}

impl From<Heartbeat> for Progress {
    fn from(Heartbeat { bytes, orders, rejected }: Heartbeat) -> Progress {
        Progress { bytes, orders, rejected }
    }
}

/// What happens to the control thread. It alone decides what follows from it.
pub(super) enum Event {
    /// A handshake is done.
    Met(Met, TcpStream),
    /// A handshake failed.
    Failed(Failed),
    /// A peer said something other than a heartbeat.
    Said(usize, Body),
    /// A control connection has ended.
    Closed(usize),
    /// A peer has said nothing for too long.
    Silent(usize),
    /// A data connection broke under timely.
    DataLost { peer: usize, cause: String },
    /// A worker thread of this process panicked.
    WorkerPanicked,
    /// A data connection broke, and no peer has given a better reason since.
    Suspected(String),
    /// SIGINT or SIGTERM.
    Signal,
    /// Somebody here asked for an early, clean end.
    Stop,
    /// This process's part of the run is over.
    Finish(Result<(), String>),
    /// Nobody here holds the control any more.
    Abandoned,
}

/// One process's progress, written by one thread and read by others; the fields need not agree to the order.
#[derive(Default)]
struct ProgressCell {
    bytes: AtomicU64,
    orders: AtomicU64,
    rejected: AtomicU64,
}

impl ProgressCell {
    fn set(&self, progress: Progress) {
        self.bytes.store(progress.bytes, Ordering::Relaxed);
        self.orders.store(progress.orders, Ordering::Relaxed);
        self.rejected.store(progress.rejected, Ordering::Relaxed);
    }

    fn get(&self) -> Progress {
        Progress {
            bytes: self.bytes.load(Ordering::Relaxed),
            orders: self.orders.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
        }
    }
}

/// How the run stands, as the control thread knows it.
#[derive(Default)]
struct Standing {
    /// By process: whether it has said that its part went well.
    done: Vec<bool>,
    /// The workers of this process have ended.
    workers_ended: bool,
    /// The one sentence that says why the run failed.
    failure: Option<String>,
    /// The control thread has done all it will do.
    over: bool,
}

impl Standing {
    fn all_done(&self) -> bool {
        self.done.iter().all(|done| *done)
    }
}

type Cleanup = Box<dyn Fn() + Send>;

/// The state behind [`Control`].
pub(super) struct Shared {
    pub(super) process: usize,
    pub(super) silence_max: Duration,
    stop: AtomicBool,
    progress: Vec<ProgressCell>,
    standing: Mutex<Standing>,
    changed: Condvar,
    cleanups: Mutex<Vec<Cleanup>>,
    on_loss: OnLoss,
    // Unbounded, so that a panic hook or a signal never waits. What peers say is bounded by their
    // connections: heartbeats do not come here, and a peer that is not one of us has no link.
    events: UnboundedSender<Event>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing is half changed under these locks, so a panic elsewhere does not make them unusable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn new(
        (process, processes): (usize, usize),
        silence_max: Duration,
        on_loss: OnLoss,
        events: UnboundedSender<Event>,
    ) -> Shared {
        let mut done = vec![false; processes];
        done[process] = true;
        Shared {
            process,
            silence_max,
            stop: AtomicBool::new(false),
            progress: (0..processes).map(|_| ProgressCell::default()).collect(),
            standing: Mutex::new(Standing { done, ..Standing::default() }),
            changed: Condvar::new(),
            cleanups: Mutex::new(Vec::new()),
            on_loss,
            events,
        }
    }

    /// Tells the control thread. Once that has ended there is nobody to tell, and no need.
    pub(super) fn tell(&self, event: Event) {
        let _ = self.events.send(event);
    }

    pub(super) fn events(&self) -> UnboundedSender<Event> {
        self.events.clone()
    }

    pub(super) fn own_progress(&self) -> Progress {
        self.progress[self.process].get()
    }

    pub(super) fn set_progress(&self, process: usize, progress: Progress) {
        self.progress[process].set(progress);
    }

    pub(super) fn set_stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    pub(super) fn set_done(&self, peer: usize) {
        lock(&self.standing).done[peer] = true;
        self.changed.notify_all();
    }

    pub(super) fn is_done(&self, peer: usize) -> bool {
        lock(&self.standing).done[peer]
    }

    pub(super) fn all_done(&self) -> bool {
        lock(&self.standing).all_done()
    }

    /// Undoes what is half written. A cleanup that panics does not keep the others from running.
    pub(super) fn clean_up(&self) {
        for cleanup in lock(&self.cleanups).drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(cleanup));
        }
    }

    /// The end of a failed run: cleanups, then the action that normally ends the process.
    pub(super) fn fail(&self, sentence: &str) {
        lock(&self.standing).failure = Some(sentence.to_owned());
        self.clean_up();
        (self.on_loss)(sentence);
    }

    pub(super) fn set_over(&self) {
        lock(&self.standing).over = true;
        self.changed.notify_all();
    }

    pub(super) fn set_workers_ended(&self) {
        lock(&self.standing).workers_ended = true;
        self.changed.notify_all();
    }

    /// Waits until the workers of this process have ended. Errors where the run has failed before they could.
    ///
    /// Where a worker has said itself that this process failed ([`Control::finish`]), it is that worker's to report it
    /// and to end the process: nobody else gets ahead of it.
    pub(super) fn wait_workers(&self) -> Result<(), ClusterError> {
        self.wait(|standing| standing.workers_ended)
    }

    /// Waits until `enough` of the run is over. Errors: the sentence of a failure, once that is dealt with.
    fn wait(&self, enough: impl Fn(&Standing) -> bool) -> Result<(), ClusterError> {
        let waiting = |standing: &mut Standing| match standing.failure {
            // Until the failure is dealt with, it is not for anyone else to report it.
            Some(_) => !standing.over,
            None => !enough(standing),
        };
        let standing = self.changed.wait_while(lock(&self.standing), waiting);
        match &standing.unwrap_or_else(PoisonError::into_inner).failure {
            Some(sentence) => Err(ClusterError::Lost(sentence.clone())),
            None => Ok(()),
        }
    }

    /// Waits until the control thread has done all it will do.
    pub(super) fn wait_over(&self) -> Result<(), ClusterError> {
        self.wait(|standing| standing.over)
    }

    fn wait_peers(&self) -> Result<(), ClusterError> {
        self.wait(|standing| standing.over || standing.all_done())?;
        if lock(&self.standing).all_done() {
            return Ok(());
        }
        Err(ClusterError::Lost("the run was given up before its peers were done".to_owned()))
    }
}

/// The way from any thread of this process to the others of the run. Cheap to clone.
///
/// When the last clone is dropped without [`Control::finish`], the peers see this process end before the run did.
#[derive(Clone)]
pub struct Control {
    handle: Arc<Handle>,
}

/// Notices when the last [`Control`] is gone.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.tell(Event::Abandoned);
    }
}

impl Control {
    pub(super) fn new(shared: Arc<Shared>) -> Control {
        Control { handle: Arc::new(Handle { shared }) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Says how far this process is. Costs three stores; the peers hear of it with the next heartbeat.
    pub fn report(&self, progress: Progress) {
        let shared = self.shared();
        shared.set_progress(shared.process, progress);
    }

    /// How far each process is, by index, this one included.
    ///
    /// Peers are at most a heartbeat behind, and exact once they have finished (see [`Control::await_peers`]).
    pub fn peers_progress(&self) -> Vec<Progress> {
        self.shared().progress.iter().map(ProgressCell::get).collect()
    }

    /// Asks all processes to end early and cleanly, as the first Ctrl-C does.
    ///
    /// This only raises [`Control::stop_requested`] everywhere, here at once. At which epoch to end is for the
    /// processes to agree upon.
    pub fn request_stop(&self) {
        self.shared().set_stop();
        self.shared().tell(Event::Stop);
    }

    /// Whether any process was asked to end early. Costs one load.
    pub fn stop_requested(&self) -> bool {
        self.shared().stop.load(Ordering::SeqCst)
    }

    /// Registers what must be undone if the run fails, such as removing half-written output.
    ///
    /// Runs on the control thread, at most once, just before the process ends because a peer was lost, a worker
    /// panicked or a second signal came. It must be quick, and must bear that the other threads go on meanwhile.
    /// After [`Control::finish`] with an error it does not run: who reports that error also cleans up.
    pub fn on_failure(&self, cleanup: Box<dyn Fn() + Send>) {
        lock(&self.shared().cleanups).push(cleanup);
    }

    /// Waits until all peers have finished well. Process 0 calls this before it puts results in place.
    ///
    /// Bounded only by the silence of a peer. Errors: [`ClusterError::Lost`], though with the default `on_loss`
    /// the process ends before this returns; also where another thread has finished this process with an error.
    pub fn await_peers(&self) -> Result<(), ClusterError> {
        self.shared().wait_peers()
    }

    /// Ends this process's part of the run: `Ok` once its share is done, for process 0 once the results are in place.
    ///
    /// With `Ok`, waits until every other process has finished too. With `Err(reason)`, tells the others, who
    /// end with `process N failed: reason`. Call it once, last: signals are no longer handled after it. Errors as
    /// [`Control::await_peers`].
    pub fn finish(&self, outcome: Result<(), String>) -> Result<(), ClusterError> {
        self.shared().tell(Event::Finish(outcome));
        self.shared().wait_over()
    }
}
