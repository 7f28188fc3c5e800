//! Messages of the tunnel service. Its errors are those of the table operations.

mod admin;
mod client;

pub use self::admin::*;
pub use self::client::*;
