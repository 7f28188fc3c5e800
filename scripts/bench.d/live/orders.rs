//! Orders of a shop with 100,000 users, and those who write them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use orderflow::order_tables::{ORDER_KEY, ORDER_SOURCE, RESULT_TABLES, schemas};
use orderflow::store::change::{ColumnChange, Condition, Returning, RowChange, Write};
use orderflow::store::read::{Direction, RangeRead, Selection};
use orderflow::store::value::{KeyPart, KeyValue, Row, Value};
use orderflow::tablestore::client::{Client, ClientError};
use tokio::task::JoinSet;

use crate::server::Server;

/// Users of the shop.
pub(crate) const USERS: u64 = 100_000;

/// Event time of the first order, in epoch milliseconds.
const START_MS: i64 = 1_700_000_000_000;

/// Event time of all orders: a day.
const SPAN_MS: i64 = 86_400_000;

/// An order: its user is random, and rows come in no order of their keys.
pub(crate) fn order(number: u64) -> Write {
    let user = (number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % USERS;
    placed(&format!("user_{user:06}"), number, (number % 10_000) as f64 / 100.0)
}

/// An order of this user at this price.
pub(crate) fn placed(user: &str, number: u64, price: f64) -> Write {
    let key = |text: &str| KeyPart::Value(KeyValue::String(text.to_owned()));
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let [user_name, order_name] = ORDER_KEY;
    Write {
        table: ORDER_SOURCE.to_owned(),
        key: vec![
            (user_name.to_owned(), key(user)),
            (order_name.to_owned(), key(&format!("order-{number:09}"))),
        ],
        change: RowChange::Put(vec![
            put("price", Value::Double(price)),
            put("timestamp", Value::Integer(START_MS + number.cast_signed() * 7 % SPAN_MS)),
        ]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// A server of a new store with the table of orders, once its job runs.
pub(crate) async fn shop(folder: &std::path::Path) -> Server {
    let server = Server::start(folder, &[]);
    let [orders, ..] = schemas();
    server.client().create_table(&orders).await.expect("the table is created");
    server
}

/// How orders are written.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) batch_rows: u64,
    /// Orders a second on all connections; none for as many as are taken.
    pub(crate) rate: Option<u64>,
}

impl Load {
    /// Has orders written from this number on until `end`, or until the server is gone. Each connection's task gives the
    /// number of those acknowledged.
    pub(crate) fn start(
        self,
        server: &Server,
        first: u64,
        end: Instant,
    ) -> JoinSet<Result<u64, ClientError>> {
        let next = Arc::new(AtomicU64::new(first));
        let pace = self.rate.map(|rate| {
            Duration::from_secs_f64((u64::from(self.connections) * self.batch_rows) as f64 / rate as f64)
        });
        let mut writers = JoinSet::new();
        for connection in 0..self.connections {
            let (client, next) = (server.client(), next.clone());
            // In turns, not all at once.
            let begin = Instant::now() + pace.unwrap_or_default() * connection / self.connections;
            writers.spawn(async move {
                let mut pace = pace.map(|pace| tokio::time::interval_at(begin.into(), pace));
                let mut acknowledged = 0;
                while Instant::now() < end {
                    if let Some(pace) = &mut pace {
                        pace.tick().await;
                    }
                    let first = next.fetch_add(self.batch_rows, Ordering::Relaxed);
                    let writes: Vec<_> = (first..first + self.batch_rows).map(order).collect();
                    let results = client.batch_write_row(&writes).await?;
                    assert!(results.iter().all(Result::is_ok), "each row is written");
                    acknowledged += self.batch_rows;
                }
                Ok(acknowledged)
            });
        }
        writers
    }
}

/// All that the connections had acknowledged.
pub(crate) async fn acknowledged(writers: JoinSet<Result<u64, ClientError>>) -> u64 {
    writers.join_all().await.into_iter().map(|orders| orders.expect("the orders are taken")).sum()
}

/// The number of orders in the results, as a client reads it.
pub(crate) async fn total(client: &Client) -> u64 {
    let bound = |part| vec![("count".to_owned(), part)];
    let read = RangeRead {
        table: RESULT_TABLES[1].to_owned(),
        direction: Direction::Forward,
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection::default(),
        rows_max: None,
    };
    // The job may not have made it yet.
    let Ok(page) = client.get_range(&read).await else { return 0 };
    match page.rows.as_slice() {
        [] => 0,
        [Row { key, .. }] => match key.as_slice() {
            [KeyValue::Integer(orders)] => u64::try_from(*orders).expect("a number of orders"),
            other => panic!("the key of the total: {other:?}"),
        },
        rows => panic!("the total has {} rows", rows.len()),
    }
}
