//! Creates, lists, describes and deletes tunnels, and serves their clients.
//!
//! No operation runs on a thread that serves connections, because it may wait for the disk.

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{CHECKPOINT, CREATE_TUNNEL, HEARTBEAT, PLAIN, decode, number};
use super::error::Refusal;
use super::operation::TunnelOperation;
use super::token;
use crate::plain_buffer::{ChangeRef, Sequence, Writer};
use crate::tunnel;
use store::Store;
use store::edit::EditRef;
use store::error::TunnelError;
use store::log::Action;
use store::tunnel::{
    ChannelInfo, ChannelReport, ChannelStatus, Claim, PageMax, RecordRef, Stage, StartFlag, StreamRange,
    TunnelInfo, TunnelKind, TunnelSpec,
};

/// Runs an operation of the tunnel service.
pub(super) async fn run(
    service: &Service,
    operation: TunnelOperation,
    body: Bytes,
) -> Result<Vec<u8>, Refusal> {
    let answered = match operation {
        TunnelOperation::Create => create(service, body).await,
        TunnelOperation::Delete => delete(service, body).await,
        TunnelOperation::List => list(service, body).await,
        TunnelOperation::Describe => describe(service, body).await,
        TunnelOperation::Connect => connect(service, body).await,
        TunnelOperation::Heartbeat => heartbeat(service, body).await,
        TunnelOperation::Shutdown => shut_down(service, body).await,
        TunnelOperation::GetCheckpoint => get_checkpoint(service, body).await,
        TunnelOperation::ReadRecords => read_records(service, body).await,
        TunnelOperation::Checkpoint => checkpoint(service, body).await,
    };
    answered.map_err(|refusal| match refusal.code {
        // The clients of tunnels retry on a code of their own.
        "OTSServerUnavailable" => Refusal { code: "OTSTunnelServerUnavailable", ..refusal },
        _ => refusal,
    })
}

async fn create(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::CreateTunnelRequest = decode(body, &CREATE_TUNNEL)?;
    let tunnel::Tunnel { table_name, tunnel_name, tunnel_type, stream_tunnel_config } = request.tunnel;
    let kind = match number("tunnel type", tunnel_type)? {
        tunnel::TunnelType::BaseData => TunnelKind::BaseData,
        tunnel::TunnelType::Stream => TunnelKind::Stream,
        tunnel::TunnelType::BaseAndStream => TunnelKind::BaseAndStream,
    };
    let range = stream_tunnel_config.map(|config| range(&config)).transpose()?;
    let spec = TunnelSpec { table: table_name, name: tunnel_name, kind, range };
    let tunnel_id = service.blocking(move |store| store.tunnels().create(spec)).await?;
    Ok(tunnel::CreateTunnelResponse { tunnel_id }.encode_to_vec())
}

fn range(config: &tunnel::StreamTunnelConfig) -> Result<StreamRange, Refusal> {
    let flag = match config.flag.map(|flag| number("start offset flag", flag)).transpose()? {
        None => None,
        Some(tunnel::StartOffsetFlag::Latest) => Some(StartFlag::Latest),
        Some(tunnel::StartOffsetFlag::Earliest) => Some(StartFlag::Earliest),
    };
    Ok(StreamRange { flag, start_ns: config.start_offset, end_ns: config.end_offset })
}

async fn delete(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::DeleteTunnelRequest = decode(body, &PLAIN)?;
    let id = given(request.tunnel_id);
    let (table, name) = (request.table_name, request.tunnel_name);
    let delete = move |store: &Store| match store.tunnels().delete(&table, &name, id.as_deref()) {
        // Without its table a tunnel is not there either.
        Err(TunnelError::NoTable(_)) => Err(TunnelError::Missing(format!("{name} of table {table}"))),
        deleted => deleted,
    };
    service.blocking(delete).await?;
    Ok(tunnel::DeleteTunnelResponse {}.encode_to_vec())
}

async fn list(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::ListTunnelRequest = decode(body, &PLAIN)?;
    let table = given(request.table_name);
    let tunnels = service.blocking(move |store| store.tunnels().list(table.as_deref())).await?;
    let tunnels = tunnels.into_iter().map(|info| tunnel_info(service, info)).collect();
    Ok(tunnel::ListTunnelResponse { tunnels }.encode_to_vec())
}

