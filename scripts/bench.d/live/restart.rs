//! From the program's start to all results being there again, and the memory that it then has.

use std::fs;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::runtime::Runtime;

use crate::load::Load;
use crate::orders::USERS;
use crate::server::Server;
use crate::{median, thousands};

/// Orders a second that are written until the end, and for how long.
const RATE: u64 = 5_000;
const BUSY: Duration = Duration::from_secs(5);

/// Between two looks whether it is ready.
const LOOK: Duration = Duration::from_millis(5);

/// Seconds, and bytes of memory.
struct Start {
    ready_s: f64,
    memory: [u64; 2],
    memory_busy: [u64; 2],
}

/// Measures and prints, on a folder with so many orders.
pub(crate) fn measure(runtime: &Runtime, folder: &Path, orders: u64, rounds: u64) {
    println!(
        "### Starting again with {} orders of {} users: medians of {rounds} starts\n",
        thousands(orders),
        thousands(USERS)
    );
    println!(
        "| ended under load by | from the start to ready | memory when ready (most until then) | after {} s of {} orders/s |\n\
         |---|---:|---:|---:|",
        BUSY.as_secs(),
        thousands(RATE)
    );
    let mut next = orders;
    // What one start leaves by its end, the next one finds.
    let mut ended_by = |signal| {
        start(runtime, folder, signal, &mut next);
        (0..rounds).map(|_| start(runtime, folder, signal, &mut next)).collect::<Vec<_>>()
    };
    for (name, signal) in [("SIGTERM", Signal::TERM), ("SIGKILL", Signal::KILL)] {
        let starts = ended_by(signal);
        let of = |field: &dyn Fn(&Start) -> u64| {
            median(starts.iter().map(|start| field(start) as f64).collect()) / 1e6
        };
        println!(
            "| {name} | {:.2} s | {:.0} MB ({:.0} MB) | {:.0} MB ({:.0} MB) |",
            median(starts.iter().map(|start| start.ready_s).collect()),
            of(&|start| start.memory[0]),
            of(&|start| start.memory[1]),
            of(&|start| start.memory_busy[0]),
            of(&|start| start.memory_busy[1]),
        );
    }
    println!();
}

/// Starts the program, keeps it busy for a while, and ends it so.
fn start(runtime: &Runtime, folder: &Path, signal: Signal, next: &mut u64) -> Start {
    let began = Instant::now();
    let mut server = Server::start(folder, &[]);
    while !is_ready(&server) {
        std::thread::sleep(LOOK);
    }
    let ready_s = began.elapsed().as_secs_f64();
    let memory = memory(&server);
    let load = Load { connections: 4, batch_rows: 10, rate: Some(RATE) };
    let pid = Pid::from_child(&server.child);
    let busy_until = Instant::now() + BUSY;
    let memory_busy = runtime.block_on(async {
        // Writers that go on until the server is gone.
        let _writers = load.start(&server, *next, busy_until + BUSY);
        tokio::time::sleep_until(busy_until.into()).await;
        let memory = self::memory(&server);
        kill_process(pid, signal).expect("the signal reaches it");
        memory
    });
    *next += RATE * 2 * BUSY.as_secs();
    server.child.wait().expect("it ends");
    Start { ready_s, memory, memory_busy }
}

fn is_ready(server: &Server) -> bool {
    let address = server.exports["OTS_ENDPOINT"].trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
        .expect("it is sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.starts_with("HTTP/1.1 200")
}

/// Bytes that the process has in memory, and the most that it had.
fn memory(server: &Server) -> [u64; 2] {
    let path = format!("/proc/{}/status", server.child.id());
    let status = fs::read_to_string(path).expect("the process lives");
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line on memory");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
        kibibytes * 1_024
    })
}
