//! A store that is served by a process of its own, and commands that call it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::{Ended, Process, ended, orderflow};

/// How long the server may take to begin or end before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `orderflow up`; it does not outlive its test.
pub(crate) struct Up {
    process: Process,
    /// What it printed for shells: variables by name.
    pub(crate) exports: BTreeMap<String, String>,
    stderr: Receiver<String>,
    /// Lines of standard error so far.
    told: String,
}

impl Up {
    /// Starts it on a free port and waits until it is ready.
    pub(crate) fn start(data: &Path, more: &[&str]) -> Up {
        let data = data.display().to_string();
        let args = [&["up", "--data", &data, "--listen", "127.0.0.1:0"], more].concat();
        Up::of(orderflow(&args))
    }

    /// Starts such a command and waits until it is ready.
    pub(crate) fn of(command: Command) -> Up {
        Up::of_ready(command, "orderflow: ready: ")
    }

    /// Starts such a command and waits until it says so.
    pub(crate) fn of_ready(command: Command, ready: &str) -> Up {
        let mut process = Process::spawn(command);
        let stdout = process.0.stdout.take().expect("piped");
        let stderr = process.0.stderr.take().expect("piped");
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines() {
                let line = line.expect("the program prints UTF-8");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut up = Up { process, exports: BTreeMap::new(), stderr: receiver, told: String::new() };
        up.await_told(ready);
        // The lines are printed before it says that it is ready.
        for line in BufReader::new(stdout).lines().take(5) {
            let line = line.expect("the program prints UTF-8");
            if let Some((name, value)) = line.strip_prefix("export ").and_then(|line| line.split_once('=')) {
                up.exports.insert(name.to_owned(), value.to_owned());
            }
        }
        up
    }

    /// Waits until it has said this on standard error.
    pub(crate) fn await_told(&mut self, wanted: &str) {
        while !self.told.contains(wanted) {
            assert!(self.listen(), "the server ended: {}", self.told);
        }
    }

    /// How often it has said this on standard error, as far as was waited for.
    pub(crate) fn told_times(&self, what: &str) -> usize {
        self.told.matches(what).count()
    }

    /// Waits until it has said this on standard error so many times.
    pub(crate) fn await_told_times(&mut self, wanted: &str, times: usize) {
        while self.told.matches(wanted).count() < times {
            assert!(self.listen(), "the server ended: {}", self.told);
        }
    }

    /// Waits for a line of standard error; false at its end.
    fn listen(&mut self) -> bool {
        match self.stderr.recv_timeout(PATIENCE) {
            Ok(line) => {
                self.told += &line;
                self.told.push('\n');
                true
            }
            Err(RecvTimeoutError::Disconnected) => false,
            Err(RecvTimeoutError::Timeout) => panic!("the server says nothing more: {}", self.told),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.0.id()
    }

    /// A variable that it printed.
    pub(crate) fn export(&self, name: &str) -> &str {
        &self.exports[name]
    }

    /// A command with the printed variables.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = orderflow(args);
        command.envs(&self.exports);
        command
    }

    /// Runs a command with the printed variables to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        ended(self.command(args).output().expect("the program starts"))
    }

    /// Runs a command that must succeed; gives what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.stderr);
        ended.stdout
    }

    /// Where the live page is, as it said while starting.
    pub(crate) fn page(&self) -> String {
        let page = self.told.lines().find_map(|line| line.strip_prefix("orderflow: page: "));
        page.expect("it serves the page").to_owned()
    }

    /// Interrupts it, and does not wait.
    pub(crate) fn interrupt(&self) {
        self.signal("INT");
    }

    /// Sends a signal, and does not wait.
    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Sends a signal and waits for the end.
    pub(crate) fn stop(mut self, signal: &str) -> Ended {
        self.process.signal(signal);
        while self.listen() {}
        let status = self.process.0.wait().expect("the program ends");
        let mut stdout = String::new();
        if let Some(mut rest) = self.process.0.stdout.take() {
            rest.read_to_string(&mut stdout).expect("the program prints UTF-8");
        }
        Ended { code: status.code(), stdout, stderr: std::mem::take(&mut self.told) }
    }
}

/// The id of the request that an error of a command or of the client names.
pub(crate) fn request_id(told: &str) -> &str {
    let (_, id) = told.split_once(", request ").unwrap_or_else(|| panic!("no request in {told}"));
    id.split_once(')').expect("the end of the id").0
}

/// It ended with this code and one sentence that starts so.
pub(crate) fn refused(ended: &Ended, code: i32, message: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
    assert!(ended.stderr.starts_with(&format!("orderflow: {message}")), "{} is not {message}", ended.stderr);
    assert_eq!(ended.stderr.lines().count(), 1, "one sentence: {}", ended.stderr);
}

/// What is in the orders' table, by user and order: price and timestamp.
pub(crate) fn orders(up: &Up) -> BTreeMap<(String, String), (f64, i64)> {
    let lines = up.ok(&["rows", "OrderSource", "--limit", "1000000", "--json"]);
    let order = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("each line is JSON");
        let text = |name: &str| row[name].as_str().expect("a string").to_owned();
        let price = row["price"].as_f64().expect("a double");
        let timestamp = row["timestamp"].as_i64().expect("an integer");
        assert_eq!(row.as_object().map(serde_json::Map::len), Some(4), "{line}");
        ((text("UserId"), text("OrderId")), (price, timestamp))
    };
    lines.lines().map(order).collect()
}
