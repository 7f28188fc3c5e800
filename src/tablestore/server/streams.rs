//! Serves the changes of tables without tunnels: streams, their shards, and iterators over these.
//!
//! A shard is a partition of the table's log. An iterator is a place in a shard, which the caller
//! carries; nothing of it is kept here.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use super::Service;
use super::decode::{PLAIN, consumed, decode};
use super::error::Refusal;
use super::operation::StreamOperation;
use super::tables::named;
use super::tunnels::{given, record, record_bytes};
use crate::table;
use store::CHANNELS;
use store::Store;
use store::error::TunnelError;
use store::log::LogPosition;
use store::schema::TableInfo;
use store::tunnel::{PageMax, Shard};

/// Runs an operation on streams.
pub(super) async fn run(
    service: &Service,
    operation: StreamOperation,
    body: Bytes,
) -> Result<Vec<u8>, Refusal> {
    match operation {
        StreamOperation::List => list(service, body),
        StreamOperation::Describe => describe(service, body),
        StreamOperation::GetShardIterator => get_iterator(service, body).await,
        StreamOperation::GetRecord => get_records(service, body).await,
    }
}

/// Returns the tables whose streams are on, in the order of their names.
fn streams(store: &Store) -> impl Iterator<Item = (String, Arc<TableInfo>)> {
    // A table that is deleted in the meantime has no stream.
    store.tables().into_iter().filter_map(|name| {
        let info = store.table(&name).ok()?;
        Some((info.stream_id.clone()?, info))
    })
}

fn list(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::ListStreamRequest = decode(body, &PLAIN)?;
    let of_table = given(request.table_name);
    of_table.as_deref().map_or(Ok(()), named)?;
    if let Some(name) = &of_table {
        service.store.table(name)?;
    }
    let wanted = |info: &TableInfo| of_table.as_ref().is_none_or(|name| *name == info.schema.name);
    let streams = streams(&service.store).filter(|(_, info)| wanted(info));
    let streams = streams.map(|(stream_id, info)| table::Stream {
        stream_id,
        table_name: info.schema.name.clone(),
        creation_time: info.stream_enabled_us,
    });
    Ok(table::ListStreamResponse { streams: streams.collect() }.encode_to_vec())
}

fn describe(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::DescribeStreamRequest = decode(body, &PLAIN)?;
    let no_stream = || TunnelError::NoStream(request.stream_id.clone());
    let (stream_id, info) =
        streams(&service.store).find(|(id, _)| *id == request.stream_id).ok_or_else(no_stream)?;
    let first = match given(request.inclusive_start_shard_id) {
        None => 0,
        Some(shard) => partition(&shard).ok_or_else(no_stream)?,
    };
    let limit = match request.shard_limit.map(u8::try_from) {
        Some(Ok(0)) => return Err(Refusal::invalid("The limit must be greater than 0.")),
        Some(Ok(limit)) => limit,
        // More than there can be, or, as if there were none, fewer than none.
        Some(Err(_)) | None => CHANNELS,
    };
    let end = first.saturating_add(limit).min(CHANNELS);
    let shards = (first..end).map(|partition| table::StreamShard {
        shard_id: shard_id(partition),
        parent_id: None,
        parent_sibling_id: None,
    });
    let response = table::DescribeStreamResponse {
        stream_id,
        expiration_time: info.schema.stream.as_ref().map_or(0, |stream| stream.hours),
        table_name: info.schema.name.clone(),
        creation_time: info.stream_enabled_us,
        stream_status: table::StreamStatus::Active.into(),
        shards: shards.collect(),
        next_shard_id: (end < CHANNELS).then(|| shard_id(end)),
    };
    Ok(response.encode_to_vec())
}

async fn get_iterator(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::GetShardIteratorRequest = decode(body, &PLAIN)?;
    let find = move |store: &Store| {
        let stream = request.stream_id;
        let partition = partition(&request.shard_id).ok_or_else(|| TunnelError::NoStream(stream.clone()))?;
        let shard = Shard { stream: &stream, partition };
        let position = store.tunnels().shard_start(shard, request.timestamp).map_err(refused)?;
        Ok::<_, Refusal>(iterator(shard, position))
    };
    let shard_iterator = service.blocking(find).await?;
    Ok(table::GetShardIteratorResponse { shard_iterator }.encode_to_vec())
}

async fn get_records(service: &Service, body: Bytes) -> Result<Vec<u8>, Refusal> {
    let request: table::GetStreamRecordRequest = decode(body, &PLAIN)?;
    let PageMax { records: most, bytes } = PageMax::default();
    let records_max = match request.limit {
        None => most,
        Some(limit) if limit < 1 => return Err(Refusal::invalid("The limit must be greater than 0.")),
        Some(limit) => usize::try_from(limit).unwrap_or(most).min(most),
    };
    let read = move |store: &Store| {
        let (shard, from) = parse(&request.shard_iterator).ok_or_else(|| {
            let sentence = format!("Invalid shard iterator: '{}'.", request.shard_iterator);
            Refusal::invalid(sentence)
        })?;
        let mut records = Vec::new();
        let max = PageMax { records: records_max, bytes };
        let read = store.tunnels().read_shard(shard, from, max, &mut |read| {
            let record = record(read);
            let bytes = record_bytes(&record);
            records.push(record);
            bytes
        });
        let (next, more) = read.map_err(refused)?;
        Ok::<_, Refusal>(table::GetStreamRecordResponse {
            stream_records: records,
            next_shard_iterator: Some(iterator(shard, next)),
            consumed: Some(consumed(1, 0)),
            may_more_record: Some(more),
        })
    };
    Ok(service.blocking(read).await?.encode_to_vec())
}

/// Refuses what the store refuses. Changes that are gone have another code here than in tunnels.
fn refused(error: TunnelError) -> Refusal {
    match error {
        TunnelError::NotKept(cause) => Refusal::new(
            hyper::StatusCode::BAD_REQUEST,
            "OTSTrimmedDataAccess",
            "Requested stream data is already trimmed or does not exist.",
        )
        .with_detail(cause.to_string()),
        error => error.into(),
    }
}

fn shard_id(partition: u8) -> String {
    format!("shard_{partition}")
}

/// Returns the partition that a shard is, if it is one.
fn partition(shard: &str) -> Option<u8> {
    (0..CHANNELS).find(|partition| shard_id(*partition) == shard)
}

fn iterator(shard: Shard<'_>, position: LogPosition) -> String {
    let LogPosition { commit, index } = position;
    format!("{}/{}/{commit}/{index}", shard.stream, shard.partition)
}

fn parse(iterator: &str) -> Option<(Shard<'_>, LogPosition)> {
    // The id of a stream holds no slash.
    let mut parts = iterator.split('/');
    let (stream, partition) = (parts.next()?, parts.next()?.parse().ok()?);
    let position = LogPosition { commit: parts.next()?.parse().ok()?, index: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some((Shard { stream, partition }, position))
}
