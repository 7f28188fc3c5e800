//! Asking why a request was refused, by its id.
//!
//! This operation is our own: no Tablestore has it.

use prost::Message;

/// Asks why a request was refused, or rows of it were.
#[derive(Clone, PartialEq, Message)]
pub struct WhyRequest {
    /// The id that the answer to the request had.
    #[prost(string, required, tag = "1")]
    pub request_id: String,
}

/// One refusal, of a request or of a row of it.
#[derive(Clone, PartialEq, Message)]
pub struct LoggedRefusal {
    /// The HTTP status; for a row, that of a request that is refused for the same reason.
    #[prost(uint32, required, tag = "1")]
    pub status: u32,
    #[prost(string, required, tag = "2")]
    pub code: String,
    /// The sentence that the caller got.
    #[prost(string, required, tag = "3")]
    pub message: String,
    /// What there is to say beyond the sentence.
    #[prost(string, optional, tag = "4")]
    pub detail: Option<String>,
}

/// A request that was refused, or rows of it. This is the answer to [`WhyRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct RefusedRequest {
    #[prost(string, required, tag = "1")]
    pub request_id: String,
    /// The path of the operation.
    #[prost(string, required, tag = "2")]
    pub operation: String,
    /// The time of the answer, in microseconds since 1970.
    #[prost(int64, required, tag = "3")]
    pub at_us: i64,
    /// The refusal of the request, or those of the first refused rows.
    #[prost(message, repeated, tag = "4")]
    pub refusals: Vec<LoggedRefusal>,
    /// The number of refusals, including those that are not listed.
    #[prost(uint64, required, tag = "5")]
    pub refused: u64,
}
