//! `orderflow up`: runs the store of a data directory, and the live job on it, until it is stopped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use tokio::task::spawn_blocking;

use super::address::addresses;
use super::page::PageArgs;
use super::time::parse_duration_ms;
use super::{Failure, say, time};

use crate::program::instance::keys::{KEY_ID, KeyPair, SECRET};
use crate::program::instance::{Instance, InstanceConfig, InstanceError};
use crate::program::log::{self, LogArgs};
use crate::program::signals::{INTERRUPTED, Signals};
use connections::Tls;
use live::job::{CHANGES_MAX, JobConfig};
use store::{Durability, READING_THREADS_MAX};
use tablestore::server::MetricsReaders;

/// The region that `up` prints. Any name would do: version 4 of the signature needs one, but the
/// store does not check it.
pub(super) const REGION: &str = "local";

/// The most characters in the name of an instance.
const INSTANCE_CHARS_MAX: usize = 64;

/// The fewest characters of the secret when the store can be reached from other machines.
const REMOTE_SECRET_CHARS_MIN: usize = 16;

/// The flags of `up`.
#[derive(Args, Clone, Debug)]
pub struct UpArgs {
    /// Folder of the store; made at the first start
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: PathBuf,
    /// Address to listen on; port 0 takes a free one
    #[arg(long, env = "ORDERFLOW_LISTEN", default_value = "127.0.0.1:8087", value_name = "HOST:PORT")]
    pub listen: String,
    /// Name of the instance, as callers give it
    #[arg(long, env = "ORDERFLOW_INSTANCE", default_value = "orderflow", value_name = "NAME")]
    pub instance: String,
    /// When a write is acknowledged
    #[arg(long, env = "ORDERFLOW_DURABILITY", default_value = "synced", value_name = "WHEN")]
    pub durability: DurabilityArg,
    /// Listen also on addresses that other machines can reach. The access key must be your own, from
    /// --key-file or from OTS_AK_ENV and OTS_SK_ENV; the page needs --page-token-file or --page-open
    /// there. Without --tls-cert all that is sent can be read on the way
    #[arg(long, env = "ORDERFLOW_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// File with the certificate of store and page, and those between it and its authority, in PEM;
    /// both are served by https then. Read again when it changes
    #[arg(long, env = "ORDERFLOW_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// File with the private key of --tls-cert, in PEM
    #[arg(long, env = "ORDERFLOW_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let everybody read the page, its API and /metrics who reaches them from other machines, though
    /// no --page-token-file is given
    #[arg(long, env = "ORDERFLOW_PAGE_OPEN")]
    pub page_open: bool,
    /// File with an access key of your own, as lines OTS_AK_ENV=… and OTS_SK_ENV=…; without it, the
    /// key that was made at the first start and is kept in DIR/keys.env
    #[arg(long, env = "ORDERFLOW_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// Worker threads of the live job; one is enough for most shops, whatever the number of cores
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Width of the windows of event time, such as 30s, 500ms, 5m or 1h; it stays what it was at
    /// the first start
    #[arg(long, env = "ORDERFLOW_WINDOW", default_value = "30s", value_name = "WIDTH", value_parser = parse_duration_ms)]
    pub window: u64,
    /// Time zone that windows are printed in, and at whose midnight windows of hours and days begin;
    /// it stays what it was at the first start
    #[arg(long, env = "ORDERFLOW_TIMEZONE", default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// Run the store alone, without live job and page; no table is special then
    #[arg(long, env = "ORDERFLOW_NO_JOB")]
    pub no_job: bool,
    /// The flags of the live page.
    #[command(flatten)]
    pub page: PageArgs,
    /// The flags of the log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// Once it is on disk
    Synced,
    /// Once the operating system has it: if the machine stops, the last writes may be lost, though
    /// acknowledged. For loads that can be done again
    Relaxed,
}

