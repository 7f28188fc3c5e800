//! Offers the operations on tunnels.

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::tunnel;

const CREATE: Operation = Operation::write("/tunnel/create");
const LIST: Operation = Operation::read("/tunnel/list");
const DESCRIBE: Operation = Operation::read("/tunnel/describe");
const DELETE: Operation = Operation::write("/tunnel/delete");

/// Returns the text by which the server describes a type of tunnel. Requests hold a number instead.
pub fn tunnel_type_text(kind: tunnel::TunnelType) -> &'static str {
    match kind {
        tunnel::TunnelType::BaseData => "BaseData",
        tunnel::TunnelType::Stream => "Stream",
        tunnel::TunnelType::BaseAndStream => "BaseAndStream",
    }
}

impl Client {
    /// Creates a tunnel and returns its id. A stream begins now.
    ///
    /// # Errors
    /// Returns [`ClientError`]; with `OTSTunnelExist` if the table has a tunnel of this name.
    pub async fn create_tunnel(
        &self,
        table: &str,
        name: &str,
        kind: tunnel::TunnelType,
    ) -> Result<String, ClientError> {
        let request = tunnel::CreateTunnelRequest {
            tunnel: tunnel::Tunnel {
                table_name: table.to_owned(),
                tunnel_name: name.to_owned(),
                tunnel_type: kind.into(),
                stream_tunnel_config: None,
            },
        };
        Ok(self.call::<tunnel::CreateTunnelResponse>(CREATE, &request).await?.answer.tunnel_id)
    }

    /// Returns the tunnels of a table, or of all tables.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn list_tunnels(&self, table: Option<&str>) -> Result<Vec<tunnel::TunnelInfo>, ClientError> {
        let request = tunnel::ListTunnelRequest { table_name: table.map(str::to_owned) };
        Ok(self.call::<tunnel::ListTunnelResponse>(LIST, &request).await?.answer.tunnels)
    }

    /// Returns a tunnel and its channels.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn describe_tunnel(
        &self,
        table: &str,
        name: &str,
    ) -> Result<tunnel::DescribeTunnelResponse, ClientError> {
        let request = tunnel::DescribeTunnelRequest {
            table_name: table.to_owned(),
            tunnel_name: name.to_owned(),
            tunnel_id: None,
        };
        Ok(self.call::<tunnel::DescribeTunnelResponse>(DESCRIBE, &request).await?.answer)
    }

    /// Deletes a tunnel and its checkpoints. Changes that were kept only for it are no longer kept.
    ///
    /// # Errors
    /// Returns [`ClientError`] if the call fails.
    pub async fn delete_tunnel(&self, table: &str, name: &str) -> Result<(), ClientError> {
        let request = tunnel::DeleteTunnelRequest {
            table_name: table.to_owned(),
            tunnel_name: name.to_owned(),
            tunnel_id: None,
        };
        self.call::<tunnel::DeleteTunnelResponse>(DELETE, &request).await?;
        Ok(())
    }
}
