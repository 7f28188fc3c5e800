//! How the processes of one run find, check and watch each other.
//!
//! timely alone connects to whatever answers, retries for ever and waits for ever for a peer that is gone. So the
//! connections are made here, and timely gets the sockets:
//!
//! ```text
//!            process 0                                     process 1
//!   workers ── timely:send/recv ══════ data ═════════ timely:send/recv ── workers
//!      │ Control                                                 Control │
//!   control thread ─────────── control: heartbeats, ───────── control thread
//!                              stop, goodbye, reasons
//! ```
//!
//! **Invariant:** whatever happens to one process, every other ends within 15 s: with the run done, or with one
//! sentence that names the cause and exit code 3. Nothing of a peer is believed before it has proved the cluster key,
//! no length from the network is trusted, and what does not belong to the run can neither end nor delay it.
//!
//! A process without peers goes the same way with nothing to connect, so that the driver has one way to start.
//!
//! - [`resolve`]: flags, hosts file and key file to a [`ClusterConfig`]
//! - `frame`, `handshake`: the bytes, and the first words on a connection
//! - `meet`: everyone connected to everyone, or a reason why not, before the deadline
//! - `watch`, `link`: heartbeats, stop, goodbye and loss during the run
//! - `wire`: the data sockets as timely gets them
//! - [`Workers`]: the worker threads of this process, and who hears when one of them panics
//! - [`Control`]: what the rest of the program sees of it
//!
//! Deliberately absent: encryption, reconnecting (a run that loses a process starts again), and
//! joining a run that has begun.

mod config;
mod control;
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
use std::sync::{Arc, mpsc};
use std::thread;

use prost::Message;
use timely::worker::Worker;
use tokio::sync::mpsc::unbounded_channel;

pub use config::{
    CONNECT_DEADLINE, ClusterConfig, KEY_BYTES_MAX, KEY_BYTES_MIN, OnLoss, PROCESSES_MAX, SILENCE_MAX,
    WORKERS_MAX, resolve,
};
pub use control::{Control, Progress};
pub use error::ClusterError;
pub use workers::Workers;

use control::{Event, Shared};
use frame::{Fact, Job};
use handshake::Identity;
use meet::Coordinator;

/// Most bytes of a cluster id.
pub const CLUSTER_ID_BYTES_MAX: usize = 256;

/// A run whose processes have found each other, before its workers start.
pub struct Cluster {
    workers: usize,
    process: usize,
    /// By index, without this process; a single `None` for a run of one process.
    sockets: Vec<Option<TcpStream>>,
    control: Control,
}

/// What the workers of this process returned.
pub struct Finished<T> {
    /// One result per worker of this process, by local index.
    pub results: Vec<T>,
    /// The way to the other processes, which wait for [`Control::finish`].
    pub control: Control,
}

/// Connects to all other processes of the run and starts watching over them.
///
/// `job` has the facts on which all processes must agree, in order, such as `("--window", "30s")`; a difference is
/// named with both values, on both sides. Takes at most `config.deadline` and 2 s.
///
/// Errors: [`ClusterError`] in all its variants except `Lost`.
pub fn connect(config: &ClusterConfig, job: &[(String, String)]) -> Result<Cluster, ClusterError> {
    let identity = identify(config, job)?;
    let (events, incoming) = unbounded_channel();
    let indices = (config.process, config.processes);
    let shared = Arc::new(Shared::new(indices, config.silence_max, Arc::clone(&config.on_loss), events));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| ClusterError::System { doing: "cannot start the control runtime", source })?;
    let mut coordinator = Coordinator::new(identity, Arc::clone(&shared), incoming);
    let (met, meeting) = mpsc::channel();
    let (deadline, with_signals) = (config.deadline, config.handle_signals);
    let thread = move || {
        let over = Over(Arc::clone(&coordinator.shared));
        runtime.block_on(async move {
            let outcome = start(&mut coordinator, deadline, with_signals).await;
            let go_on = outcome.is_ok();
            let _ = met.send(outcome);
            if go_on {
                coordinator.watch().await;
            }
        });
        drop(over);
        // A name that is still being looked up would keep an ordinary shutdown waiting.
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

/// Releases whoever waits for the control thread, however that ends.
struct Over(Arc<Shared>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.set_over();
    }
}

