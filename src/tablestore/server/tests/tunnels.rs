//! Tests tunnels over the wire, used as the official clients use them.

use super::*;
use crate::client::{ChannelCheckpoint, ChannelRecord, Client, ClientConfig, Connected, FINISHED};
use crate::plain_buffer::{ChangeRef, Rows, Sequence};
use crate::tunnel;
use crate::tunnel::ActionType::{DeleteRow, PutRow, UpdateRow};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::Value;

const TABLE: &str = "OrderSource";

async fn running() -> Running {
    let running = Running::start().await;
    running.connect().await.call::<table::CreateTableResponse>("/CreateTable", &create_orders(TABLE)).await;
    running
}

/// Applies the same change to several orders in one commit.
fn write(store: &Store, orders: impl IntoIterator<Item = usize>, change: RowWrite) {
    let write = |order| Write {
        table: TABLE.to_owned(),
        key: order_key(text("user_A"), text(&format!("order-{order:06}"))),
        change: change.clone(),
        condition: Condition::default(),
        returning: Returning::Nothing,
    };
    let writes = orders.into_iter().map(write).collect();
    store.write_and_wait(writes).into_iter().for_each(|written| drop(written.unwrap()));
}

fn price(price: f64) -> RowWrite {
    let value = Value::Double(price);
    RowWrite::Put(vec![("price".to_owned(), ColumnChange::Put { value, version: None })])
}

fn create(kind: tunnel::TunnelType) -> tunnel::CreateTunnelRequest {
    let (table_name, tunnel_name) = (TABLE.to_owned(), "OrderSourceTunnel".to_owned());
    let tunnel_type = kind.into();
    tunnel::CreateTunnelRequest {
        tunnel: tunnel::Tunnel { table_name, tunnel_name, tunnel_type, stream_tunnel_config: None },
    }
}

/// A client that sends what Java's client sends, message by message.
struct Java {
    wire: Wire,
    tunnel_id: String,
    client_id: String,
}

impl Java {
    async fn connect(running: &Running, tunnel_id: &str) -> Java {
        let mut wire = running.connect().await;
        let client_config =
            Some(tunnel::ClientConfig { timeout: Some(300), client_tag: Some("tag".to_owned()) });
        let request = tunnel::ConnectRequest { tunnel_id: tunnel_id.to_owned(), client_config };
        let connected: tunnel::ConnectResponse = wire.call("/tunnel/connect", &request).await;
        Java { wire, tunnel_id: tunnel_id.to_owned(), client_id: connected.client_id }
    }

    /// Sends a heartbeat with channels written as `name=version status`. Returns the answer in the
    /// same form.
    async fn heartbeat(&mut self, said: &str) -> String {
        let channels = said.split(", ").filter(|part| !part.is_empty()).map(|part| {
            let (channel, state) = part.split_once('=').unwrap();
            let (version, status) = state.split_once(' ').unwrap();
            let status = match status {
                "OPEN" => tunnel::ChannelStatus::Open,
                "CLOSING" => tunnel::ChannelStatus::Closing,
                "CLOSE" => tunnel::ChannelStatus::Close,
                _ => tunnel::ChannelStatus::Terminated,
            };
            let (channel_id, version) = (channel.to_owned(), version.parse().unwrap());
            tunnel::Channel { channel_id, version, status: status.into(), detail: None }
        });
        let channels = channels.collect();
        let (tunnel_id, client_id) = (self.tunnel_id.clone(), self.client_id.clone());
        let request = tunnel::HeartbeatRequest { tunnel_id, client_id, channels };
        let answer: tunnel::HeartbeatResponse = self.wire.call("/tunnel/heartbeat", &request).await;
        let told = answer.channels.iter().map(|channel| {
            let status = format!("{:?}", channel.status()).to_uppercase();
            format!("{}={} {status}", channel.channel_id, channel.version)
        });
        told.collect::<Vec<_>>().join(", ")
    }

