//! Shares out the memory for bodies and answers before it is taken, so that all callers together
//! cannot take more than there is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::Refusal;

/// The unit in which memory is shared out, in bytes.
const UNIT_BYTES: usize = 1 << 10;

/// An amount of memory that all requests share.
#[derive(Debug)]
pub(super) struct Memory {
    units: Arc<Semaphore>,
    units_total: usize,
    wait: Duration,
}

/// A share of the memory, which is given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share(OwnedSemaphorePermit);

impl Memory {
    /// Creates memory of this many bytes. A request that finds it taken waits at most `wait`.
    pub(super) fn new(bytes: usize, wait: Duration) -> Memory {
        let units = (bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        Memory { units: Arc::new(Semaphore::new(units)), units_total: units, wait }
    }

    /// Returns the number of bytes that are shared out now.
    pub(super) fn bytes_taken(&self) -> usize {
        self.units_total.saturating_sub(self.units.available_permits()) * UNIT_BYTES
    }

    /// Waits for a share of this many bytes. Refuses the request as too busy if that takes too
    /// long.
    pub(super) async fn share(&self, bytes: usize) -> Result<Share, Refusal> {
        let share = timeout(self.wait, self.units.clone().acquire_many_owned(units(bytes)));
        share.await.ok().and_then(Result::ok).map(Share).ok_or_else(Refusal::busy)
    }
}

impl Share {
    /// Gives back all but this many bytes.
    pub(super) fn keep(mut self, bytes: usize) -> Share {
        // If more bytes are asked for than the share has, it keeps all it has.
        match self.0.split(units(bytes) as usize) {
            Some(kept) => Share(kept),
            None => self,
        }
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX)
}