/// Serves until a signal to stop comes.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 for flags that are not valid; 3 if disk or port fail, or if
/// a write or the job failed while serving; 130 if it was interrupted a second time.
pub fn up(args: &UpArgs) -> Result<(), Failure> {
    let signals = Signals::new();
    log::start(&args.log);
    let config = instance_config(args, |name| std::env::var(name).ok())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(READING_THREADS_MAX)
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let ended = runtime.block_on(serve(args, config, signals));
    // Neither callers that are still connected nor a start that was broken off are waited for.
    runtime.shutdown_background();
    ended?;
    tracing::info!("stopped");
    Ok(())
}

async fn serve(args: &UpArgs, config: InstanceConfig, mut signals: Signals) -> Result<(), Failure> {
    let failed = |error: InstanceError| Failure::new(error.exit_code(), error);
    let shows_secret = config.own_key.is_none();
    let started = tokio::select! {
        started = Instance::start(config) => started,
        // Opening the store is cut off where it is, which harms it no more than a power failure.
        () = signals.next() => return Ok(()),
    };
    let mut instance = started.map_err(failed)?;
    let store = instance.store().clone();
    let served = match say(&exports(&instance.endpoint(), &args.instance, instance.key(), shows_secret)) {
        Ok(()) => {
            announce(args, &instance);
            instance.run_until(signals.next()).await.map_err(failed)
        }
        silent => silent,
    };
    if served.is_ok() {
        tracing::info!("stopping once the requests in flight are answered; interrupt again to stop at once");
    }
    let stopped = tokio::select! {
        stopped = instance.stop() => stopped.map_err(failed),
        () = signals.next() => {
            // If closing fails, the next start finds the same error.
            let _ = spawn_blocking(move || store.close()).await;
            Err(Failure::new(INTERRUPTED, "stopped before all requests were answered"))
        }
    };
    served.and(stopped)
}