async fn describe(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::DescribeTunnelRequest = decode(body, &PLAIN)?;
    let id = given(request.tunnel_id);
    let (table, name) = (request.table_name, request.tunnel_name);
    let described =
        service.blocking(move |store| store.tunnels().describe(&table, &name, id.as_deref())).await?;
    let consumed_to = described.channels.iter().map(|channel| nanoseconds(channel.consumed_to_us)).min();
    let response = tunnel::DescribeTunnelResponse {
        tunnel: tunnel_info(service, described.tunnel),
        channels: described.channels.into_iter().map(channel_info).collect(),
        tunnel_rpo: consumed_to,
    };
    Ok(response.encode_to_vec())
}

/// Returns a text; `None` if it is absent or empty, which some clients send.
pub(super) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn nanoseconds(us: i64) -> i64 {
    us.saturating_mul(1_000)
}

fn tunnel_info(service: &Service, info: TunnelInfo) -> tunnel::TunnelInfo {
    let kind = match info.kind {
        TunnelKind::BaseData => "BaseData",
        TunnelKind::Stream => "Stream",
        TunnelKind::BaseAndStream => "BaseAndStream",
    };
    let stage = match info.stage {
        Stage::BaseData => "ProcessBaseData",
        Stage::Stream => "ProcessStream",
    };
    let config = |range: StreamRange| tunnel::StreamTunnelConfig {
        flag: range.flag.map(|flag| match flag {
            StartFlag::Latest => tunnel::StartOffsetFlag::Latest.into(),
            StartFlag::Earliest => tunnel::StartOffsetFlag::Earliest.into(),
        }),
        start_offset: range.start_ns,
        end_offset: range.end_ns,
    };
    tunnel::TunnelInfo {
        tunnel_id: info.id,
        tunnel_type: kind.to_owned(),
        table_name: info.table,
        instance_name: service.instance.clone(),
        stream_id: info.stream_id,
        stage: stage.to_owned(),
        expired: Some(info.expired),
        tunnel_name: Some(info.name),
        public: None,
        stream_tunnel_config: info.range.map(config),
        create_time: Some(nanoseconds(info.created_us)),
    }
}

fn channel_info(info: ChannelInfo) -> tunnel::ChannelInfo {
    let status = match info.status {
        ChannelStatus::Wait => "WAIT",
        ChannelStatus::Open => "OPEN",
        ChannelStatus::Closing => "CLOSING",
        ChannelStatus::Close => "CLOSE",
        ChannelStatus::Terminated => "TERMINATED",
    };
    tunnel::ChannelInfo {
        channel_id: info.channel,
        channel_type: Some(if info.base { "BaseData" } else { "Stream" }.to_owned()),
        channel_status: Some(status.to_owned()),
        client_id: Some(info.client.unwrap_or_default()),
        channel_rpo: Some(nanoseconds(info.consumed_to_us)),
        channel_count: Some(i64::try_from(info.consumed).unwrap_or(i64::MAX)),
    }
}

async fn connect(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::ConnectRequest = decode(body, &PLAIN)?;
    let timeout_s = request.client_config.and_then(|config| config.timeout);
    let tunnel = request.tunnel_id;
    let client_id = service.blocking(move |store| store.tunnels().connect(&tunnel, timeout_s)).await?;
    Ok(tunnel::ConnectResponse { client_id }.encode_to_vec())
}

async fn heartbeat(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::HeartbeatRequest = decode(body, &HEARTBEAT)?;
    let reports = request.channels.iter().map(report).collect::<Result<Vec<_>, _>>()?;
    let (tunnel, client) = (request.tunnel_id, request.client_id);
    let answer = service.blocking(move |store| store.tunnels().heartbeat(&tunnel, &client, &reports)).await?;
    let channels = answer.into_iter().filter_map(channel).collect();
    Ok(tunnel::HeartbeatResponse { channels }.encode_to_vec())
}

fn report(channel: &tunnel::Channel) -> Result<ChannelReport, Refusal> {
    let status = match number(&format!("status of channel '{}'", channel.channel_id), channel.status)? {
        tunnel::ChannelStatus::Open => ChannelStatus::Open,
        tunnel::ChannelStatus::Closing => ChannelStatus::Closing,
        tunnel::ChannelStatus::Close => ChannelStatus::Close,
        tunnel::ChannelStatus::Terminated => ChannelStatus::Terminated,
    };
    Ok(ChannelReport { channel: channel.channel_id.clone(), version: channel.version, status })
}

