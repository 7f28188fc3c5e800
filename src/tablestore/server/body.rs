//! Reads whole bodies, within a limit for each and one for all together, and within a time.

use std::io::Read;

use bytes::Bytes;
use flate2::read::ZlibDecoder;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, timeout_at};

use super::Service;
use super::check::Caller;
use super::error::Refusal;
use super::memory::Share;

/// The most bytes of a refused body that are read and dropped so that the connection can be used
/// again.
const DRAIN_BYTES_MAX: usize = 64 << 20;

/// A body in memory, with its share of the memory for all bodies.
#[derive(Debug)]
pub(super) struct Held {
    /// The bytes, as they arrived.
    pub(super) bytes: Bytes,
    /// The share of the memory. It must be kept as long as anything that borrows the bytes.
    pub(super) share: Share,
}

impl Service {
    /// Reads a request's body.
    pub(super) async fn read_body(
        &self,
        caller: &Caller,
        body: &mut Incoming,
        deadline: Instant,
    ) -> Result<Held, Refusal> {
        let bytes_max = self.limits.body_bytes_max;
        let too_many = |bytes: u64| usize::try_from(bytes).map_or(true, |bytes| bytes > bytes_max);
        let size = body.size_hint();
        if too_many(size.lower()) || caller.inflated_bytes.is_some_and(|bytes| bytes > bytes_max) {
            return Err(Refusal::too_large());
        }
        // A body that does not give its length may be as long as any body.
        let expected = size.exact().map_or(bytes_max, |bytes| usize::try_from(bytes).unwrap_or(bytes_max));
        let share = self.body_memory.share(expected + caller.inflated_bytes.unwrap_or_default()).await?;
        let mut whole = Vec::new();
        if size.exact().is_some() {
            whole.reserve_exact(expected);
        }
        loop {
            match next_part(body, deadline).await? {
                None => return Ok(Held { bytes: whole.into(), share }),
                Some(part) if part.len() > bytes_max - whole.len() => return Err(Refusal::too_large()),
                Some(part) => whole.extend_from_slice(&part),
            }
        }
    }
}

/// Reads and drops the rest of a refused request's body. Returns whether that was all of it.
pub(super) async fn drain(body: &mut Incoming, deadline: Instant) -> bool {
    let mut drained = 0;
    while drained <= DRAIN_BYTES_MAX {
        match next_part(body, deadline).await {
            Ok(None) => return true,
            Ok(Some(part)) => drained += part.len(),
            Err(_) => return false,
        }
    }
    false
}

async fn next_part(body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, Refusal> {
    loop {
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Err(Refusal::too_slow()),
            Ok(None) => return Ok(None),
            // Trailers do not belong to the body.
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(part) => return Ok(Some(part)),
                Err(_) => continue,
            },
            Ok(Some(Err(error))) => {
                return Err(Refusal::invalid(format!("Incomplete request body: {error}.")));
            }
        }
    }
}

/// Inflates a body to the number of bytes that it claims, and no further.
pub(super) fn inflate(body: Bytes, bytes: usize) -> Result<Bytes, Refusal> {
    let wrong = |what: &str| Refusal::invalid(format!("The compressed request body {what}."));
    // The number is not above the limit of a body, because that was checked before the body was
    // read.
    let mut inflated = Vec::with_capacity(bytes + 1);
    let one_more = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(1);
    ZlibDecoder::new(body.as_ref())
        .take(one_more)
        .read_to_end(&mut inflated)
        .map_err(|error| wrong(&format!("cannot be inflated: {error}")))?;
    if inflated.len() == bytes {
        Ok(inflated.into())
    } else {
        Err(wrong(&format!("has not the {bytes} bytes of x-ots-request-compress-size")))
    }
}
