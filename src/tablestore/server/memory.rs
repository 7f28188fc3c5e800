//! Memory for bodies and answers: shared out before it is taken, so that callers together cannot ask for more than there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::Refusal;

/// Unit in which memory is shared out.
const UNIT_BYTES: usize = 1 << 10;

/// Memory of a size that all share.
#[derive(Debug)]
pub(super) struct Memory {
    units: Arc<Semaphore>,
    units_total: usize,
    wait: Duration,
}

/// A part of the memory, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Memory {
    /// Memory of this size; those that find it taken wait this long.
    pub(super) fn new(bytes: usize, wait: Duration) -> Memory {
        let units = (bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Memory { units: Arc::new(Semaphore::new(units)), units_total: units, wait }
    }

    /// Bytes that are shared out now.
    pub(super) fn bytes_taken(&self) -> usize {
        self.units_total.saturating_sub(self.units.available_permits()) * UNIT_BYTES
    }

    /// A share of this size, once there is one.
    pub(super) async fn share(&self, bytes: usize) -> Result<Share, Refusal> {
        let share = timeout(self.wait, self.units.clone().acquire_many_owned(units(bytes)));
        share.await.ok().and_then(Result::ok).map(Share).ok_or_else(Refusal::busy)
    }
}

impl Share {
    /// Gives back all but this many bytes.
    pub(super) fn keep(mut self, bytes: usize) -> Share {
        // What is larger than the share keeps all of it.
        match self.0.split(units(bytes) as usize) {
            Some(kept) => Share(kept),
            None => self,
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}
