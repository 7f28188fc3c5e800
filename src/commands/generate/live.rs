//! Writes made-up orders to the store, and prints what became of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::args::GenerateArgs;
use super::load::{Hear, Line, Load, write, write_of};
use crate::commands::{Failure, say};
use order_tables::ORDER_SOURCE;
use order_tables::row_text::named_key_text;
use tablestore::client::ServiceError;
use terminal::Thousands;
use terminal::progress::{Progress, ProgressCounters};

/// The most refused orders that are named. All are counted.
const REFUSED_SHOWN: u64 = 10;

/// What was written to the store. The names of its fields are the names in JSON.
#[derive(Debug, Serialize)]
struct LiveSummary {
    /// The lines that the store acknowledged.
    orders: u64,
    /// The lines that the store refused.
    refused: u64,
    /// The seconds from the first line to the last.
    seconds: f64,
    /// The acknowledged lines, divided by the seconds.
    orders_per_second: f64,
}

impl LiveSummary {
    fn new(counters: &ProgressCounters, seconds: f64) -> LiveSummary {
        let counted = counters.load();
        let orders_per_second = if seconds > 0.0 { counted.orders as f64 / seconds } else { 0.0 };
        LiveSummary { orders: counted.orders, refused: counted.rejected, seconds, orders_per_second }
    }

    fn text(&self) -> String {
        let (orders, rate) = (Thousands(self.orders), Thousands(self.orders_per_second as u64));
        format!("orders     {orders} in {:.2} s, {rate} orders/s\n", self.seconds)
    }

    fn json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::new(3, error))?;
        Ok(text + "\n")
    }
}

/// A listener that counts lines, shows the progress, and names the first lines that the store
/// refuses.
struct Shown {
    counters: Arc<ProgressCounters>,
    progress: Progress,
}

impl Hear for Shown {
    fn written(&self, _: &Line) {
        self.counters.orders.fetch_add(1, Ordering::Relaxed);
    }

    fn refused(&self, line: &Line, error: &ServiceError) {
        if self.counters.rejected.fetch_add(1, Ordering::Relaxed) < REFUSED_SHOWN {
            let key = named_key_text(&write_of(&line.order).key);
            self.progress.say(&format!("refused: {key}: {error}"));
        }
    }
}

/// Writes the orders that the flags describe to the table `OrderSource`.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if the flags are wrong, 3 if the store refused orders, else
/// the code of the connection's error.
pub(super) fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    // If the clock is before 1970, the orders are of 1970.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let spec = args.live_spec(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    spec.check().map_err(|reason| Failure::new(2, format!("orders {reason}")))?;
    args.connection.run(async |client| {
        // This shows before the bar whether the table exists and whether the access key is right.
        client.describe_table(ORDER_SOURCE).await.map_err(missing_table)?;
        let started = Instant::now();
        let counters = Arc::new(ProgressCounters::default());
        let reading = Arc::clone(&counters);
        let progress = Progress::of_orders(move || reading.load(), spec.orders, args.quiet);
        let shown = Arc::new(Shown { counters: Arc::clone(&counters), progress });
        let load =
            Load { spec: spec.clone(), first_order: 0, rate: args.rate, connections: args.connections };
        let written = write(load, &client, shown, std::future::pending()).await;
        let summary = LiveSummary::new(&counters, started.elapsed().as_secs_f64());
        let acknowledged =
            format!("{} of {} orders were acknowledged", Thousands(summary.orders), Thousands(spec.orders));
        written.map_err(|failure| Failure { message: format!("{failure}; {acknowledged}"), ..failure })?;
        match (args.json, args.quiet) {
            (true, _) => say(&summary.json()?)?,
            (_, true) => {}
            _ => say(&summary.text())?,
        }
        match summary.refused {
            0 => Ok(()),
            refused => Err(Failure::new(
                3,
                format!("the store refused {} orders; {acknowledged}", Thousands(refused)),
            )),
        }
    })
}

fn missing_table(error: tablestore::client::ClientError) -> Failure {
    let is_missing = error.is_code("OTSObjectNotExist");
    let mut failure = Failure::from(error);
    if is_missing {
        // This says more than the store's log would.
        failure.request_id = None;
        failure.message += &format!("; `orderflow init` makes the table {ORDER_SOURCE}");
    }
    failure
}
