//! Measures the graph alone, on orders that are already parsed: throughput at several epoch sizes,
//! and the time from one correction to its rows. Differential's own `count_total` is measured
//! beside it, in the same minute.
//!
//! `cargo bench -p dataflows --bench graph -- [ORDERS] [ROUNDS]` prints a Markdown table of
//! medians.

use std::rc::Rc;
use std::time::{Duration, Instant};

use dataflows::{Amount, Diff, Epoch, Id, Order, Orders, Totals, Windows, build};
use differential_dataflow::operators::CountTotal;
use differential_dataflow::{AsCollection, VecCollection};
use timely::container::NoopBuilder;
use timely::dataflow::operators::{Input, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, Scope};
use timely::worker::Worker;

const USERS: u64 = 100_000;
const DAY_MS: u64 = 24 * 3_600_000;
/// The number of orders that are fed before the graph runs, as with a block of input.
const FEED_ORDERS: usize = 1000;

#[derive(Copy, Clone, PartialEq, Debug)]
enum Engine {
    Ours,
    CountTotal,
}

type Batch = Rc<Vec<(Order, Epoch, Diff)>>;
type OrdersInput = InputHandle<Epoch, NoopBuilder<Batch>>;

fn order(at: u64) -> Order {
    let mut word = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^= word >> 27;
    // The square of a uniform number makes a few users order most.
    let uniform = (word >> 40) as f64 / (1_u64 << 24) as f64;
    let user = (uniform * uniform * USERS as f64) as u64;
    let price = Amount::from_decimal((word % 50_000) as i64, 2).expect("a price in cents");
    let at_ms = (at * 9 % DAY_MS) as i64;
    Order { user_id: Id::new(&format!("u{user:07}")), at_ms: 1_700_000_000_000 + at_ms, price }
}

/// Builds the views with an engine and probes them.
fn dataflow<'scope>(
    engine: Engine,
    scope: Scope<'scope, Epoch>,
    input: &mut OrdersInput,
) -> ProbeHandle<Epoch> {
    let orders = scope.input_from(input).as_collection();
    let probe = ProbeHandle::new();
    match engine {
        Engine::Ours => {
            let views = build(orders, &Windows::default());
            views.iter().for_each(|rows| rows.probe_with(&probe));
        }
        Engine::CountTotal => {
            let windows = Windows::default();
            counted(&orders, |order| order.user_id.clone()).inner.probe_with(&probe);
            counted(&orders, |_| 0_u64).inner.probe_with(&probe);
            counted(&orders, move |order| windows.containing(order.at_ms).start_ms).inner.probe_with(&probe);
        }
    }
    probe
}

fn counted<'scope, K: differential_dataflow::ExchangeData + std::hash::Hash>(
    orders: &Orders<'scope>,
    key: impl Fn(&Order) -> K + 'static,
) -> VecCollection<'scope, Epoch, (K, Totals), Diff> {
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::Operator;
    type Keyed<K> = timely::container::CapacityContainerBuilder<Vec<(K, Epoch, Totals)>>;
    orders
        .inner
        .clone()
        .unary::<Keyed<K>, _, _, _>(Pipeline, "Key", |_, _| {
            move |input, output| {
                input.for_each(|capability, batch| {
                    let keyed = batch
                        .iter()
                        .map(|(order, at, times)| (key(order), *at, Totals::of(order.price, *times)));
                    output.session(&capability).give_iterator(keyed);
                });
            }
        })
        .as_collection()
        .count_total_core()
}

