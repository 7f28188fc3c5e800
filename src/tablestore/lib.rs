//! Tablestore's wire protocol: messages, rows, signatures, the server and the client.

pub mod client;
pub mod filter;
pub mod limits;
pub mod plain_buffer;
pub mod server;
mod shape;
pub mod signature;

/// Messages of our own operations on snapshots, compiled from `proto/snapshot.proto`.
#[allow(missing_docs, unreachable_pub)] // Generated.
pub mod snapshot {
    include!(concat!(env!("OUT_DIR"), "/snapshot.rs"));
}

/// Messages of the table operations, compiled from `proto/table.proto`.
#[allow(missing_docs, unreachable_pub)] // Generated; the protocol's own names.
pub mod table {
    include!(concat!(env!("OUT_DIR"), "/table.rs"));
}

/// Messages of the tunnel service, compiled from `proto/tunnel.proto`.
#[allow(missing_docs, unreachable_pub)] // Generated; the protocol's own names.
pub mod tunnel {
    include!(concat!(env!("OUT_DIR"), "/tunnel.rs"));
}
