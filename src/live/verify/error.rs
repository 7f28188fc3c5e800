//! Why results cannot be verified, whether they are right or wrong.

use std::fmt;

use order_tables::ORDER_SOURCE;
use store::error::{Damage, ReadError};
use tablestore::client::ClientError;

/// Why results cannot be verified. The message says what to do if that is not obvious.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VerifyError {
    /// No live job has written any results, or its checkpoint cannot be read.
    NoResults,
    /// The results are those before this commit, and the changes of orders since then are not all
    /// kept.
    ChangesGone(u64),
    /// The store cannot be read.
    Read(ReadError),
    /// The instance at this endpoint has no operations to verify with.
    Foreign {
        /// The endpoint.
        endpoint: String,
        /// The error of the instance.
        error: ClientError,
    },
    /// A call failed.
    Call(ClientError),
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VerifyError::NoResults => f.write_str(
                "there are no results to verify: no live job has written any here, or its checkpoint cannot be read; \
                 run `orderflow up` without --no-job first",
            ),
            VerifyError::ChangesGone(upper) => write!(
                f,
                "the results cannot be verified: they are those before commit {upper}, and the changes of {ORDER_SOURCE} \
                 since then are not all kept; they can be once the live job has caught up"
            ),
            VerifyError::Read(error) => error.fmt(f),
            VerifyError::Foreign { endpoint, error } => write!(
                f,
                "{endpoint} is no instance that can be verified: use one of `orderflow up`, or --data with the folder of one \
                 that is stopped ({error})"
            ),
            VerifyError::Call(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for VerifyError {}

impl From<ReadError> for VerifyError {
    fn from(error: ReadError) -> VerifyError {
        VerifyError::Read(error)
    }
}

impl From<Damage> for VerifyError {
    fn from(damage: Damage) -> VerifyError {
        VerifyError::Read(damage.into())
    }
}
