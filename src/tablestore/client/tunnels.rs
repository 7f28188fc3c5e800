//! Operations on tunnels.

use super::Client;
use super::call::Operation;
use super::error::ClientError;
use crate::tunnel;

const CREATE: Operation = Operation::write("/tunnel/create");
const LIST: Operation = Operation::read("/tunnel/list");
const DESCRIBE: Operation = Operation::read("/tunnel/describe");
const DELETE: Operation = Operation::write("/tunnel/delete");

/// A type of tunnel as the server describes it: in words, where requests have numbers.
pub fn tunnel_type_text(kind: tunnel::TunnelType) -> &'static str {
    match kind {
        tunnel::TunnelType::BaseData => "BaseData",
        tunnel::TunnelType::Stream => "Stream",
        tunnel::TunnelType::BaseAndStream => "BaseAndStream",
    }
}

impl Client {
    /// Makes a tunnel and gives its id. A stream starts now.
    ///
    /// # Errors
    /// [`ClientError`]; `OTSTunnelExist` if the table has one of this name.
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

    /// The tunnels of a table, or of all.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_tunnels(&self, table: Option<&str>) -> Result<Vec<tunnel::TunnelInfo>, ClientError> {
        let request = tunnel::ListTunnelRequest { table_name: table.map(str::to_owned) };
        Ok(self.call::<tunnel::ListTunnelResponse>(LIST, &request).await?.answer.tunnels)
    }

    /// A tunnel and its channels.
    ///
    /// # Errors
    /// [`ClientError`].
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

    /// Deletes a tunnel and what it remembers; changes that only it held back are no longer kept.
    ///
    /// # Errors
    /// [`ClientError`].
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
