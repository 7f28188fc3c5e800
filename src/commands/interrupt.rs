//! Breaks off what a command does when a signal comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Failure;
use crate::program::signals::{INTERRUPTED, STOP_TIME_MAX, Signals};

/// Runs `act` on a thread of its own. The value that it gets becomes true at the first signal; then
/// it has [`STOP_TIME_MAX`] to remove what it has half done.
///
/// # Errors
/// Returns the failure of `act`, or one with exit code 130 if a signal came before its end.
pub(super) fn interruptible<T: Send + 'static>(
    act: impl FnOnce(&AtomicBool) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut signals = Signals::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = stop.clone();
    let done = runtime.block_on(async {
        let mut acting = spawn_blocking(move || act(&stopping));
        tokio::select! {
            done = &mut acting => done.unwrap_or_else(|panic| Err(Failure::new(3, panic))),
            () = signals.next() => {
                stop.store(true, Ordering::SeqCst);
                match timeout(STOP_TIME_MAX, acting).await {
                    Ok(Ok(Ok(done))) => Ok(done),
                    _ => Err(Failure::new(INTERRUPTED, "stopped before its end")),
                }
            }
        }
    });
    // What does not end in time is cut off, as by a power failure.
    runtime.shutdown_background();
    done
}
