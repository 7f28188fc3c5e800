//! The order store over loopback: durable batches, scans, single puts, next to what the disk and a
//! socket do at most.
//!
//! `store [ROWS] [ROUNDS]` starts `orderflow up` on a new folder in each round, writes ROWS orders
//! in batches of 200 by 1 connection and as many by 8, scans them, and puts rows one by one. In the
//! same minute, and in turns with it: the same bytes appended to a file and synced batch by batch,
//! a hundred bytes appended and synced put by put, and the scan's bytes through a socket. Prints a
//! Markdown table of medians.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use server::{Server, quantiles};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::read::{Direction, RangeRead, Selection};
use store::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema};
use store::value::{KeyPart, KeyType, KeyValue, NamedKey, Value};
use tablestore::client::{Client, Operation};
use tablestore::plain_buffer::encode_key;
use tablestore::table;

mod server;

const BATCH_ROWS: u64 = 200;
const PUTS: u64 = 5_000;
const TABLE: &str = "OrderSource";
const CONNECTIONS: u64 = 8;

/// What one round gave, by name of the row of the table.
type Round = BTreeMap<&'static str, f64>;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number = |default| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (rows, rounds) = (number(200_000), number(3));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let measured: Vec<Round> = (0..rounds).map(|_| runtime.block_on(round(rows))).collect();
    print(rows, rounds, &measured);
}

async fn round(rows: u64) -> Round {
    let folder = tempfile::tempdir_in("target").expect("a folder");
    let server = Server::start(&folder.path().join("data"), &["--no-job", "--no-page"]);
    let client = server.client();
    client.create_table(&schema()).await.expect("the table is created");
    let mut round = Round::new();
    round.insert("append and sync, batches", append_batches(folder.path(), rows));
    round.insert("BatchWriteRow, 1 connection", write(&server, 1, 0, rows).await);
    round.insert("BatchWriteRow, 8 connections", write(&server, CONNECTIONS, rows, rows).await);
    let (scanned_rows, seconds) = scan(&client).await;
    assert_eq!(scanned_rows, 2 * rows, "all rows are there");
    round.insert("GetRange, rows decoded", scanned_rows as f64 / seconds);
    let (bytes, seconds) = scan_undecoded(&client).await;
    round.insert("GetRange, rows left as they came", scanned_rows as f64 / seconds);
    round.insert("the same bytes through a socket", scanned_rows as f64 / socket_seconds(bytes));
    let [p50, p99] = puts(&client).await;
    round.extend([("PutRow p50", p50 * 1e6), ("PutRow p99", p99 * 1e6)]);
    let [p50, p99] = append_one_by_one(folder.path());
    round.extend([("append and sync p50", p50 * 1e6), ("append and sync p99", p99 * 1e6)]);
    round
}

fn schema() -> TableSchema {
    let column =
        |name: &str| KeyColumn { name: name.to_owned(), kind: KeyType::String, auto_increment: false };
    TableSchema {
        name: TABLE.to_owned(),
        key: vec![column("UserId"), column("OrderId")],
        options: TableOptions::default(),
        stream: Some(StreamOptions::of_hours(24)),
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    }
}

