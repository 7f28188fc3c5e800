//! Tunnels.

use bytes::Bytes;

use super::Service;
use super::error::Refusal;
use super::operation::TunnelOperation;

/// Runs an operation of the tunnel service.
pub(super) async fn run(
    _service: &Service,
    operation: TunnelOperation,
    _body: Bytes,
) -> Result<Vec<u8>, Refusal> {
    Err(Refusal::unsupported(&format!("tunnel/{operation:?}")))
}
