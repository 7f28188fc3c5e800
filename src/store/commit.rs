//! The commit thread: every change of the store passes it, one request after the other, and requests that wait
//! together share one commit of the engine, hence one sync.
//!
//! ```text
//! callers ──queue──► drain ► run each on the group ► engine commit, synced ► publish ► answer all
//!             ▲                                                                          │
//!             └───────────────────── the next group gathers meanwhile ◄──────────────────┘
//! ```
//!
//! Nothing is answered, and nothing is visible to reads, before it is durable. After a failed commit nothing more is
//! written, ever: what the disk holds is then not known, and a retried sync may report success for data that is lost.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use tokio::sync::watch;

use super::Clock;
use super::engine::fjall::panic_message;
use super::engine::{Batch, Engine};
use super::error::{EngineError, Halt};
use super::stats::Counters;
use super::table::Tables;
use super::transaction::{Group, Last, Transaction};

/// Most requests that share a commit.
const GROUP_REQUESTS_MAX: usize = 256;
/// Bytes of requests after which a group is full.
const GROUP_BYTES_MAX: usize = 32 << 20;

/// Answers a request once its group is durable, or has failed.
pub(crate) type Finish = Box<dyn FnOnce(Result<(), Halt>) + Send>;
/// A request: what it does on the commit thread, and how it then answers.
pub(crate) type Act = Box<dyn FnOnce(&mut Transaction<'_>) -> Finish + Send>;

enum Job {
    Run {
        act: Act,
        /// About what it takes in memory.
        bytes: usize,
    },
    Stop,
}

/// What the commit thread tells everybody.
pub(crate) struct Published {
    tables: RwLock<Arc<Tables>>,
    /// The commit thread holds it while the engine may show other tables than are published.
    tables_change: RwLock<()>,
    failure: OnceLock<String>,
    last: watch::Sender<u64>,
    pub(super) counters: Counters,
}

impl Published {
    /// Tables as of the last commit.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what `look` sees of the engine, with the tables of the same commit. Waits for a
    /// commit that changes a table, if one is under way.
    pub(crate) fn with_tables<T>(&self, look: impl FnOnce() -> T) -> (T, Arc<Tables>) {
        let _held = self.tables_change.read().unwrap_or_else(PoisonError::into_inner);
        (look(), self.tables())
    }

    /// Why nothing more can be written, and what to do.
    pub(crate) fn failure(&self) -> Option<&String> {
        self.failure.get()
    }

    /// Follows the number of the last commit.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn fail(&self, reason: &str) {
        // Only the first reason counts.
        let _ = self.failure.set(format!(
            "a write to the store failed, so it takes no more of them while reads go on: {reason}; \
             see that the disk is sound and has room, then start again"
        ));
    }

    /// Runs a part of a request. Should it panic, that is published before anyone finds that there will be no answer.
    pub(crate) fn guard<T>(&self, act: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
            self.fail(&format!("internal error: {}", panic_message(panic.as_ref())));
            resume_unwind(panic)
        })
    }

    /// Why a request got no answer: its group panicked, or the store closed.
    pub(crate) fn lost(&self) -> Halt {
        self.refusal().unwrap_or(Halt::Closing)
    }

    fn refusal(&self) -> Option<Halt> {
        self.failure().map(|reason| Halt::Failed(reason.clone()))
    }
}

/// Queues requests.
#[derive(Clone)]
pub(crate) struct Submitter {
    jobs: Arc<Mutex<Option<Sender<Job>>>>,
    published: Arc<Published>,
}

impl Submitter {
    /// Queues a request of about `bytes`. Never blocks. Refused if the store is closing.
    pub(crate) fn queue(&self, act: Act, bytes: usize) -> Result<(), Halt> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = jobs.as_ref().is_some_and(|jobs| jobs.send(Job::Run { act, bytes }).is_ok());
        if sent { Ok(()) } else { Err(self.published.lost()) }
    }

    /// Runs `act` as one request, and returns once its group is durable. An error takes back all that it wrote.
    pub(crate) fn transact<T: Send + 'static, E: From<Halt> + Send + 'static>(
        &self,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        let (answer, answered) = channel();
        let published = self.published.clone();
        let act = move |transaction: &mut Transaction<'_>| -> Finish {
            let result = published.guard(|| act(transaction));
            if result.is_err() {
                transaction.undo();
            }
            // Nobody is left to be told if sending fails.
            Box::new(move |committed| drop(answer.send(committed.map_err(E::from).and(result))))
        };
        self.queue(Box::new(act), 0)?;
        answered.recv().unwrap_or_else(|_| Err(self.published.lost().into()))
    }
}

/// The commit thread's handle.
pub(crate) struct Committer {
    submitter: Submitter,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(crate) published: Arc<Published>,
}

