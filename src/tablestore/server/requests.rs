//! Counts requests by their operation and by the class of their answer.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;

use super::operation::OPERATIONS;

/// The classes of answers, by the first digit of their status.
const CLASSES: [(u16, &str); 3] = [(2, "2xx"), (4, "4xx"), (5, "5xx")];

/// The name under which all operations are counted that are not served.
const OTHER: &str = "other";

/// The number of requests of one operation that got one class of answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCount {
    /// The path of the operation without its first slash, or `other` if it is not served.
    pub operation: &'static str,
    /// The class of the answers: `2xx`, `4xx` or `5xx`.
    pub class: &'static str,
    /// The number of requests.
    pub count: u64,
}

/// The counts by operation, in the order of [`OPERATIONS`] with all others last, and by class.
#[derive(Debug)]
pub(super) struct Requests([[AtomicU64; CLASSES.len()]; OPERATIONS.len() + 1]);

impl Default for Requests {
    fn default() -> Requests {
        Requests(std::array::from_fn(|_| Default::default()))
    }
}

impl Requests {
    /// Counts a request of this path that was answered with this status.
    pub(super) fn count(&self, path: &str, status: StatusCode) {
        let operation = OPERATIONS.iter().position(|(known, _)| *known == path).unwrap_or(OPERATIONS.len());
        let class = CLASSES.iter().position(|(digit, _)| *digit == status.as_u16() / 100);
        let counts = self.0.get(operation).zip(class);
        if let Some(count) = counts.and_then(|(counts, class)| counts.get(class)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns all counts, including those that are 0.
    pub(super) fn counts(&self) -> Vec<RequestCount> {
        let operations = OPERATIONS.iter().map(|(path, _)| path.trim_start_matches('/')).chain([OTHER]);
        let by_class = |(operation, counts): (&'static str, &[AtomicU64; CLASSES.len()])| {
            let counts = counts.each_ref().map(|count| count.load(Ordering::Relaxed));
            CLASSES.into_iter().zip(counts).map(move |((_, class), count)| RequestCount {
                operation,
                class,
                count,
            })
        };
        operations.zip(&self.0).flat_map(by_class).collect()
    }
}
