//! Orders to the store, in batches over several connections, at a rate if there is one.
//!
//! Lines are dealt out by the number of their order, so that what corrects or cancels an order goes over the
//! connection that placed it, after it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::GenerateArgs;
use super::pace::Pace;
use crate::commands::rows::named_key_text;
use crate::commands::{Failure, say};
use crate::generate::{GeneratedOrder, Op, Orders, Spec, push_order_id, push_user_id};
use crate::order_tables::{ORDER_COLUMNS, ORDER_KEY, ORDER_SOURCE};
use crate::progress::{Progress, ProgressCounters};
use crate::store::change::{ColumnChange, Condition, Returning, RowChange, Write};
use crate::store::value::{KeyPart, KeyValue, Value};
use crate::summary::Thousands;
use crate::tablestore::client::Client;
use crate::tablestore::limits::ROWS_PER_WRITE_MAX;

/// Refused orders that are named; the rest are counted.
const REFUSED_SHOWN: u64 = 10;

/// What was written. As JSON, its fields have these names.
#[derive(Debug, Serialize)]
struct LiveSummary {
    /// Lines that the store acknowledged.
    orders: u64,
    /// Lines that it refused.
    refused: u64,
    /// From the first to the last, in seconds.
    seconds: f64,
    /// Acknowledged lines a second.
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

/// Writes the orders that the flags describe to the table of the orders.
///
/// # Errors
/// [`Failure`]: 2 where the flags are wrong, 3 where the store refused orders or went away.
pub(super) fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    // A clock before 1970 makes orders of 1970.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let spec = args.live_spec(i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
    spec.check().map_err(|reason| Failure::new(2, format!("orders {reason}")))?;
    args.connection.run(async |client| {
        // Before a bar is shown: is it there, and do the keys fit?
        client.describe_table(ORDER_SOURCE).await.map_err(missing_table)?;
        let started = Instant::now();
        let counters = Arc::new(ProgressCounters::default());
        let reading = Arc::clone(&counters);
        let progress = Arc::new(Progress::of_orders(move || reading.load(), spec.orders, args.quiet));
        let written = write(args, &spec, &client, &counters, &progress).await;
        drop(progress);
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

fn missing_table(error: crate::tablestore::client::ClientError) -> Failure {
    let is_missing = error.is_code("OTSObjectNotExist");
    let mut failure = Failure::from(error);
    if is_missing {
        failure.message += &format!("; `orderflow init` makes the table {ORDER_SOURCE}");
    }
    failure
}

/// Deals the orders out to tasks with a connection each, and waits until all are acknowledged or one task fails.
async fn write(
    args: &GenerateArgs,
    spec: &Spec,
    client: &Client,
    counters: &Arc<ProgressCounters>,
    progress: &Arc<Progress>,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    let mut senders = Vec::with_capacity(args.connections.into());
    for _ in 0..args.connections {
        // One batch in flight and one waiting.
        let (sender, batches) = mpsc::channel(1);
        senders.push(sender);
        tasks.spawn(send(client.clone(), batches, Arc::clone(counters), Arc::clone(progress)));
    }
    tasks.spawn(deal(args.clone(), spec.clone(), senders));
    while let Some(ended) = tasks.join_next().await {
        match ended {
            // The first failure ends the others, as they are dropped: their orders would only be late.
            Ok(done) => done?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Makes the orders and hands them out in batches, each when it is due.
async fn deal(args: GenerateArgs, spec: Spec, senders: Vec<Sender<Vec<Write>>>) -> Result<(), Failure> {
    let connections = senders.len() as u64;
    let rows_max =
        args.rate.map_or(ROWS_PER_WRITE_MAX, |rate| rate.batch_rows(connections, ROWS_PER_WRITE_MAX));
    let mut pace = args.rate.map(Pace::new);
    let started = Instant::now();
    let mut batches = vec![Vec::with_capacity(rows_max); senders.len()];
    let mut leave = async |batch: &mut Vec<Write>, sender: &Sender<Vec<Write>>| {
        if let Some(pace) = &mut pace {
            tokio::time::sleep(pace.wait(batch.len() as u64, started.elapsed())).await;
        }
        // A task that is gone has failed and says why itself.
        sender.send(std::mem::replace(batch, Vec::with_capacity(rows_max))).await.is_ok()
    };
    for order in Orders::new(spec) {
        let connection = (order.order % connections) as usize;
        let (Some(batch), Some(sender)) = (batches.get_mut(connection), senders.get(connection)) else {
            continue;
        };
        batch.push(write_of(&order));
        if batch.len() == rows_max && !leave(batch, sender).await {
            return Ok(());
        }
    }
    for (batch, sender) in batches.iter_mut().zip(&senders) {
        if !batch.is_empty() && !leave(batch, sender).await {
            return Ok(());
        }
    }
    Ok(())
}

/// Writes batches one after the other; says of the first orders that the store refuses which they are and why.
async fn send(
    client: Client,
    mut batches: Receiver<Vec<Write>>,
    counters: Arc<ProgressCounters>,
    progress: Arc<Progress>,
) -> Result<(), Failure> {
    while let Some(batch) = batches.recv().await {
        let results = client.batch_write_row(&batch).await?;
        for (write, result) in batch.iter().zip(&results) {
            let Err(error) = result else {
                counters.orders.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            if counters.rejected.fetch_add(1, Ordering::Relaxed) < REFUSED_SHOWN {
                progress.say(&format!("refused: {}: {error}", named_key_text(&write.key)));
            }
            // A store that takes no writes now will not take the next ones.
            if error.code == "OTSServerUnavailable" {
                return Err(Failure::new(3, "the store takes no more orders"));
            }
        }
    }
    Ok(())
}

/// The write that an order means.
fn write_of(order: &GeneratedOrder) -> Write {
    let [user_name, order_name] = ORDER_KEY;
    let key = |name: &str, push: &dyn Fn(&mut Vec<u8>)| {
        let mut id = Vec::new();
        push(&mut id);
        // Ids are a letter and digits.
        let id = String::from_utf8_lossy(&id).into_owned();
        (name.to_owned(), KeyPart::Value(KeyValue::String(id)))
    };
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let [price_name, timestamp_name] = ORDER_COLUMNS;
    let change = match order.op {
        Op::Delete => RowChange::Delete,
        Op::Put => RowChange::Put(vec![
            // The double nearest to the price: both numbers are exact, and a quotient is rounded once.
            put(price_name, Value::Double(order.price_cents as f64 / 100.0)),
            put(timestamp_name, Value::Integer(order.at_ms)),
        ]),
    };
    Write {
        table: ORDER_SOURCE.to_owned(),
        key: vec![
            key(user_name, &|id| push_user_id(order.user, id)),
            key(order_name, &|id| push_order_id(order.order, id)),
        ],
        change,
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_becomes_a_row_with_its_price_to_the_cent() {
        let mut order = GeneratedOrder { user: 7, order: 0, price_cents: 31_144, at_ms: -5, op: Op::Put };
        let write = write_of(&order);
        assert_eq!(named_key_text(&write.key), "UserId u0000007, OrderId o00000001");
        let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
        assert_eq!(
            write.change,
            RowChange::Put(vec![put("price", Value::Double(311.44)), put("timestamp", Value::Integer(-5))])
        );
        for cents in 50..=50_000 {
            order.price_cents = cents;
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            let RowChange::Put(columns) = write_of(&order).change else { panic!("a put") };
            assert_eq!(columns[0], put("price", Value::Double(text.parse().unwrap())), "{text}");
        }
        order.op = Op::Delete;
        assert_eq!(write_of(&order).change, RowChange::Delete);
    }
}
