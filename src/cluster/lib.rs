//! Lets the processes of one run find, check and watch each other.
//!
//! timely alone connects to whatever answers, retries for ever, and waits for ever for a peer that
//! is gone. So the connections are made here, and timely gets the connected sockets:
//!
//! ```text
//!            process 0                                     process 1
//!   workers ── timely:send/recv ══════ data ═════════ timely:send/recv ── workers
//!      │ Control                                                 Control │
//!   control thread ─────────── control: heartbeats, ───────── control thread
//!                              stop, goodbye, reasons
//! ```
//!
//! **Invariant:** whatever happens to one process, every other process ends within 15 s: with the
//! run done, or with exit code 3 and one sentence that names the cause. Nothing that a peer says is
//! believed before the peer has proved the cluster key. No length from the network is trusted. A
//! peer that does not belong to the run can neither end nor delay it.
//!
//! A process without peers takes the same way and connects to nothing, so that the driver has one
//! way to start.
//!
//! - [`resolve`] turns flags, hosts file and key file into a [`ClusterConfig`].
//! - `frame` and `handshake` hold the bytes and the handshake on a new connection.
//! - `dial` reaches a process by whichever of its addresses leads to it.
//! - `meet` connects every process to every other before the deadline, or says why it cannot.
//! - `watch` and `link` deal with heartbeats, stop, goodbye and loss during the run.
//! - `wire` holds the data sockets that timely gets.
//! - [`Workers`] starts the worker threads of this process and tells when one of them panics.
//! - [`Control`] is what the rest of the program sees.
//!
//! Deliberately absent: encryption, reconnecting (a run that loses a process starts again), and
//! joining a run that has begun.

mod config;
mod control;
mod dial;
mod error;
mod frame;
mod handshake;
mod link;
mod meet;
mod watch;
mod wire;
mod workers;

use std::io;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use prost::Message;
use timely::worker::Worker;
use tokio::sync::mpsc::unbounded_channel;

pub use config::{
    CONNECT_DEADLINE, ClusterConfig, HearSignals, KEY_BYTES_MAX, KEY_BYTES_MIN, OnLoss, PROCESSES_MAX,
    SILENCE_MAX, WORKERS_MAX, resolve,
};
pub use control::{Control, Progress};
pub use error::ClusterError;
pub use workers::{OnPanic, Work, Workers};

use control::{Event, Shared};
use frame::{Fact, RunFacts};
use handshake::{Identity, cannot_begin};
use meet::{Coordinator, REASON_CHARS_MAX};

/// The most bytes of a cluster id.
pub const CLUSTER_ID_BYTES_MAX: usize = 256;

/// A run whose processes have found each other, and whose workers have not started yet.
pub struct Cluster {
    workers: usize,
    process: usize,
    /// The data connections by index; `None` at the index of this process. A run of one process has
    /// a single `None`.
    sockets: Vec<Option<TcpStream>>,
    control: Control,
}

/// What the workers of this process returned.
pub struct Finished<T> {
    /// One result for each worker of this process, by local index.
    pub results: Vec<T>,
    /// The handle to the other processes, which wait for [`Control::finish`].
    pub control: Control,
}

/// Connects to all other processes of the run and starts watching over them.
///
/// `facts` are what all processes must agree on, in order, such as `("--window",
/// "30s")`. A difference is reported with both values, on both sides. This takes at most
/// `config.deadline` and 2 s.
///
/// Returns [`ClusterError`], in any of its variants except `Lost`.
pub fn connect(config: &ClusterConfig, facts: &[(String, String)]) -> Result<Cluster, ClusterError> {
    connect_as(config, identify(config, facts, "")?)
}

/// Tells the other processes of the run why this one cannot begin, so that they end with this
/// reason instead of waiting. Returns [`ClusterError::Refused`] if they turn out to mean another
/// run, by those `facts` that are known already: that is the better reason, for this process too.
///
/// Returns once the first of them has come and the others have had a second to come too, or if none
/// comes within [`CONNECT_DEADLINE`]. Whoever cannot be told finds this process missing.
pub fn give_up(config: &ClusterConfig, facts: &[(String, String)], reason: &str) -> Option<ClusterError> {
    if config.processes == 1 {
        return None;
    }
    let identity = identify(config, facts, &frame::printable(reason, REASON_CHARS_MAX)).ok()?;
    let deadline = config.deadline.min(CONNECT_DEADLINE);
    match connect_as(&ClusterConfig { deadline, ..config.clone() }, identity) {
        Err(ClusterError::Refused(sentence)) => {
            let problem = (0..config.processes).any(|i| sentence.starts_with(&cannot_begin(i, "")));
            (!problem).then_some(ClusterError::Refused(sentence))
        }
        _ => None,
    }
}

/// Connects to all other processes, as the one that `identity` says.
fn connect_as(config: &ClusterConfig, identity: Identity) -> Result<Cluster, ClusterError> {
    let (events, incoming) = unbounded_channel();
    let indices = (config.process, config.processes);
    let shared = Arc::new(Shared::new(indices, config.silence_max, Arc::clone(&config.on_loss), events));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClusterError::System { doing: "cannot start the control runtime", source })?;
    let mut coordinator = Coordinator::new(identity, Arc::clone(&shared), incoming);
    let (met, meeting) = mpsc::channel();
    let (deadline, stop_time_max) = (config.deadline, config.stop_time_max);
    let signals = config.signals.as_ref().map(|hear| hear());
    let thread = move || {
        let over = Over(Arc::clone(&coordinator.shared));
        runtime.block_on(async move {
            if let Some(heard) = signals {
                watch::handle_signals(&coordinator.shared, heard, stop_time_max);
            }
            let outcome = start(&mut coordinator, deadline).await;
            let go_on = outcome.is_ok();
            let _ = met.send(outcome);
            if go_on {
                coordinator.watch().await;
            }
        });
        drop(over);
        // An ordinary shutdown would wait for a name that is still being looked up.
        runtime.shutdown_background();
    };
    thread::Builder::new()
        .name("orderflow:control".to_owned())
        .spawn(thread)
        .map_err(|source| ClusterError::System { doing: "cannot start the control thread", source })?;
    let sockets = meeting.recv().map_err(|error| ClusterError::System {
        doing: "cannot connect to the other processes",
        source: io::Error::other(error),
    })??;
    let (workers, process) = (config.workers, config.process);
    Ok(Cluster { workers, process, sockets, control: Control::new(shared) })
}

