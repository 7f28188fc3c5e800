//! One running instance: the store, the live job on it, the recount of its results, and in front of
//! them the server and the page.
//!
//! ```text
//!  start: store ─► key ─► listeners ─► job ─► recount ─► feed ─► server, page
//!  stop:  page ─► server (what is in flight is answered) ─► feed ─► recount ─► job ─► store
//! ```

pub mod backups;
mod error;
pub mod keys;
mod phases;
mod places;
mod refusals;

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, spawn_blocking};

use self::backups::Backups;
pub use self::error::InstanceError;
use self::keys::KeyPair;
use self::phases::Phases;
use self::refusals::Refusals;
use crate::program::metrics::Metrics;
use connections::{Entrance, Places, Tls, Token};
use live::feed::Feed;
use live::job::{Job, JobConfig, JobWatch, Phase};
use live::verify::{AlwaysOn, AlwaysOnConfig, JobResults};
use page::{Origin, PageConfig, PageLimits};
use store::{Durability, Store, StoreOptions};
use tablestore::server::{Limits, MetricsReaders, Server, ServiceConfig};

/// How often the instance looks whether the certificate of TLS was renewed.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of an instance waits for a job that still reads back what it needs.
const JOB_START_TIME_MAX: Duration = Duration::from_secs(1);

/// The configuration of an instance.
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    /// The folder of the store. It is made if it does not exist.
    pub data: PathBuf,
    /// The addresses to listen on. The first that can be used is taken; port 0 means any free port.
    pub addresses: Vec<SocketAddr>,
    /// The name of the instance, as callers give it.
    pub instance: String,
    /// When a write is acknowledged.
    pub durability: Durability,
    /// The access key; `None` takes the key of the folder, which is made at its first start.
    pub own_key: Option<KeyPair>,
    /// The live job; `None` runs the store alone.
    pub job: Option<JobConfig>,
    /// The page; `None` serves none. Without a job there is no page either, because it shows the
    /// job's results.
    pub page: Option<PageAddress>,
    /// The certificate of the store and of the page; `None` for connections that are not encrypted.
    pub tls: Option<Arc<Tls>>,
    /// Who may read the metrics.
    pub metrics_readers: MetricsReaders,
}

/// Where the page is served.
#[derive(Clone, Debug)]
pub struct PageAddress {
    /// The addresses to listen on. The first that can be used is taken; port 0 means any free port.
    pub addresses: Vec<SocketAddr>,
    /// The names of this machine that browsers may ask for, besides `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// The origins whose pages may show the page in a frame and read its answers.
    pub embed: Vec<Origin>,
    /// How many readers may follow the page's stream at a time.
    pub readers_max: usize,
    /// The token that readers must show; `None` lets all in.
    pub token: Option<Token>,
}

/// A server that runs in a task. The task is aborted when this is dropped.
#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinSet<io::Result<()>>,
}

impl Serving {
    /// Starts a server: spawns the future that `serve` returns. The receiver that `serve` gets is
    /// ready when the server is to stop.
    fn start<F>(address: SocketAddr, serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Serving
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(serve(stopped));
        Serving { address, stop, task }
    }

    /// Waits until the server has ended by itself, and returns how.
    async fn ended(&mut self) -> Result<(), InstanceError> {
        match self.task.join_next().await {
            Some(ended) => outcome(ended),
            None => Ok(()),
        }
    }

    async fn stop(mut self) -> Result<(), InstanceError> {
        // If the server has ended by itself, nobody receives this.
        let _ = self.stop.send(());
        self.task.join_next().await.map_or(Ok(()), outcome)
    }
}

/// A running instance. If it is dropped, it ends without waiting for the requests in flight; each
/// of their writes is either whole or absent.
#[derive(Debug)]
pub struct Instance {
    key: KeyPair,
    server: Serving,
    page: Option<Serving>,
    feed: Option<Feed>,
    /// The recount of the job's results.
    recount: Option<AlwaysOn>,
    job: Option<Job>,
    store: Store,
    /// Whoever gives backups of the store; `None` if the folder cannot hold a socket.
    backups: Option<Backups>,
    phases: Phases,
    places: Places,
    tls: Option<Arc<Tls>>,
    refusals: Refusals,
}

