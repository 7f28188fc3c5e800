//! Keeps the last refusals in memory, with what they tell people beyond the vendor's sentences. Who
//! got a sentence that names nothing asks here, by the request's id.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{PLAIN, decode};
use super::error::Refusal;
use crate::refusals::{LoggedRefusal, RefusedRequest, WhyRequest};

/// The most requests whose refusals are kept.
const REQUESTS_MAX: usize = 1_024;
/// The most refused rows of one request that are kept. The others of a batch are mostly like them.
const ROWS_MAX: usize = 8;
/// The most bytes of a text that is kept. Names and keys in it come from callers.
const TEXT_BYTES_MAX: usize = 512;

/// The last requests that were refused, or of which rows were.
#[derive(Debug, Default)]
pub(super) struct RefusalLog(Mutex<VecDeque<RefusedRequest>>);

impl RefusalLog {
    /// Adds a request, which takes the place of the oldest one if there are too many. Nothing is
    /// added if it was not refused and none of its rows was.
    pub(super) fn add<'r>(
        &self,
        request_id: &str,
        operation: &str,
        at_us: i64,
        refusals: impl Iterator<Item = &'r Refusal>,
    ) {
        let mut count: u64 = 0;
        let mut kept = Vec::new();
        for refusal in refusals {
            count += 1;
            if kept.len() < ROWS_MAX {
                kept.push(logged(refusal));
            }
        }
        if count == 0 {
            return;
        }
        for LoggedRefusal { code, message, detail, .. } in &kept {
            tracing::debug!(request_id, operation, code, detail = detail.as_deref(), "refused: {message}");
        }
        let request = RefusedRequest {
            request_id: request_id.to_owned(),
            operation: shortened(operation),
            at_us,
            refusals: kept,
            refused: count,
        };
        let mut requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= REQUESTS_MAX {
            requests.pop_front();
        }
        requests.push_back(request);
    }

    fn find(&self, request_id: &str) -> Option<RefusedRequest> {
        let requests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().rev().find(|request| request.request_id == request_id).cloned()
    }
}

fn logged(refusal: &Refusal) -> LoggedRefusal {
    LoggedRefusal {
        status: u32::from(refusal.status.as_u16()),
        code: refusal.code.to_owned(),
        message: shortened(&refusal.message),
        detail: refusal.detail.as_deref().map(shortened),
    }
}

fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Tells why a request was refused.
pub(super) fn why(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: WhyRequest = decode(body, &PLAIN)?;
    let found = service.refusal_log.find(&request.request_id).ok_or_else(|| {
        Refusal::new(
            hyper::StatusCode::NOT_FOUND,
            "OTSObjectNotExist",
            format!("No request with this id is among the last {REQUESTS_MAX} that were refused."),
        )
    })?;
    Ok(found.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_requests_are_kept_and_no_text_is_long() {
        let log = RefusalLog::default();
        let long = Refusal::invalid("ä".repeat(5_000)).with_detail("x".repeat(5_000));
        for number in 0..=REQUESTS_MAX {
            log.add(&format!("r{number}"), "GetRow", 7, std::iter::repeat_n(&long, 20));
        }
        log.add("sound", "GetRow", 7, std::iter::empty());
        assert_eq!((log.find("r0"), log.find("sound")), (None, None));
        for id in ["r1".to_owned(), format!("r{REQUESTS_MAX}")] {
            let found = log.find(&id).unwrap();
            assert_eq!((found.request_id, found.refusals.len(), found.refused), (id, ROWS_MAX, 20));
            let texts = found
                .refusals
                .iter()
                .flat_map(|refusal| [&refusal.message, refusal.detail.as_ref().unwrap()]);
            assert!(
                texts.clone().all(|text| text.len() <= TEXT_BYTES_MAX + "…".len() && text.ends_with('…'))
            );
        }
    }
}
