//! Those who write orders, and how many of them are in the results.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use order_tables::RESULT_TABLES;
use store::read::{Direction, RangeRead, Selection};
use store::value::{KeyPart, KeyValue, Row};
use tablestore::client::{Client, ClientError};
use tokio::task::JoinSet;

use crate::orders::order;
use crate::server::Server;

/// How orders are written.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) batch_rows: u64,
    /// Orders a second on all connections; none for as many as are taken.
    pub(crate) rate: Option<u64>,
}

impl Load {
    /// Has orders written from this number on until `end`, or until the server is gone. Each
    /// connection's task gives the number of those acknowledged.
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
