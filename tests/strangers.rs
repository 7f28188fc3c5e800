//! What strangers can do to a running server from outside: take up its connections, read on the
//! way, and ask for what is not theirs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit, setrlimit};
use tokio::runtime::Runtime;

use store::change::{ColumnChange, Condition, Returning, RowWrite, Write as StoreWrite};
use store::read::Selection;
use store::schema::{KeyColumn, TableOptions, TableSchema};
use store::value::{KeyPart, KeyType, KeyValue, NamedKey, Value};
use store::{Store, StoreOptions};
use tablestore::client::{Client, ClientConfig};

use crate::page;
use crate::store_server::{Up, orders, refused};
use crate::support::{ended, orderflow};

/// The limit of open files that most systems start programs with.
const USUAL_LIMIT: &str = "1024";

/// `up` on this folder, started by a shell that sets limits of open files before.
fn up_under(limits: &str, data: &Path) -> Command {
    let program = orderflow(&[]);
    let mut command = Command::new("sh");
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.args(["-c", &format!("{limits} && exec \"$0\" \"$@\"")]).arg(program.get_program());
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(data);
    command
}

/// Lets this process open as many connections as the tests need.
fn open_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the limit is raised");
}

/// A metric, by its name and labels.
fn metric(up: &Up, name: &str) -> f64 {
    let endpoint = up.export("OTS_ENDPOINT");
    let (status, text) = page::get(endpoint, "/metrics", endpoint.trim_start_matches("http://"));
    assert_eq!(status, 200, "{text}");
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

fn address(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The bytes of a large row: enough of them fill the store's memory, journals and sorted files.
const LARGE_BYTES: usize = 1 << 20;
/// Large rows, in MB: files of the store are written eight times, merged twice, and the journal is
/// begun anew twice.
const LARGE_ROWS: i64 = 140;

fn large_value(id: i64) -> Value {
    Value::Binary(vec![u8::try_from(id % 251).expect("below 251"); LARGE_BYTES])
}

fn large_key(id: i64) -> NamedKey {
    vec![("id".to_owned(), KeyPart::Value(KeyValue::Integer(id)))]
}

/// A client of a table of large rows.
struct LargeRows {
    client: Client,
    runtime: Runtime,
}

impl LargeRows {
    fn of(up: &Up) -> LargeRows {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let [endpoint, instance, id, secret] =
            ["OTS_ENDPOINT", "OTS_INSTANCE", "OTS_AK_ENV", "OTS_SK_ENV"].map(|name| up.export(name));
        let client = Client::new(ClientConfig::new(endpoint, instance, id, secret, None)).expect("settings");
        LargeRows { client, runtime }
    }

    fn create(&self) {
        let schema = TableSchema {
            name: "Large".to_owned(),
            key: vec![KeyColumn { name: "id".to_owned(), kind: KeyType::Integer, auto_increment: false }],
            options: TableOptions::default(),
            stream: None,
            defined_columns: Vec::new(),
            throughput: (0, 0),
            splits: Vec::new(),
        };
        self.runtime.block_on(self.client.create_table(&schema)).expect("the table is made");
    }

    fn put(&self, id: i64) {
        self.try_put(id).unwrap_or_else(|error| panic!("row {id}: {error}"));
    }

    fn try_put(&self, id: i64) -> Result<(), String> {
        let change = ColumnChange::Put { value: large_value(id), version: None };
        let write = StoreWrite {
            table: "Large".to_owned(),
            key: large_key(id),
            change: RowWrite::Put(vec![("bytes".to_owned(), change)]),
            condition: Condition::default(),
            returning: Returning::default(),
        };
        self.runtime.block_on(self.client.write_row(&write)).map(drop).map_err(|error| error.to_string())
    }
}

/// Checks that a folder that nobody serves has the first large rows, as many as these.
fn has_large_rows(folder: &Path, rows: i64) {
    let store = Store::open(folder, StoreOptions::default()).expect("the folder opens");
    for id in 0..rows {
        let row = store.get("Large", &large_key(id), &Selection::default()).expect("it is read");
        let cells = row.expect("no row is lost").cells;
        assert!(cells.len() == 1 && cells[0].value == large_value(id), "row {id}");
    }
    store.close().expect("it closes");
}

#[test]
fn idle_strangers_under_the_usual_limit_stop_no_write() {
    open_many_files();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let limit = format!("ulimit -n {USUAL_LIMIT}");
    let mut up = Up::of(up_under(&limit, dir.path()));
    up.await_told(" files may be open at a time, which leaves room for ");
    up.ok(&["init"]);
    let connect = |url: &str| TcpStream::connect(address(url)).expect("it listens");
    let mut strangers: Vec<TcpStream> = (0..1_100).map(|_| connect(up.export("OTS_ENDPOINT"))).collect();
    strangers.extend((0..300).map(|_| connect(&up.page())));
    let large = LargeRows::of(&up);
    large.create();
    // More of them come while rows are written, and while files are merged.
    for id in 0..LARGE_ROWS {
        large.put(id);
        strangers.extend((0..3).map(|_| connect(up.export("OTS_ENDPOINT"))));
    }
    let made = up.run(&["generate", "--orders", "2000", "--users", "20"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);

    let (files, files_max) = (metric(&up, "orderflow_open_files"), metric(&up, "orderflow_open_files_max"));
    assert_eq!(files_max.to_string(), USUAL_LIMIT);
    assert!(files < files_max, "{files}");
    let (taken, open) = (
        metric(&up, "orderflow_connections_taken_total{listener=\"store\"}"),
        metric(&up, "orderflow_connections{listener=\"store\"}"),
    );
    let dropped = metric(&up, "orderflow_connections_dropped_total{listener=\"store\"}");
    assert!(taken >= 1_100.0 + 3.0 * LARGE_ROWS as f64 && dropped > 500.0, "{taken} {dropped}");
    assert!(open > 0.0 && open <= metric(&up, "orderflow_connections_max"), "{open}");
    for listener in ["store", "page"] {
        let refused = format!("orderflow_connections_refused_total{{listener=\"{listener}\"}}");
        assert_eq!(metric(&up, &refused), 0.0, "{listener}");
    }
    // Strangers are gone, the latest of them not.
    let is_there = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).expect("it is set");
        matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let (first, last) = (strangers.first_mut().expect("many"), 1_100 + 300 + 3 * LARGE_ROWS as usize - 1);
    assert!(!is_there(first), "the first stranger is there");
    assert!(is_there(&mut strangers[last]), "the last stranger is gone");
    let endpoint = up.export("OTS_ENDPOINT");
    assert_eq!(page::get(endpoint, "/healthz", address(endpoint)), (200, "ok\n".to_owned()));

    // Nothing was lost, also not on disk.
    let placed = orders(&up);
    assert!(placed.len() > 1_000, "{}", placed.len());
    up.ok(&["verify"]);
    let stopped = up.stop("TERM");
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    has_large_rows(dir.path(), LARGE_ROWS);
    assert_eq!(orders(&Up::start(dir.path(), &[])), placed);
}

/// Lets a running server open no further file, or as many as before.
fn limit_files(up: &Up, limit: Option<u64>) {
    let pid = Pid::from_raw(up.id().cast_signed());
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let current = limit.or(maximum);
    prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).expect("the limit is set");
}

#[test]
fn a_lack_of_files_that_passes_refuses_writes_no_longer_than_it_lasts() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut up = Up::start(dir.path(), &[]);
    let large = LargeRows::of(&up);
    large.create();
    (0..4).for_each(|id| large.put(id));
    // No file that is open has a number below: the store cannot write out what is in memory.
    limit_files(&up, Some(3));
    let refused = (4..200).find_map(|id| large.try_put(id).err().map(|error| (id, error)));
    let (next, error) = refused.expect("memory is full at some time");
    assert!(error.contains("OTSServerUnavailable"), "row {next}: {error}");
    up.await_told("orderflow: writes are refused from now on, reads go on: ");
    up.await_told("no file descriptor is free");
    limit_files(&up, None);
    up.await_told("orderflow: writes are taken again");
    (next..next + 40).for_each(|id| large.put(id));
    let stopped = up.stop("TERM");
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    has_large_rows(dir.path(), next + 40);
}

