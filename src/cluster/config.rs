//! Finds out which processes make up a run, from `-w`, `-n`, `-p`, `-h` and the key file.
//!
//! Nothing is connected here. The only listening is for a moment on port 0, to find out which line
//! of the hosts file is an address of this machine.

use std::fs::{self, File};
use std::io::Read;
use std::net::{IpAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::error::ClusterError;

/// The most processes of one run. Each process holds two connections to every other.
pub const PROCESSES_MAX: usize = 256;
/// The most worker threads of one process.
pub const WORKERS_MAX: usize = 1024;
/// The longest time in which all processes must have found each other.
pub const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// A peer from which nothing came for this long counts as lost.
pub const SILENCE_MAX: Duration = Duration::from_secs(8);
/// The fewest bytes of a cluster key.
pub const KEY_BYTES_MIN: usize = 16;
/// The most bytes of a cluster key.
pub const KEY_BYTES_MAX: usize = 4096;
/// The most bytes that are read of a hosts file.
const HOSTS_BYTES_MAX: u64 = 1 << 20;
/// The port of process 0 if there is no hosts file. Process `i` has the port `PORT_DEFAULT + i`, as
/// in timely.
const PORT_DEFAULT: usize = 2101;

/// The action when the run has lost a peer. It gets one sentence that says why.
pub type OnLoss = Arc<dyn Fn(&str) + Send + Sync>;

/// Begins to listen to signals. The value of the receiver is the number of signals so far.
pub type HearSignals = Arc<dyn Fn() -> watch::Receiver<u64> + Send + Sync>;

/// The processes of a run, and which of them this process is.
#[derive(Clone)]
pub struct ClusterConfig {
    /// The number of worker threads of each process.
    pub workers: usize,
    /// The number of processes.
    pub processes: usize,
    /// The index of this process, less than `processes`.
    pub process: usize,
    /// The address `host:port` of each process, by index; empty if the run has one process.
    pub addresses: Vec<String>,
    /// The secret that all processes share; `None` is allowed only if all addresses are loopback.
    pub key: Option<Vec<u8>>,
    /// The name of the run. Processes of a run with another name are refused.
    pub cluster_id: String,
    /// The version of the program and the commit it was built from. Processes of another build are
    /// refused.
    pub build: String,
    /// The time in which all processes must have found each other.
    pub deadline: Duration,
    /// A peer from which nothing came for this long counts as lost.
    pub silence_max: Duration,
    /// Begins to listen to the signals that ask the program to stop. The first one stops the run,
    /// and the second one ends the process. `None` leaves them to the caller.
    pub signals: Option<HearSignals>,
    /// The longest time from the first signal to the end of the process, which then ends as after a
    /// second one; `None` for no limit.
    pub stop_time_max: Option<Duration>,
    /// The action when a peer is lost. It is called after the cleanups. By default it prints
    /// `orderflow: …` and exits with code 3.
    pub on_loss: OnLoss,
}

impl ClusterConfig {
    /// Returns the configuration of a run of one process with this many workers.
    pub fn single(workers: usize) -> ClusterConfig {
        ClusterConfig {
            workers,
            processes: 1,
            process: 0,
            addresses: Vec::new(),
            key: None,
            cluster_id: "orderflow".to_owned(),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            deadline: CONNECT_DEADLINE,
            silence_max: SILENCE_MAX,
            signals: None,
            stop_time_max: None,
            on_loss: Arc::new(|sentence| {
                eprintln!("orderflow: {sentence}");
                std::process::exit(3)
            }),
        }
    }
}

/// Returns the processes of a run, from the flags as they were typed.
///
/// - `hostfile` alone implies `processes`, one for each line. A file with fewer lines than
///   processes is refused; if it has more, the first lines are used.
/// - Without a hosts file, the processes are at `localhost`, on the ports 2101, 2102, …
/// - `process` may be left out if exactly one address belongs to this machine.
/// - `key_file` is required unless all addresses are loopback.
///
/// Every error is [`ClusterError::Usage`].
pub fn resolve(
    workers: usize,
    processes: Option<usize>,
    process: Option<usize>,
    hostfile: Option<&Path>,
    key_file: Option<&Path>,
) -> Result<ClusterConfig, ClusterError> {
    if !(1..=WORKERS_MAX).contains(&workers) {
        return usage(format!("-w {workers}: a process has 1 to {WORKERS_MAX} workers"));
    }
    if let Some(n) = processes.filter(|n| !(1..=PROCESSES_MAX).contains(n)) {
        return usage(format!("-n {n}: a run has 1 to {PROCESSES_MAX} processes"));
    }
    let addresses = match hostfile {
        Some(path) => read_hosts(path, processes)?,
        None => (0..processes.unwrap_or(1)).map(|i| format!("localhost:{}", PORT_DEFAULT + i)).collect(),
    };
    let processes = addresses.len();
    if let Some(p) = process.filter(|p| *p >= processes) {
        let s = if processes == 1 { "" } else { "es" };
        return usage(format!("-p {p}: this run has {processes} process{s}, counted from 0"));
    }
    let mut config = ClusterConfig::single(workers);
    if let Some(path) = key_file {
        config.key = Some(read_key(path)?);
    }
    if processes == 1 {
        return Ok(config);
    }
    for (i, address) in addresses.iter().enumerate() {
        if let Some(j) = addresses[..i].iter().position(|earlier| earlier == address) {
            return usage(format!("processes {j} and {i} have the same address {address}"));
        }
    }
    if let Some(exposed) = addresses.iter().find(|a| !is_loopback(host_of(a)))
        && config.key.is_none()
    {
        return usage(format!(
            "{exposed} is not a loopback address: give every process the same --cluster-key-file; make one \
             with (umask 077; head -c 32 /dev/urandom > cluster.key)"
        ));
    }
    config.process = match process {
        Some(process) => process,
        None => find_process(&addresses)?,
    };
    config.processes = processes;
    config.addresses = addresses;
    Ok(config)
}

fn usage<T>(sentence: String) -> Result<T, ClusterError> {
    Err(ClusterError::Usage(sentence))
}

/// Reads the addresses in a hosts file. With `processes`, only the first so many are returned.
///
/// A byte order mark at its start, blanks around an address, and everything from a `#` to the end
/// of its line do not count.
fn read_hosts(path: &Path, processes: Option<usize>) -> Result<Vec<String>, ClusterError> {
    let name = path.display();
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(HOSTS_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| ClusterError::Usage(format!("cannot read hosts file {name}: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut addresses = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        if !is_address(line) {
            let line = super::frame::printable(line, 80);
            return usage(format!("hosts file {name}, line {number}: \"{line}\" is not host:port"));
        }
        addresses.push(line.to_owned());
    }
    let wanted = processes.unwrap_or(addresses.len());
    if addresses.is_empty() {
        return usage(format!("hosts file {name} has no address: it needs a line host:port per process"));
    }
    if addresses.len() < wanted {
        let (found, es) = (addresses.len(), if addresses.len() == 1 { "" } else { "es" });
        return usage(format!("hosts file {name} has {found} address{es}, but -n is {wanted}"));
    }
    if wanted > PROCESSES_MAX {
        return usage(format!(
            "hosts file {name} has {wanted} addresses: a run has 1 to {PROCESSES_MAX} processes"
        ));
    }
    addresses.truncate(wanted);
    Ok(addresses)
}

/// Returns whether this is `host:port`, with an IPv6 host in brackets.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host_ok = match bare {
        Some(ipv6) => ipv6.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()),
        None => !host.is_empty() && !host.contains([':', '[', ']']) && !host.contains(char::is_whitespace),
    };
    host_ok && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
}

