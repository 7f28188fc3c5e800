//! Tests the server over real connections, with a bare client that can also send wrong requests.

mod flow;
mod fuzz;
mod http;
mod limits;
mod plain;
mod refusals;
mod sentences;
mod snapshots;
mod spark;
mod streams;
mod tunnel_bodies;
mod tunnels;
mod vendor_behaviour;
mod vendor_tables;
mod vendor_texts;
mod why;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::check::signed_path;
use super::date::format_date;
use super::{Limits, MetricsReaders, ResultsAsOf, Server, ServerLoad, ServiceConfig, ShownResults, Vitals};
use crate::signature::{SignedHeader, SigningKey};
use crate::table;
use connections::Token;
use store::append::Append;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::error::Damage;
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyPart, KeyType, KeyValue, NamedKey, Value};
use store::view::View;
use store::{Clock, Durability, Store, StoreOptions};

const KEY_ID: &str = "testid";
const SECRET: &str = "testsecret";
const INSTANCE: &str = "testinst";
const REGION: &str = "cn-hangzhou";

/// A server on a folder of its own.
struct Running {
    address: SocketAddr,
    store: Store,
    vitals: Arc<Around>,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
    folder: tempfile::TempDir,
}

impl Running {
    async fn start() -> Running {
        Running::start_with(Limits::default()).await
    }

    async fn start_with(limits: Limits) -> Running {
        Running::begin(tempfile::tempdir().unwrap(), limits, MetricsReaders::All).await
    }

    async fn start_for(metrics_readers: MetricsReaders) -> Running {
        Running::begin(tempfile::tempdir().unwrap(), Limits::default(), metrics_readers).await
    }

    /// Stops the server, and starts one on the same folder.
    async fn restart(self) -> Running {
        let folder = self.end().await;
        Running::begin(folder, Limits::default(), MetricsReaders::All).await
    }

    async fn begin(folder: tempfile::TempDir, limits: Limits, metrics_readers: MetricsReaders) -> Running {
        let store = open_store(folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let vitals = Arc::new(Around::default());
        let config = ServiceConfig { metrics_readers, ..config(store.clone(), limits, vitals.clone()) };
        let served = tokio::spawn(Server::serve(listener, config, async { drop(stopped.await) }));
        Running { address, store, vitals, stop, served, folder }
    }

    async fn connect(&self) -> Wire {
        Wire { stream: TcpStream::connect(self.address).await.unwrap(), rest: Vec::new() }
    }

    /// Returns whether a new connection is served.
    async fn takes_another(&self) -> bool {
        let mut wire = self.connect().await;
        // The server may have closed the connection by now.
        let list = Asking::new("/ListTable", &table::ListTableRequest {}).sign(false);
        let sent = wire.stream.write_all(&list.bytes()).await;
        sent.is_ok() && wire.receive().await.is_some_and(|told| told.status == 200)
    }

    async fn stop(self) {
        drop(self.end().await);
    }

    /// Stops the server, and returns its folder.
    async fn end(self) -> tempfile::TempDir {
        self.stop.send(()).unwrap();
        self.served.await.unwrap().unwrap();
        self.store.close().unwrap();
        self.folder
    }
}

pub(super) fn open_store(folder: &std::path::Path) -> Store {
    // The tests do not depend on durability.
    let options = StoreOptions { durability: Durability::Relaxed, clock: Clock::default() };
    Store::open(folder, options).unwrap()
}

fn config(store: Store, limits: Limits, vitals: Arc<Around>) -> ServiceConfig {
    ServiceConfig {
        store,
        instance: INSTANCE.to_owned(),
        key_id: KEY_ID.to_owned(),
        secret: SECRET.to_owned(),
        limits,
        vitals,
        metrics_readers: MetricsReaders::All,
        results: Arc::new(Results),
    }
}

/// The name of the table of orders.
const ORDERS: &str = "OrderSource";

/// The note by which the results of these tests say that they are there, and as of when.
const RESULTS_NOTE: &[u8] = b"results";

/// Results of a live job of which the server knows nothing.
struct Results;

impl ShownResults for Results {
    fn in_view(&self, view: &View) -> Result<Option<ResultsAsOf>, Damage> {
        let Some((_, upper)) = view.notes(RESULTS_NOTE).next().transpose()? else { return Ok(None) };
        let upper = u64::from_le_bytes(upper.as_slice().try_into().unwrap());
        Ok(Some(ResultsAsOf { upper, zone: "Europe/Berlin".to_owned(), window_ms: 30_000, clock: None }))
    }

