//! Orders a second from the writers to the results, everything synced.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::load::{Load, acknowledged, total};
use crate::orders::shop;
use crate::{median, thousands};

/// Between two looks at the total.
const LOOK: Duration = Duration::from_millis(1);

/// What one round gave, in orders a second and seconds.
struct Round {
    acknowledged: f64,
    in_results: f64,
    behind_s: f64,
}

/// Measures and prints.
pub(crate) fn measure(runtime: &Runtime, rounds: u64, time: Duration) {
    let load = Load { connections: 8, batch_rows: 200, rate: None };
    println!(
        "### Orders a second, end to end: {} connections, batches of {}, medians of {rounds} rounds of {} s\n",
        load.connections,
        load.batch_rows,
        time.as_secs()
    );
    let rounds: Vec<Round> = (0..rounds).map(|_| runtime.block_on(round(load, time))).collect();
    let of = |field: fn(&Round) -> f64| median(rounds.iter().map(field).collect());
    println!("| | |\n|---|---:|");
    println!("| acknowledged | {} orders/s |", thousands(of(|round| round.acknowledged) as u64));
    println!("| in the results | {} orders/s |", thousands(of(|round| round.in_results) as u64));
    println!(
        "| from the last acknowledgement until the results hold all | {:.2} s |",
        of(|round| round.behind_s)
    );
    println!();
}

async fn round(load: Load, time: Duration) -> Round {
    let folder = tempfile::tempdir_in("target").expect("a folder");
    let server = shop(&folder.path().join("data"), &[]).await;
    let start = Instant::now();
    let acknowledged = acknowledged(load.start(&server, 0, start + time)).await;
    let last = Instant::now();
    let client = server.client();
    while total(&client).await < acknowledged {
        tokio::time::sleep(LOOK).await;
    }
    let rate = |end: Instant| acknowledged as f64 / (end - start).as_secs_f64();
    Round {
        acknowledged: rate(last),
        in_results: rate(Instant::now()),
        behind_s: last.elapsed().as_secs_f64(),
    }
}
