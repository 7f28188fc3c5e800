//! Everything that tells how the program is tells the same: the page and its state, the metrics,
//! whether it is ready, the log. And a store whose disk was full takes writes again.

pub(crate) mod disk;
mod look;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::page::{PageConfig, PageLimits};
use connections::Places;
use live::feed::Feed;
use live::job::{CHANGES_MAX, Job, JobConfig, Phase};
use live::verify::JobResults;
use order_tables::schemas;
use orderflow::program::metrics::Metrics;
use orders::Layout;
use store::change::{ColumnChange, RowWrite};
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyType, Value};
use store::{Store, StoreOptions};
use tablestore::client::Client;
use tablestore::server::{Limits, MetricsReaders, Server, ServiceConfig};
use tokio::net::TcpListener;

use self::disk::{SmallDisk, damage_rows, limit};
use self::look::{Doors, Faces, look, state, text, within};
use self::walk::Walk;
use crate::crash::{block_on, client, write};
use crate::store_server::{Up, orders};

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
                let state = state(&Doors::of(&up));
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
    within("room again", || look(&Doors::of(&up), &well()));
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

/// What each face tells while all is well.
fn well() -> Faces {
    Faces { phase: ("running", ""), ready: (200, "ready"), healthy: 200, ..Faces::default() }
}

/// What each face tells while the job does not go on: the page's banner, and whether it is ready.
fn halted(phase: &'static str, reason: &'static str, banner: &'static str, ready: &'static str) -> Faces {
    Faces {
        phase: (phase, reason),
        banner: ("phase", banner),
        ready: (503, ready),
        healthy: 200,
        ..Faces::default()
    }
}

/// What each face tells while writes are refused.
fn refusing(refusing: &'static str, phase: &'static str, healthy: u16) -> Faces {
    Faces {
        phase: (phase, ""),
        refusing,
        banner: ("refusing", refusing),
        ready: (503, refusing),
        healthy,
        refuses_more: true,
    }
}

/// Why writes are refused where no file may grow, and where a sync has failed.
const FULL: &str = "a file has reached the largest size that is allowed; it takes them again by itself";
const UNSYNCED: &str = "see that the disk is sound, then restart";

/// What to do where rows cannot be read.
const UNREADABLE: &str = "see that the disk is sound, then restart or restore a backup";

/// What the log tells.
const RUNNING: &str = "orderflow: job: running, results follow the orders";
const REFUSED: &str = "orderflow: writes are refused from now on, reads go on: ";
const FAILED: &str = "orderflow: job: failed, the store serves on: ";

/// A step, what it does, a part of what the log tells of it, and what the faces tell then; `None` if
/// none is left.
type Row = (&'static str, fn(&mut Walk), &'static str, Option<Faces>);

fn is_refused(up: &Up) {
    assert_eq!(up.run(&["generate", "--orders", "20"]).code, Some(3));
}

/// The rows of a first store: its tables, its disk that is full, its disk that fails.
fn tables_and_disk() -> Vec<Row> {
    vec![
        (
            "no table of orders",
            |walk| walk.start("shop"),
            "orderflow: job: waiting for the table OrderSource",
            Some(Faces { phase: ("waiting", ""), ..well() }),
        ),
        (
            "another table of orders",
            |walk| other_orders(&client(walk.up())),
            "orderflow: job: blocked: ",
            Some(halted("blocked", "OrderSource", "OrderSource", "the job is blocked: ")),
        ),
        (
            "the right one",
            |walk| {
                block_on(client(walk.up()).delete_table("OrderSource")).expect("the table goes");
                walk.up().ok(&["init"]);
                walk.up().ok(&["generate", "--orders", "500"]);
            },
            RUNNING,
            Some(well()),
        ),
        (
            "no room",
            |walk| {
                limit(walk.up(), Some(0));
                is_refused(walk.up());
            },
            REFUSED,
            Some(refusing(FULL, "running", 200)),
        ),
        ("room again", |walk| limit(walk.up(), None), "orderflow: writes are taken again\n", Some(well())),
        (
            "and used",
            |walk| {
                walk.up().ok(&["generate", "--orders", "700", "--seed", "7"]);
                walk.up().ok(&["verify"]);
            },
            "",
            Some(well()),
        ),
        (
            "a sync that fails",
            |walk| {
                walk.disk.fail();
                is_refused(walk.up());
            },
            REFUSED,
            Some(refusing(UNSYNCED, "running", 503)),
        ),
        (
            "syncs that fail no more",
            |walk| walk.disk.fail_no_more(),
            "",
            Some(Faces { refuses_more: false, ..refusing(UNSYNCED, "running", 503) }),
        ),
        (
            "an end while writes are refused",
            |walk| {
                walk.remember();
                walk.stop(3);
            },
            UNSYNCED,
            None,
        ),
        (
            "a restart",
            |walk| {
                walk.start("shop");
                walk.recall();
            },
            RUNNING,
            Some(well()),
        ),
        ("stopped", |walk| walk.stop(0), "orderflow: stopped", None),
    ]
}

