//! `orderflow up` from its start to its end: keys, refusals, signals, a disk that takes no more.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use store::change::{Condition, Returning, RowWrite, Write as StoreWrite};
use store::value::{KeyPart, KeyValue};
use tablestore::client::{Client, ClientConfig};

use crate::page;
use crate::store_server::{Up, orders, refused, request_id};
use crate::support::{Ended, Process, orderflow, run};

/// Status and body of what is there without a signature.
fn get(up: &Up, path: &str) -> (u16, String) {
    let endpoint = up.export("OTS_ENDPOINT");
    page::get(endpoint, path, endpoint.trim_start_matches("http://"))
}

/// A metric that is there once.
fn metric(up: &Up, name: &str) -> f64 {
    let (status, text) = get(up, "/metrics");
    assert_eq!(status, 200);
    let found = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

fn up_ends(data: &Path, more: &[&str]) -> Ended {
    let data = data.display().to_string();
    run(&[&["up", "--data", &data, "--listen", "127.0.0.1:0"], more].concat())
}

#[test]
fn the_first_start_makes_a_key_and_later_ones_keep_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let up = Up::start(&data, &[]);
    let names: Vec<&str> = up.exports.keys().map(String::as_str).collect();
    assert_eq!(names, ["OTS_AK_ENV", "OTS_ENDPOINT", "OTS_INSTANCE", "OTS_REGION", "OTS_SK_ENV"]);
    assert_eq!(up.export("OTS_INSTANCE"), "orderflow");
    let key_file = data.join("keys.env");
    assert_eq!(fs::metadata(&key_file).expect("a key file").mode() & 0o7777, 0o600);
    let tables = up.run(&["tables"]);
    assert_eq!((tables.code, tables.stdout.as_str()), (Some(0), ""));
    assert!(tables.stderr.starts_with("no tables yet"), "{}", tables.stderr);
    // Version 2 of the signature too.
    let version_2 = up.command(&["tables"]).env_remove("OTS_REGION").output().expect("it starts");
    assert!(version_2.status.success());

    let exports = up.exports.clone();
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("orderflow: stopped\n"), "{}", ended.stderr);
    let again = Up::start(&data, &["--instance", "shop", "--no-page"]);
    for name in ["OTS_AK_ENV", "OTS_SK_ENV", "OTS_REGION"] {
        assert_eq!(again.export(name), exports[name], "{name}");
    }
    assert_eq!(again.export("OTS_INSTANCE"), "shop");
    assert_eq!(again.stop("TERM").code, Some(0));
}

#[test]
fn a_key_of_one_s_own_is_used_and_its_secret_is_not_printed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("own.env");
    fs::write(&file, "export OTS_AK_ENV=testid\nexport OTS_SK_ENV=testsecret\n")
        .expect("the file is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the mode is set");
    let data = dir.path().join("data");
    let up = Up::start(&data, &["--key-file", &file.display().to_string()]);
    assert_eq!((up.export("OTS_AK_ENV"), up.exports.get("OTS_SK_ENV")), ("testid", None));
    assert!(!data.join("keys.env").exists());
    let called = up.command(&["tables"]).env("OTS_SK_ENV", "testsecret").output().expect("it starts");
    assert!(called.status.success());
}

