//! Builds refusals: the vendor's status, code and sentence, and what the log tells people beyond
//! them. The refusals of the store are in [`sentences`](super::sentences).

use hyper::StatusCode;
use prost::Message;

use super::sentences::too_many_columns;
use crate::plain_buffer::Malformed;
use crate::table;

/// Why a request, or one row of it, is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    /// The sentence that the caller gets.
    pub(super) message: String,
    /// What the [log](super::refusal_log) adds for people, such as the name of the table. Programs
    /// compare the sentence with the vendor's, so it is not added there.
    pub(super) detail: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), detail: None }
    }

    /// Adds what the log tells people beyond the sentence.
    pub(super) fn with_detail(self, detail: impl Into<String>) -> Refusal {
        Refusal { detail: Some(detail.into()), ..self }
    }

    /// Refuses a request in which something is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "OTSParameterInvalid", message)
    }

    /// Refuses a caller that is not who it claims to be, or whose request was changed on its way.
    pub(super) fn not_authentic(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "OTSAuthFailed", message)
    }

    /// Refuses a request that is larger than any may be.
    pub(super) fn too_large() -> Refusal {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "OTSRequestBodyTooLarge",
            "The size of POST data is too large.",
        )
    }

    /// Refuses a request that did not arrive in time.
    pub(super) fn too_slow() -> Refusal {
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "OTSRequestTimeout", "Request timeout.")
    }

    /// Refuses a request for which there is no memory now. The server has not acted on it.
    pub(super) fn busy() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "OTSServerBusy", "Server is busy.")
    }

    /// Answers a request that met an error which must not happen.
    pub(super) fn internal(reason: &str) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "OTSInternalServerError", "Internal server error.")
            .with_detail(reason)
    }

    /// Refuses a row or key of a table that cannot be decoded.
    pub(super) fn malformed(malformed: Malformed, table: &str) -> Refusal {
        let refusal = match malformed {
            Malformed::Wrong(_) => Refusal::invalid(format!("Invalid row: {malformed}.")),
            Malformed::TooManyCells(count) => too_many_columns(count),
        };
        refusal.with_detail(format!("a row of table {table}"))
    }

    /// Refuses an operation that is not served.
    pub(super) fn unsupported(operation: &str) -> Refusal {
        Refusal::invalid(format!("Unsupported operation: {operation}."))
    }

    /// Returns the refusal as the error of one row of a batch.
    pub(super) fn message(self) -> table::Error {
        table::Error { code: self.code.to_owned(), message: Some(self.message) }
    }

    /// Returns the refusal as the body of an answer.
    pub(super) fn encode(self) -> Vec<u8> {
        self.message().encode_to_vec()
    }
}

impl From<prost::DecodeError> for Refusal {
    fn from(error: prost::DecodeError) -> Refusal {
        Refusal::invalid(format!("Parse from protobuf failed: {error}."))
    }
}