/// The rows of starts, which a sync holds up that comes to no end.
fn starts() -> Vec<Row> {
    vec![
        (
            "starting: a table of results is to be made",
            |walk| {
                walk.alone("shop", |up| {
                    block_on(client(up).delete_table("OrderRejects")).expect("the table goes");
                });
                walk.start_held("shop");
            },
            "orderflow: ready: ",
            Some(halted("starting", "", "The results are being read back", "the job has not caught up")),
        ),
        ("and is made", Walk::let_go, RUNNING, Some(well())),
        (
            "rebuilding: nothing is counted yet",
            |walk| {
                walk.stop(0);
                let (data, file) = (walk.path("other").display().to_string(), walk.path("backup"));
                walk.alone("other", |up| {
                    up.ok(&["init"]);
                    up.ok(&["generate", "--orders", "500"]);
                });
                walk.runs(&["backup", "--data", &data, "--to", &file.display().to_string()]);
                walk.start_held("other");
            },
            "orderflow: job: rebuilding the results from all orders",
            Some(halted("rebuilding", "500 orders so far", "counted anew", "the job rebuilds the results: ")),
        ),
        ("and is counted", Walk::let_go, RUNNING, Some(well())),
    ]
}

/// The rows of jobs that cannot go on.
fn failures() -> Vec<Row> {
    vec![
        (
            "failed: the results cannot be written",
            |walk| {
                walk.stop(0);
                walk.runs(&[
                    "restore",
                    &walk.path("backup").display().to_string(),
                    "--data",
                    &walk.path("restored").display().to_string(),
                ]);
                walk.start_held("restored");
                walk.disk.fail();
                walk.let_go();
                is_refused(walk.up());
            },
            FAILED,
            Some(refusing(UNSYNCED, "failed", 503)),
        ),
        ("failed, and ended", |walk| walk.stop(3), UNSYNCED, None),
        (
            "failed: the orders cannot be read",
            |walk| {
                walk.disk.fail_no_more();
                walk.runs(&[
                    "restore",
                    &walk.path("backup").display().to_string(),
                    "--data",
                    &walk.path("damaged").display().to_string(),
                ]);
                damage_rows(&walk.path("damaged"));
                walk.start("damaged");
            },
            FAILED,
            Some(halted(
                "failed",
                UNREADABLE,
                "The job has failed. Cannot read the rows in ",
                "the job has failed: ",
            )),
        ),
        ("failed without refused writes, and ended", |walk| walk.stop(3), UNREADABLE, None),
    ]
}

#[test]
fn every_face_tells_each_phase() {
    let mut walk = Walk::new();
    let mut phases = BTreeSet::new();
    for (what, step, log, expected) in [tables_and_disk(), starts(), failures()].into_iter().flatten() {
        walk.step(what, step, log, expected.as_ref());
        phases.extend(expected.map(|faces| faces.phase.0));
    }
    // A program tells nothing of a job that has stopped: by then its servers are gone.
    phases.insert("stopped");
    assert_eq!(phases, BTreeSet::from(Phase::NAMES));
}

#[test]
fn a_job_that_has_stopped_is_told_by_servers_that_go_on() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _entered = runtime.enter();
    let store = Store::open(dir.path(), StoreOptions::default()).expect("the store opens");
    for schema in schemas() {
        store.create_table(schema).expect("the table is made");
    }
    let config = JobConfig { workers: 1, layout: Layout::default(), changes_max: CHANGES_MAX };
    let job = Job::start(store.clone(), config).expect("the job starts");
    let watch = job.watch();
    let feed = Feed::start(store.clone(), Layout::default(), &watch, tokio::sync::watch::channel(None).1);
    let listen = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let (to_store, to_page) = (listen(), listen());
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().expect("an address"));
    let doors = Doors { store: url(&to_store), page: url(&to_page) };
    let service = ServiceConfig {
        store: store.clone(),
        instance: "orderflow".to_owned(),
        key_id: "id".to_owned(),
        secret: "secret".to_owned(),
        limits: Limits::default(),
        vitals: Arc::new(Metrics::new(store, Some(&watch), None, Places::new(100))),
        metrics_readers: MetricsReaders::All,
        results: Arc::new(JobResults),
    };
    let page = PageConfig {
        feed: feed.watch(),
        hosts: Vec::new(),
        embed: Vec::new(),
        token: None,
        limits: PageLimits::default(),
    };
    runtime.spawn(Server::serve(to_store, service, std::future::pending()));
    runtime.spawn(::page::serve(to_page, page, std::future::pending()));
    within("a job that runs", || look(&doors, &well()));
    job.stop();
    within("a job that has stopped", || {
        look(&doors, &halted("stopped", "", "The job has stopped.", "the job has stopped"))
    });
}
