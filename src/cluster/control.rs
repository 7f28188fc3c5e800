//! Holds what the workers, the main thread and the control thread share. Requests go to the control
//! thread; progress and the end of the run come back.

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

/// The progress of one process. All numbers are counts since the run began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The bytes of input that were read.
    pub bytes: u64,
    /// The orders that were fed into the graph.
    pub orders: u64,
    /// The lines of input that were set aside.
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

/// An event that the control thread is told. Only the control thread decides what follows from it.
pub(super) enum Event {
    /// A handshake has succeeded.
    Met(Met, TcpStream),
    /// A handshake has failed.
    Failed(Failed),
    /// A peer sent a frame other than a heartbeat.
    Said(usize, Body),
    /// A control connection has ended.
    Closed(usize),
    /// Nothing came from a peer for longer than `silence_max`.
    Silent(usize),
    /// A data connection broke while timely used it.
    DataLost { peer: usize, cause: String },
    /// A worker thread of this process panicked.
    WorkerPanicked,
    /// A data connection broke a while ago, and no peer has given a better reason since.
    Suspected(String),
    /// SIGINT or SIGTERM came.
    Signal,
    /// A thread of this process asked for an early, clean end.
    Stop,
    /// The part of this process in the run is over.
    Finish(Result<(), String>),
    /// The last [`Control`] of this process was dropped.
    Abandoned,
}

/// The progress of one process, written by one thread and read by others. A reader may see fields
/// that are not from the same moment.
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

/// The state of the run, as the control thread knows it.
#[derive(Default)]
struct Standing {
    /// Whether each process, by index, has said that its part went well.
    done: Vec<bool>,
    /// Whether the workers of this process have ended.
    workers_ended: bool,
    /// The one sentence that says why the run failed; `None` while it has not failed.
    failure: Option<String>,
    /// Whether the control thread has done everything it will do.
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
    // The channel is unbounded, so that a panic hook or a signal never waits. What peers send is
    // still limited: heartbeats do not become events, and a peer that has not proved the key has no
    // link.
    events: UnboundedSender<Event>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No data is ever half changed under these locks, so they stay usable after a panic elsewhere.
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

    /// Sends an event to the control thread. If that has ended, the event is dropped, and nothing
    /// needs it.
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

    /// Runs all cleanups, which remove what is half written. If one panics, the others still run.
    pub(super) fn clean_up(&self) {
        for cleanup in lock(&self.cleanups).drain(..) {
            let _ = catch_unwind(AssertUnwindSafe(cleanup));
        }
    }

    /// Ends a failed run: runs the cleanups, then `on_loss`, which normally ends the process.
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

    /// Waits until the workers of this process have ended. Returns an error if the run has failed
    /// before that.
    ///
    /// If a worker has reported the failure of this process ([`Control::finish`]), that worker
    /// prints the error and ends the process. Then this waits, so that no other thread ends the
    /// process first.
    pub(super) fn wait_workers(&self) -> Result<(), ClusterError> {
        self.wait(|standing| standing.workers_ended)
    }

    /// Waits until `enough` holds. Returns the sentence of a failure as an error, once the control
    /// thread has dealt with it.
    fn wait(&self, enough: impl Fn(&Standing) -> bool) -> Result<(), ClusterError> {
        let waiting = |standing: &mut Standing| match standing.failure {
            // Until the control thread has dealt with the failure, no other thread may report it.
            Some(_) => !standing.over,
            None => !enough(standing),
        };
        let standing = self.changed.wait_while(lock(&self.standing), waiting);
        match &standing.unwrap_or_else(PoisonError::into_inner).failure {
            Some(sentence) => Err(ClusterError::Lost(sentence.clone())),
            None => Ok(()),
        }
    }

    /// Waits until the control thread has done everything it will do.
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

/// A handle through which any thread of this process reaches the other processes of the run. It is
/// cheap to clone.
///
/// If the last clone is dropped without a call of [`Control::finish`], the peers see that this
/// process ended before the run did.
#[derive(Clone)]
pub struct Control {
    handle: Arc<Handle>,
}

/// Tells the control thread when the last [`Control`] is dropped.
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

    /// Reports the progress of this process. Costs three stores; the peers get it with the next
    /// heartbeat.
    pub fn report(&self, progress: Progress) {
        let shared = self.shared();
        shared.set_progress(shared.process, progress);
    }

    /// Returns the progress of each process by index, including this one.
    ///
    /// The numbers of peers are at most one heartbeat old. They are exact once the peers have
    /// finished (see [`Control::await_peers`]).
    pub fn peers_progress(&self) -> Vec<Progress> {
        self.shared().progress.iter().map(ProgressCell::get).collect()
    }

    /// Asks all processes to end early and cleanly, as the first Ctrl-C does.
    ///
    /// This only makes [`Control::stop_requested`] true everywhere; in this process at once. The
    /// processes must agree by themselves at which epoch to end.
    pub fn request_stop(&self) {
        self.shared().set_stop();
        self.shared().tell(Event::Stop);
    }

    /// Returns whether any process was asked to end early. Costs one load.
    pub fn stop_requested(&self) -> bool {
        self.shared().stop.load(Ordering::SeqCst)
    }

    /// Registers a cleanup for the case that the run fails, such as removing half-written output.
    ///
    /// It runs on the control thread, at most once, just before the process ends because a peer was
    /// lost, a worker panicked or a second signal came. It must be quick, and correct while other
    /// threads go on. After [`Control::finish`] with an error it does not run: the caller that
    /// reports that error also cleans up.
    pub fn on_failure(&self, cleanup: Box<dyn Fn() + Send>) {
        lock(&self.shared().cleanups).push(cleanup);
    }

    /// Waits until all peers have finished well. Process 0 calls this before it puts results in
    /// place.
    ///
    /// There is no other time limit than the silence of a peer. Returns [`ClusterError::Lost`] if
    /// the run failed, also if another thread has finished this process with an error. With the
    /// default `on_loss`, the process usually ends before this returns.
    pub fn await_peers(&self) -> Result<(), ClusterError> {
        self.shared().wait_peers()
    }

    /// Ends the part of this process in the run. Call it with `Ok` when its share is done, on
    /// process 0 when the results are in place.
    ///
    /// With `Ok`, waits until every other process has finished too. With `Err(reason)`, tells the
    /// other processes, which end with `process N failed: reason`. Call it once and last, because
    /// signals are not handled after it. Returns errors as [`Control::await_peers`] does.
    pub fn finish(&self, outcome: Result<(), String>) -> Result<(), ClusterError> {
        self.shared().tell(Event::Finish(outcome));
        self.shared().wait_over()
    }
}
