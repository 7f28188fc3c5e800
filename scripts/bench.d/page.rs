//! The live page's stream: how fresh what its readers see is, and what they cost.
//!
//! `page [READERS] [SECONDS] [WARMUP] [RATE] [STALLED]`: RATE orders a second are written, durable,
//! while READERS follow the stream and STALLED, as many without a number, ask for it and never read.
//! Prints a Markdown table. The program is a process of its own, and its memory and processor time
//! are looked at from outside. So that the store has taken what it takes by itself before, WARMUP
//! seconds of as many orders as it takes, and as long of RATE a second, come first, without readers.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpStream as BlockingStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tablestore::client::Client;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

mod server;

#[path = "live/load.rs"]
mod load;
#[path = "live/orders.rs"]
mod orders;

use load::{Load, acknowledged, total};
use orders::{order, shop};
use server::{Server, quantiles};

/// The unit of processor times, as Linux has it on all machines.
const TICKS_PER_SECOND: f64 = 100.0;

/// Orders of a request.
const BATCH: u64 = 50;

/// After which a reader that never reads asks anew: by then the server has hung up on it.
const STALLED_FOR: Duration = Duration::from_secs(25);

const ASK: &[u8] = b"GET /api/stream HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// When so many orders had been acknowledged.
type Acknowledged = Arc<Mutex<Vec<(u64, Instant)>>>;

fn main() {
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    let mut number = |default| args.next().map_or(default, |arg| arg.parse().expect("a number"));
    let (readers, seconds, warmup): (u64, u64, u64) = (number(50), number(180), number(60));
    let (rate, stalled): (u64, u64) = (number(5_000), number(readers));
    let plan = Plan { readers, stalled, seconds, warmup, rate };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure(plan));
}

/// Who reads, and how much is written meanwhile.
struct Plan {
    /// Readers who read, and who do not.
    readers: u64,
    stalled: u64,
    seconds: u64,
    warmup: u64,
    /// Orders a second.
    rate: u64,
}

async fn measure(plan: Plan) {
    let Plan { readers, stalled: silent, seconds, warmup, rate } = plan;
    let places = (readers + silent).to_string();
    let folder = tempfile::tempdir_in("target").expect("a folder");
    let server = shop(&folder.path().join("data"), &["--page-readers", &places]).await;
    let warmup_time = Duration::from_secs(warmup);
    let many = Load { connections: 8, batch_rows: 200, rate: None };
    let loaded = acknowledged(many.start(&server, 0, Instant::now() + warmup_time)).await;
    while total(&server.client()).await < loaded {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let begin = Instant::now() + warmup_time;
    let end = begin + Duration::from_secs(seconds);
    let log = Acknowledged::default();
    let mut writers = JoinSet::new();
    writers.spawn(write(server.client(), (loaded, rate), log.clone(), end));
    let idle_from = (processor_time(&server), Instant::now());
    tokio::time::sleep_until(begin.into()).await;
    let idle = cores(&server, idle_from);
    let before = memory(&server);
    let (mut live, mut stalled) = (JoinSet::new(), JoinSet::new());
    let busy_from = (processor_time(&server), Instant::now());
    for _ in 0..readers {
        live.spawn(read(server.page, log.clone(), end));
    }
    for _ in 0..silent {
        stalled.spawn(ask_only(server.page, end));
    }
    let mut most = before;
    let mut looks = tokio::time::interval(Duration::from_millis(250));
    while Instant::now() < end {
        looks.tick().await;
        most = most.max(memory(&server));
    }
    let busy = cores(&server, busy_from);
    let read: Vec<(u64, Vec<Duration>)> = live.join_all().await;
    let asked: u64 = stalled.join_all().await.into_iter().sum();
    let written = writers.join_all().await.into_iter().sum::<u64>();
    let wanted = rate * (seconds + warmup);
    assert!(written > wanted * 95 / 100, "{written} of {wanted} orders were taken: the rate was not kept");
    let frames: u64 = read.iter().map(|(frames, _)| frames).sum();
    let [p50, p99] = quantiles(read.into_iter().flat_map(|(_, ages)| ages).collect());
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "### The stream: {readers} readers who read and {silent} who do not, {seconds} s of {rate} orders/s\n\n\
         | | |\n|---|---:|\n\
         | age of the oldest order that a frame shows first, from its acknowledgement, p50 | {:.0} ms |\n\
         | the same, p99 | {:.0} ms |\n\
         | frames a second and reader | {:.1} |\n\
         | times that those who do not read were hung up on and asked anew | {} |\n\
         | processor time of the program, without and with readers | {idle:.2} and {busy:.2} cores |\n\
         | memory before readers, after {} orders | {:.0} MiB |\n\
         | growth until the end, at most | {:.0} MiB |\n",
        p50 * 1e3,
        p99 * 1e3,
        frames as f64 / readers as f64 / seconds as f64,
        asked - silent,
        terminal::Thousands(loaded + rate * warmup),
        mib(before),
        mib(most.saturating_sub(before)),
    );
}

