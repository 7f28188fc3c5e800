//! Plays what the vendor's Spark connector sends, request by request: a table read in parallel
//! splits, a table written, and a stream read over two restarts.

use std::collections::BTreeMap;

use super::limits::{order as order_row, put, range};
use super::*;
use crate::client::FINISHED;
use crate::plain_buffer::{Rows, encode_change, encode_key, parse_key};
use crate::tunnel;
use store::value::Value;

const TUNNEL: &str = "spark";
/// The name of the connector, which never connects.
const CLIENT: &str = "spark-client";

fn id(number: usize) -> NamedKey {
    order_key(text(&format!("user-{number:04}")), text("order"))
}

/// Returns the connector's request for the points at which to divide the orders.
fn split_points(split_bytes: i64) -> table::ComputeSplitPointsBySizeRequest {
    table::ComputeSplitPointsBySizeRequest {
        table_name: ORDERS.to_owned(),
        split_size: split_bytes,
        split_size_unit_in_byte: Some(1),
        split_point_limit: None,
    }
}

/// Reads the orders as a batch does, each split by a connection of its own. Returns the number of
/// splits and the rows of each.
async fn read_table(running: &Running, split_bytes: i64) -> Vec<Vec<NamedKey>> {
    let mut wire = running.connect().await;
    let describe = table::DescribeTableRequest { table_name: ORDERS.to_owned() };
    let described: table::DescribeTableResponse = wire.call("/DescribeTable", &describe).await;
    let told = wire.ask(&Asking::of_body("/ListSearchIndex", Vec::new()).sign(false)).await;
    assert_eq!((told.status, told.body.len()), (200, 0), "an empty list");
    let computed: table::ComputeSplitPointsBySizeResponse =
        wire.call("/ComputeSplitPointsBySize", &split_points(split_bytes)).await;
    assert_eq!(computed.schema, described.table_meta.primary_key);
    let units = computed.consumed.capacity_unit;
    assert_eq!((units.read, units.write), (Some(0), Some(0)));
    // The connector refuses an answer in which these do not agree.
    let ranges: i64 = computed.locations.iter().map(|location| location.repeat).sum();
    assert_eq!(ranges as usize, computed.split_points.len() + 1);
    assert!(computed.locations.iter().all(|location| !location.location.is_empty()));

    let points = computed.split_points.iter().map(|point| parse_key(point).unwrap());
    let bounds: Vec<NamedKey> = [order_key(KeyPart::Min, KeyPart::Min)]
        .into_iter()
        .chain(points)
        .chain([order_key(KeyPart::Max, KeyPart::Max)])
        .collect();
    let splits = bounds.windows(2).map(|ends| {
        let (address, ends) = (running.address, [encode_key(&ends[0]), encode_key(&ends[1])]);
        tokio::spawn(read_split(address, ends))
    });
    let mut rows = Vec::new();
    for split in splits.collect::<Vec<_>>() {
        rows.push(split.await.unwrap());
    }
    rows
}

