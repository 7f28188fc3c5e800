//! Creates a tunnel, and the requests that its client sends. Readers of streams are here too.

use std::sync::Arc;

use super::*;
use crate::server::Service;
use crate::server::operation::{Operation, StreamOperation, TunnelOperation};
use crate::tunnel;
use testkit::Random;

/// What the client of a tunnel and the reader of a stream know.
pub(super) struct Known {
    tunnel_id: String,
    client_id: String,
    channel: tunnel::Channel,
    token: String,
    stream_id: String,
}

async fn ask<M: Message + Default>(
    service: &Arc<Service>,
    operation: TunnelOperation,
    message: &impl Message,
) -> M {
    let reply =
        service.clone().run(Operation::Tunnel(operation), message.encode_to_vec().into()).await.unwrap();
    M::decode(reply.as_ref()).unwrap()
}

fn create(table_name: String) -> tunnel::CreateTunnelRequest {
    let tunnel_type = tunnel::TunnelType::BaseAndStream.into();
    let tunnel =
        tunnel::Tunnel { table_name, tunnel_name: "t".to_owned(), tunnel_type, stream_tunnel_config: None };
    tunnel::CreateTunnelRequest { tunnel }
}

impl Known {
    /// Creates a tunnel on a table, and connects to it. The stream is that of the table of orders.
    pub(super) async fn connect(service: &Arc<Service>) -> Known {
        let created: tunnel::CreateTunnelResponse =
            ask(service, TunnelOperation::Create, &create("Orders".to_owned())).await;
        let tunnel_id = created.tunnel_id;
        let connect = tunnel::ConnectRequest { tunnel_id: tunnel_id.clone(), client_config: None };
        let connected: tunnel::ConnectResponse = ask(service, TunnelOperation::Connect, &connect).await;
        let mut known = Known {
            tunnel_id,
            client_id: connected.client_id,
            channel: tunnel::Channel::default(),
            token: String::new(),
            stream_id: service.store.table(ORDERS).unwrap().stream_id.clone().unwrap(),
        };
        let heartbeat = tunnel::HeartbeatRequest { channels: Vec::new(), ..known.heartbeat() };
        let mut beat: tunnel::HeartbeatResponse = ask(service, TunnelOperation::Heartbeat, &heartbeat).await;
        known.channel = beat.channels.remove(0);
        let start: tunnel::GetCheckpointResponse =
            ask(service, TunnelOperation::GetCheckpoint, &known.get_checkpoint()).await;
        known.token = start.checkpoint;
        known
    }

    fn heartbeat(&self) -> tunnel::HeartbeatRequest {
        tunnel::HeartbeatRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: self.client_id.clone(),
            channels: vec![self.channel.clone()],
        }
    }

    fn get_checkpoint(&self) -> tunnel::GetCheckpointRequest {
        tunnel::GetCheckpointRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: self.client_id.clone(),
            channel_id: self.channel.channel_id.clone(),
        }
    }

    /// Returns a body that its operation understands.
    pub(super) fn body(&self, operation: TunnelOperation, table_name: String) -> Vec<u8> {
        let (tunnel_id, client_id) = (self.tunnel_id.clone(), self.client_id.clone());
        let channel_id = self.channel.channel_id.clone();
        let tunnel_name = "t".to_owned();
        match operation {
            TunnelOperation::Create => create(table_name).encode_to_vec(),
            // The tunnel of orders must stay.
            TunnelOperation::Delete => {
                let table_name = "Log".to_owned();
                tunnel::DeleteTunnelRequest { table_name, tunnel_name, tunnel_id: None }.encode_to_vec()
            }
            TunnelOperation::List => {
                tunnel::ListTunnelRequest { table_name: Some(table_name) }.encode_to_vec()
            }
            TunnelOperation::Describe => {
                tunnel::DescribeTunnelRequest { table_name, tunnel_name, tunnel_id: None }.encode_to_vec()
            }
            TunnelOperation::Connect => {
                let client_config =
                    Some(tunnel::ClientConfig { timeout: Some(30), client_tag: Some("tag".to_owned()) });
                tunnel::ConnectRequest { tunnel_id, client_config }.encode_to_vec()
            }
            TunnelOperation::Heartbeat => self.heartbeat().encode_to_vec(),
            TunnelOperation::Shutdown => {
                // This names another client.
                tunnel::ShutdownRequest { tunnel_id, client_id: client_id + "x" }.encode_to_vec()
            }
            TunnelOperation::GetCheckpoint => self.get_checkpoint().encode_to_vec(),
            TunnelOperation::ReadRecords => {
                let token = self.token.clone();
                tunnel::ReadRecordsRequest { tunnel_id, client_id, channel_id, token }.encode_to_vec()
            }
            TunnelOperation::Checkpoint => {
                let (checkpoint, sequence_number) = (self.token.clone(), 1);
                tunnel::CheckpointRequest { tunnel_id, client_id, channel_id, checkpoint, sequence_number }
                    .encode_to_vec()
            }
        }
    }

    /// Returns a body that its operation on streams understands.
    pub(super) fn stream_body(
        &self,
        operation: StreamOperation,
        table_name: String,
        random: &mut Random,
    ) -> Vec<u8> {
        let stream_id = self.stream_id.clone();
        let shard_id = format!("shard_{}", random.below(5));
        match operation {
            StreamOperation::List => {
                table::ListStreamRequest { table_name: Some(table_name) }.encode_to_vec()
            }
            StreamOperation::Describe => table::DescribeStreamRequest {
                stream_id,
                inclusive_start_shard_id: Some(shard_id),
                shard_limit: Some(random.below(6) as i32),
            }
            .encode_to_vec(),
            StreamOperation::GetShardIterator => {
                let timestamp = [None, Some(0), Some(i64::MAX)][random.below(3)];
                table::GetShardIteratorRequest { stream_id, shard_id, timestamp, token: None }.encode_to_vec()
            }
            StreamOperation::GetRecord => {
                let shard_iterator = format!("{stream_id}/{}/{}/0", random.below(5), random.below(9));
                table::GetStreamRecordRequest { shard_iterator, limit: Some(2) }.encode_to_vec()
            }
        }
    }
}
