//! Runs the commit thread. Every change of the store passes through it, one request after the
//! other. Requests that wait together share one commit of the engine, and so one sync.
//!
//! ```text
//! callers ──queue──► drain ► run each on the group ► engine commit, synced ► publish ► answer all
//!             ▲                                                                          │
//!             └───────────────────── the next group gathers meanwhile ◄──────────────────┘
//! ```
//!
//! No request is answered, and nothing is visible to reads, before it is durable. After a failed
//! commit writes are refused. If a sync has failed, nothing more is ever written: it is then unknown
//! what the disk holds, and a retried sync may report success for data that is lost. If something
//! was wanting instead, such as room on the disk, the thread looks again and again whether it is
//! there, lets the engine recover, and goes on.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Clock;
use super::engine::fjall::panic_message;
use super::engine::{Batch, Engine};
use super::error::{CommitError, Halt, Refusal};
use super::stats::Counters;
use super::table::Tables;
use super::transaction::{Group, Last, Transaction, last_of};

/// The most requests that share a commit.
const GROUP_REQUESTS_MAX: usize = 256;
/// The bytes of requests after which a group is full.
const GROUP_BYTES_MAX: usize = 32 << 20;
/// The time between two looks at the engine: whether its own threads have failed, and whether it can
/// recover.
const LOOK_INTERVAL: Duration = if cfg!(test) { Duration::from_millis(10) } else { Duration::from_secs(1) };
/// The longest time until the next attempt to recover, when the ones before did not last.
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(30);
/// The time without a failure after which a recovery has lasted.
const RECOVERY_LASTS: Duration = Duration::from_secs(60);

/// The function that answers a request once its group is durable or has failed.
pub(crate) type Finish = Box<dyn FnOnce(Result<(), Halt>) + Send>;
/// The action of a request on the commit thread. It returns the function that answers the request.
pub(crate) type Act = Box<dyn FnOnce(&mut Transaction<'_>) -> Finish + Send>;

/// A message to the commit thread.
enum CommitRequest {
    /// Runs a request.
    Run {
        /// The action of the request.
        act: Act,
        /// About how many bytes of memory the request takes.
        bytes: usize,
    },
    /// Ends the thread once everything that was queued before is answered.
    Stop,
}

/// The state that the commit thread publishes for all other threads.
pub(crate) struct Published {
    tables: RwLock<Arc<Tables>>,
    /// The commit thread locks this for writing while the engine may show other tables than the
    /// published ones.
    tables_change: RwLock<()>,
    refusal: watch::Sender<Option<Refusal>>,
    last: watch::Sender<u64>,
    pub(super) counters: Counters,
}

impl Published {
    /// Returns the tables as of the last commit.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what `look` sees of the engine, with the tables of the same commit. If a commit that
    /// changes a table is under way, this waits until it is done.
    pub(crate) fn with_tables<T>(&self, look: impl FnOnce() -> T) -> (T, Arc<Tables>) {
        let _held = self.tables_change.read().unwrap_or_else(PoisonError::into_inner);
        (look(), self.tables())
    }

    /// Returns a receiver that follows why writes are refused; `None` while they are taken.
    pub(crate) fn refusal(&self) -> watch::Receiver<Option<Refusal>> {
        self.refusal.subscribe()
    }

    /// Returns a receiver that follows the number of the last commit.
    pub(crate) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn fail(&self, error: &CommitError) {
        self.refusal.send_if_modified(|refusal| {
            // The first reason is kept, unless a worse one comes.
            let is_news = refusal.as_ref().is_none_or(|known| known.passes && !error.passes);
            if is_news {
                *refusal = Some(Refusal::of(error));
            }
            is_news
        });
    }

    /// Runs a part of a request. If it panics, the failure is published before any caller notices
    /// that it will get no answer.
    pub(crate) fn guard<T>(&self, act: impl FnOnce() -> T) -> T {
        catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
            let cause = format!("internal error: {}", panic_message(panic.as_ref()));
            self.fail(&CommitError { cause, passes: false });
            resume_unwind(panic)
        })
    }

    /// Returns why a request got no answer: its group panicked, or the store closed.
    pub(crate) fn lost(&self) -> Halt {
        self.halt().unwrap_or(Halt::Closing)
    }

    fn halt(&self) -> Option<Halt> {
        self.refusal.borrow().as_ref().map(|refusal| Halt::Failed(refusal.reason.clone()))
    }
}

