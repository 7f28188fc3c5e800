//! The errors of a call.

use std::fmt;

use super::retry::{Access, CallFailure};

/// A refusal by the server, of a call or of one row of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    /// The vendor's code, such as `OTSObjectNotExist`. It is empty if the answer has none.
    pub code: String,
    /// The vendor's message.
    pub message: String,
    /// The HTTP status. It is 200 for one row of a batch.
    pub status: u16,
    /// The id by which the server's logs name the request. It is empty if the answer has none.
    pub request_id: String,
}

impl ServiceError {
    /// Returns the refusal as the retry policy sees it.
    pub fn failure(&self) -> CallFailure<'_> {
        CallFailure::Refused { status: self.status, code: &self.code, message: &self.message }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message =
            if self.message.is_empty() { "no reason given" } else { self.message.trim_end_matches('.') };
        let code = if self.code.is_empty() { "no code" } else { &self.code };
        write!(f, "{message} ({code}, status {}", self.status)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id)?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for ServiceError {}

/// Why a call failed, after the retries that the failure allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The server refused the call.
    Refused {
        /// The path of the operation, without the slash.
        operation: &'static str,
        /// The refusal of the server.
        error: ServiceError,
    },
    /// No connection could be made, so nothing was done.
    NotSent {
        /// The endpoint of the server.
        endpoint: String,
        /// The cause, such as "connection refused".
        cause: String,
    },
    /// No answer came. A write may have been done or not.
    Lost {
        /// The path of the operation, without the slash.
        operation: &'static str,
        /// Whether the call was to change anything.
        access: Access,
        /// The endpoint of the server.
        endpoint: String,
        /// The cause, such as a timeout.
        cause: String,
    },
    /// The answer does not come from a Tablestore, or it is signed with another secret.
    Untrusted {
        /// The path of the operation, without the slash.
        operation: &'static str,
        /// The endpoint that it came from.
        endpoint: String,
        /// What is wrong with the answer.
        reason: String,
    },
    /// The clocks of server and client differ by more than calls allow.
    Clocks {
        /// The endpoint of the server.
        endpoint: String,
        /// The time by the server's clock.
        there: String,
        /// The time by the clock here.
        here: String,
    },
    /// The settings of the client are unusable.
    Config(String),
}

impl ClientError {
    /// Returns the error as the retry policy sees it; `None` if trying again is of no use.
    pub(super) fn failure(&self) -> Option<CallFailure<'_>> {
        match self {
            ClientError::Refused { error, .. } => Some(error.failure()),
            ClientError::NotSent { .. } => Some(CallFailure::NotSent),
            ClientError::Lost { .. } => Some(CallFailure::Lost),
            ClientError::Untrusted { .. } | ClientError::Clocks { .. } | ClientError::Config(_) => None,
        }
    }

    /// Returns the exit code of a program that ends with this error: 2 if the call or the settings
    /// are wrong, else 3.
    pub fn exit_code(&self) -> u8 {
        match self {
            ClientError::Config(_) => 2,
            ClientError::Refused { error, .. } if (400..500).contains(&error.status) => 2,
            _ => 3,
        }
    }

    /// Returns advice for people who use a store of this program, to be added to the error. It may
    /// be empty.
    pub fn what_to_do(&self) -> &'static str {
        match self {
            ClientError::Refused { error, .. } if error.code == "OTSAuthFailed" => {
                "; are all OTS_… variables those that this store's `orderflow up` printed?"
            }
            ClientError::NotSent { endpoint, .. } if endpoint.starts_with("http://") => {
                "; is `orderflow up` running, and OTS_ENDPOINT its address?"
            }
            _ => "",
        }
    }

    /// Returns whether this is a refusal with this code.
    pub fn is_code(&self, wanted: &str) -> bool {
        matches!(self, ClientError::Refused { error, .. } if error.code == wanted)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClientError::Refused { operation, error } => write!(f, "{operation} failed: {error}"),
            ClientError::NotSent { endpoint, cause } => write!(f, "cannot connect to {endpoint}: {cause}"),
            ClientError::Lost { operation, access, endpoint, cause } => {
                write!(f, "no answer to {operation} from {endpoint}: {cause}")?;
                match access {
                    Access::Read => Ok(()),
                    Access::Write => f.write_str("; it may or may not have been done"),
                }
            }
            ClientError::Untrusted { operation, endpoint, reason } => {
                write!(f, "the answer to {operation} from {endpoint} cannot be trusted: {reason}")
            }
            ClientError::Clocks { endpoint, there, here } => {
                write!(
                    f,
                    "by the clock of {endpoint} it is {there}, and here it is {here}: set the clock that is wrong"
                )
            }
            ClientError::Config(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for ClientError {}
