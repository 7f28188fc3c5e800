//! Everything that tells how the program is tells the same: the page and its state, the metrics,
//! whether it is ready, the log. And a store whose disk was full takes writes again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value as Json;

use store::change::{ColumnChange, RowWrite};
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyType, Value};
use tablestore::client::Client;

use crate::crash::{block_on, client, write};
use crate::page;
use crate::store_server::{Up, orders};
use crate::support::{Process, ended, orderflow};

/// How long until every face tells what is.
const TOLD_WITHIN: Duration = Duration::from_secs(5);

/// What each face tells.
#[derive(Clone, Debug, Default, PartialEq)]
struct Faces {
    /// The phase of the job, and a part of its reason, in `/api/at`.
    phase: (&'static str, &'static str),
    /// A part of why writes are refused, in `/api/at`; empty while they are taken.
    refusing: &'static str,
    /// The kind of the page's banner, and a part of its text; empty if there is none.
    banner: (&'static str, &'static str),
    /// Status and a part of the answer.
    ready: (u16, &'static str),
    healthy: u16,
    /// A part of the log since the row before; empty for any.
    log: &'static str,
}

/// Asks `is` until it answers nothing, and fails with its last answer when the time is up.
fn within(what: &str, mut is: impl FnMut() -> Result<(), String>) {
    let since = Instant::now();
    while let Err(wrong) = is() {
        assert!(since.elapsed() < TOLD_WITHIN, "{what}: {wrong}");
    }
}

fn get(up: &Up, path: &str) -> (u16, String) {
    let endpoint = up.export("OTS_ENDPOINT");
    page::get(endpoint, path, endpoint.trim_start_matches("http://"))
}

/// All metrics that have one number.
fn metrics(up: &Up) -> BTreeMap<String, f64> {
    let (status, text) = get(up, "/metrics");
    assert_eq!(status, 200);
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
        .collect()
}

/// The banner of the page in this state: its kind and its text.
fn banner(state: &Json) -> (String, String) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page/site/backoff.js");
    let script = format!(
        "import {{ trouble }} from {:?};
         const found = trouble({{ state: {state}, heardMs: 0, lostMs: null }});
         console.log(JSON.stringify([found?.kind ?? '', found?.text ?? '']));",
        module.display().to_string()
    );
    let said = Command::new("node").args(["--input-type=module", "-e", &script]).output();
    let said = ended(said.expect("node is installed, as scripts/test does"));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    serde_json::from_str(&said.stdout).expect("JSON")
}

fn state(up: &Up) -> Json {
    let (status, at) = page::get(&up.page(), "/api/at", "localhost");
    assert_eq!(status, 200, "{at}");
    serde_json::from_str::<Json>(&at).expect("JSON")[0].take()
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_default()
}

/// Compares what all faces tell.
fn look(up: &Up, expected: &Faces) -> Result<(), String> {
    let same = |face: &str, found: &dyn std::fmt::Debug, is: bool| match is {
        true => Ok(()),
        false => Err(format!("{face} tells {found:?}")),
    };
    let state = state(up);
    let (name, reason) = expected.phase;
    same("/api/at", &state, state["phase"] == name && text(&state["reason"]).contains(reason))?;
    let refuses = !expected.refusing.is_empty();
    let is_told =
        text(&state["refusing"]).contains(expected.refusing) && state["refusing"].is_null() != refuses;
    same("/api/at", &state, is_told)?;
    let metrics = metrics(up);
    same("/metrics", &metrics, metrics["orderflow_writes_refused"] == f64::from(u8::from(refuses)))?;
    let phases: Vec<_> = metrics
        .iter()
        .filter(|(name, value)| name.starts_with("orderflow_job_phase") && **value == 1.0)
        .collect();
    same("/metrics", &phases, phases.len() == 1 && phases[0].0.contains(&format!("\"{name}\"")))?;
    // What the job has still to write would make it wait as well.
    if name == "running" && !refuses {
        same("/metrics", &metrics, metrics["orderflow_upper_lag_commits"] == 0.0)?;
    }
    for (path, (code, part)) in [("/readyz", expected.ready), ("/healthz", (expected.healthy, ""))] {
        let (status, said) = get(up, path);
        same(path, &(status, &said), status == code && said.contains(part))?;
    }
    let (kind, part) = expected.banner;
    let banner = banner(&state);
    same("the banner", &banner, banner.0 == kind && banner.1.contains(part))
}

/// What each face tells while all is well.
fn well() -> Faces {
    Faces { phase: ("running", ""), ready: (200, "ready"), healthy: 200, ..Faces::default() }
}