/// Returns whether this host is certainly this machine. A name that only resolves to it today does
/// not count.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the one process whose address belongs to this machine.
fn find_process(addresses: &[String]) -> Result<usize, ClusterError> {
    let local = |address: &&String| TcpListener::bind((host_of(address), 0)).is_ok();
    let found: Vec<usize> = (0..addresses.len()).filter(|i| local(&&addresses[*i])).collect();
    match found[..] {
        [process] => Ok(process),
        [] => usage(format!("-p is needed: none of the {} addresses is of this machine", addresses.len())),
        [.., last] => {
            let others: Vec<String> = found[..found.len() - 1].iter().map(usize::to_string).collect();
            let both = if others.len() == 1 { "both" } else { "all" };
            let others = others.join(", ");
            usage(format!("-p is needed: lines {others} and {last} are {both} addresses of this machine"))
        }
    }
}

/// Reads the key in a file. The key is all bytes of the file, including a newline at its end.
fn read_key(path: &Path) -> Result<Vec<u8>, ClusterError> {
    let name = path.display();
    let cannot = |error| ClusterError::Usage(format!("cannot read cluster key file {name}: {error}"));
    let metadata = fs::metadata(path).map_err(cannot)?;
    if !metadata.is_file() {
        return usage(format!("cluster key file {name} is not a file"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return usage(format!(
            "cluster key file {name} can be used by others (mode {mode:04o}): chmod 600 {name}"
        ));
    }
    let mut key = Vec::new();
    let limit = KEY_BYTES_MAX as u64 + 1;
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut key)).map_err(cannot)?;
    if !(KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()) {
        let length = if key.len() > KEY_BYTES_MAX { "more".to_owned() } else { key.len().to_string() };
        return usage(format!(
            "cluster key file {name} has {length} bytes: a key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX}"
        ));
    }
    Ok(key)
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