#[test]
fn up_refuses_what_it_cannot_serve() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let up = Up::start(&data, &[]);
    let shown = data.display();
    refused(&up_ends(&data, &[]), 3, &format!("{shown} is in use by process {};", up.id()));
    let port = up.export("OTS_ENDPOINT").trim_start_matches("http://").to_owned();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for address in [port, taken.local_addr().expect("an address").to_string()] {
        let other = dir.path().join("other").display().to_string();
        let ended = run(&["up", "--data", &other, "--listen", &address]);
        refused(&ended, 3, &format!("{address} is in use by another program"));
    }
    assert_eq!(up.stop("INT").code, Some(0));

    let remote = run(&["up", "--data", "x", "--listen", "0.0.0.0:0"]);
    refused(&remote, 2, "0.0.0.0:0 can be reached from other machines: say --allow-remote");
    refused(&up_ends(&data, &["--instance", "my shop"]), 2, "--instance \"my shop\" must be");
    refused(&up_ends(&data, &["-w", "0"]), 2, "-w 0: a process has 1 to ");
    refused(&up_ends(&data, &["--window", "0s"]), 2, "--window must not be 0");
    refused(&up_ends(&data, &["--timezone", "Here"]), 2, "unknown time zone \"Here\": give UTC");

    let key_file = data.join("keys.env");
    let key = fs::read(&key_file).expect("a key file");
    fs::write(&key_file, "OTS_AK_ENV=only").expect("the file is written");
    refused(
        &up_ends(&data, &[]),
        3,
        &format!("{} holds no access key: OTS_SK_ENV is missing", key_file.display()),
    );
    fs::write(&key_file, key).expect("the file is written");
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).expect("the mode is set");
    refused(
        &up_ends(&data, &[]),
        3,
        &format!("{} is open to other users (mode 644): chmod 600", key_file.display()),
    );
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).expect("the mode is set");

    let format = data.join("engine").join("FORMAT");
    fs::write(&format, "orderflow store, format 9\n").expect("the file is written");
    let ended = up_ends(&data, &[]);
    refused(&ended, 3, &format!("{}", data.display()));
    assert!(ended.stderr.contains("format 9"), "{}", ended.stderr);
}

/// The number of orders that a `generate` says were acknowledged.
fn acknowledged(ended: &Ended) -> usize {
    let (said, _) = ended.stderr.trim_end().rsplit_once(" of ").expect(&ended.stderr);
    let (_, number) = said.rsplit_once(' ').expect(&ended.stderr);
    number.replace(',', "").parse().expect(&ended.stderr)
}

#[test]
fn orders_that_were_acknowledged_before_a_stop_are_there_after_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &[]);
    up.ok(&["init"]);
    // Enough for hours.
    let generating = Process::spawn(up.command(&["generate", "--orders", "100000000", "--users", "1000"]));
    while orders(&up).len() < 1_000 {}
    assert_eq!(up.stop("TERM").code, Some(0));
    let ended = generating.wait();
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""), "{}", ended.stderr);
    let up = Up::start(dir.path(), &[]);
    let (there, least) = (orders(&up).len(), acknowledged(&ended));
    // One batch on each connection may have been written though its answer was lost.
    assert!((least..=least + 800).contains(&there), "{there} of {least}: {}", ended.stderr);
}

#[test]
fn a_second_interrupt_does_not_wait_for_requests_in_flight() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut up = Up::start(dir.path(), &[]);
    let mut stream =
        TcpStream::connect(up.export("OTS_ENDPOINT").trim_start_matches("http://")).expect("it listens");
    let head = "POST /ListTable HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("it is sent");
    // The request is in flight once its body is asked for.
    let mut told = [0; 25];
    stream.read_exact(&mut told).expect("an answer");
    assert_eq!(told, *b"HTTP/1.1 100 Continue\r\n\r\n");
    up.interrupt();
    up.await_told("orderflow: stopping once the requests in flight are answered; interrupt again");
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(130), "{}", ended.stderr);
    assert!(ended.stderr.ends_with("orderflow: stopped before all requests were answered\n"));
}

#[test]
fn after_a_failed_write_reads_go_on_and_the_end_is_a_failure() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().display().to_string();
    // Writes beyond a limit then fail, as on a full disk, where by default they would end the
    // process.
    let script = "trap '' XFSZ; exec \"$0\" \"$@\"";
    let program = orderflow(&[]);
    let mut command = Command::new("sh");
    program.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.args(["-c", script]).arg(program.get_program()).args([
        "up",
        "--data",
        &data,
        "--listen",
        "127.0.0.1:0",
    ]);
    let mut up = Up::of(command);
    up.ok(&["init"]);
    up.ok(&["generate"]);
    let pid = Pid::from_raw(up.id().cast_signed());
    let limit = Rlimit { current: Some(0), maximum: None };
    prlimit(pid, Resource::Fsize, limit).expect("the limit is set");

    let ended = up.run(&["generate", "--orders", "10000", "--seed", "1"]);
    assert_eq!((ended.code, acknowledged(&ended)), (Some(3), 0), "{}", ended.stderr);
    assert!(ended.stderr.contains("refused: UserId u0"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("orderflow: the store takes no more orders; 0 of 10,000"),
        "{}",
        ended.stderr
    );
    assert_eq!(orders(&up).len(), 500);
    up.await_told("orderflow: writes are refused from now on, reads go on: ");
    let (status, reason) = get(&up, "/readyz");
    assert_eq!(status, 503);
    assert!(reason.starts_with("a write to the store failed"), "{reason}");
    // It is alive, and takes writes again once it can.
    assert_eq!(get(&up, "/healthz").0, 200);
    assert!(metric(&up, "orderflow_epoch") > 0.0);
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);

    let up = Up::start(dir.path(), &[]);
    assert_eq!(orders(&up).len(), 500);
    up.ok(&["generate", "--seed", "1"]);
}