/// A handle that queues requests for the commit thread. It is cheap to clone.
#[derive(Clone)]
pub(crate) struct Submitter {
    requests: Arc<Mutex<Option<Sender<CommitRequest>>>>,
    published: Arc<Published>,
}

impl Submitter {
    /// Queues a request that takes about `bytes` of memory. Never blocks. Returns an error if the
    /// store is closing.
    pub(crate) fn queue(&self, act: Act, bytes: usize) -> Result<(), Halt> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = requests
            .as_ref()
            .is_some_and(|requests| requests.send(CommitRequest::Run { act, bytes }).is_ok());
        if sent { Ok(()) } else { Err(self.published.lost()) }
    }

    /// Runs `act` as one request and returns once its group is durable. If `act` returns an error,
    /// everything that it wrote is undone.
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
            // If sending fails, nobody waits for the answer any more.
            Box::new(move |committed| drop(answer.send(committed.map_err(E::from).and(result))))
        };
        self.queue(Box::new(act), 0)?;
        answered.recv().unwrap_or_else(|_| Err(self.published.lost().into()))
    }
}

/// The owner of the commit thread.
pub(crate) struct Committer {
    submitter: Submitter,
    thread: Mutex<Option<JoinHandle<()>>>,
    pub(crate) published: Arc<Published>,
}

impl Committer {
    /// Starts the commit thread.
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
            refusal: watch::Sender::new(None),
            last: watch::Sender::new(last.commit),
            counters: Counters::default(),
        });
        let (requests, queue) = channel();
        let looks = Looks::new(Instant::now());
        let worker = Worker { engine, queue, last, sync, clock, looks, published: published.clone() };
        let thread = thread::Builder::new().name("store-commit".to_owned()).spawn(move || worker.run())?;
        let submitter =
            Submitter { requests: Arc::new(Mutex::new(Some(requests))), published: published.clone() };
        Ok(Committer { submitter, thread: Mutex::new(Some(thread)), published })
    }

    /// Returns the handle that queues requests.
    pub(crate) fn submitter(&self) -> &Submitter {
        &self.submitter
    }

    /// Returns whether the caller runs on the commit thread.
    pub(crate) fn is_current(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.as_ref().is_some_and(|thread| thread.thread().id() == thread::current().id())
    }

    /// Ends the thread once all queued requests are answered. Waits for that, unless the caller
    /// runs on the commit thread.
    pub(crate) fn stop(&self) {
        if let Some(requests) = self.submitter.requests.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            // Sending fails only if the thread has ended.
            let _ = requests.send(CommitRequest::Stop);
        }
        let is_current = self.is_current();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread.filter(|_| !is_current) {
            // The thread's panics are caught and published where they happen.
            let _ = thread.join();
        }
    }
}

struct Worker {
    engine: Arc<dyn Engine>,
    queue: Receiver<CommitRequest>,
    last: Last,
    sync: bool,
    clock: Clock,
    looks: Looks,
    published: Arc<Published>,
}

/// The times at which the commit thread looks at the engine.
struct Looks {
    next: Instant,
    interval: Duration,
    /// The last recovery; `None` if there was none.
    recovered: Option<Instant>,
}

impl Looks {
    fn new(now: Instant) -> Looks {
        Looks { next: now + LOOK_INTERVAL, interval: LOOK_INTERVAL, recovered: None }
    }