    /// Returns a checkpoint: its token, whether Java takes it for one of a stream, and its number.
    async fn get_checkpoint(&mut self, channel: &str) -> (String, bool, i64) {
        let request = tunnel::GetCheckpointRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: self.client_id.clone(),
            channel_id: channel.to_owned(),
        };
        let stored: tunnel::GetCheckpointResponse = self.wire.call("/tunnel/getcheckpoint", &request).await;
        let stream = match BASE64.decode(&stored.checkpoint) {
            Err(_) => false,
            Ok(bytes) => {
                let token = tunnel::Token::decode(bytes.as_slice()).unwrap();
                assert_eq!(token.version, 2);
                tunnel::TokenContent::decode(token.content)
                    .unwrap()
                    .iterator
                    .is_some_and(|text| !text.is_empty())
            }
        };
        (stored.checkpoint, stream, stored.sequence_number)
    }

    async fn read(&mut self, channel: &str, token: &str) -> tunnel::ReadRecordsResponse {
        let request = self.reading(channel, token);
        let page: tunnel::ReadRecordsResponse = self.wire.call("/tunnel/readrecords", &request).await;
        page.records.iter().for_each(check_record);
        page
    }

    fn reading(&self, channel: &str, token: &str) -> tunnel::ReadRecordsRequest {
        tunnel::ReadRecordsRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: self.client_id.clone(),
            channel_id: channel.to_owned(),
            token: token.to_owned(),
        }
    }

    fn checkpoint(&self, channel: &str, token: &str, number: i64) -> tunnel::CheckpointRequest {
        tunnel::CheckpointRequest {
            tunnel_id: self.tunnel_id.clone(),
            client_id: self.client_id.clone(),
            channel_id: channel.to_owned(),
            checkpoint: token.to_owned(),
            sequence_number: number,
        }
    }

    async fn set_checkpoint(&mut self, channel: &str, token: &str, number: i64) {
        let request = self.checkpoint(channel, token, number);
        self.wire.call::<tunnel::CheckpointResponse>("/tunnel/checkpoint", &request).await;
    }
}

