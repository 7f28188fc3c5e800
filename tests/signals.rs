//! A signal ends every command within two seconds, whatever it is waiting for, and also as the
//! first process of a container, where no signal has an effect by default.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use crate::store_server::Up;
use crate::support::{Process, orderflow, run};

/// How long a command may take to end.
const TIME_MAX: Duration = Duration::from_secs(2);

/// A file that never comes to its end: a pipe that somebody has open to write, and writes nothing.
pub(crate) struct Endless(PathBuf);

impl Endless {
    pub(crate) fn new(path: PathBuf) -> Endless {
        // It stands where there was a file.
        let _ = fs::remove_file(&path);
        mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).expect("a pipe is made");
        Endless(path)
    }

    /// Waits until a process reads it. The pipe is endless as long as the result is held.
    pub(crate) fn await_reader(&self) -> File {
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        loop {
            match OpenOptions::new().write(true).custom_flags(nonblocking).open(&self.0) {
                Ok(writer) => return writer,
                Err(error) => assert_eq!(error.raw_os_error(), Some(6), "only that nobody reads it: {error}"),
            }
        }
    }
}

/// A store's folder whose opening comes to no end.
fn endless_store(dir: &Path) -> (String, Endless) {
    let data = dir.join("data");
    assert_eq!(Up::start(&data, &["--no-job", "--no-page"]).stop("TERM").code, Some(0));
    let format = Endless::new(data.join("engine/FORMAT"));
    (data.display().to_string(), format)
}

/// Sends a signal to a process and asserts that it ends in time, with this code.
fn ends(mut process: Process, pid: u32, signal: &str, code: i32, what: &str) -> String {
    let since = Instant::now();
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
    assert!(sent.expect("the shell runs").success(), "{what}");
    let status = process.0.wait().expect("it ends");
    let took = since.elapsed();
    let mut told = String::new();
    process.0.stderr.take().expect("piped").read_to_string(&mut told).expect("UTF-8");
    assert_eq!(status.code(), Some(code), "{what}: {told}");
    assert!(took < TIME_MAX, "{what} took {took:?}");
    assert!(!told.contains("panicked"), "{what}: {told}");
    told
}

fn ends_by(process: Process, signal: &str, code: i32, what: &str) -> String {
    let pid = process.0.id();
    ends(process, pid, signal, code, what)
}

#[test]
fn a_store_that_is_being_opened_does_not_keep_a_command() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, format) = endless_store(dir.path());
    let output = dir.path().join("results").display().to_string();
    let file = dir.path().join("shop.backup").display().to_string();
    let store = format!("store:{data}");
    let cases: [(&[&str], i32); 6] = [
        (&["up", "--data", &data, "--listen", "127.0.0.1:0"], 0),
        (&["up", "--data", &data, "--listen", "127.0.0.1:0", "--no-job"], 0),
        (&["demo", "--data", &data], 130),
        (&["verify", "--data", &data], 130),
        (&["run", "--input", &store, "--output", &output], 130),
        (&["backup", "--data", &data, "--to", &file], 130),
    ];
    for (args, code) in cases {
        for signal in ["TERM", "INT"] {
            let process = Process::spawn(orderflow(args));
            let _held = format.await_reader();
            ends_by(process, signal, code, &format!("{signal}: {args:?}"));
        }
    }
    assert!(!Path::new(&output).exists() && !Path::new(&file).exists());
}

#[test]
fn a_file_without_an_end_does_not_keep_a_command() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let input = Endless::new(dir.path().join("orders.csv"));
    let (shown, data) = (input.0.display().to_string(), dir.path().join("new").display().to_string());
    let output = dir.path().join("results").display().to_string();
    for args in [&["run", "--input", &shown, "--output", &output][..], &["restore", &shown, "--data", &data]]
    {
        let process = Process::spawn(orderflow(args));
        let _held = input.await_reader();
        ends_by(process, "TERM", 130, &format!("{args:?}"));
    }
    // A reader that reads no more.
    let mut process =
        Process::spawn(orderflow(&["generate", "--to", "-", "--format", "csv", "--orders", "100000000"]));
    process.0.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("it writes");
    ends_by(process, "TERM", 130, "generate --to -");
    let file = dir.path().join("orders.jsonl");
    let process = Process::spawn(orderflow(&[
        "generate",
        "--to",
        &file.display().to_string(),
        "--orders",
        "100000000",
    ]));
    let temporary = || {
        let names =
            fs::read_dir(dir.path()).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        names.filter(|name| name.to_string_lossy().starts_with(".orderflow-")).count()
    };
    while temporary() == 0 {}
    ends_by(process, "TERM", 130, "generate --to FILE");
    assert!(temporary() == 0 && !file.exists(), "nothing is left of the file");
}

