//! Refusals: the vendor's status, code and usual message, with the table, column or limit by name.

use hyper::StatusCode;
use prost::Message;

use crate::plain_buffer::Malformed;
use crate::table;
use store::error::StoreError;
use store::schema::{TABLES_MAX, WRITE_COLUMNS_MAX};

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
            Malformed::TooManyCells(count) => StoreError::Invalid(format!(
                "The number of attribute columns exceeds the limit, limit count: {WRITE_COLUMNS_MAX}, \
                 column count: {count}. Table: '{table}'."
            ))
            .into(),
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

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        use StatusCode as Status;
        let says = error.to_string();
        match error {
            StoreError::Invalid(message) => Refusal::invalid(message),
            StoreError::InvalidKey(message) => Refusal::new(Status::BAD_REQUEST, "OTSInvalidPK", message),
            StoreError::RowTooLarge(message) => {
                Refusal::new(Status::BAD_REQUEST, "OTSOutOfRowSizeLimit", message)
            }
            StoreError::TooManyTables => Refusal::new(
                Status::FORBIDDEN,
                "OTSQuotaExhausted",
                format!("Number of tables exceeds the quota:{TABLES_MAX}."),
            ),
            StoreError::TableMissing(table) => Refusal::new(
                Status::NOT_FOUND,
                "OTSObjectNotExist",
                format!("Requested table does not exist. Table: '{table}'."),
            ),
            StoreError::TableExists(table) => Refusal::new(
                Status::CONFLICT,
                "OTSObjectAlreadyExist",
                format!("Requested table already exists. Table: '{table}'."),
            ),
            StoreError::Reserved(_) => Refusal::new(
                Status::FORBIDDEN,
                "OTSNoPermissionAccess",
                format!("You have no permission to access the requested resource: {says}."),
            ),
            StoreError::ConditionFailed => {
                Refusal::new(Status::FORBIDDEN, "OTSConditionCheckFail", "Condition check failed.")
            }
            StoreError::TunnelExists(_) => Refusal::new(Status::BAD_REQUEST, "OTSTunnelExist", says),
            StoreError::TunnelMissing(_) => Refusal::invalid(says),
            StoreError::TunnelExpired(message) => {
                Refusal::new(Status::BAD_REQUEST, "OTSTunnelExpired", message)
            }
            StoreError::ResourceGone(message) => Refusal::new(Status::NOT_FOUND, "OTSResourceGone", message),
            StoreError::CheckpointOutOfOrder(message) => {
                Refusal::new(Status::BAD_REQUEST, "OTSSequenceNumberNotMatch", message)
            }
            StoreError::ReadOnly(_) | StoreError::Closing => Refusal::new(
                Status::SERVICE_UNAVAILABLE,
                "OTSServerUnavailable",
                format!("Server is not available. {says}"),
            ),
            StoreError::Damaged(_) => Refusal::internal(&says),
        }
    }
}

impl From<prost::DecodeError> for Refusal {
    fn from(error: prost::DecodeError) -> Refusal {
        Refusal::invalid(format!("Parse from protobuf failed: {error}."))
    }
}
