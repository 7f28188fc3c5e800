//! The time that one correction takes, after many orders and after ten times as many.

use std::path::Path;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use live::job::{CHANGES_MAX, Job, JobConfig, Phase, Status};
use order_tables::schemas;
use orders::Layout;
use store::change::{ColumnChange, RowWrite};
use store::value::Value;
use store::{Durability, Store, StoreOptions};
use tokio::runtime::Runtime;

use crate::orders::{USERS, order};
use crate::server::quantiles;
use crate::thousands;

/// Orders that are corrected, one after the other.
const CORRECTIONS: u64 = 1_000;

/// Rows of a batch, and batches that are on their way at a time, while there are only to be many.
const BATCH_ROWS: u64 = 1_000;
const BATCHES_MAX: usize = 32;

/// Measures and prints; leaves ten times as many orders in the folder, and their results.
pub(crate) fn measure(runtime: &Runtime, folder: &Path, orders: u64) {
    println!("### One correction among many orders of {} users: {CORRECTIONS} of them\n", thousands(USERS));
    println!(
        "| orders before | in the graph, p50 | p99 | from the write to durable results, p50 | p99 |\n\
         |---:|---:|---:|---:|---:|"
    );
    let mut loaded = 0;
    for orders in [orders, 10 * orders] {
        load(folder, loaded, orders);
        loaded = orders;
        let (in_graph, end_to_end) = runtime.block_on(correct(folder, orders));
        let [graph_p50, graph_p99] = quantiles(in_graph).map(|seconds| seconds * 1e6);
        let [p50, p99] = quantiles(end_to_end).map(|seconds| seconds * 1e3);
        println!(
            "| {} | {graph_p50:.0} µs | {graph_p99:.0} µs | {p50:.2} ms | {p99:.2} ms |",
            thousands(orders)
        );
    }
    println!();
}

fn open(folder: &Path, durability: Durability) -> Store {
    Store::open(folder, StoreOptions { durability, ..StoreOptions::default() }).expect("the store opens")
}

/// Adds orders, synced only at the end.
fn load(folder: &Path, first: u64, end: u64) {
    let store = open(folder, Durability::Relaxed);
    if first == 0 {
        let [orders, ..] = schemas();
        store.create_table(orders).expect("the table is created");
    }
    // A place is free once its batch is answered.
    let (free, places) = sync_channel(BATCHES_MAX);
    (0..BATCHES_MAX).for_each(|_| free.send(()).expect("there is room"));
    for batch in (first..end).step_by(BATCH_ROWS as usize) {
        places.recv().expect("a batch is answered");
        let free = free.clone();
        store.write((batch..end.min(batch + BATCH_ROWS)).map(order).collect(), move |answers| {
            assert!(answers.iter().all(Result::is_ok), "each row is written");
            // Nobody waits for the last ones.
            let _ = free.send(());
        });
    }
    store.close().expect("the store closes");
}

/// Times in the graph, and from the write to the results' sync.
async fn correct(folder: &Path, orders: u64) -> (Vec<Duration>, Vec<Duration>) {
    let store = open(folder, Durability::Synced);
    let layout = Layout::default();
    let config = JobConfig { workers: 1, layout, changes_max: CHANGES_MAX };
    let job = Job::start(store.clone(), config).expect("the job starts");
    let watch = job.watch();
    let is_ready = |status: &Status| status.phase == Phase::Running && status.caught_up;
    watch.follow().wait_for(is_ready).await.expect("the job runs");
    assert_eq!(watch.status().total.orders.unsigned_abs(), orders, "all orders are counted");
    let mut committed = watch.committed();
    let (mut in_graph, mut end_to_end) = (Vec::new(), Vec::new());
    for correction in 0..CORRECTIONS {
        // Orders of all ages, each to a price that it does not have.
        let mut write = order(correction * (orders / CORRECTIONS));
        if let RowWrite::Put(columns) = &mut write.change {
            // No price has such a fraction but those of this round: an equal one would change
            // nothing, and no epoch would come.
            let value = Value::Double(correction as f64 + 0.005 + orders as f64 / 1e9);
            columns[0].1 = ColumnChange::Put { value, version: None };
        }
        let start = Instant::now();
        let written = store.write_and_wait(vec![write]).remove(0).expect("the correction is written");
        let done = loop {
            let done = committed.recv().await.expect("no epoch is missed");
            if done.epoch >= written.commit {
                break done;
            }
        };
        in_graph.push(done.in_graph);
        end_to_end.push(done.at - start);
    }
    job.stop();
    store.close().expect("the store closes");
    (in_graph, end_to_end)
}