/// Returns the configuration that the flags mean. A key of the user's own comes from a file or from
/// `variable`.
fn instance_config(
    args: &UpArgs,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<InstanceConfig, Failure> {
    check_instance(&args.instance)?;
    let addresses = addresses("--listen", &args.listen)?;
    let page = args.page.address()?.filter(|_| !args.no_job);
    let is_remote = |address: &&SocketAddr| !address.ip().is_loopback();
    let remote = addresses.iter().find(is_remote);
    let shown = page.iter().flat_map(|page| &page.addresses).find(is_remote);
    if let Some(address) = remote.or(shown).filter(|_| !args.allow_remote) {
        return Err(Failure::new(
            2,
            format!(
                "{address} can be reached from other machines: say --allow-remote if that is meant, or listen on 127.0.0.1"
            ),
        ));
    }
    let token = args.page.token()?;
    if let Some(address) = shown.filter(|_| token.is_none() && !args.page_open) {
        return Err(Failure::new(
            2,
            format!(
                "all who reach {address} could read the page: give it a token with --page-token-file, or say --page-open \
                 if that is meant"
            ),
        ));
    }
    let own_key = match &args.key_file {
        Some(path) => Some(KeyPair::of_file(path).map_err(|error| Failure::new(2, error))?),
        None if remote.is_some() => Some(key_of_environment(variable)?),
        None => None,
    };
    if let Some(key) = own_key.as_ref().filter(|_| remote.is_some())
        && key.secret.len() < REMOTE_SECRET_CHARS_MIN
    {
        let shortest = REMOTE_SECRET_CHARS_MIN;
        return Err(Failure::new(
            2,
            format!(
                "the secret {SECRET} must have at least {shortest} characters where other machines can try it"
            ),
        ));
    }
    Ok(InstanceConfig {
        data: args.data.clone(),
        addresses,
        instance: args.instance.clone(),
        durability: match args.durability {
            DurabilityArg::Synced => Durability::Synced,
            DurabilityArg::Relaxed => Durability::Relaxed,
        },
        own_key,
        job: if args.no_job { None } else { Some(job_config(args)?) },
        page,
        tls: tls(args)?,
        metrics_readers: match token {
            Some(token) => MetricsReaders::Holders(token),
            None if args.page_open => MetricsReaders::All,
            None => MetricsReaders::ThisMachine,
        },
    })
}

fn tls(args: &UpArgs) -> Result<Option<Arc<Tls>>, Failure> {
    let Some((certificate, key)) = args.tls_cert.as_ref().zip(args.tls_key.as_ref()) else { return Ok(None) };
    Tls::read(certificate, key).map(|tls| Some(Arc::new(tls))).map_err(|error| Failure::new(2, error))
}

fn job_config(args: &UpArgs) -> Result<JobConfig, Failure> {
    let cluster = cluster::resolve(args.workers, None, None, None, None)
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let layout = time::layout(args.window, &args.timezone)?;
    Ok(JobConfig { workers: cluster.workers, layout, changes_max: CHANGES_MAX })
}

fn key_of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<KeyPair, Failure> {
    let [id, secret] = [KEY_ID, SECRET].map(|name| variable(name).unwrap_or_default());
    KeyPair::new(&id, &secret).map_err(|reason| {
        Failure::new(
            2,
            format!("{reason}: --allow-remote needs an access key of your own, from --key-file or from {KEY_ID} and {SECRET}"),
        )
    })
}

/// Checks that the name of an instance is one that all SDKs accept.
fn check_instance(instance: &str) -> Result<(), Failure> {
    let is_plain = instance.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let starts = instance.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_plain && starts && !instance.ends_with('-') && instance.len() <= INSTANCE_CHARS_MAX {
        return Ok(());
    }
    Err(Failure::new(
        2,
        format!(
            "--instance {instance:?} must be at most {INSTANCE_CHARS_MAX} letters, digits and dashes, from a letter to a letter or digit"
        ),
    ))
}

/// Returns the lines of `export` that a shell can read. A secret of the user's own is not printed.
pub(super) fn exports(endpoint: &str, instance: &str, key: &KeyPair, shows_secret: bool) -> String {
    let secret = match shows_secret {
        true => format!("export {SECRET}={}\n", key.secret),
        false => format!("# export {SECRET}=… the secret of your own, which is not printed\n"),
    };
    format!(
        "export OTS_ENDPOINT={endpoint}\n\
         export OTS_INSTANCE={instance}\n\
         export {KEY_ID}={}\n\
         {secret}\
         export OTS_REGION={REGION}\n",
        key.id
    )
}

/// Logs what was started and where it is.
fn announce(args: &UpArgs, instance: &Instance) {
    if args.durability == DurabilityArg::Relaxed {
        tracing::warn!(
            "durability relaxed: writes are acknowledged before they are on disk; if the machine stops, \
             the last of them may be lost",
        );
    }
    let is_remote = |address: SocketAddr| !address.ip().is_loopback();
    let (store, page) = (is_remote(instance.address()), instance.page_address().is_some_and(is_remote));
    if args.tls_cert.is_none()
        && let Some(sentence) = in_the_clear(store, page)
    {
        tracing::warn!("{sentence}");
    }
    if page && args.page.page_token_file.is_none() {
        tracing::warn!("everybody who reaches the page can read it: it asks for no token");
    }
    if let Some(page) = instance.page() {
        tracing::info!("page: {page}");
    }
    let (name, data) = (&args.instance, args.data.display());
    tracing::info!("ready: instance {name} of {data} at {}", instance.endpoint());
}

/// Returns what can be read, and what cannot, on the way from and to other machines when nothing is
/// encrypted; `None` if neither store nor page is reached from there.
fn in_the_clear(store: bool, page: bool) -> Option<&'static str> {
    match (store, page) {
        (true, true) => Some(
            "without --tls-cert all rows, what the page shows, and its token and cookie can be read on the way to other \
             machines; the secret of the access key is never sent",
        ),
        (true, false) => Some(
            "without --tls-cert all rows, and the token of the metrics, can be read on the way to other machines; the \
             secret of the access key is never sent",
        ),
        (false, true) => Some(
            "without --tls-cert what the page shows, and its token and cookie, can be read on the way to other machines",
        ),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests;