/// An order of a shop with many users, whose rows come in no order of their keys.
fn order(number: u64) -> Write {
    let user = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 47;
    let key = |text: String| KeyPart::Value(KeyValue::String(text));
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    Write {
        table: TABLE.to_owned(),
        key: vec![
            ("UserId".to_owned(), key(format!("user_{user:06}"))),
            ("OrderId".to_owned(), key(format!("order-{number:09}"))),
        ],
        change: RowWrite::Put(vec![
            put("price", Value::Double((number % 10_000) as f64 / 100.0)),
            put("timestamp", Value::Integer(1_700_000_000_000 + number as i64)),
        ]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// Durable rows a second, written in batches by so many connections.
async fn write(server: &Server, connections: u64, first: u64, rows: u64) -> f64 {
    let client = server.client();
    let next = std::sync::Arc::new(AtomicU64::new(first));
    let start = Instant::now();
    let writers = (0..connections).map(|_| {
        let (client, next) = (client.clone(), next.clone());
        tokio::spawn(async move {
            loop {
                let batch = next.fetch_add(BATCH_ROWS, Ordering::Relaxed);
                if batch >= first + rows {
                    return;
                }
                let end = (batch + BATCH_ROWS).min(first + rows);
                let writes: Vec<_> = (batch..end).map(order).collect();
                let results = client.batch_write_row(&writes).await.expect("the batch is written");
                assert!(results.iter().all(Result::is_ok), "each row is written");
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.expect("the writer ends well");
    }
    rows as f64 / start.elapsed().as_secs_f64()
}

/// A bound of the table's range.
fn bound(part: KeyPart) -> NamedKey {
    ["UserId", "OrderId"].map(|name| (name.to_owned(), part.clone())).to_vec()
}

/// Rows of the table, and the seconds that reading and decoding them took.
async fn scan(client: &Client) -> (u64, f64) {
    let mut pages = client.range(RangeRead {
        table: TABLE.to_owned(),
        direction: Direction::Forward,
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection::default(),
        rows_max: None,
    });
    let (mut rows, start) = (0, Instant::now());
    while let Some(page) = pages.next_page(5_000).await.expect("the table is read") {
        rows += page.len() as u64;
    }
    (rows, start.elapsed().as_secs_f64())
}

/// Bytes of the table's rows, and the seconds that reading them took; digest and signature are
/// checked.
async fn scan_undecoded(client: &Client) -> (usize, f64) {
    let mut request = table::GetRangeRequest {
        table_name: TABLE.to_owned(),
        direction: table::Direction::Forward.into(),
        max_versions: Some(1),
        inclusive_start_primary_key: encode_key(&bound(KeyPart::Min)).into(),
        exclusive_end_primary_key: encode_key(&bound(KeyPart::Max)).into(),
        ..Default::default()
    };
    let (mut bytes, start) = (0, Instant::now());
    loop {
        let called = client.call::<table::GetRangeResponse>(Operation::read("/GetRange"), &request).await;
        let page = called.expect("the table is read").answer;
        bytes += page.rows.len();
        match page.next_start_primary_key {
            Some(next) => request.inclusive_start_primary_key = next,
            None => return (bytes, start.elapsed().as_secs_f64()),
        }
    }
}

/// p50 and p99 of single puts, in seconds.
async fn puts(client: &Client) -> [f64; 2] {
    let mut times = Vec::new();
    for number in 0..PUTS {
        let write = order(1 << 40 | number);
        let start = Instant::now();
        client.write_row(&write).await.expect("the row is written");
        times.push(start.elapsed());
    }
    quantiles(times)
}

/// Rows a second of a file to which the bytes of each batch are appended and synced, one after the
/// other.
fn append_batches(folder: &Path, rows: u64) -> f64 {
    let mut file = File::create(folder.join("batches")).expect("a file");
    let batch = vec![7; BATCH_ROWS as usize * 140];
    let start = Instant::now();
    for _ in 0..rows / BATCH_ROWS {
        file.write_all(&batch).and_then(|()| file.sync_data()).expect("the disk takes it");
    }
    rows as f64 / start.elapsed().as_secs_f64()
}

/// p50 and p99 of appending a row's bytes to a file and syncing it, in seconds.
fn append_one_by_one(folder: &Path) -> [f64; 2] {
    let mut file = File::create(folder.join("puts")).expect("a file");
    let append = |_| {
        let start = Instant::now();
        file.write_all(&[7; 100]).and_then(|()| file.sync_data()).expect("the disk takes it");
        start.elapsed()
    };
    quantiles((0..PUTS).map(append).collect())
}

/// Seconds that so many bytes take through a socket on loopback.
fn socket_seconds(bytes: usize) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let sender = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let page = vec![7; 700_000];
        let mut left = bytes;
        while left > 0 {
            let part = left.min(page.len());
            stream.write_all(&page[..part]).expect("it is read");
            left -= part;
        }
    });
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).expect("it listens");
    let (mut buffer, mut seen) = (vec![0; 1 << 16], 0);
    while seen < bytes {
        seen += stream.read(&mut buffer).expect("it is sent");
    }
    sender.join().expect("the sender ends well");
    start.elapsed().as_secs_f64()
}

fn print(rows: u64, rounds: u64, measured: &[Round]) {
    let median = |name: &str| {
        let mut values: Vec<f64> = measured.iter().map(|round| round[name]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("### The order store: {rows} rows for each writer count, medians of {rounds} rounds\n");
    println!("| | measured | at most, by the same machine | ratio |\n|---|---:|---:|---:|");
    for (name, most) in [
        ("BatchWriteRow, 1 connection", "append and sync, batches"),
        ("BatchWriteRow, 8 connections", "append and sync, batches"),
        ("GetRange, rows left as they came", "the same bytes through a socket"),
        ("GetRange, rows decoded", "the same bytes through a socket"),
    ] {
        let (measured, most_value) = (median(name), median(most));
        println!(
            "| {name} | {measured:.0} rows/s | {most_value:.0} rows/s ({most}) | {:.2} |",
            measured / most_value
        );
    }
    for (name, most) in [("PutRow p50", "append and sync p50"), ("PutRow p99", "append and sync p99")] {
        let (measured, most_value) = (median(name), median(most));
        println!(
            "| {name} | {measured:.0} µs | {most_value:.0} µs ({most}) | {:.2} |",
            measured / most_value
        );
    }
}
