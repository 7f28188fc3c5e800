//! Writes many orders to a store in this process.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::unbounded_channel;

use super::runtime::environment;
use crate::commands::Failure;
use crate::commands::generate::write_of;
use files::generate::GeneratedOrder;
use store::Store;
use store::change::Write;
use tablestore::limits::ROWS_PER_WRITE_MAX;
use terminal::progress::ProgressCounters;

/// The most batches that are queued at a time.
const BATCHES_IN_FLIGHT_MAX: usize = 16;

/// Writes the orders in batches, counts those that are acknowledged, and waits until all are.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if the store refuses an order.
pub(super) async fn load(
    store: &Store,
    mut orders: impl Iterator<Item = GeneratedOrder>,
    counters: &Arc<ProgressCounters>,
) -> Result<(), Failure> {
    let (answer, mut answers) = unbounded_channel();
    let mut in_flight = 0;
    loop {
        let batch: Vec<Write> =
            orders.by_ref().take(ROWS_PER_WRITE_MAX).map(|order| write_of(&order)).collect();
        let is_last = batch.is_empty();
        if !is_last {
            let (answer, counters) = (answer.clone(), Arc::clone(counters));
            store.write(batch, move |written| {
                counters.orders.fetch_add(written.len() as u64, Ordering::Relaxed);
                // It is no error if nobody listens any more, because an order was refused.
                let _ = answer.send(written.into_iter().find_map(Result::err));
            });
            in_flight += 1;
        }
        while in_flight == BATCHES_IN_FLIGHT_MAX || is_last && in_flight > 0 {
            if let Some(refused) = answers.recv().await.flatten() {
                return Err(environment(refused));
            }
            in_flight -= 1;
        }
        if is_last {
            return Ok(());
        }
    }
}