    fn source(&self) -> &str {
        ORDERS
    }
}

/// Creates the table of orders with its log, writes these orders, and records that the results
/// include them all. Returns the upper bound of the results.
fn with_results(store: &Store, orders: Vec<Write>) -> u64 {
    let column =
        |name: &str| KeyColumn { name: name.to_owned(), kind: KeyType::String, auto_increment: false };
    let schema = TableSchema {
        name: ORDERS.to_owned(),
        key: vec![column("UserId"), column("OrderId")],
        options: TableOptions::default(),
        stream: Some(StreamOptions::of_hours(24)),
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    };
    store.create_table(schema).unwrap();
    write_all(store, orders);
    let upper = store.last_commit() + 1;
    let notes = vec![(RESULTS_NOTE.to_vec(), Some(upper.to_le_bytes().to_vec()))];
    store.append(Append { tables: Vec::new(), writes: Vec::new(), notes }).unwrap();
    upper
}

fn write_all(store: &Store, writes: Vec<Write>) {
    store.write_and_wait(writes).into_iter().for_each(|written| drop(written.unwrap()));
}

/// Returns the write of an order.
fn order(user: &str, order: &str, price: f64, at_ms: i64) -> Write {
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let part = |id: &str| KeyPart::Value(KeyValue::String(id.to_owned()));
    Write {
        table: ORDERS.to_owned(),
        key: order_key(part(user), part(order)),
        change: RowWrite::Put(vec![
            put("price", Value::Double(price)),
            put("timestamp", Value::Integer(at_ms)),
        ]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// The program around the server, as these tests play it.
#[derive(Default)]
struct Around {
    unready: Mutex<Option<String>>,
}

impl Vitals for Around {
    fn metrics(&self, load: &ServerLoad) -> String {
        format!("{load:?}\n")
    }

    fn unready(&self) -> Option<String> {
        self.unready.lock().unwrap().clone()
    }
}

/// A request that is right until a test spoils it.
#[derive(Clone, Debug)]
struct Asking {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Returns the key for one of the two kinds of signature.
fn key(v4: bool) -> SigningKey {
    if v4 { SigningKey::derive(SECRET, &today(), REGION) } else { SigningKey::Secret(SECRET.into()) }
}

fn today() -> String {
    format_date(Clock::default().now_us()).get(..10).unwrap().replace('-', "")
}

impl Asking {
    fn new(path: &str, message: &impl Message) -> Asking {
        Asking::of_body(path, message.encode_to_vec())
    }

    fn of_body(path: &str, body: Vec<u8>) -> Asking {
        let headers = [
            ("x-ots-date", format_date(Clock::default().now_us())),
            ("x-ots-apiversion", "2015-12-31".to_owned()),
            ("x-ots-accesskeyid", KEY_ID.to_owned()),
            ("x-ots-instancename", INSTANCE.to_owned()),
            ("x-ots-contentmd5", BASE64.encode(Md5::digest(&body))),
        ];
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
        Asking { method: "POST", path: path.to_owned(), headers, body }
    }

    /// Sets a header, or removes it if there is no value.
    fn with(mut self, name: &str, value: Option<&str>) -> Asking {
        self.headers.retain(|(other, _)| other != name);
        self.headers.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// Signs the request as it is so far.
    fn sign(self, v4: bool) -> Asking {
        let path = signed_path(&self.path).to_owned();
        self.sign_as(&key(v4), &path)
    }

    fn sign_as(mut self, key: &SigningKey, path: &str) -> Asking {
        if matches!(key, SigningKey::Derived(_)) {
            self = self.with("x-ots-signdate", Some(&today())).with("x-ots-signregion", Some(REGION));
        }
        let mut signed: Vec<SignedHeader<'_>> =
            self.headers.iter().map(|(name, value)| SignedHeader { name, value }).collect();
        let signature = key.sign_request(path, &mut signed);
        self.with(key.request_header(), Some(&signature))
    }

    fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nhost: test\r\n", self.method, self.path);
        for (name, value) in &self.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [text.as_bytes(), &self.body].concat()
    }
}

/// An answer as it arrived.
#[derive(Debug)]
struct Told {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Told {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    fn message<M: Message + Default>(&self) -> M {
        assert_eq!(self.status, 200, "{:?}", self.error());
        M::decode(self.body.as_slice()).unwrap()
    }

    fn error(&self) -> (String, String) {
        let error = table::Error::decode(self.body.as_slice()).unwrap_or_default();
        (error.code, error.message.unwrap_or_default())
    }

    /// Checks what the strictest client checks. With `key`, the answer must be signed.
    fn verify(&self, path: &str, key: Option<&SigningKey>) {
        let raw = match self.header("x-ots-response-compress-type") {
            None => self.body.clone(),
            Some(_) => self.inflated(),
        };
        assert_eq!(self.header("x-ots-contentmd5").unwrap(), BASE64.encode(Md5::digest(&raw)));
        assert_eq!(self.header("x-ots-contenttype"), Some("protocol buffer"));
        assert!(super::date::parse_date(self.header("x-ots-date").unwrap()).is_some());
        assert_eq!(self.header("x-ots-requestid").unwrap().len(), 36);
        let (path, authorization) = (signed_path(path), self.header("authorization"));
        match key {
            None => assert_eq!(authorization, None),
            Some(key) => {
                let ours = self.headers.iter().filter(|(name, _)| name.starts_with("x-ots-"));
                let mut signed: Vec<SignedHeader<'_>> =
                    ours.map(|(name, value)| SignedHeader { name, value }).collect();
                let signature = authorization.unwrap().strip_prefix("OTS testid:").unwrap();
                assert!(key.verify_response(path, &mut signed, signature), "{path}: {self:?}");
            }
        }
    }

    fn inflated(&self) -> Vec<u8> {
        let mut raw = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::ZlibDecoder::new(self.body.as_slice()), &mut raw)
            .unwrap();
        assert_eq!(self.header("x-ots-response-compress-size").unwrap(), raw.len().to_string());
        raw
    }
}

/// A connection to the server.
struct Wire {
    stream: TcpStream,
    /// The bytes that were read beyond the last answer.
    rest: Vec<u8>,
}

impl Wire {
    async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads more bytes. Returns false at the end.
    async fn read(&mut self) -> bool {
        self.stream.read_buf(&mut self.rest).await.unwrap_or(0) > 0
    }

    /// Reads an answer. Returns `None` if the connection ends before it is whole.
    async fn receive(&mut self) -> Option<Told> {
        let mut told = self.receive_head().await?;
        let length: usize = told.header("content-length").unwrap().parse().unwrap();
        while self.rest.len() < length {
            if !self.read().await {
                return None;
            }
        }
        told.body = self.rest.drain(..length).collect();
        Some(told)
    }

    /// Reads an answer up to the end of its head.
    async fn receive_head(&mut self) -> Option<Told> {
        let end_of = |bytes: &[u8]| bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let head_end = loop {
            match end_of(&self.rest) {
                Some(end) => break end + 4,
                None if self.read().await => {}
                None => return None,
            }
        };
        let head = String::from_utf8(self.rest.drain(..head_end).collect()).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Some(Told { status, headers, body: Vec::new() })
    }

    async fn ask(&mut self, asking: &Asking) -> Told {
        self.send(&asking.bytes()).await;
        self.receive().await.expect("an answer")
    }

    /// Sends a right request, and checks that its answer is right.
    async fn call<M: Message + Default>(&mut self, path: &str, message: &impl Message) -> M {
        let told = self.ask(&Asking::new(path, message).sign(false)).await;
        told.verify(path, Some(&key(false)));
        told.message()
    }

    /// Sends a signed request that must be refused. Returns status, code and message.
    async fn refused(&mut self, path: &str, message: &impl Message) -> (u16, String, String) {
        let told = self.ask(&Asking::new(path, message).sign(false)).await;
        told.verify(path, Some(&key(false)));
        let (code, message) = told.error();
        (told.status, code, message)
    }
}

fn text(value: &str) -> KeyPart {
    KeyPart::Value(KeyValue::String(value.to_owned()))
}

/// Returns a key of the table of orders.
fn order_key(user: KeyPart, order: KeyPart) -> NamedKey {
    vec![("UserId".to_owned(), user), ("OrderId".to_owned(), order)]
}

/// Returns the request that creates a table with the key of orders.
fn create_orders(name: &str) -> table::CreateTableRequest {
    let column = |name: &str| table::PrimaryKeySchema {
        name: name.to_owned(),
        r#type: table::PrimaryKeyType::String.into(),
        option: None,
    };
    table::CreateTableRequest {
        table_meta: table::TableMeta {
            table_name: name.to_owned(),
            primary_key: vec![column("UserId"), column("OrderId")],
            defined_column: Vec::new(),
        },
        table_options: Some(table::TableOptions {
            time_to_live: Some(-1),
            max_versions: Some(1),
            ..table::TableOptions::default()
        }),
        ..table::CreateTableRequest::default()
    }
}
