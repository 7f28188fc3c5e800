//! Serves the live page: the results over HTTP, for people to look at and for other tools to read.
//!
//! ```text
//!  GET /              the page, its style, its modules, its charts: files within the program
//!  GET /api/stream    server-sent events: all as of now, then a frame for what changed, and a heartbeat a second
//!  GET /api/…         one result as an array of flat objects, each with the epoch that it is of; as CSV where it ends in .csv
//! ```
//!
//! The page is read-only. Where it has a token, it asks for that. Where it has none, everybody who
//! reaches it can read it, so it listens on this machine alone unless the user says otherwise. Only
//! requests that name this machine as `Host` are answered, so that no page of another site can read
//! it through a browser. Nothing of a request is stored, and no file path comes from one.
//!
//! A reader that does not read is disconnected. At most one event waits for it, besides what the
//! system buffers. A reader for whom there is no place on the stream is told so, and asks for what has
//! come every few seconds.

mod answer;
mod api;
mod assets;
mod download;
mod embed;
mod fields;
mod gate;
mod query;
mod refusal;
mod request;
mod rows;
mod stream;
mod windows;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{Notify, Semaphore};

use self::answer::Body;
use self::embed::Embedding;
pub use self::embed::Origin;
use connections::{self, Bounds, Entrance, Guest, Standing, Token, set_up};
use live::feed::FeedWatch;

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The bytes of one connection that are buffered within this program.
const BUFFER_BYTES_MAX: usize = 64 << 10;

/// The bytes of one connection that are buffered within the system.
const SYSTEM_BUFFER_BYTES_MAX: usize = 256 << 10;

/// How many readers may follow the stream at a time, unless the user says otherwise.
pub const READERS_MAX_DEFAULT: usize = 256;

/// Returns how many connections there may be where this many readers follow the stream: those of
/// the stream, and as many for everything else.
fn connections_for(readers_max: usize) -> usize {
    2 * readers_max.max(READERS_MAX_DEFAULT)
}

/// Limits on what readers can make the page do.
#[derive(Clone, Debug)]
pub struct PageLimits {
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most connections at a time that follow the stream.
    pub streams_max: usize,
    /// The most answers at a time that read tables.
    pub reads_max: usize,
    /// The most downloads of whole tables at a time.
    pub downloads_max: usize,
    /// The longest time that a download may take. The store keeps what it shows for so long.
    pub download_time_max: Duration,
    /// The longest time that a reader may leave an event or a part of a download unread.
    pub unread_time_max: Duration,
    /// The longest time until the head of a request is complete, counted from the end of the
    /// request before.
    pub head_read_time_max: Duration,
    /// The time from one heartbeat to the next.
    pub beat_interval: Duration,
}

impl PageLimits {
    /// Returns the limits where this many readers may follow the stream at a time.
    pub fn for_readers(readers_max: usize) -> PageLimits {
        PageLimits {
            connections_max: connections_for(readers_max),
            streams_max: readers_max,
            ..PageLimits::default()
        }
    }
}

impl Default for PageLimits {
    fn default() -> PageLimits {
        PageLimits {
            connections_max: connections_for(READERS_MAX_DEFAULT),
            streams_max: READERS_MAX_DEFAULT,
            reads_max: 4,
            downloads_max: 4,
            download_time_max: Duration::from_secs(120),
            unread_time_max: Duration::from_secs(10),
            head_read_time_max: Duration::from_secs(90),
            beat_interval: Duration::from_secs(1),
        }
    }
}

/// The configuration of the page.
#[derive(Clone, Debug)]
pub struct PageConfig {
    /// The results to show.
    pub feed: FeedWatch,
    /// The names of this machine, in lower case, that a request may give as `Host`, besides
    /// `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The origins whose pages may show this page in a frame and read its answers.
    pub embed: Vec<Origin>,
    /// The token that readers must show; `None` lets all in.
    pub token: Option<Token>,
    /// The limits on readers.
    pub limits: PageLimits,
}

/// What all connections share.
struct Page {
    config: PageConfig,
    embedding: Embedding,
    streams: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    downloads: Arc<Semaphore>,
}

/// Serves the page until `shutdown` is ready. Then readers that follow the stream are disconnected.
///
/// # Errors
/// Returns an error if the listener can accept no more connections. An error of a connection ends
/// only that connection.
pub async fn serve(
    entrance: impl Into<Entrance>,
    config: PageConfig,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let places = |count| Arc::new(Semaphore::new(count));
    let limits = &config.limits;
    // An answer that takes longer than this is not worth waiting for.
    let bounds =
        Bounds { connections_max: limits.connections_max, shutdown_time_max: Duration::from_millis(200) };
    let page = Arc::new(Page {
        streams: places(limits.streams_max),
        reads: places(limits.reads_max),
        downloads: places(limits.downloads_max),
        embedding: Embedding::new(config.embed.clone()),
        config,
    });
    connections::serve(entrance.into(), bounds, shutdown, move |guest| serve_connection(guest, page.clone()))
        .await
}

/// What is known of a connection.
#[derive(Clone, Debug)]
struct Visit {
    /// What the reader has shown of itself.
    standing: Standing,
    /// Whether what is sent is encrypted.
    is_encrypted: bool,
}

/// Serves one connection until either side ends it.
async fn serve_connection(guest: Guest, page: Arc<Page>) {
    let Guest { stream, standing, mut ending, .. } = guest;
    let visit = Visit { standing, is_encrypted: stream.is_encrypted() };
    let limits = &page.config.limits;
    let is_set_up = set_up(&stream, limits.unread_time_max)
        .and_then(|()| socket2::SockRef::from(stream.socket()).set_send_buffer_size(SYSTEM_BUFFER_BYTES_MAX));
    if is_set_up.is_err() {
        return;
    }
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head_read_time_max)
        .max_buf_size(BUFFER_BYTES_MAX.max(HEAD_BYTES_MAX));
    let hang_up = Arc::new(Notify::new());
    let (shared, stalled) = (page.clone(), hang_up.clone());
    let answer = service_fn(move |request: Request<Incoming>| {
        let (page, hang_up, visit) = (shared.clone(), hang_up.clone(), visit.clone());
        async move { Ok::<Response<Body>, Infallible>(page.answer(request, hang_up, &visit).await) }
    });
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), answer));
    let is_ending = tokio::select! {
        _ = connection.as_mut() => false,
        () = stalled.notified() => false,
        _ = ending.changed() => true,
    };
    // Errors are caused by the reader: bytes that are not HTTP, heads that do not come, connections
    // that are cut.
    if is_ending {
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

#[cfg(test)]
mod tests;
