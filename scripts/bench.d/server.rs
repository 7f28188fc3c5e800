//! What the benches of the store share: a server in a process of its own, and quantiles.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tablestore::client::{Client, ClientConfig};

/// The program that was built beside this one.
pub(crate) fn program() -> PathBuf {
    let bench = std::env::current_exe().expect("the path of this program");
    bench.ancestors().nth(2).expect("a build folder").join("orderflow")
}

/// A running `orderflow up` that ends with this.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) exports: BTreeMap<String, String>,
    /// Where its page is.
    #[allow(dead_code)] // Not in all benches.
    pub(crate) page: SocketAddr,
}

impl Server {
    /// Starts the program that was built beside this one, on a free port; returns once it listens.
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Server {
        let program = program();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let page = free.expect("a free port");
        let mut child = Command::new(&program)
            .args(["up", "--listen", "127.0.0.1:0", "--page", &page.to_string(), "--data"])
            .arg(folder)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let stdout = BufReader::new(child.stdout.as_mut().expect("its output is piped"));
        let exports = stdout.lines().take(5).filter_map(|line| {
            let line = line.expect("its output is text");
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        });
        let exports = exports.collect();
        Server { child, exports, page }
    }

    pub(crate) fn client(&self) -> Client {
        let of = |name: &str| self.exports[name].as_str();
        let region = Some(of("OTS_REGION"));
        Client::new(ClientConfig::new(
            of("OTS_ENDPOINT"),
            of("OTS_INSTANCE"),
            of("OTS_AK_ENV"),
            of("OTS_SK_ENV"),
            region,
        ))
        .expect("what the server printed is a configuration")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// p50 and p99 in seconds.
pub(crate) fn quantiles(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    [times.len() / 2, times.len() * 99 / 100].map(|at| times[at].as_secs_f64())
}
