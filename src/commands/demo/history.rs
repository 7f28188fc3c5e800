//! Writes the past day of a demo before its instance starts. So the job finds these orders when it
//! begins, and none of them comes late.

use std::path::Path;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use super::load::load;
use super::runtime::{environment, off_the_runtime};
use crate::commands::Failure;
use crate::program::instance::InstanceError;
use files::generate::Day;
use order_tables::{ORDER_SOURCE, schemas};
use store::{Store, StoreOptions};
use terminal::progress::{Progress, ProgressCounters};

/// Writes the orders of `day` to the store in a folder, unless there is a table of orders already.
/// Returns whether it wrote them. Shows its progress on standard error if that is a terminal.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if the folder cannot be opened, or if the store refuses an
/// order.
pub(super) async fn write(folder: &Path, day: &Day) -> Result<bool, Failure> {
    let folder = folder.to_owned();
    let opened = spawn_blocking(move || Store::open(&folder, StoreOptions::default()));
    let store = opened.await.map_err(environment)?.map_err(|error| {
        let error = InstanceError::Open(error);
        Failure::new(error.exit_code(), error)
    })?;
    let is_new = store.table(ORDER_SOURCE).is_err();
    let written = if is_new { fill(&store, day).await } else { Ok(()) };
    let closed = off_the_runtime(move || store.close()).await;
    written?;
    closed.map(|()| is_new)
}

async fn fill(store: &Store, day: &Day) -> Result<(), Failure> {
    let [orders, ..] = schemas();
    store.create_table(orders).map_err(environment)?;
    let counters = Arc::new(ProgressCounters::default());
    let reading = Arc::clone(&counters);
    let _progress = Progress::of_orders(move || reading.load(), day.orders, false);
    load(store, day.orders(), &counters).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_day_is_written_to_a_new_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let day = Day { orders: 1_000, users: 10, seed: 1, end_ms: 0, offset_ms: 0 };
        assert!(write(folder.path(), &day).await.unwrap());
        let commits = Store::open(folder.path(), StoreOptions::default()).unwrap().last_commit();
        // Each request is one commit, and the table is one, too.
        assert!(commits >= 5, "{commits}");
        assert!(!write(folder.path(), &day).await.unwrap());
        assert_eq!(Store::open(folder.path(), StoreOptions::default()).unwrap().last_commit(), commits);
    }
}