/// What each face tells while writes are refused.
fn refusing(refusing: &'static str, phase: &'static str, healthy: u16) -> Faces {
    Faces {
        phase: (phase, ""),
        refusing,
        banner: ("refusing", refusing),
        ready: (503, refusing),
        healthy,
        log: "orderflow: writes are refused from now on, reads go on: ",
    }
}

/// A library that fails the syncs of a process as long as a file is there.
fn failing_syncs(dir: &Path) -> (PathBuf, PathBuf) {
    let (source, library, switch) = (dir.join("syncs.c"), dir.join("syncs.so"), dir.join("syncs-fail"));
    let code = format!(
        "#include <errno.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         static int fails(void) {{ return access(\"{}\", F_OK) == 0; }}\n\
         int fdatasync(int fd) {{ if (fails()) {{ errno = ENOSPC; return -1; }} return syscall(SYS_fdatasync, fd); }}\n\
         int fsync(int fd) {{ if (fails()) {{ errno = ENOSPC; return -1; }} return syscall(SYS_fsync, fd); }}\n",
        switch.display()
    );
    fs::write(&source, code).expect("the source is written");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output();
    let built = ended(built.expect("there is a C compiler"));
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    (library, switch)
}

/// A command of the program whose files may not grow beyond a limit that is set later: then writes
/// fail, where by default they would end the process.
fn limited(args: &[&str]) -> Command {
    let program = orderflow(args);
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn limit(up: &Up, bytes: Option<u64>) {
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(up.id().cast_signed()), Resource::Fsize, limit).expect("the limit is set");
}

/// A disk of so many bytes, which is gone with this value; `None` where the machine allows none.
struct SmallDisk {
    _holder: Process,
    path: PathBuf,
}

impl SmallDisk {
    fn mount(dir: &Path, bytes: u64) -> Option<SmallDisk> {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        // It lives in a namespace of its own, as long as its standard input is open.
        let script = format!("mount -t tmpfs -o size={bytes} tmpfs \"$0\" && echo mounted && exec cat");
        command.args(["--mount", "sh", "-c", &script]).arg(dir).stdin(Stdio::piped());
        let mut holder = Process::spawn(command);
        let mut said = String::new();
        let stdout = BufReader::new(holder.0.stdout.take().expect("piped")).read_line(&mut said);
        if stdout.is_err() || said != "mounted\n" {
            eprintln!("this machine allows no small disk, so there is nothing to see here");
            return None;
        }
        let path = PathBuf::from(format!("/proc/{}/root{}", holder.0.id(), dir.display()));
        Some(SmallDisk { _holder: holder, path })
    }

    /// Fills it.
    fn fill(&self) {
        let mut file = File::create(self.path.join("ballast")).expect("a file is made");
        for bytes in [1 << 20, 4 << 10, 1] {
            while file.write_all(&vec![1; bytes]).is_ok() {}
        }
    }

    /// Frees what filled it.
    fn free(&self) {
        fs::remove_file(self.path.join("ballast")).expect("the file goes");
    }
}

/// Writes orders one after the other, each until it is acknowledged, until told to stop.
async fn write_on(client: Client, acknowledged: &AtomicU64, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        let number = acknowledged.load(Ordering::SeqCst);
        let put = |value| ColumnChange::Put { value: Value::Integer(value), version: None };
        let columns = [("price", put(number.cast_signed())), ("timestamp", put(1_700_000_000_000))];
        let columns = columns.map(|(name, put)| (name.to_owned(), put)).to_vec();
        let key = [format!("user {}", number % 7), format!("{number:06}")];
        if client.write_row(&write("OrderSource", key, RowWrite::Put(columns))).await.is_ok() {
            acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Tells a writer to stop when the test ends, however it does.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_full_disk_that_was_freed_takes_writes_again_and_nothing_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let Some(disk) = SmallDisk::mount(dir.path(), 96 << 20) else { return };
    let data = disk.path.join("data");
    let mut up = Up::start(&data, &[]);
    up.ok(&["init"]);
    let (acknowledged, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let _stops = Stops(&stop);
        let (client, counted, stopping) = (client(&up), &acknowledged, &stop);
        scope.spawn(move || block_on(write_on(client, counted, stopping)));
        for round in 1..=3 {
            let so_far = acknowledged.load(Ordering::SeqCst);
            while acknowledged.load(Ordering::SeqCst) < so_far + 200 {}
            disk.fill();
            up.await_told_times("orderflow: writes are refused from now on, reads go on: ", round);
            within("no room", || {
                let state = state(&up);
                let refusing = text(&state["refusing"]);
                let is =
                    refusing.contains("the disk is full; it takes them again by itself once that has passed");
                if is { Ok(()) } else { Err(format!("round {round}: {state}")) }
            });
            assert!(!orders(&up).is_empty(), "reads go on");
            disk.free();
            up.await_told_times("orderflow: writes are taken again\n", round);
        }
    });
    within("room again", || look(&up, &well()));
    let acknowledged = acknowledged.into_inner();
    up.ok(&["verify"]);
    let check = |up: &Up| {
        let there = orders(up);
        for number in 0..acknowledged {
            let key = (format!("user {}", number % 7), format!("{number:06}"));
            assert_eq!(
                there.get(&key).map(|(price, _)| *price),
                Some(number as f64),
                "{number} of {acknowledged}"
            );
        }
    };
    check(&up);
    up.stop("KILL");
    let up = Up::start(&data, &[]);
    check(&up);
    assert_eq!(up.stop("TERM").code, Some(0));
}