impl Instance {
    /// Opens the store, starts the job and serves. Must be called in a multi-threaded runtime of
    /// tokio.
    ///
    /// # Errors
    /// Returns [`InstanceError`]. Then nothing is left running.
    pub async fn start(config: InstanceConfig) -> Result<Instance, InstanceError> {
        let InstanceConfig {
            data,
            addresses,
            instance,
            durability,
            own_key,
            job,
            page,
            tls,
            metrics_readers,
        } = config;
        let folder = data.clone();
        let (store, key) = off_the_runtime(move || {
            let options = StoreOptions { durability, ..StoreOptions::default() };
            let store = Store::open(&data, options).map_err(InstanceError::Open)?;
            let key = own_key.map_or_else(|| KeyPair::of_folder(&data), Ok).map_err(InstanceError::Key)?;
            Ok((store, key))
        })
        .await?;
        let (listener, address) = listen("--listen", addresses).await?;
        let page = match page.filter(|_| job.is_some()) {
            Some(page) => Some((listen("--page", page.addresses.clone()).await?, page)),
            None => None,
        };
        let layout = job.as_ref().map(|job| job.layout.clone());
        let (job, recount) = match job {
            Some(config) => {
                let store = store.clone();
                let begin = move || {
                    let job = Job::start(store.clone(), config).map_err(InstanceError::Job)?;
                    let recount = AlwaysOn::start(store, AlwaysOnConfig::default());
                    Ok((Some(job), Some(recount.map_err(InstanceError::System)?)))
                };
                off_the_runtime(begin).await?
            }
            None => (None, None),
        };
        let watch = job.as_ref().map(Job::watch);
        let verified = recount.as_ref().map(AlwaysOn::follow);
        let shown = watch.as_ref().zip(layout).zip(verified.clone()).filter(|_| page.is_some());
        let feed =
            shown.map(|((watch, layout), verified)| Feed::start(store.clone(), layout, watch, verified));
        let limits = Limits::default();
        let readers_max = page.as_ref().map_or(0, |(_, page)| page.readers_max);
        let page_limits = PageLimits::for_readers(readers_max);
        let wanted = limits.connections_max + page.as_ref().map_or(0, |_| page_limits.connections_max);
        let places = places::left(wanted)?;
        let service = ServiceConfig {
            store: store.clone(),
            instance,
            key_id: key.id.clone(),
            secret: key.secret.clone(),
            limits,
            vitals: Arc::new(Metrics::new(store.clone(), watch.as_ref(), verified, places.clone())),
            metrics_readers,
            results: Arc::new(JobResults),
        };
        let entrance = |name, listener| Entrance { name, listener, places: places.clone(), tls: tls.clone() };
        let store_entrance = entrance("store", listener);
        let server =
            Serving::start(address, |stopped| Server::serve(store_entrance, service, either_way(stopped)));
        let page = feed.as_ref().zip(page).map(|(feed, ((listener, address), page))| {
            let PageAddress { hosts, embed, token, .. } = page;
            let config = PageConfig { feed: feed.watch(), hosts, embed, token, limits: page_limits };
            let entrance = entrance("page", listener);
            Serving::start(address, |stopped| ::page::serve(entrance, config, either_way(stopped)))
        });
        let phases = Phases::of(watch.as_ref().map(JobWatch::follow));
        let refusals = Refusals::of(store.refusals());
        let backups = Backups::start(&folder, store.clone())
            .inspect_err(|error| {
                tracing::warn!("no backup can be taken while this runs: {}: {error}", folder.display());
            })
            .ok();
        Ok(Instance { key, server, page, feed, recount, job, store, backups, phases, places, tls, refusals })
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Returns the URL of the page for browsers on this machine; `None` if there is no page.
    pub fn page(&self) -> Option<String> {
        self.page.as_ref().map(|page| format!("{}/", self.url(page.address)))
    }

    /// Returns the address that the page listens on; `None` if there is no page.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().map(|page| page.address)
    }

    /// Returns the endpoint for callers on this machine, in the form that SDKs take.
    pub fn endpoint(&self) -> String {
        self.url(self.server.address)
    }