#[test]
fn a_server_that_does_not_answer_does_not_keep_a_command() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let server = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", server.local_addr().expect("an address"));
    let (input, output) =
        (format!("tablestore+{endpoint}"), dir.path().join("results").display().to_string());
    let cases: [&[&str]; 9] = [
        &["tables"],
        &["init"],
        &["rows", "OrderSource"],
        &["tunnel", "list"],
        &["clean", "--yes"],
        &["generate"],
        &["verify"],
        &["verify", "--watch"],
        &["run", "--input", &input, "--output", &output],
    ];
    for args in cases {
        let mut command = orderflow(args);
        command.env("OTS_ENDPOINT", &endpoint).env("OTS_INSTANCE", "orderflow");
        command.env("OTS_AK_ENV", "id").env("OTS_SK_ENV", "secret");
        let process = Process::spawn(command);
        let (mut stream, _) = server.accept().expect("it connects");
        stream.read_exact(&mut [0]).expect("it asks");
        ends_by(process, "TERM", 130, &format!("{args:?}"));
    }
}

#[test]
fn results_that_are_being_read_back_do_not_keep_an_instance() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &["--no-job"]);
    up.ok(&["init"]);
    up.ok(&["generate", "--orders", "60000", "--users", "30000"]);
    assert_eq!(up.stop("TERM").code, Some(0));
    // The job has never seen these orders.
    let mut up = Up::start(dir.path(), &[]);
    up.await_told("orderflow: job: rebuilding the results from all orders");
    let since = Instant::now();
    let ended = up.stop("TERM");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(since.elapsed() < TIME_MAX, "it took {:?}", since.elapsed());
    // Whatever it had written is whole.
    let mut up = Up::start(dir.path(), &[]);
    up.await_told("orderflow: job: running, ");
    while up.run(&["verify"]).code != Some(0) {}
}

/// A command of the program as the first process of a namespace of its own, as in a container.
fn first_process(args: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    // Who is not root becomes so in a namespace of users.
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    let program = orderflow(args);
    command.args(["--pid", "--fork", "--kill-child"]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null());
    command
}

/// The process that `unshare` has started, as it is seen from outside.
fn inner(unshare: &Child) -> u32 {
    let path = format!("/proc/{0}/task/{0}/children", unshare.id());
    loop {
        let children = fs::read_to_string(&path).expect("its children");
        if let Some(child) = children.split_whitespace().next() {
            return child.parse().expect("a number");
        }
    }
}

#[test]
fn the_first_process_of_a_container_ends_as_any_other() {
    let allowed = first_process(&["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match allowed {
        Ok(status) if status.success() => {}
        Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
        refused => {
            eprintln!("this machine allows no namespaces, so there is nothing to see here: {refused:?}");
            return;
        }
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, format) = endless_store(dir.path());
    let cases: [(&[&str], i32); 2] =
        [(&["up", "--data", &data, "--listen", "127.0.0.1:0"], 0), (&["verify", "--data", &data], 130)];
    for (args, code) in cases {
        for signal in ["TERM", "INT"] {
            let process = Process::spawn(first_process(args));
            let _held = format.await_reader();
            let pid = inner(&process.0);
            ends(process, pid, signal, code, &format!("{signal}: {args:?}"));
        }
    }
    // And one that runs.
    fs::remove_file(&format.0).expect("the pipe goes");
    fs::write(&format.0, "orderflow store, format 1\n").expect("the file is back");
    let mut process = Process::spawn(first_process(&["up", "--data", &data, "--listen", "127.0.0.1:0"]));
    process.0.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("it says how to reach it");
    let pid = inner(&process.0);
    let told = ends(process, pid, "TERM", 0, "up");
    assert!(told.ends_with("orderflow: stopped\n"), "{told}");
    assert_eq!(run(&["verify", "--data", &data]).code, Some(3), "no results yet, and a store that opens");
}
