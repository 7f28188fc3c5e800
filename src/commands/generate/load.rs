//! Writes orders to the store, in batches over several connections, and at a rate if one is asked
//! for.
//!
//! The number of an order decides its connection. So a line that corrects or cancels an order goes
//! over the connection that placed it, and after it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::pace::{Pace, Rate};
use crate::commands::Failure;
use files::generate::{GeneratedOrder, Op, Orders, Spec, push_order_id, push_user_id};
use order_tables::{ORDER_COLUMNS, ORDER_KEY, ORDER_SOURCE};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, Value};
use tablestore::client::{Client, ServiceError};
use tablestore::limits::ROWS_PER_WRITE_MAX;

/// The orders that are written to the store, and how they are written.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// The description of the orders.
    pub(crate) spec: Spec,
    /// The number of the first order. The orders of `spec` are numbered from it.
    pub(crate) first_order: u64,
    /// The rate at which orders are written; `None` writes as many as the store takes.
    pub(crate) rate: Option<Rate>,
    /// The number of connections, at least 1. Each has one batch in flight at a time.
    pub(crate) connections: u16,
}

/// What a line does to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The line places the order.
    Placed,
    /// The line gives the order another price or time.
    Corrected,
    /// The line deletes the order.
    Cancelled,
}

/// One line on its way to the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The order as this line makes it.
    pub(crate) order: GeneratedOrder,
    /// What the line does to the order.
    pub(crate) kind: Kind,
}

/// A listener that is told what became of each line.
pub(crate) trait Hear: Send + Sync + 'static {
    /// Called when the store has acknowledged the line.
    fn written(&self, line: &Line);
    /// Called when the store has refused the line, with the store's error.
    fn refused(&self, line: &Line, error: &ServiceError);
}

