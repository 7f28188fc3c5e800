//! Serves a [`Store`] over HTTP, on tokio.
//!
//! ```text
//!  connection ─► check (head: who, when, what, signed) ─► body (bounded) ─► operation ─► answer (digest, signature)
//!                                                                │
//!                               tables, reads, writes, tunnels ──┴──► store
//! ```
//!
//! The head of a request is signed and holds the digest of the body. So callers without the secret
//! are refused before a byte of their body is kept. Every answer is signed, except answers to such
//! callers. A request that panics is answered with an internal error and harms no other request.

mod answer;
mod body;
mod check;
mod connection;
mod date;
mod decode;
mod error;
mod matrix;
mod memory;
mod operation;
mod plain;
mod reads;
mod refusal_log;
mod requests;
mod sentences;
mod snapshots;
mod splits;
mod streams;
mod tables;
mod token;
mod tunnels;
mod writes;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::body::Incoming;
use hyper::http::request::Parts;
use tokio::time::Instant;

use self::answer::{Built, Reply, RequestIds, close_after, md5_base64};
use self::body::{Held, drain, inflate};
use self::check::{Caller, signed_path};
use self::error::Refusal;
use self::memory::Memory;
use self::operation::Operation;
use self::refusal_log::RefusalLog;
use self::requests::Requests;
use self::snapshots::Snapshots;
use super::signature::DerivedKeys;
use connections::Standing;
use store::Store;
use store::read::PAGE_BYTES_MAX;

pub use self::connection::Server;
pub use self::plain::{MetricsReaders, ServerLoad, Vitals};
pub use self::requests::RequestCount;
pub use self::snapshots::{ResultsAsOf, ShownResults};

/// The memory that is reserved for an answer with rows while it is built. A page takes half of
/// that, or one row more.
const ANSWER_BYTES: usize = 2 * PAGE_BYTES_MAX;

/// The limits on what the server accepts from its callers.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of one body. This is more than any request within its own limits has.
    pub body_bytes_max: usize,
    /// The most bytes of all bodies together. Requests wait for their share.
    pub bodies_bytes_max: usize,
    /// The most bytes of all answers with rows together. Requests wait for their share.
    pub answers_bytes_max: usize,
    /// The longest time that a request waits for memory before it is refused as too busy.
    pub memory_wait_max: Duration,
    /// The longest time in which a whole body must arrive.
    pub body_read_time_max: Duration,
    /// The longest time in which a head must arrive, from the end of the request before.
    pub head_read_time_max: Duration,
    /// The longest time that a caller may leave an answer unread.
    pub answer_unread_time_max: Duration,
    /// The longest time that the server waits for running requests when it ends.
    pub shutdown_time_max: Duration,
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most snapshots that are open at a time. Each keeps the data that it shows on disk.
    pub snapshots_max: usize,
    /// The longest time that a snapshot stays open without a request for it.
    pub snapshot_idle_time_max: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            body_bytes_max: 16 << 20,
            bodies_bytes_max: 256 << 20,
            answers_bytes_max: 256 << 20,
            memory_wait_max: Duration::from_secs(10),
            body_read_time_max: Duration::from_secs(30),
            head_read_time_max: Duration::from_secs(90),
            answer_unread_time_max: Duration::from_secs(60),
            shutdown_time_max: Duration::from_secs(10),
            connections_max: 1_024,
            snapshots_max: 4,
            snapshot_idle_time_max: Duration::from_secs(60),
        }
    }
}

/// The store that is served, and to whom.
#[derive(Clone)]
pub struct ServiceConfig {
    /// The store with the tables.
    pub store: Store,
    /// The name of the instance, which every request must give.
    pub instance: String,
    /// The id of the only access key, in ASCII without spaces.
    pub key_id: String,
    /// The secret of the access key.
    pub secret: String,
    /// The limits on what callers may send and take.
    pub limits: Limits,
    /// The source of the metrics and of the state of the program around the server.
    pub vitals: Arc<dyn Vitals>,
    /// Who may read the metrics.
    pub metrics_readers: MetricsReaders,
    /// The source of what snapshots tell of the results in the store.
    pub results: Arc<dyn ShownResults>,
}

impl fmt::Debug for ServiceConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceConfig")
            .field("instance", &self.instance)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// The state that all connections share.
struct Service {
    store: Store,
    instance: String,
    key_id: String,
    secret: Arc<str>,
    limits: Limits,
    derived_keys: DerivedKeys,
    body_memory: Memory,
    answer_memory: Memory,
    request_ids: RequestIds,
    requests: Requests,
    refusal_log: RefusalLog,
    vitals: Arc<dyn Vitals>,
    metrics_readers: MetricsReaders,
    results: Arc<dyn ShownResults>,
    snapshots: Snapshots,
}