/// Writes orders from this number on at their rate, and notes when they were acknowledged.
async fn write(client: Client, (first, rate): (u64, u64), acknowledged: Acknowledged, end: Instant) -> u64 {
    let mut pace = tokio::time::interval(Duration::from_secs_f64(BATCH as f64 / rate as f64));
    let mut next = first;
    while Instant::now() < end {
        pace.tick().await;
        let writes: Vec<_> = (next..next + BATCH).map(order).collect();
        let results = client.batch_write_row(&writes).await.expect("the orders are taken");
        assert!(results.iter().all(Result::is_ok), "each row is written");
        next += BATCH;
        acknowledged.lock().expect("no writer panics").push((next, Instant::now()));
    }
    next - first
}

/// Follows the stream: how many frames came, and of each the age of the oldest order that it is the
/// first to show.
async fn read(page: SocketAddr, acknowledged: Acknowledged, end: Instant) -> (u64, Vec<Duration>) {
    let mut stream = TcpStream::connect(page).await.expect("the page listens");
    stream.write_all(ASK).await.expect("it is asked");
    let mut lines = BufReader::new(stream).lines();
    let (mut frames, mut ages, mut shown) = (0, Vec::new(), None);
    while Instant::now() < end {
        let line = lines.next_line().await.expect("it goes on").expect("who reads is not hung up on");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let now = Instant::now();
        let count = data.split_once("\"count\":").and_then(|(_, rest)| rest.split(',').next());
        let count: u64 = count.and_then(|count| count.parse().ok()).expect("each event has the count");
        frames += u64::from(data.contains("\"changed\":") || data.contains("\"reloadWindows\":"));
        let log = acknowledged.lock().expect("no writer panics");
        if let Some(shown) = shown.filter(|shown| *shown < count) {
            let first = log.partition_point(|(total, _)| *total <= shown);
            // An order may be shown before its acknowledgement comes.
            ages.push(log.get(first).map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(*at)));
        }
        drop(log);
        shown = Some(count);
    }
    (frames, ages)
}

/// Asks for the stream and never reads, over and over; how often.
async fn ask_only(page: SocketAddr, end: Instant) -> u64 {
    let mut asked = 0;
    while Instant::now() < end {
        let mut stream = BlockingStream::connect(page).expect("the page listens");
        stream.write_all(ASK).expect("it is asked");
        asked += 1;
        tokio::time::sleep_until((Instant::now() + STALLED_FOR).min(end).into()).await;
        drop(stream);
    }
    asked
}

/// The seconds of processor time that the server has used so far.
fn processor_time(server: &Server) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.child.id())).expect("it runs");
    // The name of the program may have spaces in it; it ends with a bracket.
    let (_, fields) = stat.rsplit_once(')').expect("the system tells");
    let ticks =
        fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
    ticks.sum::<u64>() as f64 / TICKS_PER_SECOND
}

/// How many cores the server has used since then, on average.
fn cores(server: &Server, (used, since): (f64, Instant)) -> f64 {
    (processor_time(server) - used) / since.elapsed().as_secs_f64()
}

/// Bytes of memory that the server has.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the system tells");
    line.trim().trim_end_matches("kB").trim().parse::<u64>().expect("a number") << 10
}
