//! `orderflow up`: serves the store of a data directory until it is stopped.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use super::connection::{KEY_ID, SECRET};
use super::{Failure, say, tell};
use crate::store::{Durability, Store, StoreOptions};
use crate::tablestore::server::{Limits, Server, ServiceConfig};
use keys::KeyPair;

mod keys;

/// The region that is printed. Any would do: version 4 of the signature wants one, the store does not look at it.
const REGION: &str = "local";

/// The longest name of an instance, in characters.
const INSTANCE_CHARS_MAX: usize = 64;

/// The shortest secret off loopback, in characters.
const REMOTE_SECRET_CHARS_MIN: usize = 16;

/// How often the store is asked whether it still takes writes.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// The exit code of a program that was interrupted before its end.
const INTERRUPTED: u8 = 130;

/// Flags of `up`.
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
    /// Listen also where other machines reach it. Requests are signed, but not encrypted; the access key must be your
    /// own, from --key-file or from OTS_AK_ENV and OTS_SK_ENV
    #[arg(long, env = "ORDERFLOW_ALLOW_REMOTE")]
    pub allow_remote: bool,
    /// File with an access key of your own, as lines OTS_AK_ENV=… and OTS_SK_ENV=…; without it, the key that was made at
    /// the first start and is kept in DIR/keys.env
    #[arg(long, env = "ORDERFLOW_KEY_FILE", value_name = "FILE")]
    pub key_file: Option<PathBuf>,
    /// No live job beside the store. There is none in this version: the store runs alone with or without this flag
    #[arg(long, env = "ORDERFLOW_NO_JOB")]
    pub no_job: bool,
    /// No page beside the store. There is none in this version: the store runs alone with or without this flag
    #[arg(long, env = "ORDERFLOW_NO_PAGE")]
    pub no_page: bool,
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DurabilityArg {
    /// Once it is on disk
    Synced,
    /// Once the operating system has it: if the machine stops, the last writes may be lost, though acknowledged. For loads
    /// that can be done again
    Relaxed,
}

/// The flags as meant.
#[derive(Debug)]
struct UpConfig {
    addresses: Vec<SocketAddr>,
    /// A key of the user's own.
    own_key: Option<KeyPair>,
    durability: Durability,
}

/// Serves until a signal to stop comes.
///
/// # Errors
/// [`Failure`]: 2 for flags that cannot be, 3 where disk, port or key file fail, or a write has failed while serving.
pub fn up(args: &UpArgs) -> Result<(), Failure> {
    let config = UpConfig::new(args, |name| std::env::var(name).ok())?;
    let failed = |error: &dyn std::fmt::Display| Failure::new(3, error);
    let options = StoreOptions { durability: config.durability, ..StoreOptions::default() };
    let store = Store::open(&args.data, options).map_err(|error| failed(&error))?;
    let key = match &config.own_key {
        Some(key) => key.clone(),
        None => KeyPair::of_folder(&args.data).map_err(|error| failed(&error))?,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let served = runtime.block_on(serve(args, &config, &key, store.clone()));
    // Whoever is still connected is not waited for.
    runtime.shutdown_background();
    let closed = store.close();
    served?;
    closed.map_err(|error| failed(&error))?;
    tell("orderflow: stopped");
    Ok(())
}

async fn serve(args: &UpArgs, config: &UpConfig, key: &KeyPair, store: Store) -> Result<(), Failure> {
    let listener =
        TcpListener::bind(&*config.addresses).await.map_err(|error| cannot_listen(&args.listen, &error))?;
    let system = |error: std::io::Error| Failure::new(3, error);
    let address = listener.local_addr().map_err(system)?;
    let mut interrupts = signal(SignalKind::interrupt()).map_err(system)?;
    let mut terminations = signal(SignalKind::terminate()).map_err(system)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let service = ServiceConfig {
        store: store.clone(),
        instance: args.instance.clone(),
        key_id: key.id.clone(),
        secret: key.secret.clone(),
        limits: Limits::default(),
    };
    let serving = Server::serve(listener, service, async {
        // Also where the sender is dropped.
        let _ = stopped.await;
    });
    tokio::pin!(serving);
    say(&exports(address, &args.instance, key, config.own_key.is_none()))?;
    announce(args, config, address);
    let mut watch = tokio::time::interval(WATCH_INTERVAL);
    let mut is_refusing = false;
    loop {
        tokio::select! {
            served = &mut serving => return served.map_err(system),
            _ = interrupts.recv() => {}
            _ = terminations.recv() => {}
            _ = watch.tick() => {
                if let Some(reason) = store.failure().filter(|_| !is_refusing) {
                    is_refusing = true;
                    tell(&format!("orderflow: writes are refused from now on, reads go on: {reason}"));
                }
                continue;
            }
        }
        match stop.take() {
            Some(stop) => {
                tell(
                    "orderflow: stopping once the requests in flight are answered; interrupt again to stop at once",
                );
                // The server may have ended by itself.
                let _ = stop.send(());
            }
            None => return Err(Failure::new(INTERRUPTED, "stopped before all requests were answered")),
        }
    }
}

impl UpConfig {
    /// What the flags mean; keys of the user's own come from a file or from `variable`.
    fn new(args: &UpArgs, variable: impl Fn(&str) -> Option<String>) -> Result<UpConfig, Failure> {
        check_instance(&args.instance)?;
        let addresses = addresses(&args.listen)?;
        let remote = addresses.iter().find(|address| !address.ip().is_loopback());
        if let Some(address) = remote.filter(|_| !args.allow_remote) {
            return Err(Failure::new(
                2,
                format!(
                    "{address} can be reached from other machines: say --allow-remote if that is meant, or listen on 127.0.0.1"
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
        let durability = match args.durability {
            DurabilityArg::Synced => Durability::Synced,
            DurabilityArg::Relaxed => Durability::Relaxed,
        };
        Ok(UpConfig { addresses, own_key, durability })
    }
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

/// A name that all SDKs take.
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

/// The addresses that a name and port stand for, those of version 4 first: some SDKs take no others.
fn addresses(listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::new(2, format!("--listen {listen:?} must be HOST:PORT, such as 127.0.0.1:8087: {reason}"))
    };
    let mut found: Vec<_> = listen.to_socket_addrs().map_err(|error| wrong(&error))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(wrong(&"the host has no address"));
    }
    Ok(found)
}

fn cannot_listen(listen: &str, error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        ErrorKind::AddrInUse => {
            format!("{listen} is in use by another program: stop that, or choose another port with --listen")
        }
        _ => format!("cannot listen on {listen}: {error}"),
    };
    Failure::new(3, message)
}

/// Lines for a shell to read. A secret of the user's own is not printed.
fn exports(address: SocketAddr, instance: &str, key: &KeyPair, shows_secret: bool) -> String {
    let endpoint = endpoint(address);
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

/// Where callers on this machine reach an address.
fn endpoint(address: SocketAddr) -> String {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}

/// Says on standard error what began.
fn announce(args: &UpArgs, config: &UpConfig, address: SocketAddr) {
    if config.durability == Durability::Relaxed {
        tell(
            "orderflow: durability relaxed: writes are acknowledged before they are on disk; if the machine stops, \
             the last of them may be lost",
        );
    }
    if !address.ip().is_loopback() {
        tell(&format!(
            "orderflow: other machines can reach {address}: requests are signed, but not encrypted"
        ));
    }
    let (instance, data) = (&args.instance, args.data.display());
    tell(&format!("orderflow: ready: instance {instance} of {data} at {}", endpoint(address)));
}

#[cfg(test)]
mod tests;