/// Checks what Java's reader demands of a record.
fn check_record(record: &tunnel::Record) {
    let row = Rows::of(&record.record).unwrap().only().unwrap();
    assert_eq!(row.key.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["UserId", "OrderId"]);
    for (name, change) in &row.cells {
        let strict = match change {
            ChangeRef::Put { version, .. } => version.is_some(),
            ChangeRef::DeleteVersion(_) | ChangeRef::DeleteAll => record.action_type() == UpdateRow,
            ChangeRef::Increment(_) => false,
        };
        assert!(strict, "{name}: {change:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_like_javas_reads_the_start_and_then_the_changes() {
    let running = running().await;
    (0..20).for_each(|order| write(&running.store, [order], price(order as f64)));
    let mut wire = running.connect().await;
    let created: tunnel::CreateTunnelResponse =
        wire.call("/tunnel/create", &create(tunnel::TunnelType::BaseAndStream)).await;
    let mut java = Java::connect(&running, &created.tunnel_id).await;

    assert_eq!(java.heartbeat("").await, "BaseData_0=1 OPEN");
    let (token, stream, number) = java.get_checkpoint("BaseData_0").await;
    assert_eq!((stream, number), (false, 0));
    // Rows that are written from now on do not belong to the rows of the start.
    write(&running.store, [3], price(0.5));
    write(&running.store, [20], price(20.0));
    let page = java.read("BaseData_0", &token).await;
    assert_eq!(
        (page.records.len(), page.next_token.as_str(), page.may_more_record),
        (20, FINISHED, Some(false))
    );
    let prices = page.records.iter().map(|record| {
        assert_eq!(record.action_type(), PutRow);
        let row = Rows::of(&record.record).unwrap().only().unwrap();
        assert_eq!(row.sequence, None);
        row.changes().remove(0).1
    });
    for (order, put) in prices.enumerate() {
        assert!(
            matches!(put, ColumnChange::Put { value: Value::Double(price), .. } if price == order as f64)
        );
    }
    java.set_checkpoint("BaseData_0", FINISHED, 1).await;
    assert_eq!(java.heartbeat("BaseData_0=1 OPEN").await, "BaseData_0=1 OPEN");
    let open = "Stream_0=1 OPEN, Stream_1=1 OPEN, Stream_2=1 OPEN, Stream_3=1 OPEN";
    assert_eq!(java.heartbeat("BaseData_0=2 TERMINATED").await, open);
    assert_eq!(java.heartbeat(open).await, open);

    let delete = RowWrite::Update(vec![("price".to_owned(), ColumnChange::DeleteAll)]);
    write(&running.store, [3], delete);
    write(&running.store, [3], RowWrite::Delete);
    let mut actions = Vec::new();
    for channel in ["Stream_0", "Stream_1", "Stream_2", "Stream_3"] {
        let (token, stream, number) = java.get_checkpoint(channel).await;
        assert_eq!((stream, number), (true, 0));
        let page = java.read(channel, &token).await;
        assert_eq!(page.may_more_record, Some(false));
        let rows = page.records.iter().map(|record| Rows::of(&record.record).unwrap().only().unwrap());
        let sequences: Vec<Sequence> = rows.map(|row| row.sequence.unwrap()).collect();
        assert!(sequences.is_sorted_by(|one, other| one < other));
        actions.extend(page.records.iter().map(tunnel::Record::action_type));
        java.set_checkpoint(channel, &page.next_token, 1).await;
        // A second checkpoint of the same number is refused.
        let again = java.checkpoint(channel, &page.next_token, 1);
        let (status, code, _) = java.wire.refused("/tunnel/checkpoint", &again).await;
        assert_eq!((status, code.as_str()), (400, "OTSSequenceNumberNotMatch"));
        assert_eq!(java.get_checkpoint(channel).await, (page.next_token.clone(), true, 1));
        let page = java.read(channel, &page.next_token).await;
        assert_eq!((page.records.len(), page.may_more_record), (0, Some(false)));
    }
    actions.sort_by_key(|action| *action as i32);
    assert_eq!(actions, [PutRow, PutRow, UpdateRow, DeleteRow]);

    // A channel that failed is given to a client again, and continues at its checkpoint.
    assert_eq!(
        java.heartbeat("Stream_0=1 OPEN, Stream_1=2 CLOSE, Stream_2=1 OPEN, Stream_3=1 OPEN").await,
        "Stream_0=1 OPEN, Stream_1=3 OPEN, Stream_2=1 OPEN, Stream_3=1 OPEN"
    );
    assert_eq!(java.get_checkpoint("Stream_1").await.2, 1);
    check_description(&mut wire, &created.tunnel_id, &java.client_id).await;

    let (tunnel_id, client_id) = (java.tunnel_id.clone(), java.client_id.clone());
    let shutdown = tunnel::ShutdownRequest { tunnel_id, client_id };
    java.wire.call::<tunnel::ShutdownResponse>("/tunnel/shutdown", &shutdown).await;
    let gone = java.reading("Stream_0", FINISHED);
    let (status, code, _) = java.wire.refused("/tunnel/readrecords", &gone).await;
    assert_eq!((status, code.as_str()), (404, "OTSResourceGone"));
    drop((java, wire));
    running.stop().await;
}

/// Checks the texts that Java turns into constants.
async fn check_description(wire: &mut Wire, tunnel_id: &str, client_id: &str) {
    let (table_name, tunnel_name) = (TABLE.to_owned(), "OrderSourceTunnel".to_owned());
    let request = tunnel::DescribeTunnelRequest { table_name, tunnel_name, tunnel_id: None };
    let described: tunnel::DescribeTunnelResponse = wire.call("/tunnel/describe", &request).await;
    let info = &described.tunnel;
    assert_eq!(info.tunnel_id, tunnel_id);
    let texts = [&info.tunnel_type, &info.table_name, &info.instance_name, &info.stage];
    assert_eq!(texts, ["BaseAndStream", TABLE, INSTANCE, "ProcessStream"]);
    assert!(
        info.stream_id.starts_with(TABLE) && info.expired == Some(false) && info.create_time.unwrap() > 0
    );
    let channels = described.channels.iter().map(|channel| {
        assert!(channel.channel_rpo.unwrap() >= described.tunnel_rpo.unwrap());
        let client = channel.client_id.as_deref().unwrap();
        assert!(client == client_id || client.is_empty());
        [&channel.channel_id, channel.channel_type(), channel.channel_status()].join(" ")
    });
    let expected = [
        "BaseData_0 BaseData TERMINATED",
        "Stream_0 Stream OPEN",
        "Stream_1 Stream OPEN",
        "Stream_2 Stream OPEN",
        "Stream_3 Stream OPEN",
    ];
    assert_eq!(channels.collect::<Vec<_>>(), expected);
    assert_eq!(described.channels.iter().map(|channel| channel.channel_count()).sum::<i64>(), 24);
    let request = tunnel::ListTunnelRequest { table_name: None };
    let listed: tunnel::ListTunnelResponse = wire.call("/tunnel/list", &request).await;
    assert_eq!(listed.tunnels, [described.tunnel]);
}

/// Reads the channels until nothing more is there, stores checkpoints, and returns the records.
async fn consume(client: &Client, connected: &Connected, channels: &[tunnel::Channel]) -> Vec<ChannelRecord> {
    let mut records = Vec::new();
    for channel in channels {
        let id = channel.channel_id.as_str();
        let mut at = client.channel_checkpoint(connected, id).await.unwrap();
        loop {
            let page = client.read_channel(connected, id, &at.token).await.unwrap();
            records.extend(page.records);
            at = ChannelCheckpoint { token: page.next_token, number: at.number + 1 };
            client.set_channel_checkpoint(connected, id, &at).await.unwrap();
            if !page.more {
                break;
            }
        }
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_share_the_channels() {
    let running = running().await;
    let endpoint = format!("http://{}", running.address);
    let client = Client::new(ClientConfig::new(&endpoint, INSTANCE, KEY_ID, SECRET, Some(REGION))).unwrap();
    let id = client.create_tunnel(TABLE, "t", tunnel::TunnelType::Stream).await.unwrap();
    let one = client.connect_tunnel(&id, None).await.unwrap();
    let other = client.connect_tunnel(&id, Some(60)).await.unwrap();
    let orders = 5_000;
    let mut consumed = Vec::new();

    let mut ones = client.heartbeat(&one, Vec::new()).await.unwrap();
    assert_eq!(ones.len(), 4);
    write(&running.store, 0..orders, price(1.0));
    consumed.extend(consume(&client, &one, &ones).await);
    assert_eq!(consumed.len(), orders);
    assert_eq!(client.heartbeat(&other, Vec::new()).await.unwrap(), []);

    // Two of the four channels move to the other client, through CLOSING and CLOSE.
    ones = client.heartbeat(&one, ones).await.unwrap();
    let (closing, open): (Vec<_>, Vec<_>) =
        ones.into_iter().partition(|channel| channel.status() == tunnel::ChannelStatus::Closing);
    assert_eq!((closing.len(), open.len()), (2, 2));
    assert_eq!(client.heartbeat(&other, Vec::new()).await.unwrap(), []);
    let closed = closing.into_iter().map(|channel| tunnel::Channel {
        version: channel.version + 1,
        status: tunnel::ChannelStatus::Close.into(),
        ..channel
    });
    let said = open.iter().cloned().chain(closed).collect();
    ones = client.heartbeat(&one, said).await.unwrap();
    assert_eq!(ones, open);
    let others = client.heartbeat(&other, Vec::new()).await.unwrap();
    assert!(
        others.iter().all(|channel| (channel.version, channel.status()) == (4, tunnel::ChannelStatus::Open))
    );
    assert_eq!(others.len(), 2);

    write(&running.store, 0..100, price(2.0));
    consumed.extend(consume(&client, &one, &ones).await);
    consumed.extend(consume(&client, &other, &others).await);
    assert_eq!(consumed.len(), orders + 100);
    let mut keys: Vec<String> = consumed.iter().map(|record| format!("{:?}", record.key)).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), orders);

    // The channels of one client are refused to the other, and come back when that leaves.
    let theirs = &others[0].channel_id;
    assert!(client.channel_checkpoint(&one, theirs).await.unwrap_err().is_code("OTSResourceGone"));
    client.shut_down_tunnel(&other).await.unwrap();
    assert!(client.heartbeat(&other, others).await.unwrap_err().is_code("OTSResourceGone"));
    ones = client.heartbeat(&one, ones).await.unwrap();
    assert_eq!(ones.iter().map(|channel| channel.version).max(), Some(6));
    assert_eq!(ones.len(), 4);
    assert_eq!(consume(&client, &one, &ones).await, []);
    client.delete_tunnel(TABLE, "t").await.unwrap();
    assert!(client.heartbeat(&one, ones).await.unwrap_err().is_code("OTSParameterInvalid"));
    drop(client);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_requests_are_refused_by_the_vendors_codes() {
    let running = running().await;
    let mut wire = running.connect().await;
    let stream = create(tunnel::TunnelType::Stream);
    let created: tunnel::CreateTunnelResponse = wire.call("/tunnel/create", &stream).await;
    let mut java = Java::connect(&running, &created.tunnel_id).await;
    java.heartbeat("").await;
    let (token, ..) = java.get_checkpoint("Stream_1").await;

    let mut refused = Vec::new();
    for path in ["/tunnel/getrpo", "/tunnel/getrpobyoffset", "/tunnel/schedule"] {
        let (status, code, message) = wire.refused(path, &stream).await;
        assert!(message.contains("Unsupported operation"), "{message}");
        refused.push((path, status, code, "OTSParameterInvalid", 400));
    }
    let mut missing = stream.clone();
    missing.tunnel.table_name = "Missing".to_owned();
    let mut wrong = stream.clone();
    wrong.tunnel.tunnel_type = 4;
    for (request, expected, status_expected) in [
        (&stream, "OTSTunnelExist", 400),
        (&missing, "OTSObjectNotExist", 404),
        (&wrong, "OTSParameterInvalid", 400),
    ] {
        let (status, code, _) = wire.refused("/tunnel/create", request).await;
        refused.push(("create", status, code, expected, status_expected));
    }
    let connect = tunnel::ConnectRequest { tunnel_id: "nobody".to_owned(), client_config: None };
    let (status, code, _) = wire.refused("/tunnel/connect", &connect).await;
    refused.push(("connect", status, code, "OTSParameterInvalid", 400));
    for (channel, token, expected, status_expected) in [
        ("Stream_0", token.as_str(), "OTSParameterInvalid", 400),
        ("Stream_1", "bad", "OTSParameterInvalid", 400),
        ("Stream_9", FINISHED, "OTSResourceGone", 404),
    ] {
        let (status, code, _) = wire.refused("/tunnel/readrecords", &java.reading(channel, token)).await;
        refused.push(("readrecords", status, code, expected, status_expected));
        let (status, code, _) = wire.refused("/tunnel/checkpoint", &java.checkpoint(channel, token, 1)).await;
        refused.push(("checkpoint", status, code, expected, status_expected));
    }
    for (what, status, code, expected, status_expected) in refused {
        assert_eq!((status, code.as_str()), (status_expected, expected), "{what}");
    }
    drop((java, wire));
    running.stop().await;
}