    fn url(&self, address: SocketAddr) -> String {
        endpoint(if self.tls.is_some() { "https" } else { "http" }, address)
    }

    /// Returns the most connections that are taken at a time, over store and page together.
    pub fn places_max(&self) -> usize {
        self.places.places_max()
    }

    /// Returns the access key that callers sign with.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Returns the store of this instance.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Returns a watch on the live job; `None` if there is no job.
    pub fn job(&self) -> Option<JobWatch> {
        self.job.as_ref().map(Job::watch)
    }

    /// Serves until `stop` is ready. Meanwhile logs what happens to store and job. May be called
    /// again afterwards.
    ///
    /// # Errors
    /// Returns [`InstanceError`] if the server or the page ended by itself.
    pub async fn run_until(&mut self, stop: impl Future<Output = ()>) -> Result<(), InstanceError> {
        let mut stop = pin!(stop);
        let mut certificate = tokio::time::interval(CERTIFICATE_INTERVAL);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                ended = self.server.ended() => return ended,
                ended = ended(&mut self.page), if self.page.is_some() => return ended,
                () = self.phases.next() => {}
                () = self.refusals.next() => {}
                _ = certificate.tick() => self.reread_certificate().await,
            }
        }
    }

    /// Looks whether the certificate was renewed, and says so.
    async fn reread_certificate(&self) {
        let Some(tls) = self.tls.clone() else { return };
        match spawn_blocking(move || tls.reread()).await {
            Ok(Ok(true)) => tracing::info!("the certificate was read again: new connections get it"),
            Ok(Err(error)) => tracing::error!("{error}; the certificate before stays in use"),
            // It has not changed, or the program ends.
            Ok(Ok(false)) | Err(_) => {}
        }
    }

    /// Ends the instance: requests in flight are answered, then recount and job end, then the store
    /// is closed. If the future is dropped before it is ready, the instance stops at once.
    ///
    /// # Errors
    /// Returns [`InstanceError`] if the store takes no more writes, or if the job had failed.
    pub async fn stop(self) -> Result<(), InstanceError> {
        let Instance { server, page, feed, recount, job, store, backups, .. } = self;
        drop(backups);
        let shown = match page {
            Some(page) => page.stop().await,
            None => Ok(()),
        };
        let served = server.stop().await.and(shown);
        drop(feed);
        let ended = off_the_runtime(move || {
            drop(recount);
            let phase = job.as_ref().map(|job| job.watch().status().phase);
            if let Some(job) = job {
                job.stop_within(JOB_START_TIME_MAX);
            }
            store.close().map_err(InstanceError::Store)?;
            match phase {
                Some(Phase::Failed(reason)) => Err(InstanceError::JobFailed(reason)),
                _ => Ok(()),
            }
        })
        .await;
        served.and(ended)
    }
}

/// Runs a function that waits for the disk, on a thread that is allowed to block.
async fn off_the_runtime<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, InstanceError> + Send + 'static,
) -> Result<T, InstanceError> {
    spawn_blocking(act).await.unwrap_or_else(|panic| Err(InstanceError::System(io::Error::other(panic))))
}

/// Listens on the first of these addresses that can be used. `flag` is named in the error.
async fn listen(
    flag: &'static str,
    addresses: Vec<SocketAddr>,
) -> Result<(TcpListener, SocketAddr), InstanceError> {
    match TcpListener::bind(&*addresses).await {
        Ok(listener) => {
            let address = listener.local_addr().map_err(InstanceError::System)?;
            Ok((listener, address))
        }
        Err(error) => Err(InstanceError::Listen(flag, addresses, error)),
    }
}

/// Waits until the server is told to stop. A dropped sender tells it, too.
async fn either_way(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
}

/// Waits until the page has ended by itself; for ever if there is no page.
async fn ended(page: &mut Option<Serving>) -> Result<(), InstanceError> {
    match page {
        Some(page) => page.ended().await,
        None => pending().await,
    }
}

/// Returns how the task of a server ended.
fn outcome(task: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), InstanceError> {
    task.map_err(io::Error::other).flatten().map_err(InstanceError::System)
}

/// Returns the URL at which callers on this machine reach an address.
fn endpoint(scheme: &str, address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests;