/// Returns the seconds to bring `orders` orders through the graph, with `epoch_orders` in an epoch.
fn throughput(engine: Engine, workers: usize, orders: u64, epoch_orders: u64) -> f64 {
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let (index, peers) = (worker.index() as u64, worker.peers() as u64);
        let batches: Vec<Batch> = (0..orders / FEED_ORDERS as u64)
            .filter(|batch| batch % peers == index)
            .map(|batch| {
                let first = batch * FEED_ORDERS as u64;
                Rc::new(
                    (first..first + FEED_ORDERS as u64).map(|at| (order(at), at / epoch_orders, 1)).collect(),
                )
            })
            .collect();
        let mut input = OrdersInput::new_with_builder();
        let probe = worker.dataflow(|scope| dataflow(engine, scope, &mut input));
        let started = Instant::now();
        for (at, mut batch) in batches.into_iter().enumerate() {
            let epoch = batch[0].1;
            input.advance_to(epoch);
            input.send_batch(&mut batch);
            worker.step();
            if at % 64 == 63 {
                let bound = epoch.saturating_sub(200_000 / epoch_orders);
                worker.step_while(|| probe.less_than(&bound));
            }
        }
        input.close();
        worker.step_while(|| !probe.done());
        started.elapsed().as_secs_f64()
    })
    .expect("workers start");
    guards.join().into_iter().map(|seconds| seconds.expect("a worker runs to its end")).fold(0.0, f64::max)
}

/// Returns the times from a correction (one order's price) to its rows, sorted, after loading
/// `orders` orders.
fn corrections(engine: Engine, orders: u64, count: u64) -> Vec<Duration> {
    timely::execute_directly(move |worker: &mut Worker| {
        let mut input = OrdersInput::new_with_builder();
        let probe = worker.dataflow(|scope| dataflow(engine, scope, &mut input));
        for first in (0..orders).step_by(FEED_ORDERS) {
            let load = (first..first + FEED_ORDERS as u64).map(|at| (order(at), 0, 1)).collect();
            input.send_batch(&mut Rc::new(load));
            worker.step();
        }
        input.advance_to(1);
        worker.step_while(|| probe.less_than(&1));
        let mut times: Vec<Duration> = (0..count)
            .map(|at| {
                let before = order(at * 7919 % orders);
                let after = Order { price: Amount::from_units(before.price.units() + 1), ..before.clone() };
                let epoch = at + 1;
                let started = Instant::now();
                input.send_batch(&mut Rc::new(vec![(before, epoch, -1), (after, epoch, 1)]));
                input.advance_to(epoch + 1);
                worker.step_while(|| probe.less_than(&(epoch + 1)));
                started.elapsed()
            })
            .collect();
        times.sort_unstable();
        times
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|word| word.parse::<u64>().ok());
    let orders = numbers.next().unwrap_or(1_000_000).next_multiple_of(FEED_ORDERS as u64);
    let rounds = numbers.next().unwrap_or(5);
    println!(
        "| graph alone, {orders} orders | workers | ours, M orders/s | `count_total`, M orders/s | ratio |"
    );
    println!("|---|---|---|---|---|");
    for (epoch_orders, name) in
        [(1_000, "1,000 orders an epoch"), (10_000, "10,000"), (100_000, "100,000"), (u64::MAX, "one epoch")]
    {
        for workers in [1, 2] {
            let run = |engine| throughput(engine, workers, orders, epoch_orders);
            // The two are interleaved, so that a noisy minute affects both.
            let (ours, theirs): (Vec<f64>, Vec<f64>) =
                (0..rounds).map(|_| (run(Engine::Ours), run(Engine::CountTotal))).unzip();
            let [ours, theirs] = [ours, theirs].map(|seconds| orders as f64 / median(seconds) / 1e6);
            println!("| {name} | {workers} | {ours:.1} | {theirs:.1} | {:.1} |", ours / theirs);
        }
    }
    println!();
    println!("| one correction after loading | engine | p50 µs | p99 µs |");
    println!("|---|---|---|---|");
    for loaded in [orders, orders * 10] {
        for engine in [Engine::Ours, Engine::CountTotal] {
            let times = corrections(engine, loaded, 20_000);
            let at = |share: f64| times[(times.len() as f64 * share) as usize].as_secs_f64() * 1e6;
            println!("| {loaded} orders | {engine:?} | {:.1} | {:.1} |", at(0.5), at(0.99));
        }
    }
}