/// Makes the table of orders with another key than the job needs.
fn other_orders(client: &Client) {
    let key = KeyColumn { name: "Order".to_owned(), kind: KeyType::Integer, auto_increment: false };
    let schema = TableSchema {
        name: "OrderSource".to_owned(),
        key: vec![key],
        options: TableOptions::default(),
        stream: Some(StreamOptions::of_hours(24)),
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    };
    block_on(client.create_table(&schema)).expect("the table is made");
}

#[test]
fn every_face_tells_each_phase() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data").display().to_string();
    let (library, switch) = failing_syncs(dir.path());
    let mut command = limited(&["up", "--data", &data, "--listen", "127.0.0.1:0"]);
    command.env("LD_PRELOAD", library);
    let mut up = Up::of(command);
    let full = "a file has reached the largest size that is allowed; it takes them again by itself";
    let unsynced = "see that the disk is sound, then restart";
    let refused = |up: &Up| assert_eq!(up.run(&["generate", "--orders", "20"]).code, Some(3));
    type Step<'s> = &'s dyn Fn(&Up);
    let steps: [(&str, Step<'_>, Faces); 8] = [
        (
            "no table of orders",
            &|_| {},
            Faces {
                phase: ("waiting", ""),
                ready: (200, "ready"),
                healthy: 200,
                log: "job: waiting for the table OrderSource",
                ..Faces::default()
            },
        ),
        (
            "another table of orders",
            &|up| other_orders(&client(up)),
            Faces {
                phase: ("blocked", "OrderSource"),
                banner: ("phase", "OrderSource"),
                ready: (503, "the job is blocked: "),
                healthy: 200,
                log: "job: blocked: ",
                ..Faces::default()
            },
        ),
        (
            "the right one",
            &|up| {
                block_on(client(up).delete_table("OrderSource")).expect("the table goes");
                up.ok(&["init"]);
                up.ok(&["generate", "--orders", "500"]);
            },
            Faces { log: "job: running, results follow the orders", ..well() },
        ),
        (
            "no room",
            &|up| {
                limit(up, Some(0));
                refused(up);
            },
            refusing(full, "running", 200),
        ),
        ("room again", &|up| limit(up, None), Faces { log: "orderflow: writes are taken again\n", ..well() }),
        (
            "and used",
            &|up| {
                up.ok(&["generate", "--orders", "700", "--seed", "7"]);
                up.ok(&["verify"]);
            },
            well(),
        ),
        (
            "a sync that fails",
            &|up| {
                fs::write(&switch, "").expect("syncs fail");
                refused(up);
            },
            refusing(unsynced, "running", 503),
        ),
        (
            "syncs that fail no more",
            &|_| fs::remove_file(&switch).expect("syncs succeed"),
            Faces { log: "", ..refusing(unsynced, "running", 503) },
        ),
    ];
    let mut counted = 0.0;
    for (what, step, expected) in steps {
        step(&up);
        within(what, || look(&up, &expected));
        up.await_told(expected.log);
        let refused = metrics(&up)["orderflow_refused_writes_total"];
        let refuses = !expected.refusing.is_empty() && !expected.log.is_empty();
        assert_eq!(refused > counted, refuses, "{what}: {refused} after {counted}");
        counted = refused;
    }
    let there = orders(&up);
    let ended = up.stop("TERM");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(ended.stderr.trim_end().ends_with(unsynced), "{}", ended.stderr);
    // Nothing is lost, and all is well after a restart.
    let up = Up::of(limited(&["up", "--data", &data, "--listen", "127.0.0.1:0"]));
    within("a restart", || look(&up, &well()));
    let again = orders(&up);
    // A commit whose sync failed may be there, so that orders may have other prices.
    assert!(there.keys().all(|key| again.contains_key(key)), "an order is lost");
}
