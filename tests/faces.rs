//! Everything that tells how the program is tells the same: the page and its state, the metrics,
//! whether it is ready, the log. And a store whose disk was full takes writes again.

mod disk;
mod look;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use store::change::{ColumnChange, RowWrite};
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyType, Value};
use tablestore::client::Client;

use self::disk::{SmallDisk, failing_syncs, limit, limited};
use self::look::{Faces, look, metrics, refusing, state, text, well, within};
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
