//! The worker threads of a process: what they talk to each other over, how they start, and who
//! hears when one panics.

use std::io;
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::generic::AllocatorBuilder;
use timely::communication::allocator::thread::ThreadBuilder;
use timely::communication::allocator::zero_copy::initialize::{
    CommsGuard, initialize_networking_from_sockets,
};
use timely::communication::{Hooks, WorkerGuards};
use timely::worker::Worker;
use timely::{WorkerConfig, communication};
use tokio::sync::mpsc::UnboundedSender;

use super::control::Event;
use super::wire::Wire;

/// What each worker does. It is boxed so that timely's threads are compiled here alone.
pub type Work = Box<dyn Fn(&mut Worker) + Send + Sync>;

/// What a worker calls that panics.
pub type OnPanic = Box<dyn Fn() + Send + Sync>;

/// The worker threads of this process, connected to each other and to those of other processes,
/// before they start.
pub struct Workers {
    /// One per thread.
    builders: Vec<AllocatorBuilder>,
    /// The threads that send to other processes and receive from them, where there are any.
    network: Option<CommsGuard>,
}

impl Workers {
    /// Makes this many workers, at least one, that share the run with no other process.
    pub fn threads(workers: usize) -> Workers {
        if workers <= 1 {
            return Workers { builders: vec![AllocatorBuilder::Thread(ThreadBuilder)], network: None };
        }
        let hooks = Hooks::default();
        let threads = ProcessBuilder::new_typed_vector(workers, hooks.refill, hooks.spill);
        Workers { builders: threads.into_iter().map(AllocatorBuilder::Process).collect(), network: None }
    }

    /// Makes this many workers of process `process` of a run, as timely's own `Config::try_build`
    /// does.
    ///
    /// `sockets` are the connections to the other processes, by index, `None` in the place of this
    /// one. That a connection broke is told to `events`. Fails where a network thread cannot be
    /// started.
    pub(super) fn connected(
        workers: usize,
        process: usize,
        sockets: Vec<Option<TcpStream>>,
        events: &UnboundedSender<Event>,
    ) -> io::Result<Workers> {
        if sockets.len() == 1 {
            return Ok(Workers::threads(workers));
        }
        let hooks = Hooks::default();
        let local = ProcessBuilder::new_typed_vector(workers, hooks.refill.clone(), hooks.spill.clone());
        let wire =
            |(peer, socket): (usize, Option<TcpStream>)| socket.map(|s| Wire::new(s, peer, events.clone()));
        let wires = sockets.into_iter().enumerate().map(wire).collect();
        let (builders, guard) = initialize_networking_from_sockets(local, wires, process, workers, hooks)?;
        let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
        Ok(Workers { builders, network: Some(guard) })
    }

    /// Returns the number of threads, which is at least one.
    pub fn count(&self) -> usize {
        self.builders.len()
    }

    /// Starts the threads. Each does `work`, and then runs the dataflows that this built until they
    /// are complete.
    ///
    /// A worker that panics calls `on_panic` on its own thread, as nobody else would notice: the
    /// other workers wait for what it will never send. The guards that are returned end only when
    /// all workers have ended and all is sent.
    ///
    /// # Errors
    /// The operating system refused a thread.
    pub fn start(self, on_panic: OnPanic, work: Work) -> io::Result<WorkerGuards<()>> {
        communication::initialize_from(self.builders, Box::new(self.network), move |allocator| {
            let _alarm = Alarm(&*on_panic);
            let mut worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
            work(&mut worker);
            while worker.has_dataflows() {
                worker.step_or_park(None);
            }
        })
        .map_err(io::Error::other)
    }
}

/// Calls its function when it is dropped by a panic.
struct Alarm<'a>(&'a dyn Fn());

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.0)();
        }
    }
}
