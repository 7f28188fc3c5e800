//! The live job: how late its results are, how much it sustains, what a correction costs, how it
//! starts again, and what a backup takes.
//!
//! `live [ORDERS] [ROUNDS] [SECONDS]`: corrections after ORDERS orders and after ten times as many,
//! restarts and a backup with those; latency and sustained rate in so many rounds of SECONDS. Prints a Markdown
//! table for each. The process that people run is measured from outside, over the wire; what is to
//! be told to the microsecond, in this process. Everything is synced to disk but the orders that
//! are only there to be many.

use std::time::Duration;

mod server;

#[path = "live/backup.rs"]
mod backup;
#[path = "live/correction.rs"]
mod correction;
#[path = "live/latency.rs"]
mod latency;
#[path = "live/load.rs"]
mod load;
#[path = "live/orders.rs"]
mod orders;
#[path = "live/restart.rs"]
mod restart;
#[path = "live/sustained.rs"]
mod sustained;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number = |default| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (orders, rounds, seconds): (u64, u64, u64) = (number(1_000_000), number(3), number(20));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let time = Duration::from_secs(seconds);
    latency::measure(&runtime, rounds, time);
    sustained::measure(&runtime, rounds, time);
    let folder = tempfile::tempdir_in("target").expect("a folder");
    correction::measure(&runtime, folder.path(), orders);
    restart::measure(&runtime, folder.path(), 10 * orders, rounds);
    backup::measure(folder.path(), 10 * orders);
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A number with its thousands set apart.
fn thousands(number: u64) -> String {
    terminal::Thousands(number).to_string()
}
