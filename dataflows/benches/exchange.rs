//! Measures what it costs to cross between two processes: parcels (abomonation) against timely's
//! default, `Vec` by bincode.
//!
//! The workers of two processes, connected by TCP on loopback, send partial sums to each other.
//! Half of all records cross as bytes. Run `cargo bench -p dataflows --bench exchange -- [RECORDS]
//! [ROUNDS]`.

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::time::Instant;

use dataflows::exchange::{Parcel, exchange};
use dataflows::key::{Key, PARTIAL_WORDS, Partial};
use dataflows::{Amount, Id, Totals};
use timely::WorkerConfig;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::communication::{AllocatorBuilder, Hooks};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::ContainerBytes;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::{Input, Operator, Probe};
use timely::worker::Worker;

/// A partial sum as a tuple that serde knows. The default container carries it.
type Plain = (Id, u64, Totals);

#[derive(Copy, Clone, PartialEq)]
enum Carrier {
    Parcel,
    Bincode,
}

fn record(at: u64, long: bool) -> Partial<Id> {
    let name = if long { format!("customer-number-{at:012}") } else { format!("u{:07}", at % 1_000_000) };
    let amount = Amount::from_decimal((at % 50_000) as i64, 2).expect("a price in cents");
    Partial { key: Id::new(&name), epoch: 0, totals: Totals { orders: 1, amount } }
}

fn plain(partial: Partial<Id>) -> Plain {
    (partial.key, partial.epoch, partial.totals)
}

/// Returns the seconds for two processes of one worker to send each other their share of the
/// records.
fn cross(carrier: Carrier, records: u64, long: bool) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let near = TcpStream::connect(listener.local_addr().expect("an address")).expect("loopback answers");
    let far = listener.accept().expect("a connection").0;
    for socket in [&near, &far] {
        socket.set_nodelay(true).expect("a socket option");
    }
    let processes: Vec<_> = [vec![None, Some(near)], vec![Some(far), None]]
        .into_iter()
        .enumerate()
        .map(|(index, sockets)| {
            let hooks = Hooks::default();
            let threads = ProcessBuilder::new_typed_vector(1, hooks.refill.clone(), None);
            let (builders, guard) = initialize_networking_from_sockets(threads, sockets, index, 1, hooks)
                .expect("networking starts");
            let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
            timely::execute::execute_from(builders, Box::new(guard), WorkerConfig::default(), move |worker| {
                match carrier {
                    Carrier::Parcel => send_parcels(worker, records / 2, long),
                    Carrier::Bincode => send_plain(worker, records / 2, long),
                }
            })
            .expect("a worker starts")
        })
        .collect();
    let seconds = processes.into_iter().flat_map(|process| process.join());
    seconds.map(|seconds| seconds.expect("a worker runs to its end")).fold(0.0, f64::max)
}

fn send_parcels(worker: &mut Worker, records: u64, long: bool) -> f64 {
    type Builder = CapacityContainerBuilder<Parcel<Partial<Id>, PARTIAL_WORDS>>;
    let all: Vec<_> = (0..records).map(|at| record(at, long)).collect();
    let mut input = InputHandle::<u64, Builder>::new_with_builder();
    let probe = worker.dataflow(|scope| {
        let by_key = exchange(|partial: &Partial<Id>| partial.key.hash64(0) >> 32);
        let received = scope.input_from(&mut input).unary::<Builder, _, _, _>(by_key, "Receive", |_, _| {
            |input, _output| input.for_each(|_, data| drop(black_box(std::mem::take(data))))
        });
        received.probe().0
    });
    let started = Instant::now();
    for (at, record) in all.into_iter().enumerate() {
        input.send(record);
        if at % 1000 == 999 {
            worker.step();
        }
    }
    input.close();
    worker.step_while(|| !probe.done());
    started.elapsed().as_secs_f64()
}

fn send_plain(worker: &mut Worker, records: u64, long: bool) -> f64 {
    type Builder = CapacityContainerBuilder<Vec<Plain>>;
    let all: Vec<_> = (0..records).map(|at| plain(record(at, long))).collect();
    let mut input = InputHandle::<u64, Builder>::new_with_builder();
    let probe = worker.dataflow(|scope| {
        let by_key = Exchange::new(|record: &Plain| record.0.hash64(0) >> 32);
        let received = scope.input_from(&mut input).unary::<Builder, _, _, _>(by_key, "Receive", |_, _| {
            |input, _output| input.for_each(|_, data| drop(black_box(std::mem::take(data))))
        });
        received.probe().0
    });
    let started = Instant::now();
    for (at, record) in all.into_iter().enumerate() {
        input.send(record);
        if at % 1000 == 999 {
            worker.step();
        }
    }
    input.close();
    worker.step_while(|| !probe.done());
    started.elapsed().as_secs_f64()
}

/// Returns the nanoseconds to write and read back a record, and its bytes, without sockets.
fn codec<C: ContainerBytes>(container: &C, records: usize) -> (f64, f64) {
    let started = Instant::now();
    let mut bytes = Vec::with_capacity(container.length_in_bytes());
    container.into_bytes(&mut bytes);
    let length = bytes.len();
    let shared = timely::bytes::arc::BytesMut::from(bytes).freeze();
    black_box(C::from_bytes(shared));
    (started.elapsed().as_secs_f64() * 1e9 / records as f64, length as f64 / records as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let records = numbers.next().unwrap_or(1_000_000);
    let rounds = numbers.next().unwrap_or(5);
    println!("| partial sums between two processes | parcel | bincode | ratio |");
    println!("|---|---|---|---|");
    for (long, name) in [(false, "ids of 8 bytes"), (true, "ids of 28 bytes")] {
        let (ours, theirs): (Vec<f64>, Vec<f64>) = (0..rounds)
            .map(|_| (cross(Carrier::Parcel, records, long), cross(Carrier::Bincode, records, long)))
            .unzip();
        let [ours, theirs] = [ours, theirs].map(|seconds| median(seconds) * 1e9 / records as f64);
        println!("| {name}: ns a record over TCP | {ours:.0} | {theirs:.0} | {:.1} |", theirs / ours);
        // This is about what one of timely's buffers holds.
        let records: Vec<_> = (0..150).map(|at| record(at, long)).collect();
        let plain: Vec<_> = records.iter().cloned().map(plain).collect();
        let parcel = Parcel::<_, PARTIAL_WORDS> { records };
        let (ours, theirs): (Vec<_>, Vec<_>) =
            (0..2_000).map(|_| (codec(&parcel, 150), codec(&plain, 150))).unzip();
        let bytes = [ours[0].1, theirs[0].1];
        let [ours, theirs] = [ours, theirs].map(|runs| median(runs.into_iter().map(|run| run.0).collect()));
        println!(
            "| {name}: ns a record to write and read | {ours:.0} | {theirs:.0} | {:.1} |",
            theirs / ours
        );
        println!("| {name}: bytes a record | {:.0} | {:.0} | |", bytes[0], bytes[1]);
    }
}