impl Committer {
    /// Starts the thread.
    pub(crate) fn start(
        engine: Arc<dyn Engine>,
        tables: Tables,
        last: Last,
        sync: bool,
        clock: Clock,
    ) -> std::io::Result<Committer> {
        let published = Arc::new(Published {
            tables: RwLock::new(Arc::new(tables)),
            tables_change: RwLock::default(),
            failure: OnceLock::new(),
            last: watch::Sender::new(last.commit),
            counters: Counters::default(),
        });
        let (jobs, queue) = channel();
        let worker = Worker { engine, queue, last, sync, clock, published: published.clone() };
        let thread = thread::Builder::new().name("store-commit".to_owned()).spawn(move || worker.run())?;
        let submitter = Submitter { jobs: Arc::new(Mutex::new(Some(jobs))), published: published.clone() };
        Ok(Committer { submitter, thread: Mutex::new(Some(thread)), published })
    }

    /// Where to queue requests.
    pub(crate) fn submitter(&self) -> &Submitter {
        &self.submitter
    }

    /// Whether the caller is the commit thread.
    pub(crate) fn is_current(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }

    /// Ends the thread once all that was queued is answered.
    pub(crate) fn stop(&self) {
        if let Some(jobs) = self.submitter.jobs.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It fails only if the thread has ended.
            let _ = jobs.send(Job::Stop);
        }
        let is_current = self.is_current();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|_| !is_current) {
            // Its panics are caught where they happen, and published.
            let _ = thread.join();
        }
    }
}

struct Worker {
    engine: Arc<dyn Engine>,
    queue: Receiver<Job>,
    last: Last,
    sync: bool,
    clock: Clock,
    published: Arc<Published>,
}

impl Worker {
    fn run(mut self) {
        let mut stopping = false;
        while !stopping {
            let Ok(job) = self.queue.recv() else { break };
            let mut acts = Vec::new();
            let (mut next, mut bytes_total) = (Some(job), 0);
            while let Some(job) = next {
                match job {
                    Job::Run { act, bytes } => {
                        acts.push(act);
                        bytes_total += bytes;
                    }
                    Job::Stop => stopping = true,
                }
                let full = acts.len() >= GROUP_REQUESTS_MAX || bytes_total >= GROUP_BYTES_MAX;
                next = if full || stopping { None } else { self.queue.try_recv().ok() };
            }
            // What a panicking request leaves behind is never committed: the store has failed then.
            let _ = catch_unwind(AssertUnwindSafe(|| self.published.clone().guard(|| self.commit(acts))));
        }
    }

    /// Runs and commits a group, and answers it.
    fn commit(&mut self, acts: Vec<Act>) {
        if let Some(refusal) = self.published.refusal() {
            return self.refuse(acts, &refusal);
        }
        let tables = self.published.tables();
        let mut group = Group::new(self.engine.snapshot(), tables.clone(), self.last);
        let finishes: Vec<Finish> = acts
            .into_iter()
            .map(|act| {
                let mut transaction = Transaction::new(&mut group, self.clock.now_us());
                let finish = act(&mut transaction);
                transaction.end();
                finish
            })
            .collect();
        let (tables_after, last) = (group.tables.clone(), group.last);
        let published = self.published.clone();
        let changed = !Arc::ptr_eq(&tables, &tables_after);
        let held = changed.then(|| published.tables_change.write().unwrap_or_else(PoisonError::into_inner));
        let committed = match group.into_batch() {
            None => Ok(()),
            Some(batch) => self.commit_batch(batch).map_err(|error| {
                self.published.fail(&error.to_string());
                self.published.refusal().unwrap_or(Halt::Closing)
            }),
        };
        if committed.is_ok() {
            self.published.counters.committed(last.commit - self.last.commit);
            self.last = last;
            if changed {
                *self.published.tables.write().unwrap_or_else(PoisonError::into_inner) = tables_after;
            }
            self.published.last.send_if_modified(|seen| std::mem::replace(seen, last.commit) != last.commit);
        }
        drop(held);
        finishes.into_iter().for_each(|finish| finish(committed.clone()));
    }

    fn commit_batch(&self, batch: Batch) -> Result<(), EngineError> {
        let began = Instant::now();
        self.engine.commit(batch, self.sync)?;
        if self.sync {
            self.published.counters.synced(began.elapsed());
        }
        Ok(())
    }

    /// Answers requests without running them: they run on nothing, and that is dropped.
    fn refuse(&self, acts: Vec<Act>, refusal: &Halt) {
        for act in acts {
            let mut group = Group::new(self.engine.snapshot(), self.published.tables(), self.last);
            let finish = act(&mut Transaction::new(&mut group, self.clock.now_us()));
            finish(Err(refusal.clone()));
        }
    }
}
