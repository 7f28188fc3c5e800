//! One running instance: the store, the live job on it, the recount of its results, and the server in front of them.
//!
//! ```text
//!  start: store ─► key ─► listeners ─► job ─► recount ─► feed ─► server, page
//!  stop:  page ─► server (what is in flight is answered) ─► feed ─► recount ─► job ─► store
//! ```

mod error;
pub mod keys;
mod phases;

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

pub use self::error::InstanceError;
use self::keys::KeyPair;
use self::phases::Phases;
use crate::program::metrics::Metrics;
use live::feed::Feed;
use live::job::{Job, JobConfig, JobWatch, Phase};
use live::verify::{AlwaysOn, AlwaysOnConfig, JobResults};
use page::{PageConfig, PageLimits};
use store::{Durability, Store, StoreOptions};
use tablestore::server::{Limits, Server, ServiceConfig};

/// How often the store is asked whether it still takes writes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// What to run.
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    /// Folder of the store; made where there is none.
    pub data: PathBuf,
    /// Addresses to listen on: the first that can be; port 0 is a free one.
    pub addresses: Vec<SocketAddr>,
    /// The instance's name, as callers give it.
    pub instance: String,
    /// When writes are acknowledged.
    pub durability: Durability,
    /// The access key; without one, that of the folder, made at its first start.
    pub own_key: Option<KeyPair>,
    /// The live job; none for the store alone.
    pub job: Option<JobConfig>,
    /// The page; none without one, and none without a job, of which it shows the results.
    pub page: Option<PageAddress>,
}

/// Where the page is.
#[derive(Clone, Debug)]
pub struct PageAddress {
    /// Addresses to listen on: the first that can be; port 0 is a free one.
    pub addresses: Vec<SocketAddr>,
    /// Names of this machine that readers may give beside `localhost` and addresses.
    pub hosts: Vec<String>,
}

/// A server's task, ended where it is dropped.
#[derive(Debug)]
struct Serving {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinSet<io::Result<()>>,
}

impl Serving {
    /// Runs what `serve` makes of the signal to stop.
    fn start<F>(address: SocketAddr, serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Serving
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        let mut task = JoinSet::new();
        task.spawn(serve(stopped));
        Serving { address, stop, task }
    }

    /// Ready once it has ended by itself.
    async fn ended(&mut self) -> Result<(), InstanceError> {
        match self.task.join_next().await {
            Some(ended) => outcome(ended),
            None => Ok(()),
        }
    }

    async fn stop(mut self) -> Result<(), InstanceError> {
        // It may have ended by itself.
        let _ = self.stop.send(());
        self.task.join_next().await.map_or(Ok(()), outcome)
    }
}

/// A running instance. Dropped, it ends without waiting for the requests in flight; their writes are whole or absent.
#[derive(Debug)]
pub struct Instance {
    key: KeyPair,
    server: Serving,
    page: Option<Serving>,
    feed: Option<Feed>,
    /// Of the job's results.
    recount: Option<AlwaysOn>,
    job: Option<Job>,
    store: Store,
    phases: Phases,
    is_refusing: bool,
}