/// Releases the threads that wait for the control thread, however that ends.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set_over();
    }
}

/// Returns what this process says of itself. Checks that this fits into frames.
fn identify(
    config: &ClusterConfig,
    facts: &[(String, String)],
    problem: &str,
) -> Result<Identity, ClusterError> {
    let fact = |(name, value): &(String, String)| Fact { name: name.clone(), value: value.clone() };
    let facts: Vec<Fact> = facts.iter().map(fact).collect();
    let run_facts = RunFacts { facts: facts.clone(), problem: problem.to_owned() };
    // The frame has a few bytes besides the facts.
    if run_facts.encoded_len() + 16 > frame::RUN_FACTS_BYTES_MAX {
        let sentence = format!("the job is described by {} facts, more than fit into a frame", facts.len());
        return Err(ClusterError::Usage(sentence));
    }
    if config.cluster_id.len() > CLUSTER_ID_BYTES_MAX {
        let sentence = format!("a cluster id has at most {CLUSTER_ID_BYTES_MAX} bytes");
        return Err(ClusterError::Usage(sentence));
    }
    let no_random = |error: getrandom::Error| ClusterError::System {
        doing: "cannot draw random numbers",
        source: io::Error::other(error),
    };
    Ok(Identity {
        key: config.key.clone().unwrap_or_default(),
        version: config.build.clone(),
        cluster_id: config.cluster_id.clone(),
        instance: handshake::new_instance().map_err(no_random)?,
        index: config.process,
        processes: config.processes,
        workers: config.workers,
        facts,
        problem: problem.to_owned(),
        addresses: config.addresses.clone(),
    })
}

/// Runs the first half of the control thread: until all processes have found each other. Returns
/// the data connections by index.
async fn start(
    coordinator: &mut Coordinator,
    deadline: std::time::Duration,
) -> Result<Vec<Option<TcpStream>>, ClusterError> {
    coordinator.meet(deadline).await?;
    Ok(coordinator.peers.iter_mut().map(|peer| peer.data.take()).collect())
}

impl Cluster {
    /// Returns the handle to the other processes, for the workers and for the progress bar.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs `func` on each worker of this process, and then the dataflows it built until they are
    /// complete.
    ///
    /// Returns [`ClusterError::Lost`] if a peer was lost or a worker panicked. With the default
    /// `on_loss` the process ends before that; otherwise, threads that wait for the lost peer are
    /// left behind. Returns [`ClusterError::System`] if threads cannot be started.
    pub fn execute<T, F>(self, func: F) -> Result<Finished<T>, ClusterError>
    where
        T: Send + 'static,
        F: Fn(&mut Worker) -> T + Send + Sync + 'static,
    {
        let Cluster { workers, process, sockets, control } = self;
        let workers = Workers::connected(workers, process, sockets, &control.shared().events())
            .map_err(|source| ClusterError::System { doing: "cannot start the network threads", source })?;
        let panicked = Arc::clone(control.shared());
        let returned = Arc::new(Mutex::new(Vec::new()));
        let returns = Arc::clone(&returned);
        let work: Work = Box::new(move |worker| {
            let result = func(worker);
            returns.lock().unwrap_or_else(PoisonError::into_inner).push((worker.index(), result));
        });
        let guards = workers
            .start(Box::new(move || panicked.tell(Event::WorkerPanicked)), work)
            .map_err(|source| ClusterError::System { doing: "cannot start the workers", source })?;
        let (joined, results) = mpsc::channel();
        let shared = control.shared();
        let ended = Ended(Arc::clone(shared));
        // The workers are joined on a thread of their own, because workers that wait for a lost
        // peer, or for a worker that panicked, never end.
        thread::Builder::new()
            .name("orderflow:join".to_owned())
            .spawn(move || {
                // Joining also waits until everything is sent and received.
                let ends: Result<(), String> = guards.join().into_iter().collect();
                let _ = joined.send(ends);
                drop(ended);
            })
            .map_err(|source| ClusterError::System { doing: "cannot wait for the workers", source })?;
        shared.wait_workers()?;
        match results.try_recv() {
            Ok(Ok(())) => {
                let mut returned = returned.lock().unwrap_or_else(PoisonError::into_inner);
                returned.sort_by_key(|(index, _)| *index);
                Ok(Finished { results: returned.drain(..).map(|(_, result)| result).collect(), control })
            }
            // A worker panicked. The control thread ends the run with the best reason it gets.
            _ => {
                shared.tell(Event::WorkerPanicked);
                shared.wait_over()?;
                Err(ClusterError::Lost(format!("a worker of process {process} panicked")))
            }
        }
    }
}

/// Tells the waiting threads that all workers have ended, however they did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set_workers_ended();
    }
}

#[cfg(test)]
mod tests;