#[test]
fn the_store_alone_tells_how_it_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &["--no-job"]);
    assert_eq!(get(&up, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(get(&up, "/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(metric(&up, "orderflow_store_commits_total"), 0.0);
    up.ok(&["init"]);
    up.ok(&["generate", "--orders", "400"]);
    assert_eq!(metric(&up, "orderflow_requests_total{operation=\"CreateTable\",status=\"2xx\"}"), 5.0);
    let (epoch, syncs) = (metric(&up, "orderflow_epoch"), metric(&up, "orderflow_store_sync_seconds_count"));
    // Five tables, a tunnel, and orders; commits that come together share a sync.
    assert!(epoch >= 7.0 && (1.0..=epoch).contains(&syncs), "{epoch} {syncs}");
    assert_eq!(metric(&up, "orderflow_store_commits_total"), epoch);
    assert!(!get(&up, "/metrics").1.contains("orderflow_upper"));
    // Commits are counted from the start, and numbered for ever.
    up.stop("TERM");
    let up = Up::start(dir.path(), &["--no-job"]);
    assert_eq!(metric(&up, "orderflow_store_commits_total"), 0.0);
    assert_eq!(metric(&up, "orderflow_epoch"), epoch);
}

#[test]
fn it_is_ready_once_the_job_has_caught_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut up = Up::start(dir.path(), &["-w", "2"]);
    up.await_told("orderflow: job: waiting for the table OrderSource: `orderflow init` makes it\n");
    assert_eq!(get(&up, "/readyz"), (200, "ready\n".to_owned()));
    assert_eq!(metric(&up, "orderflow_job_phase{phase=\"waiting\"}"), 1.0);
    up.ok(&["init"]);
    up.await_told("orderflow: job: running, results follow the orders ");
    up.ok(&["generate", "--orders", "1000", "--users", "7"]);
    let placed = orders(&up).len() as f64;
    while metric(&up, "orderflow_upper_lag_commits") > 0.0 || metric(&up, "orderflow_orders") < placed {}
    assert_eq!(metric(&up, "orderflow_orders"), placed);
    assert!((placed..=1_000.0).contains(&metric(&up, "orderflow_order_changes_total")));
    assert_eq!(metric(&up, "orderflow_upper_lag_seconds"), 0.0);
    assert_eq!((metric(&up, "orderflow_users"), metric(&up, "orderflow_rejects")), (7.0, 0.0));
    for name in ["orderflow_windows", "orderflow_result_commits_total", "orderflow_upper"] {
        assert!(metric(&up, name) > 0.0, "{name}");
    }
    assert!(metric(&up, "orderflow_memory_bytes{part=\"graph\"}") > 0.0);
    let total = up.ok(&["rows", "OrderTotalSink", "--json"]);
    assert!(total.contains(&format!("\"count\":{placed},")) && total.lines().count() == 1, "{total}");
    assert_eq!(up.stop("TERM").code, Some(0));

    // Results that are there keep their windows and their zone.
    let other = up_ends(dir.path(), &["--window", "1m"]);
    refused(&other, 2, "the results that are there have windows of 30000 ms in the zone UTC");
    let mut up = Up::start(dir.path(), &[]);
    up.await_told("orderflow: job: running, results follow the orders ");
    while get(&up, "/readyz").0 != 200 {}
    assert_eq!(metric(&up, "orderflow_orders"), placed);
    assert_eq!(metric(&up, "orderflow_order_changes_total"), 0.0);
}

#[test]
fn results_are_for_callers_to_write_only_without_the_job() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let write = |up: &Up| {
        let export = |name| up.export(name);
        let config = ClientConfig::new(
            export("OTS_ENDPOINT"),
            export("OTS_INSTANCE"),
            export("OTS_AK_ENV"),
            export("OTS_SK_ENV"),
            None,
        );
        let key = vec![("UserId".to_owned(), KeyPart::Value(KeyValue::String("me".to_owned())))];
        let write = StoreWrite {
            table: "OrderBatchSink".to_owned(),
            key,
            change: RowWrite::Put(Vec::new()),
            condition: Condition::default(),
            returning: Returning::default(),
        };
        let client = Client::new(config).expect("settings");
        runtime.block_on(client.write_row(&write)).map(|_| ()).map_err(|error| error.to_string())
    };
    let mut up = Up::start(dir.path(), &[]);
    up.ok(&["init"]);
    up.await_told("orderflow: job: running, ");
    let refused = write(&up).expect_err("it is the job's");
    assert!(refused.contains("OTSNoPermissionAccess"), "{refused}");
    let why = up.ok(&["why", request_id(&refused)]);
    assert!(why.contains("table OrderBatchSink is written by the program itself"), "{why}");
    assert_eq!(up.stop("INT").code, Some(0));
    let up = Up::start(dir.path(), &["--no-job"]);
    write(&up).expect("no table is special");
}

#[test]
fn the_log_is_for_machines_where_they_ask() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command = orderflow(&["up", "--data"]);
    command.arg(dir.path()).args(["--listen", "127.0.0.1:0", "--durability", "relaxed"]);
    command.env("ORDERFLOW_LOG_FORMAT", "json");
    let up = Up::of_ready(command, "ready: instance orderflow of ");
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(0));
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        for name in ["timestamp", "level", "target", "message"] {
            assert!(line[name].is_string(), "{name} of {line}");
        }
    }
    assert_eq!(lines[0]["level"], "WARN");
    assert_eq!(lines.last().map(|line| &line["message"]), Some(&"stopped".into()));

    // The reason of an end too.
    let file = dir.path().join("file");
    fs::write(&file, "").expect("the file is written");
    let ended = up_ends(&file, &["--log-format", "json"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (Some(3), 1), "{}", ended.stderr);
    let line: serde_json::Value = serde_json::from_str(&ended.stderr).expect("it is JSON");
    assert_eq!(line["level"], "ERROR");
    assert!(line["message"].as_str().is_some_and(|text| text.contains("/file")), "{line}");
}

