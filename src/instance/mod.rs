//! One running instance: the store, the live job on it, the recount of its results, and the server in front of them.
//!
//! ```text
//!  start: store ─► key ─► listener ─► job ─► recount ─► server
//!  stop:  server (what is in flight is answered) ─► recount ─► job ─► store
//! ```

mod error;
pub mod keys;
mod phases;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinSet, spawn_blocking};

pub use self::error::InstanceError;
use self::keys::KeyPair;
use self::phases::Phases;
use crate::job::{Job, JobConfig, JobWatch, Phase};
use crate::metrics::Metrics;
use crate::store::{Durability, Store, StoreOptions};
use crate::tablestore::server::{Limits, Server, ServiceConfig};
use crate::verify::{AlwaysOn, AlwaysOnConfig, Verification};

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
}

/// A running instance. Dropped, it ends without waiting for the requests in flight; their writes are whole or absent.
#[derive(Debug)]
pub struct Instance {
    address: SocketAddr,
    key: KeyPair,
    stop: oneshot::Sender<()>,
    /// The server's task, ended where it is dropped.
    serving: JoinSet<io::Result<()>>,
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
        let InstanceConfig { data, addresses, instance, durability, own_key, job } = config;
        let (store, key) = off_the_runtime(move || {
            let options = StoreOptions { durability, ..StoreOptions::default() };
            let store = Store::open(&data, options).map_err(InstanceError::Open)?;
            let key = own_key.map_or_else(|| KeyPair::of_folder(&data), Ok).map_err(InstanceError::Key)?;
            Ok((store, key))
        })
        .await?;
        let listener = match TcpListener::bind(&*addresses).await {
            Ok(listener) => listener,
            Err(error) => return Err(InstanceError::Listen(addresses, error)),
        };
        let address = listener.local_addr().map_err(InstanceError::System)?;
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
        let service = ServiceConfig {
            store: store.clone(),
            instance,
            key_id: key.id.clone(),
            secret: key.secret.clone(),
            limits: Limits::default(),
            vitals: Arc::new(Metrics::new(
                store.clone(),
                watch.as_ref(),
                recount.as_ref().map(AlwaysOn::follow),
            )),
        };
        let (stop, stopped) = oneshot::channel();
        let mut serving = JoinSet::new();
        serving.spawn(Server::serve(listener, service, async {
            // Also where the sender is dropped.
            let _ = stopped.await;
        }));
        let phases = Phases::of(watch.as_ref().map(JobWatch::follow));
        Ok(Instance { address, key, stop, serving, recount, job, store, phases, is_refusing: false })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where callers on this machine reach it, as SDKs take it.
    pub fn endpoint(&self) -> String {
        endpoint(self.address)
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

    /// What the recount of the job's results found last, if there is a job.
    pub fn verified(&self) -> Option<watch::Receiver<Option<Verification>>> {
        self.recount.as_ref().map(AlwaysOn::follow)
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
                Some(served) = self.serving.join_next() => return ended(served),
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
        let Instance { stop, mut serving, recount, job, store, .. } = self;
        // The server may have ended by itself.
        let _ = stop.send(());
        let served = serving.join_next().await.map_or(Ok(()), ended);
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

/// How the server's task ended.
fn ended(task: Result<io::Result<()>, tokio::task::JoinError>) -> Result<(), InstanceError> {
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
