//! Refusals: the vendor's status, code and usual message, with the table, column or limit by name.
//! Those of the store are in [`sentences`](super::sentences).

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
    pub(super) message: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into() }
    }

    /// Something in the request is wrong.
    pub(super) fn invalid(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "OTSParameterInvalid", message)
    }

    /// The caller is not who it says, or the request was changed on its way.
    pub(super) fn not_authentic(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, "OTSAuthFailed", message)
    }

    /// The request is larger than any may be.
    pub(super) fn too_large() -> Refusal {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "OTSRequestBodyTooLarge",
            "The size of POST data is too large.",
        )
    }

    /// The request did not come in time.
    pub(super) fn too_slow() -> Refusal {
        Refusal::new(StatusCode::REQUEST_TIMEOUT, "OTSRequestTimeout", "Request timeout.")
    }

    /// There is no room for the request now. It was not looked at.
    pub(super) fn busy() -> Refusal {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "OTSServerBusy", "Server is busy.")
    }

    /// Something went wrong that must not.
    pub(super) fn internal(reason: &str) -> Refusal {
        Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "OTSInternalServerError",
            format!("Internal server error. {reason}"),
        )
    }

    /// A row or key of a table that cannot be read.
    pub(super) fn malformed(malformed: Malformed, table: &str) -> Refusal {
        match malformed {
            Malformed::Wrong(_) => Refusal::invalid(format!("Invalid row: {malformed}. Table: '{table}'.")),
            Malformed::TooManyCells(count) => too_many_columns(count, &format!(" Table: '{table}'.")),
        }
    }

    /// An operation that is not served.
    pub(super) fn unsupported(operation: &str) -> Refusal {
        Refusal::invalid(format!("Unsupported operation: {operation}."))
    }

    /// As a row of a batch has it.
    pub(super) fn message(self) -> table::Error {
        table::Error { code: self.code.to_owned(), message: Some(self.message) }
    }

    /// As a body.
    pub(super) fn encode(self) -> Vec<u8> {
        self.message().encode_to_vec()
    }
}

impl From<prost::DecodeError> for Refusal {
    fn from(error: prost::DecodeError) -> Refusal {
        Refusal::invalid(format!("Parse from protobuf failed: {error}."))
    }
}