impl Service {
    fn new(config: ServiceConfig) -> Service {
        let limits = config.limits;
        Service {
            store: config.store,
            instance: config.instance,
            key_id: config.key_id,
            secret: config.secret.into(),
            derived_keys: DerivedKeys::default(),
            body_memory: Memory::new(limits.bodies_bytes_max, limits.memory_wait_max),
            answer_memory: Memory::new(limits.answers_bytes_max, limits.memory_wait_max),
            snapshots: Snapshots::new(limits.snapshots_max, limits.snapshot_idle_time_max),
            limits,
            request_ids: RequestIds::new(),
            requests: Requests::default(),
            refusal_log: RefusalLog::default(),
            vitals: config.vitals,
            metrics_readers: config.metrics_readers,
            results: config.results,
        }
    }

    /// Returns the time in microseconds since 1970, by the store's clock.
    fn now_us(&self) -> i64 {
        self.store.clock().now_us()
    }

    /// Answers a request.
    async fn handle(
        self: Arc<Service>,
        head: Parts,
        mut body: Incoming,
        standing: &Standing,
    ) -> Response<Full<Bytes>> {
        let checked = self.check(&head);
        if checked.caller.is_ok() {
            standing.is_known();
        }
        let deadline = Instant::now() + self.limits.body_read_time_max;
        let read = match checked.caller {
            Err(refusal) => Err(refusal),
            Ok(caller) => self.read_body(&caller, &mut body, deadline).await.map(|body| (caller, body)),
        };
        // The unread rest of a refused body would be taken for the next request.
        let usable = read.is_ok() || drain(&mut body, deadline).await;
        let result = match read {
            Err(refusal) => Err(refusal),
            Ok((caller, body)) => self.clone().execute(caller, body).await,
        };
        let path = signed_path(head.uri.path());
        let mut response = self.answer(path, result, checked.key.as_ref(), checked.deflate_answer);
        if !usable {
            close_after(&mut response);
        }
        self.requests.count(path, response.status());
        response
    }

    /// Runs a request whose head was checked.
    async fn execute(self: Arc<Service>, caller: Caller, body: Held) -> Result<Reply, Refusal> {
        let Held { bytes: body, share } = body;
        if md5_base64(&body) != caller.body_md5 {
            return Err(Refusal::not_authentic(
                "Mismatch between MD5 value of request body and x-ots-contentmd5 in header.",
            ));
        }
        let body = match caller.inflated_bytes {
            Some(bytes) => inflate(body, bytes)?,
            None => body,
        };
        // The request runs in a task of its own, so that it goes on if the caller leaves, and a
        // panic ends only this task.
        let request = tokio::spawn(async move {
            let _share = share;
            self.run(caller.operation, body).await
        });
        request.await.unwrap_or_else(|error| Err(Refusal::internal(&format!("{error}"))))
    }

    async fn run(self: Arc<Service>, operation: Operation, body: Bytes) -> Result<Reply, Refusal> {
        if !operation.answers_with_rows() {
            return Ok(Reply::new(self.dispatch(operation, body).await?, None));
        }
        let share = self.answer_memory.share(ANSWER_BYTES).await?;
        let answer = self.dispatch(operation, body).await?;
        let share = share.keep(answer.body.len());
        Ok(Reply::new(answer, Some(share)))
    }

    async fn dispatch(&self, operation: Operation, body: Bytes) -> Result<Built, Refusal> {
        let answer = match operation {
            Operation::CreateTable => tables::create(self, body).await,
            Operation::ListTable => tables::list(self, body),
            Operation::DescribeTable => tables::describe(self, body),
            Operation::UpdateTable => tables::update(self, body).await,
            Operation::DeleteTable => tables::delete(self, body).await,
            Operation::PutRow => writes::put(self, body).await,
            Operation::UpdateRow => writes::update(self, body).await,
            Operation::DeleteRow => writes::delete(self, body).await,
            Operation::BatchWriteRow => return writes::batch(self, body).await,
            Operation::BulkImport => return writes::import(self, body).await,
            Operation::GetRow => reads::get(self, body).await,
            Operation::BatchGetRow => return reads::batch_get(self, body).await,
            Operation::GetRange => reads::range(self, body).await,
            Operation::ComputeSplitPointsBySize => splits::compute(self, body).await,
            // There are none, so an answer without any fields is the whole list.
            Operation::ListSearchIndex | Operation::ListTimeseriesTable => Ok(Vec::new()),
            Operation::Stream(operation) => streams::run(self, operation, body).await,
            Operation::Tunnel(operation) => tunnels::run(self, operation, body).await,
            Operation::Snapshot(operation) => snapshots::run(self, operation, body).await,
            Operation::Why => refusal_log::why(self, body),
        };
        answer.map(Built::from)
    }

    /// Runs a function that waits for the disk or takes long, on a thread that serves no
    /// connections.
    async fn blocking<T, E>(
        &self,
        act: impl FnOnce(&Store) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Refusal>
    where
        T: Send + 'static,
        E: Into<Refusal> + Send + 'static,
    {
        let store = self.store.clone();
        match tokio::task::spawn_blocking(move || act(&store)).await {
            Ok(result) => result.map_err(Into::into),
            Err(error) => Err(Refusal::internal(&format!("{error}"))),
        }
    }
}