    /// Returns how long to wait for the next look.
    fn left(&self) -> Duration {
        self.next.saturating_duration_since(Instant::now())
    }

    /// Notes that a commit has failed. The next look waits longer if the last recovery did not last.
    fn failed(&mut self, now: Instant) {
        let lasted = self.recovered.is_none_or(|recovered| now - recovered > RECOVERY_LASTS);
        self.interval = if lasted { LOOK_INTERVAL } else { (self.interval * 2).min(LOOK_INTERVAL_MAX) };
        self.next = now + self.interval;
    }
}

impl Worker {
    fn run(mut self) {
        let mut stopping = false;
        while !stopping {
            let request = match self.queue.recv_timeout(self.looks.left()) {
                Ok(request) => request,
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut acts = Vec::new();
            let (mut next, mut bytes_total) = (Some(request), 0);
            while let Some(request) = next {
                match request {
                    CommitRequest::Run { act, bytes } => {
                        acts.push(act);
                        bytes_total += bytes;
                    }
                    CommitRequest::Stop => stopping = true,
                }
                let full = acts.len() >= GROUP_REQUESTS_MAX || bytes_total >= GROUP_BYTES_MAX;
                next = if full || stopping { None } else { self.queue.try_recv().ok() };
            }
            // What a panicking request leaves behind is never committed, because the store has
            // failed then.
            let _ = catch_unwind(AssertUnwindSafe(|| self.published.clone().guard(|| self.commit(acts))));
            if self.looks.left().is_zero() {
                self.look();
            }
        }
    }

    /// Looks whether the engine's own threads have failed, or whether it can recover from that.
    fn look(&mut self) {
        self.looks.next = Instant::now() + self.looks.interval;
        let passes = self.published.refusal.borrow().as_ref().map(|refusal| refusal.passes);
        match passes {
            None => {
                if let Err(error) = self.engine.check() {
                    self.fail(&error);
                }
            }
            Some(true) => match self.engine.recover().and_then(|()| self.check_recovered()) {
                Ok(()) => {
                    self.looks.recovered = Some(Instant::now());
                    self.published.refusal.send_replace(None);
                }
                Err(error) => self.published.fail(&error),
            },
            Some(false) => {}
        }
    }

    /// Checks that the engine has what was acknowledged, and no more.
    fn check_recovered(&self) -> Result<(), CommitError> {
        let found = last_of(self.engine.snapshot().as_ref());
        if found.as_ref().is_ok_and(|found| *found == self.last) {
            return Ok(());
        }
        let found = found.map_or_else(|damage| damage.0, |found| format!("commit {}", found.commit));
        let cause = format!("{found} is there where commit {} was acknowledged last", self.last.commit);
        Err(CommitError { cause, passes: false })
    }

    fn fail(&mut self, error: &CommitError) {
        self.published.fail(error);
        self.looks.failed(Instant::now());
    }

    /// Runs the requests of a group, commits them together and answers them.
    fn commit(&mut self, acts: Vec<Act>) {
        if let Some(refusal) = self.published.halt() {
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
                self.fail(&error);
                self.published.counters.refused(finishes.len());
                self.published.lost()
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

    fn commit_batch(&self, batch: Batch) -> Result<(), CommitError> {
        let began = Instant::now();
        self.engine.commit(batch, self.sync)?;
        if self.sync {
            self.published.counters.synced(began.elapsed());
        }
        Ok(())
    }

    /// Refuses requests. Each runs on a group that is then dropped, only to get the function that
    /// answers it.
    fn refuse(&self, acts: Vec<Act>, refusal: &Halt) {
        self.published.counters.refused(acts.len());
        for act in acts {
            let mut group = Group::new(self.engine.snapshot(), self.published.tables(), self.last);
            let finish = act(&mut Transaction::new(&mut group, self.clock.now_us()));
            finish(Err(refusal.clone()));
        }
    }
}
