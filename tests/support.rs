//! What the tests share: running the program, and what its files must hold.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use dataflows::{Reference, Totals};
use jiff::Timestamp;

/// A command of the program under test, that knows nothing of the tester's environment.
pub(crate) fn orderflow(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderflow"));
    command.args(args).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("ORDERFLOW_") {
            command.env_remove(name);
        }
    }
    // Tests run side by side.
    command.env("ORDERFLOW_PAGE", "127.0.0.1:0");
    command
}

/// How a command ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command to its end.
pub(crate) fn run(args: &[&str]) -> Ended {
    ended(orderflow(args).output().expect("the program starts"))
}

pub(crate) fn ended(output: std::process::Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).expect("the program prints UTF-8");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// A child that does not outlive its test.
pub(crate) struct Process(pub(crate) Child);

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Process {
        Process(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts"))
    }

    pub(crate) fn wait(mut self) -> Ended {
        let child = std::mem::replace(&mut self.0, Command::new("true").spawn().expect("true starts"));
        ended(child.wait_with_output().expect("the program ends"))
    }

    /// Sends a signal by name, as the shell's `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        // The shell's own: a machine may lack the program.
        let kill = format!("kill -{name} {}", self.0.id());
        let sent = Command::new("sh").args(["-c", &kill]).status();
        assert!(sent.expect("the shell runs").success(), "the signal reaches the process");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ports on loopback that were free a moment ago.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
    listeners.iter().map(|listener| listener.local_addr().expect("an address").port()).collect()
}

/// Writes a hosts file of so many loopback addresses.
pub(crate) fn hosts_file(dir: &Path, processes: usize) -> String {
    let lines: Vec<_> = free_ports(processes).into_iter().map(|port| format!("127.0.0.1:{port}\n")).collect();
    let path = dir.join("hosts.txt");
    std::fs::write(&path, lines.concat()).expect("the file is written");
    path.display().to_string()
}

/// The three result files that a folder holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) users: String,
    pub(crate) total: String,
    pub(crate) windows: String,
}

impl Files {
    pub(crate) fn read(dir: &Path) -> Files {
        let read = |name: &str| {
            let path = dir.join(name);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        Files {
            users: read("OrderBatchSink.csv"),
            total: read("OrderTotalSink.csv"),
            windows: read("OrderStreamSink.csv"),
        }
    }

    /// What the files must hold, printed without any code of the program's.
    pub(crate) fn of(reference: &Reference, width_ms: i64) -> Files {
        let row = |totals: &Totals| format!("{},{}", totals.orders, totals.amount);
        let mut files = Files {
            users: "UserId,count,totalPrice\n".to_owned(),
            total: "count,totalPrice\n".to_owned(),
            windows: "begin,end,count,totalPrice\n".to_owned(),
        };
        for (user, totals) in &reference.users {
            files.users += &format!("{user},{}\n", row(totals));
        }
        if reference.total != Totals::ZERO {
            files.total += &format!("{}\n", row(&reference.total));
        }
        for (window, totals) in &reference.windows {
            let [begin, end] = [window.start_ms, window.start_ms + width_ms].map(utc);
            files.windows += &format!("{begin},{end},{}\n", row(totals));
        }
        files
    }
}

/// An instant as `YYYY-MM-DD HH:MM:SS` of UTC.
pub(crate) fn utc(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).expect("an instant").strftime("%Y-%m-%d %H:%M:%S").to_string()
}
