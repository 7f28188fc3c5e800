//! From the acknowledgement of an order to the row of results that holds it, as clients see both.

use std::time::{Duration, Instant};

use order_tables::{ORDER_KEY, RESULT_TABLES};
use store::read::Selection;
use store::value::{KeyPart, KeyValue};
use tablestore::client::Client;
use tokio::runtime::Runtime;

use crate::load::{Load, acknowledged};
use crate::orders::{placed, shop};
use crate::server::quantiles;
use crate::{median, thousands};

/// Orders a second beside those that are timed.
const RATES: [u64; 2] = [1_000, 5_000];

/// Between two looks for a row: what each time may be too long by.
const LOOK: Duration = Duration::from_micros(500);

/// From one order that is timed to the next: no multiple of the writers' pace.
const PROBE: Duration = Duration::from_millis(23);

/// Measures and prints.
pub(crate) fn measure(runtime: &Runtime, rounds: u64, time: Duration) {
    println!(
        "### From acknowledgement to the readable result, looked for every {} ms: medians of {rounds} rounds of {} s\n",
        LOOK.as_secs_f64() * 1e3,
        time.as_secs()
    );
    println!("| orders/s | timed orders | p50 | p99 |\n|---:|---:|---:|---:|");
    for rate in RATES {
        let rounds: Vec<_> = (0..rounds).map(|_| runtime.block_on(round(rate, time))).collect();
        let of =
            |quantile: usize| median(rounds.iter().map(|(_, quantiles)| quantiles[quantile] * 1e3).collect());
        let timed: usize = rounds.iter().map(|(timed, _)| timed).sum();
        println!("| {} | {} | {:.1} ms | {:.1} ms |", thousands(rate), thousands(timed as u64), of(0), of(1));
    }
    println!();
}

/// How many orders were timed, and p50 and p99 in seconds.
async fn round(rate: u64, time: Duration) -> (usize, [f64; 2]) {
    let folder = tempfile::tempdir_in("target").expect("a folder");
    let server = shop(&folder.path().join("data"), &[]).await;
    let client = server.client();
    // The first order waits for the job to begin.
    latency(&client, 0).await;
    let end = Instant::now() + time;
    let load = Load { connections: 4, batch_rows: 10, rate: Some(rate) };
    let writers = load.start(&server, 0, end);
    let mut pace = tokio::time::interval(PROBE);
    let mut times = Vec::new();
    while Instant::now() < end {
        pace.tick().await;
        times.push(latency(&client, 1 + times.len() as u64).await);
    }
    let written = acknowledged(writers).await;
    let wanted = rate * time.as_secs();
    assert!(written > wanted * 9 / 10, "{written} of {wanted} orders were taken: the rate was not kept");
    (times.len(), quantiles(times))
}

/// Places the only order of a new user, and waits for the user's row.
async fn latency(client: &Client, number: u64) -> Duration {
    let user = format!("timed_{number:06}");
    client.write_row(&placed(&user, number, 1.25)).await.expect("the order is written");
    let acknowledged = Instant::now();
    let key = vec![(ORDER_KEY[0].to_owned(), KeyPart::Value(KeyValue::String(user)))];
    loop {
        // Before the first result, the table may not be there.
        let row = client.get_row(RESULT_TABLES[0], &key, &Selection::default()).await;
        if row.is_ok_and(|row| row.is_some()) {
            return acknowledged.elapsed();
        }
        tokio::time::sleep(LOOK).await;
    }
}
