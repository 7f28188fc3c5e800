//! Orders to the store, in batches over several connections, at a rate if there is one.
//!
//! Lines are dealt out by the number of their order, so that what corrects or cancels an order goes over the
//! connection that placed it, after it.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::pace::{Pace, Rate};
use crate::commands::Failure;
use files::generate::{GeneratedOrder, Op, Orders, Spec, push_order_id, push_user_id};
use order_tables::{ORDER_COLUMNS, ORDER_KEY, ORDER_SOURCE};
use store::change::{ColumnChange, Condition, Returning, RowChange, Write};
use store::value::{KeyPart, KeyValue, Value};
use tablestore::client::{Client, ServiceError};
use tablestore::limits::ROWS_PER_WRITE_MAX;

/// Which orders go to the store, and how.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// The orders.
    pub(crate) spec: Spec,
    /// Number of the first order; those of the spec are counted from it.
    pub(crate) first_order: u64,
    /// So many orders in so much time; as many as the store takes where there is none.
    pub(crate) rate: Option<Rate>,
    /// Batches in flight at a time, at least 1.
    pub(crate) connections: u16,
}

/// What a line is to its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Its first.
    Placed,
    /// Another price or time.
    Corrected,
    /// Its end.
    Cancelled,
}

/// One line on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The order as it becomes.
    pub(crate) order: GeneratedOrder,
    /// What the line is to it.
    pub(crate) kind: Kind,
}

/// Hears what becomes of each line.
pub(crate) trait Hear: Send + Sync + 'static {
    /// The store has it.
    fn written(&self, line: &Line);
    /// The store refused it.
    fn refused(&self, line: &Line, error: &ServiceError);
}

/// Deals the orders out to tasks with a connection each, and waits until all are acknowledged or one task fails.
/// Once `stop` is ready, no more are dealt out.
///
/// # Errors
/// [`Failure`] 3 where the store takes no more, or cannot be reached.
pub(crate) async fn write(
    load: Load,
    client: &Client,
    hear: Arc<impl Hear>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Failure> {
    let mut tasks = JoinSet::new();
    let mut senders = Vec::with_capacity(load.connections.into());
    for _ in 0..load.connections {
        // One batch in flight and one waiting.
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
            // The first failure ends the others, as they are dropped: their orders would only be late.
            Ok(done) => done?,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    Ok(())
}

/// Makes the orders and hands them out in batches, each when it is due. Ends early where a task has gone: it has failed, and
/// says why itself.
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

/// The orders with what each line is to its order, numbered from `first_order`.
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

/// Writes batches one after the other.
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
            // A store that takes no writes now will not take the next ones.
            if error.code == "OTSServerUnavailable" {
                return Err(Failure::new(3, "the store takes no more orders"));
            }
        }
    }
    Ok(())
}

/// The write that an order means.
pub(crate) fn write_of(order: &GeneratedOrder) -> Write {
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
    use order_tables::row_text::named_key_text;

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