async fn read_split(address: SocketAddr, [start, end]: [Vec<u8>; 2]) -> Vec<NamedKey> {
    let mut wire = Wire { stream: TcpStream::connect(address).await.unwrap(), rest: Vec::new() };
    let (mut keys, mut next) = (Vec::new(), Some(bytes::Bytes::from(start)));
    while let Some(start) = next {
        let request = range(|range| {
            range.table_name = ORDERS.to_owned();
            range.inclusive_start_primary_key = start;
            range.exclusive_end_primary_key = end.clone().into();
            range.limit = Some(100);
        });
        let page: table::GetRangeResponse = wire.call("/GetRange", &request).await;
        if !page.rows.is_empty() {
            keys.extend(Rows::of(&page.rows).unwrap().map(|row| row.unwrap().named_key()));
        }
        next = page.next_start_primary_key;
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_read_in_parallel_splits() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    with_results(&running.store, Vec::new());
    for split_bytes in [1, 1_000, 100 << 20] {
        assert_eq!(read_table(&running, split_bytes).await, [Vec::<NamedKey>::new()], "an empty table");
    }
    write_all(&running.store, (0..1_000).map(|n| order(&format!("user-{n:04}"), "order", 1.5, 0)).collect());
    let all: Vec<NamedKey> = (0..1_000).map(id).collect();
    for (split_bytes, least, most) in [(1_000, 20, 200), (10_000, 3, 20), (100 << 20, 1, 1)] {
        let splits = read_table(&running, split_bytes).await;
        assert!((least..=most).contains(&splits.len()), "{split_bytes}: {}", splits.len());
        assert_eq!(splits.concat(), all, "each row is in one split, in the order of the keys");
        // All splits but the last are of about the same size.
        let sizes: Vec<usize> = splits.iter().map(Vec::len).collect();
        let full = &sizes[..sizes.len() - 1];
        assert!(full.iter().all(|size| size.abs_diff(full[0]) <= 1), "{sizes:?}");
    }
    for (size, unit) in [(0, Some(1)), (-1, None), (1, Some(0))] {
        let request =
            table::ComputeSplitPointsBySizeRequest { split_size_unit_in_byte: unit, ..split_points(size) };
        let (status, code, message) = wire.refused("/ComputeSplitPointsBySize", &request).await;
        assert_eq!((status, code.as_str()), (400, "OTSParameterInvalid"));
        assert!(message.contains("split_size_in_MB is not positive"), "{message}");
    }
    let few = table::ComputeSplitPointsBySizeRequest { split_point_limit: Some(3), ..split_points(1) };
    let computed: table::ComputeSplitPointsBySizeResponse =
        wire.call("/ComputeSplitPointsBySize", &few).await;
    assert!((1..=3).contains(&computed.split_points.len()), "{}", computed.split_points.len());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_is_written_by_either_sink() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    with_results(&running.store, Vec::new());
    let row =
        |number: usize| encode_change(&id(number), &RowWrite::Put(vec![put("price", Value::Double(2.5))]));
    // The first sink writes batches.
    let rows = (0..200).map(|number| table::RowInBatchWriteRowRequest {
        r#type: table::OperationType::Put.into(),
        row_change: row(number).into(),
        ..Default::default()
    });
    let rows = rows.collect();
    let tables = vec![table::TableInBatchWriteRowRequest { table_name: ORDERS.to_owned(), rows }];
    let request = table::BatchWriteRowRequest { tables, ..Default::default() };
    let answer: table::BatchWriteRowResponse = wire.call("/BatchWriteRow", &request).await;
    assert!(answer.tables[0].rows.iter().all(|row| row.is_ok));
    // The second imports.
    let import = |rows: Vec<(table::OperationType, Vec<u8>)>| {
        let row = |(kind, row): (table::OperationType, Vec<u8>)| table::RowInBulkImportRequest {
            r#type: kind.into(),
            row_change: row.into(),
        };
        let rows = rows.into_iter().map(row).collect();
        table::BulkImportRequest { table_name: ORDERS.to_owned(), rows }
    };
    let puts = (200..400).map(|number| (table::OperationType::Put, row(number))).collect();
    let answer: table::BulkImportResponse = wire.call("/BulkImport", &import(puts)).await;
    assert!(answer.table_name == ORDERS && answer.rows.len() == 200);
    // Names and values: 13 for those of the key, 9 and 5 for its values, and 5 and 8 for the column.
    let size = table::CapacityDataSize { read_size: Some(0), write_size: Some(40) };
    assert!(
        answer.rows.iter().all(|row| row.is_ok && row.consumed.unwrap().capacity_data_size == Some(size))
    );
    let changes = vec![
        (table::OperationType::Delete, encode_change(&id(0), &RowWrite::Delete)),
        (
            table::OperationType::Update,
            encode_change(&id(1), &RowWrite::Update(vec![put("a", Value::Integer(1))])),
        ),
        (table::OperationType::Put, order_row(vec![put("price", Value::Double(1.0))])),
    ];
    let answer: table::BulkImportResponse = wire.call("/BulkImport", &import(changes)).await;
    assert!(answer.rows.iter().all(|row| row.is_ok));
    let rows = read_table(&running, 100 << 20).await.concat();
    assert_eq!(rows.len(), 400);
    assert!(!rows.contains(&id(0)));

    // A row that its table refuses harms no other; a table that is not there refuses each row.
    let wrong = encode_change(&vec![("Id".to_owned(), text("x"))], &RowWrite::Put(vec![]));
    let mixed = import(vec![(table::OperationType::Put, wrong), (table::OperationType::Put, row(500))]);
    let answer: table::BulkImportResponse = wire.call("/BulkImport", &mixed).await;
    let code = |row: &table::RowInBulkImportResponse| row.error.clone().map(|error| error.code);
    assert_eq!(answer.rows.iter().map(code).collect::<Vec<_>>(), [Some("OTSInvalidPK".to_owned()), None]);
    let absent = table::BulkImportRequest { table_name: "Absent".to_owned(), ..mixed };
    let answer: table::BulkImportResponse = wire.call("/BulkImport", &absent).await;
    assert!(answer.rows.iter().map(code).all(|code| code.as_deref() == Some("OTSObjectNotExist")));
    let many = import(vec![(table::OperationType::Put, row(1)); 201]);
    let sentence = "Rows count exceeds the upper limit: 200.".to_owned();
    let refused = wire.refused("/BulkImport", &many).await;
    assert_eq!(refused, (400, "OTSParameterInvalid".to_owned(), sentence));
    running.stop().await;
}

/// A stream as the connector reads it. It keeps the tokens itself, as Spark's offsets.
struct SparkStream {
    wire: Wire,
    tunnel_id: String,
    offsets: BTreeMap<String, String>,
}

impl SparkStream {
    async fn open(running: &Running, offsets: BTreeMap<String, String>) -> SparkStream {
        let mut wire = running.connect().await;
        let request = tunnel::ListTunnelRequest { table_name: Some(ORDERS.to_owned()) };
        let listed: tunnel::ListTunnelResponse = wire.call("/tunnel/list", &request).await;
        let is_ours = |info: &&tunnel::TunnelInfo| info.tunnel_name.as_deref() == Some(TUNNEL);
        let tunnel_id = listed.tunnels.iter().find(is_ours).unwrap().tunnel_id.clone();
        SparkStream { wire, tunnel_id, offsets }
    }

    /// Returns the channels that are open.
    async fn channels(&mut self) -> Vec<String> {
        let request = tunnel::DescribeTunnelRequest {
            table_name: ORDERS.to_owned(),
            tunnel_name: TUNNEL.to_owned(),
            tunnel_id: None,
        };
        let described: tunnel::DescribeTunnelResponse = self.wire.call("/tunnel/describe", &request).await;
        let open = described.channels.into_iter().filter(|channel| channel.channel_status() == "OPEN");
        open.map(|channel| channel.channel_id).collect()
    }

    /// Reads all open channels until nothing more is there, and stores checkpoints with the number
    /// 0. Returns the prices that arrived.
    async fn micro_batch(&mut self) -> Vec<f64> {
        let mut prices = Vec::new();
        for channel_id in self.channels().await {
            let mut token = match self.offsets.get(&channel_id) {
                Some(offset) => offset.clone(),
                None => self.checkpoint(&channel_id).await,
            };
            loop {
                let request = tunnel::ReadRecordsRequest {
                    tunnel_id: self.tunnel_id.clone(),
                    client_id: CLIENT.to_owned(),
                    channel_id: channel_id.clone(),
                    token: token.clone(),
                };
                let page: tunnel::ReadRecordsResponse = self.wire.call("/tunnel/readrecords", &request).await;
                prices.extend(page.records.iter().map(price_of));
                token = page.next_token;
                if token == FINISHED || page.may_more_record != Some(true) {
                    break;
                }
            }
            self.set_checkpoint(&channel_id, &token).await;
            self.offsets.insert(channel_id, token);
        }
        prices
    }

    async fn checkpoint(&mut self, channel: &str) -> String {
        let request = tunnel::GetCheckpointRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: CLIENT.to_owned(),
            channel_id: channel.to_owned(),
        };
        let stored: tunnel::GetCheckpointResponse = self.wire.call("/tunnel/getcheckpoint", &request).await;
        stored.checkpoint
    }

    fn checkpointing(&self, channel: &str, token: &str) -> tunnel::CheckpointRequest {
        tunnel::CheckpointRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: CLIENT.to_owned(),
            channel_id: channel.to_owned(),
            checkpoint: token.to_owned(),
            sequence_number: 0,
        }
    }

    async fn set_checkpoint(&mut self, channel: &str, token: &str) {
        let request = self.checkpointing(channel, token);
        let _: tunnel::CheckpointResponse = self.wire.call("/tunnel/checkpoint", &request).await;
    }
}

