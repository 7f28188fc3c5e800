//! Speaks Tablestore's wire protocol: its messages, rows and signatures, the server and the client.

pub mod client;
pub mod filter;
pub mod limits;
mod messages;
pub mod plain_buffer;
pub mod server;
mod shape;
pub mod signature;

pub use self::messages::{refusals, snapshot, table, tunnel};