/// Returns a channel that a client has; `None` if the client does not have it.
fn channel(report: ChannelReport) -> Option<tunnel::Channel> {
    let status = match report.status {
        ChannelStatus::Open => tunnel::ChannelStatus::Open,
        ChannelStatus::Closing => tunnel::ChannelStatus::Closing,
        ChannelStatus::Wait | ChannelStatus::Close | ChannelStatus::Terminated => return None,
    };
    let (channel_id, version) = (report.channel, report.version);
    Some(tunnel::Channel { channel_id, version, status: status.into(), detail: None })
}

async fn shut_down(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::ShutdownRequest = decode(body, &PLAIN)?;
    let (tunnel, client) = (request.tunnel_id, request.client_id);
    service.blocking(move |store| store.tunnels().shut_down(&tunnel, &client)).await?;
    Ok(tunnel::ShutdownResponse {}.encode_to_vec())
}

async fn get_checkpoint(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::GetCheckpointRequest = decode(body, &PLAIN)?;
    let act = move |store: &Store| {
        let (tunnel, client, channel) = (&request.tunnel_id, &request.client_id, &request.channel_id);
        let claim = Claim { tunnel, client, channel };
        let stored = store.tunnels().checkpoint(claim)?;
        let checkpoint = token::encode(claim, &stored.cursor);
        Ok::<_, Refusal>(tunnel::GetCheckpointResponse { checkpoint, sequence_number: stored.number })
    };
    Ok(service.blocking(act).await?.encode_to_vec())
}

async fn checkpoint(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::CheckpointRequest = decode(body, &CHECKPOINT)?;
    let act = move |store: &Store| {
        let (tunnel, client, channel) = (&request.tunnel_id, &request.client_id, &request.channel_id);
        let claim = Claim { tunnel, client, channel };
        let cursor = token::decode(claim, &request.checkpoint)?;
        Ok::<_, Refusal>(store.tunnels().set_checkpoint(claim, cursor, request.sequence_number)?)
    };
    service.blocking(act).await?;
    Ok(tunnel::CheckpointResponse {}.encode_to_vec())
}

async fn read_records(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: tunnel::ReadRecordsRequest = decode(body, &PLAIN)?;
    let act = move |store: &Store| {
        let (tunnel, client, channel) = (&request.tunnel_id, &request.client_id, &request.channel_id);
        let claim = Claim { tunnel, client, channel };
        let from = token::decode(claim, &request.token)?;
        let mut records = Vec::new();
        let end = store.tunnels().read(claim, from, PageMax::default(), &mut |read| {
            let record = record(read);
            let bytes = record_bytes(&record);
            records.push(record);
            bytes
        })?;
        let next_token = token::encode(claim, &end.next);
        Ok::<_, Refusal>(tunnel::ReadRecordsResponse { records, next_token, may_more_record: Some(end.more) })
    };
    Ok(service.blocking(act).await?.encode_to_vec())
}

/// Returns the number of bytes of rows in a record.
pub(super) fn record_bytes(record: &tunnel::Record) -> usize {
    record.record.len() + record.origin_record.as_ref().map_or(0, Bytes::len)
}

/// Returns a record as callers get it.
pub(super) fn record(read: &RecordRef<'_>) -> tunnel::Record {
    let mut writer = Writer::new();
    let mut row = writer.row();
    read.columns.iter().zip(read.key).for_each(|(column, value)| row.key(&column.name, *value));
    for edit in read.edits {
        match *edit {
            EditRef::Put(cell) => row.cell(cell),
            EditRef::DeleteVersion { name, version } => row.change(name, ChangeRef::DeleteVersion(version)),
            EditRef::DeleteAll { name } => row.change(name, ChangeRef::DeleteAll),
        }
    }
    let sequence = read.sequence.map(|sequence| Sequence {
        epoch: 0,
        at_us: sequence.time_us,
        // A request has far fewer rows than this number can hold.
        row_index: i32::try_from(sequence.index).unwrap_or(i32::MAX),
    });
    row.end_as(false, sequence);
    let action = match read.action {
        Action::Put => tunnel::ActionType::PutRow,
        Action::Update => tunnel::ActionType::UpdateRow,
        Action::Delete => tunnel::ActionType::DeleteRow,
    };
    let origin_record = read.before.map(|before| {
        let mut writer = Writer::new();
        let mut row = writer.row();
        read.columns.iter().zip(read.key).for_each(|(column, value)| row.key(&column.name, *value));
        before.iter().for_each(|cell| row.cell(*cell));
        row.end();
        writer.finish().into()
    });
    tunnel::Record { action_type: action.into(), record: writer.finish().into(), origin_record }
}
