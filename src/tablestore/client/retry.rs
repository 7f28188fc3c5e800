//! Which calls are sent again, and when. Pure: clock and dice are the caller's.

use std::time::Duration;

/// What a call does to the server's data, for whether it may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: sending it twice does no harm.
    Read,
    /// Something that may have happened even where no answer came.
    Write,
}

/// What went wrong with one try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault<'a> {
    /// No connection: the server saw nothing of the request.
    NotSent,
    /// The connection broke, or no answer came in time: the server may have acted.
    Lost,
    /// The server refused, or one row was refused.
    Refused {
        /// HTTP status; 200 for one row of a batch.
        status: u16,
        /// The vendor's code; empty where the answer held none, as a proxy's does.
        code: &'a str,
        /// The vendor's message.
        message: &'a str,
    },
}

/// Codes that say that the call did not take place and may well later.
const ALWAYS: [&str; 5] = [
    "OTSNotEnoughCapacityUnit",
    NOT_READY,
    "OTSRowOperationConflict",
    "OTSServerBusy",
    "OTSPartitionUnavailable",
];

/// Codes that leave open whether the call took place.
const READS: [&str; 4] =
    ["OTSInternalServerError", "OTSTimeout", "OTSServerUnavailable", "OTSTunnelServerUnavailable"];

/// The code of a table that was created a moment ago.
const NOT_READY: &str = "OTSTableNotReady";

/// A quota that frees itself; the same code with another message is for good.
const QUOTA: (&str, &str) = ("OTSQuotaExhausted", "Too frequent table operations.");

/// Statuses of proxies and overloaded servers that give no code.
const STATUSES: [u16; 4] = [500, 502, 503, 504];

/// How long, and how often, calls are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Time from a call's start after which no further try begins.
    pub patience: Duration,
    /// The same where no connection comes about: a server restarts within this, a wrong address never answers.
    pub connect_patience: Duration,
    /// The same for a table that was just created.
    pub not_ready_patience: Duration,
    /// The longest delay before the first retry; it doubles from try to try.
    pub first_delay: Duration,
    /// The longest delay.
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
    /// The delay until the next try, or `None` if the fault is to be reported.
    ///
    /// `tries` have been made, at least 1; the first began `elapsed` ago; `random` is in `[0, 1)`.
    /// Half of each delay is random, so that callers refused together do not return together.
    pub fn delay(
        &self,
        access: Access,
        fault: Fault<'_>,
        tries: u32,
        elapsed: Duration,
        random: f64,
    ) -> Option<Duration> {
        if !is_retryable(access, fault) {
            return None;
        }
        let doubled = 2_u32.saturating_pow(tries.saturating_sub(1));
        let longest = self.first_delay.saturating_mul(doubled).min(self.delay_max);
        let delay = longest.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0);
        let patience = match fault {
            Fault::NotSent => self.connect_patience,
            Fault::Refused { code: NOT_READY, .. } => self.not_ready_patience,
            _ => self.patience,
        };
        (elapsed + delay <= patience).then_some(delay)
    }
}

/// Whether a call of this kind may be sent again after this fault.
pub(super) fn is_retryable(access: Access, fault: Fault<'_>) -> bool {
    let reads = access == Access::Read;
    match fault {
        Fault::NotSent => true,
        Fault::Lost => reads,
        Fault::Refused { status, code: "", .. } => reads && STATUSES.contains(&status),
        Fault::Refused { code, message, .. } => {
            ALWAYS.contains(&code) || (code, message) == QUOTA || (reads && READS.contains(&code))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused<'a>(code: &'a str, message: &'a str) -> Fault<'a> {
        Fault::Refused { status: 503, code, message }
    }

    #[test]
    fn what_is_sent_again() {
        let never = (false, false);
        let reads = (true, false);
        let always = (true, true);
        for (fault, expected) in [
            (Fault::NotSent, always),
            (Fault::Lost, reads),
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
            (Fault::Refused { status: 404, code: "", message: "" }, never),
        ] {
            let actual = (is_retryable(Access::Read, fault), is_retryable(Access::Write, fault));
            assert_eq!(actual, expected, "{fault:?}");
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
        let lasts = |fault, elapsed_ms| {
            let elapsed = Duration::from_millis(elapsed_ms);
            policy.delay(Access::Read, fault, 1, elapsed, 1.0).is_some()
        };
        let not_ready = refused("OTSTableNotReady", "The table is not ready.");
        for (fault, last_ms) in [
            (Fault::NotSent, 980),
            (Fault::Lost, 14_980),
            (refused("OTSTimeout", ""), 14_980),
            (not_ready, 59_980),
        ] {
            assert!(lasts(fault, last_ms), "{fault:?}");
            assert!(!lasts(fault, last_ms + 1), "{fault:?}");
        }
    }
}
