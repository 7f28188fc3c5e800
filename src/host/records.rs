//! Counts the records that the operators of the graph send each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use timely::logging::{TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

/// A count of records that several workers add to. Its clones share the count.
#[derive(Clone, Debug, Default)]
pub(super) struct RecordCount(Arc<AtomicU64>);

impl RecordCount {
    /// Counts each record that an operator of this worker sends from now on.
    ///
    /// A worker counts them at the end of its step. The last few records of an epoch may therefore
    /// be counted with the next epoch, if another worker already knows that the epoch is done.
    pub(super) fn watch(&self, worker: &Worker) {
        let RecordCount(count) = self.clone();
        if let Some(mut log) = worker.log_register() {
            log.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
                let sent = |event: &TimelyEvent| match event {
                    TimelyEvent::Messages(messages) if messages.is_send => {
                        messages.record_count.max(0) as u64
                    }
                    _ => 0,
                };
                let sent: u64 = events.iter().flatten().map(|(_, event)| sent(event)).sum();
                count.fetch_add(sent, Ordering::Relaxed);
            });
        }
    }

    /// Returns the count and begins again at zero.
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}