/// Deals the orders out to tasks with a connection each, and waits until all are acknowledged or
/// one task fails. Once `stop` is ready, no more orders are dealt out.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if the store takes no more writes, else the code of the
/// connection's error.
pub(crate) async fn write(
    load: Load,
    client: &Client,
    hear: Arc<impl Hear>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    let mut senders = Vec::with_capacity(load.connections.into());
    for _ in 0..load.connections {
        // Per task, one batch is in flight and one waits.
        let (sender, batches) = mpsc::channel(1);
        senders.push(sender);
        tasks.spawn(send(client.clone(), batches, Arc::clone(&hear)));
    }
    tasks.spawn(async {
        tokio::select! {
            () = deal(load, senders) => {}
            () = stop => {}
        }
        Ok(())
    });
    while let Some(ended) = tasks.join_next().await {
        match ended {
            // The first failure ends the function, which drops and so ends the other tasks. Waiting
            // for their orders would only delay the report.
            Ok(done) => done?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Makes the orders and hands them out in batches, each when it is due. Ends early if a task is
/// gone: the task has failed and reports the reason itself.
async fn deal(load: Load, senders: Vec<Sender<Vec<Line>>>) {
    let connections = senders.len() as u64;
    let rows_max =
        load.rate.map_or(ROWS_PER_WRITE_MAX, |rate| rate.batch_rows(connections, ROWS_PER_WRITE_MAX));
    let mut pace = load.rate.map(Pace::new);
    let started = Instant::now();
    let mut batches = vec![Vec::with_capacity(rows_max); senders.len()];
    let mut leave = async |batch: &mut Vec<Line>, sender: &Sender<Vec<Line>>| {
        if let Some(pace) = &mut pace {
            tokio::time::sleep(pace.wait(batch.len() as u64, started.elapsed())).await;
        }
        sender.send(std::mem::replace(batch, Vec::with_capacity(rows_max))).await.is_ok()
    };
    for line in lines(load.spec, load.first_order) {
        let connection = (line.order.order % connections) as usize;
        let (Some(batch), Some(sender)) = (batches.get_mut(connection), senders.get(connection)) else {
            continue;
        };
        batch.push(line);
        if batch.len() == rows_max && !leave(batch, sender).await {
            return;
        }
    }
    for (batch, sender) in batches.iter_mut().zip(&senders) {
        if !batch.is_empty() && !leave(batch, sender).await {
            return;
        }
    }
}

/// Returns the lines that a spec makes, with orders numbered from `first_order`.
fn lines(spec: Spec, first_order: u64) -> impl Iterator<Item = Line> + Send {
    let mut placed = 0;
    Orders::new(spec).map(move |mut order| {
        let kind = match order.op {
            Op::Delete => Kind::Cancelled,
            Op::Put if order.order < placed => Kind::Corrected,
            Op::Put => {
                placed = order.order + 1;
                Kind::Placed
            }
        };
        order.order += first_order;
        Line { order, kind }
    })
}

/// Writes batches to the store, one after the other.
async fn send(client: Client, mut batches: Receiver<Vec<Line>>, hear: Arc<impl Hear>) -> Result<(), Failure> {
    while let Some(batch) = batches.recv().await {
        let writes: Vec<Write> = batch.iter().map(|line| write_of(&line.order)).collect();
        let results = client.batch_write_row(&writes).await?;
        for (line, result) in batch.iter().zip(&results) {
            let Err(error) = result else {
                hear.written(line);
                continue;
            };
            hear.refused(line, error);
            // If the store takes no writes now, it will not take the next ones.
            if error.code == "OTSServerUnavailable" {
                return Err(Failure::new(3, "the store takes no more orders"));
            }
        }
    }
    Ok(())
}

/// Returns the write that a generated line means.
pub(crate) fn write_of(order: &GeneratedOrder) -> Write {
    let [user_name, order_name] = ORDER_KEY;
    let key = |name: &str, push: &dyn Fn(&mut Vec<u8>)| {
        let mut id = Vec::new();
        push(&mut id);
        // An id consists of a letter and digits, so nothing is replaced.
        let id = String::from_utf8_lossy(&id).into_owned();
        (name.to_owned(), KeyPart::Value(KeyValue::String(id)))
    };
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let [price_name, timestamp_name] = ORDER_COLUMNS;
    let change = match order.op {
        Op::Delete => RowWrite::Delete,
        Op::Put => RowWrite::Put(vec![
            // Both numbers are exact and the quotient is rounded once, so this is the double
            // nearest to the price.
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
    use order_tables::row_text::named_key_text;

    #[test]
    fn an_order_becomes_a_row_with_its_price_to_the_cent() {
        let mut order = GeneratedOrder { user: 7, order: 0, price_cents: 31_144, at_ms: -5, op: Op::Put };
        let write = write_of(&order);
        assert_eq!(named_key_text(&write.key), "UserId u0000007, OrderId o00000001");
        let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
        assert_eq!(
            write.change,
            RowWrite::Put(vec![put("price", Value::Double(311.44)), put("timestamp", Value::Integer(-5))])
        );
        for cents in 50..=50_000 {
            order.price_cents = cents;
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            let RowWrite::Put(columns) = write_of(&order).change else { panic!("a put") };
            assert_eq!(columns[0], put("price", Value::Double(text.parse().unwrap())), "{text}");
        }
        order.op = Op::Delete;
        assert_eq!(write_of(&order).change, RowWrite::Delete);
    }

    #[test]
    fn lines_are_told_apart_and_numbered_from_the_first() {
        let spec = Spec { orders: 2_000, corrections_percent: 20, cancels_percent: 10, ..Spec::default() };
        let mut placed = 0;
        let mut changed = [0, 0];
        for (line, made) in lines(spec.clone(), 1_000).zip(Orders::new(spec)) {
            let GeneratedOrder { order, .. } = made;
            assert_eq!(line.order, GeneratedOrder { order: order + 1_000, ..made });
            match line.kind {
                Kind::Placed => {
                    assert_eq!((order, made.op), (placed, Op::Put));
                    placed += 1;
                }
                Kind::Corrected => changed[0] += usize::from(order < placed && made.op == Op::Put),
                Kind::Cancelled => changed[1] += usize::from(order < placed && made.op == Op::Delete),
            }
        }
        let [corrected, cancelled] = changed;
        assert_eq!(placed as usize + corrected + cancelled, 2_000);
        assert!((300..500).contains(&corrected) && (150..250).contains(&cancelled), "{changed:?}");
    }
}