/// What this process says of itself, checked to fit into its frames.
fn identify(config: &ClusterConfig, job: &[(String, String)]) -> Result<Identity, ClusterError> {
    let fact = |(name, value): &(String, String)| Fact { name: name.clone(), value: value.clone() };
    let facts: Vec<Fact> = job.iter().map(fact).collect();
    // A few bytes around the job make the frame.
    if (Job { facts: facts.clone() }).encoded_len() + 16 > frame::JOB_BYTES_MAX {
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
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_id: config.cluster_id.clone(),
        instance: handshake::new_instance().map_err(no_random)?,
        index: config.process,
        processes: config.processes,
        workers: config.workers,
        facts,
        addresses: config.addresses.clone(),
    })
}

/// The first half of the control thread: up to the moment when all are there.
async fn start(
    coordinator: &mut Coordinator,
    deadline: std::time::Duration,
    with_signals: bool,
) -> Result<Vec<Option<TcpStream>>, ClusterError> {
    if with_signals {
        watch::handle_signals(&coordinator.shared)
            .map_err(|source| ClusterError::System { doing: "cannot handle signals", source })?;
    }
    coordinator.meet(deadline).await?;
    Ok(coordinator.peers.iter_mut().map(|peer| peer.data.take()).collect())
}

impl Cluster {
    /// The way to the other processes, for workers and for whoever shows progress.
    pub fn control(&self) -> Control {
        self.control.clone()
    }

    /// Runs `func` on each worker of this process, then the dataflows it built until they are complete.
    ///
    /// Errors: [`ClusterError::Lost`] when a peer was lost or a worker panicked, though with the default `on_loss` the
    /// process ends before this returns; where it does not, threads that wait for the lost peer are left behind.
    /// [`ClusterError::System`] when threads cannot be started.
    pub fn execute<T, F>(self, func: F) -> Result<Finished<T>, ClusterError>
    where
        T: Send + 'static,
        F: Fn(&mut Worker) -> T + Send + Sync + 'static,
    {
        let Cluster { workers, process, sockets, control } = self;
        let workers = Workers::connected(workers, process, sockets, &control.shared().events())
            .map_err(|source| ClusterError::System { doing: "cannot start the network threads", source })?;
        let panicked = Arc::clone(control.shared());
        let guards = workers
            .start(move || panicked.tell(Event::WorkerPanicked), func)
            .map_err(|source| ClusterError::System { doing: "cannot start the workers", source })?;
        let (joined, results) = mpsc::channel();
        let shared = control.shared();
        let ended = Ended(Arc::clone(shared));
        // On a thread of its own: workers that wait for a lost peer, or for a worker that panicked, never end.
        thread::Builder::new()
            .name("orderflow:join".to_owned())
            .spawn(move || {
                // It waits too until all is sent and received.
                let results: Result<Vec<T>, String> = guards.join().into_iter().collect();
                let _ = joined.send(results);
                drop(ended);
            })
            .map_err(|source| ClusterError::System { doing: "cannot wait for the workers", source })?;
        shared.wait_workers()?;
        match results.try_recv() {
            Ok(Ok(results)) => Ok(Finished { results, control }),
            // A worker panicked: the control thread ends the run with the best reason it gets.
            _ => {
                shared.tell(Event::WorkerPanicked);
                shared.wait_over()?;
                Err(ClusterError::Lost(format!("a worker of process {process} panicked")))
            }
        }
    }
}

/// Says that all workers have ended, however they did.
struct Ended(Arc<Shared>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.set_workers_ended();
    }
}

#[cfg(test)]
mod tests;
