//! Why a request for rows is refused.

use hyper::{Response, StatusCode};

use super::answer::{Body, refusal};
use order_tables::ResultError;
use store::error::Damage;

/// Why an answer has no rows. Each sentence is for the reader.
pub(super) enum Refusal {
    /// The request is not valid.
    Asked(String),
    /// The store cannot be read.
    Store(String),
}

impl From<String> for Refusal {
    fn from(sentence: String) -> Refusal {
        Refusal::Asked(sentence)
    }
}

impl From<ResultError> for Refusal {
    fn from(error: ResultError) -> Refusal {
        Refusal::Store(format!("the results cannot be read: {error}"))
    }
}

impl From<Damage> for Refusal {
    fn from(damage: Damage) -> Refusal {
        ResultError::from(damage).into()
    }
}

impl Refusal {
    pub(super) fn answer(&self) -> Response<Body> {
        match self {
            Refusal::Asked(sentence) => refusal(StatusCode::BAD_REQUEST, sentence),
            Refusal::Store(sentence) => refusal(StatusCode::INTERNAL_SERVER_ERROR, sentence),
        }
    }
}
