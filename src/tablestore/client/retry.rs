//! Decides which calls are sent again, and when. The code is pure: the caller supplies time and
//! random numbers.

use std::time::Duration;

/// What a call does to the server's data. It decides whether the call may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The call changes nothing, so sending it twice does no harm.
    Read,
    /// The call changes something, which may have happened even if no answer came.
    Write,
}

/// The failure of one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFailure<'a> {
    /// There was no connection, so the server saw nothing of the request.
    NotSent,
    /// The connection broke or no answer came in time, so the server may have acted.
    Lost,
    /// The server refused the call, or one row of it.
    Refused {
        /// The HTTP status. It is 200 for one row of a batch.
        status: u16,
        /// The vendor's code. It is empty if the answer has none, as the answer of a proxy.
        code: &'a str,
        /// The vendor's message.
        message: &'a str,
    },
}

/// The codes that say that the call did not take place and may well succeed later.
const ALWAYS: [&str; 5] = [
    "OTSNotEnoughCapacityUnit",
    NOT_READY,
    "OTSRowOperationConflict",
    "OTSServerBusy",
    "OTSPartitionUnavailable",
];

/// The codes that leave open whether the call took place.
const READS: [&str; 4] =
    ["OTSInternalServerError", "OTSTimeout", "OTSServerUnavailable", "OTSTunnelServerUnavailable"];

/// The code of a table that was created a moment ago.
const NOT_READY: &str = "OTSTableNotReady";

/// The code and message of a quota that frees itself. The same code with another message is final.
const QUOTA: (&str, &str) = ("OTSQuotaExhausted", "Too frequent table operations.");

/// The statuses of proxies and overloaded servers that give no code.
const STATUSES: [u16; 4] = [500, 502, 503, 504];

/// How often, and for how long, calls are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The time from the start of a call after which no further try begins.
    pub patience: Duration,
    /// The same limit while no connection can be made. A server restarts within this time, and a
    /// wrong address never answers.
    pub connect_patience: Duration,
    /// The same limit while a new table is not ready.
    pub not_ready_patience: Duration,
    /// The longest delay before the first retry. It doubles with each try.
    pub first_delay: Duration,
    /// The longest delay before any retry.
    pub delay_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> RetryPolicy {
        RetryPolicy {
            patience: Duration::from_secs(15),
            connect_patience: Duration::from_secs(1),
            not_ready_patience: Duration::from_secs(60),
            first_delay: Duration::from_millis(20),
            delay_max: Duration::from_secs(2),
        }
    }
}

impl RetryPolicy {
    /// Returns the delay before the next try; `None` if the failure is to be reported.
    ///
    /// `tries` is the number of tries so far, at least 1; the first began `elapsed` ago. `random`
    /// lies in `[0, 1)`. Half of each delay is random, so that callers that were refused together
    /// do not return together.
    pub fn delay(
        &self,
        access: Access,
        failure: CallFailure<'_>,
        tries: u32,
        elapsed: Duration,
        random: f64,
    ) -> Option<Duration> {
        if !is_retryable(access, failure) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        let longest = self.first_delay.saturating_mul(doubled).min(self.delay_max);
        let delay = longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        let patience = match failure {
            CallFailure::NotSent => self.connect_patience,
            CallFailure::Refused { code: NOT_READY, .. } => self.not_ready_patience,
            _ => self.patience,
        };
        (elapsed + delay <= patience).then_some(delay)
    }
}

/// Returns whether a call of this kind may be sent again after this failure.
pub(super) fn is_retryable(access: Access, failure: CallFailure<'_>) -> bool {
    let reads = access == Access::Read;
    match failure {
        CallFailure::NotSent => true,
        CallFailure::Lost => reads,
        CallFailure::Refused { status, code: "", .. } => reads && STATUSES.contains(&status),
        CallFailure::Refused { code, message, .. } => {
            ALWAYS.contains(&code) || (code, message) == QUOTA || (reads && READS.contains(&code))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(code: &'a str, message: &'a str) -> CallFailure<'a> {
        CallFailure::Refused { status: 503, code, message }
    }

    #[test]
    fn what_is_sent_again() {
        let never = (false, false);
        let reads = (true, false);
        let always = (true, true);
        for (failure, expected) in [
            (CallFailure::NotSent, always),
            (CallFailure::Lost, reads),
            (refused("OTSServerBusy", ""), always),
            (refused("OTSPartitionUnavailable", ""), always),
            (refused("OTSRowOperationConflict", ""), always),
            (refused("OTSNotEnoughCapacityUnit", ""), always),
            (refused("OTSTableNotReady", ""), always),
            (refused("OTSQuotaExhausted", "Too frequent table operations."), always),
            (refused("OTSQuotaExhausted", "Number of tables exceeds the quota:64."), never),
            (refused("OTSInternalServerError", ""), reads),
            (refused("OTSTimeout", ""), reads),
            (refused("OTSServerUnavailable", ""), reads),
            (refused("OTSTunnelServerUnavailable", ""), reads),
            (refused("OTSRequestTimeout", ""), never),
            (refused("OTSAuthFailed", ""), never),
            (refused("OTSConditionCheckFail", ""), never),
            (refused("OTSObjectNotExist", ""), never),
            (refused("OTSParameterInvalid", ""), never),
            (refused("", "<html>"), reads),
            (CallFailure::Refused { status: 404, code: "", message: "" }, never),
        ] {
            let actual = (is_retryable(Access::Read, failure), is_retryable(Access::Write, failure));
            assert_eq!(actual, expected, "{failure:?}");
        }
    }

    #[test]
    fn delays_double_up_to_the_longest_and_half_of_each_is_random() {
        let policy = RetryPolicy::default();
        let busy = refused("OTSServerBusy", "");
        let delay = |tries, random| {
            let delay = policy.delay(Access::Write, busy, tries, Duration::ZERO, random);
            delay.expect("there is time").as_millis()
        };
        for (tries, least_ms, most_ms) in
            [(1, 10, 20), (2, 20, 40), (3, 40, 80), (7, 640, 1_280), (8, 1_000, 2_000), (4_000, 1_000, 2_000)]
        {
            assert_eq!((delay(tries, 0.0), delay(tries, 1.0)), (least_ms, most_ms), "try {tries}");
        }
    }

    #[test]
    fn no_try_begins_after_the_patience_of_its_fault() {
        let policy = RetryPolicy::default();
        let lasts = |failure, elapsed_ms| {
            let elapsed = Duration::from_millis(elapsed_ms);
            policy.delay(Access::Read, failure, 1, elapsed, 1.0).is_some()
        };
        let not_ready = refused("OTSTableNotReady", "The table is not ready.");
        for (failure, last_ms) in [
            (CallFailure::NotSent, 980),
            (CallFailure::Lost, 14_980),
            (refused("OTSTimeout", ""), 14_980),
            (not_ready, 59_980),
        ] {
            assert!(lasts(failure, last_ms), "{failure:?}");
            assert!(!lasts(failure, last_ms + 1), "{failure:?}");
        }
    }
}