#[test]
fn quiet_logs_hold_what_is_wrong_only() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut command = orderflow(&["up", "--no-job", "--data"]);
    command.arg(dir.path()).args(["--listen", "127.0.0.1:0"]).env("ORDERFLOW_LOG", "error");
    let mut up = Process::spawn(command);
    let stdout = up.0.stdout.as_mut().expect("piped");
    assert_eq!(BufReader::new(stdout).lines().take(5).count(), 5);
    up.signal("TERM");
    let ended = up.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}

#[test]
fn a_log_that_cannot_be_written_harms_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for form in ["text", "json"] {
        let mut command = orderflow(&["up", "--log-format", form, "--data"]);
        command.arg(dir.path()).args(["--listen", "127.0.0.1:0"]);
        let full = File::options().write(true).open("/dev/full").expect("a device that is full");
        let child = command.stdout(Stdio::piped()).stderr(full).spawn().expect("the program starts");
        let mut up = Process(child);
        let mut stdout = BufReader::new(up.0.stdout.take().expect("piped"));
        let mut lines = String::new();
        while lines.lines().count() < 5 {
            assert!(stdout.read_line(&mut lines).expect("the program prints UTF-8") > 0, "{lines}");
        }
        let mut tables = orderflow(&["tables"]);
        tables.envs(lines.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('=')));
        assert!(tables.output().expect("it starts").status.success());
        up.signal("INT");
        assert_eq!(up.0.wait().expect("the program ends").code(), Some(0), "{form}");
    }
}
