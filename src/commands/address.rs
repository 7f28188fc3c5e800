//! Reads the addresses that flags give.

use std::net::{SocketAddr, ToSocketAddrs};

use super::Failure;

/// Returns the addresses that a host and port stand for. Those of IP version 4 come first, because
/// some SDKs take no others.
pub(super) fn addresses(flag: &str, listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::new(2, format!("{flag} {listen:?} must be HOST:PORT, such as 127.0.0.1:8087: {reason}"))
    };
    let mut found: Vec<_> = listen.to_socket_addrs().map_err(|error| wrong(&error))?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    if found.is_empty() {
        return Err(wrong(&"the host has no address"));
    }
    Ok(found)
}