fn price_of(record: &tunnel::Record) -> f64 {
    let row = Rows::of(&record.record).unwrap().only().unwrap();
    let price = row.changes().into_iter().find(|(name, _)| name == "price");
    match price {
        Some((_, ColumnChange::Put { value: Value::Double(price), .. })) => price,
        other => panic!("{other:?}"),
    }
}

fn write_prices(running: &Running, prices: std::ops::Range<u32>) {
    let orders = prices.map(|price| order(&format!("user-{:04}", price % 40), "order", f64::from(price), 0));
    orders.for_each(|order| write_all(&running.store, vec![order]));
}

fn sorted(mut prices: Vec<f64>) -> Vec<f64> {
    prices.sort_by(f64::total_cmp);
    prices
}

fn numbers(range: std::ops::Range<u32>) -> Vec<f64> {
    range.map(f64::from).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_over_two_restarts() {
    let mut running = Running::start().await;
    with_results(&running.store, Vec::new());
    write_prices(&running, 0..30);
    let create = tunnel::CreateTunnelRequest {
        tunnel: tunnel::Tunnel {
            table_name: ORDERS.to_owned(),
            tunnel_name: TUNNEL.to_owned(),
            tunnel_type: tunnel::TunnelType::BaseAndStream.into(),
            stream_tunnel_config: None,
        },
    };
    let _: tunnel::CreateTunnelResponse = running.connect().await.call("/tunnel/create", &create).await;
    write_prices(&running, 30..60);

    // The rows of the start come first, and then their channel is no longer open.
    let mut spark = SparkStream::open(&running, BTreeMap::new()).await;
    assert_eq!(spark.channels().await, ["BaseData_0"]);
    assert_eq!(sorted(spark.micro_batch().await), numbers(0..30));
    let streams = ["Stream_0", "Stream_1", "Stream_2", "Stream_3"];
    assert_eq!(spark.channels().await, streams);
    assert_eq!(sorted(spark.micro_batch().await), numbers(30..60));
    assert_eq!(spark.micro_batch().await, [0.0; 0]);

    // The job is stopped and started again: once with the offsets that it stored, and once without
    // them, so that the checkpoints here have to say where it was. The store restarts too.
    for (turn, keeps_offsets) in [(0, true), (1, false)] {
        let from = 60 + turn * 40;
        write_prices(&running, from..from + 20);
        let offsets = if keeps_offsets { spark.offsets } else { BTreeMap::new() };
        drop(spark.wire);
        running = running.restart().await;
        write_prices(&running, from + 20..from + 40);
        spark = SparkStream::open(&running, offsets).await;
        assert_eq!(spark.channels().await, streams);
        assert_eq!(sorted(spark.micro_batch().await), numbers(from..from + 40));
    }

    // A client that connects takes the channels over, and they are no longer open to others.
    let connect = tunnel::ConnectRequest { tunnel_id: spark.tunnel_id.clone(), client_config: None };
    let connected: tunnel::ConnectResponse = spark.wire.call("/tunnel/connect", &connect).await;
    let heartbeat = tunnel::HeartbeatRequest {
        tunnel_id: spark.tunnel_id.clone(),
        client_id: connected.client_id,
        channels: Vec::new(),
    };
    let held: tunnel::HeartbeatResponse = spark.wire.call("/tunnel/heartbeat", &heartbeat).await;
    assert_eq!(held.channels.len(), 4);
    let token = spark.offsets["Stream_0"].clone();
    let late = spark.checkpointing("Stream_0", &token);
    let (status, code, _) = spark.wire.refused("/tunnel/checkpoint", &late).await;
    assert_eq!((status, code.as_str()), (404, "OTSResourceGone"));
    drop(spark.wire);
    running.stop().await;
}