impl Instance {
    /// Opens the store, starts the job and serves. Must be called in a multi-threaded runtime of tokio.
    ///
    /// # Errors
    /// [`InstanceError`]; nothing is left running then.
    pub async fn start(config: InstanceConfig) -> Result<Instance, InstanceError> {
        let InstanceConfig { data, addresses, instance, durability, own_key, job, page } = config;
        let (store, key) = off_the_runtime(move || {
            let options = StoreOptions { durability, ..StoreOptions::default() };
            let store = Store::open(&data, options).map_err(InstanceError::Open)?;
            let key = own_key.map_or_else(|| KeyPair::of_folder(&data), Ok).map_err(InstanceError::Key)?;
            Ok((store, key))
        })
        .await?;
        let (listener, address) = listen("--listen", addresses).await?;
        let page = match page.filter(|_| job.is_some()) {
            Some(PageAddress { addresses, hosts }) => Some((listen("--page", addresses).await?, hosts)),
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
        let service = ServiceConfig {
            store: store.clone(),
            instance,
            key_id: key.id.clone(),
            secret: key.secret.clone(),
            limits: Limits::default(),
            vitals: Arc::new(Metrics::new(store.clone(), watch.as_ref(), verified)),
            results: Arc::new(JobResults),
        };
        let server = Serving::start(address, |stopped| Server::serve(listener, service, either_way(stopped)));
        let page = feed.as_ref().zip(page).map(|(feed, ((listener, address), hosts))| {
            let config = PageConfig { feed: feed.watch(), hosts, limits: PageLimits::default() };
            Serving::start(address, |stopped| ::page::serve(listener, config, either_way(stopped)))
        });
        let phases = Phases::of(watch.as_ref().map(JobWatch::follow));
        Ok(Instance { key, server, page, feed, recount, job, store, phases, is_refusing: false })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Where its page is, as browsers take it, if there is one.
    pub fn page(&self) -> Option<String> {
        self.page.as_ref().map(|page| format!("{}/", endpoint(page.address)))
    }

    /// Where its page listens, if there is one.
    pub fn page_address(&self) -> Option<SocketAddr> {
        self.page.as_ref().map(|page| page.address)
    }

    /// Where callers on this machine reach it, as SDKs take it.
    pub fn endpoint(&self) -> String {
        endpoint(self.server.address)
    }

    /// The access key that callers sign with.
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Its store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Looks at its job, if there is one.
    pub fn job(&self) -> Option<JobWatch> {
        self.job.as_ref().map(Job::watch)
    }

    /// Serves until `stop` is ready, and tells meanwhile what becomes of store and job. May be called again.
    ///
    /// # Errors
    /// [`InstanceError`], where the server ended by itself.
    pub async fn run_until(&mut self, stop: impl Future<Output = ()>) -> Result<(), InstanceError> {
        let mut stop = pin!(stop);
        let mut watch = tokio::time::interval(WATCH_INTERVAL);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                ended = self.server.ended() => return ended,
                ended = ended(&mut self.page), if self.page.is_some() => return ended,
                () = self.phases.next() => {}
                _ = watch.tick() => {
                    if let Some(reason) = self.store.failure().filter(|_| !self.is_refusing) {
                        self.is_refusing = true;
                        tracing::error!("writes are refused from now on, reads go on: {reason}");
                    }
                }
            }
        }
    }

    /// Ends it: requests in flight are answered, then recount and job end, then the store is closed. Dropped before it is done, it stops at once.
    ///
    /// # Errors
    /// [`InstanceError`], where the store takes no more writes, or the job had failed.
    pub async fn stop(self) -> Result<(), InstanceError> {
        let Instance { server, page, feed, recount, job, store, .. } = self;
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
                job.stop();
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

/// Runs what waits for the disk.
async fn off_the_runtime<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, InstanceError> + Send + 'static,
) -> Result<T, InstanceError> {
    spawn_blocking(act).await.unwrap_or_else(|panic| Err(InstanceError::System(io::Error::other(panic))))
}

/// Listens on the first of these addresses that can be.
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

/// Ready when the signal comes, and also where its sender is dropped.
async fn either_way(stopped: oneshot::Receiver<()>) {
    let _ = stopped.await;
}

/// Ready once the page has ended by itself.
async fn ended(page: &mut Option<Serving>) -> Result<(), InstanceError> {
    match page {
        Some(page) => page.ended().await,
        None => pending().await,
    }
}

/// How a server's task ended.
fn outcome(task: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), InstanceError> {
    task.map_err(io::Error::other).flatten().map_err(InstanceError::System)
}

/// Where callers on this machine reach an address.
fn endpoint(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

#[cfg(test)]
mod tests;
