//! Messages of the table operations.

mod batch;
mod filter;
mod import;
mod rows;
mod schema;
mod splits;
mod stream;

use prost::Message;

pub use self::batch::*;
pub use self::filter::*;
pub use self::import::*;
pub use self::rows::*;
pub use self::schema::*;
pub use self::splits::*;
pub use self::stream::*;

/// The body of every answer whose status is not 200.
///
/// Its third field differs between services: it is never sent.
#[derive(Clone, PartialEq, Message)]
pub struct Error {
    /// The vendor's code, such as `OTSParameterInvalid`.
    #[prost(string, required, tag = "1")]
    pub code: String,
    /// Says to people what is wrong. The server always fills it: the Go client reads it without
    /// looking.
    #[prost(string, optional, tag = "2")]
    pub message: Option<String>,
}