#[test]
fn a_soft_limit_is_raised_as_far_as_the_system_lets() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::of(up_under("ulimit -Sn 100 && ulimit -Hn 4000", dir.path()));
    assert_eq!(metric(&up, "orderflow_open_files_max"), 4_000.0);
    // As many connections as store and page take by themselves.
    assert_eq!(metric(&up, "orderflow_connections_max"), 1_536.0);
    let stopped = up.stop("TERM");
    assert!(!stopped.stderr.contains("files may be open"), "{}", stopped.stderr);
}

#[test]
fn a_limit_that_leaves_nothing_for_connections_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let ended = ended(up_under("ulimit -n 200", dir.path()).output().expect("the shell starts"));
    refused(&ended, 3, "at most 200 files may be open at a time, and ");
    assert!(ended.stderr.contains(" are needed: raise the limit with `ulimit -n`"), "{}", ended.stderr);
}

#[test]
fn a_page_and_metrics_with_a_token_ask_for_it() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("token");
    std::fs::write(&file, "a-token-of-20-letter\n").expect("the file is written");
    let (data, token) = (dir.path().join("data"), file.display().to_string());
    let start = |mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
        let data = data.display().to_string();
        orderflow(&["up", "--data", &data, "--listen", "127.0.0.1:0", "--page-token-file", &token])
    };
    let loose = ended(start(0o644).output().expect("the program starts"));
    refused(&loose, 2, &format!("{token} is open to other users (mode 644): chmod 600 {token}"));
    let up = Up::of(start(0o600));
    let ask = |url: &str, path: &str, header: &str| {
        let mut stream = TcpStream::connect(address(url)).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{header}\r\n")
            .expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.split(' ').nth(1).and_then(|status| status.parse::<u16>().ok()).expect("a status")
    };
    let (store, page) = (up.export("OTS_ENDPOINT"), up.page());
    let bearer = "authorization: Bearer a-token-of-20-letter\r\n";
    for (url, path, without, with) in [
        (store, "/metrics", 401, 200),
        (store, "/healthz", 200, 200),
        (page.as_str(), "/", 401, 200),
        (page.as_str(), "/api/at", 401, 200),
    ] {
        assert_eq!((ask(url, path, ""), ask(url, path, bearer)), (without, with), "{path} of {url}");
    }
    // Signed requests are no affair of the token.
    up.ok(&["tables"]);
}
