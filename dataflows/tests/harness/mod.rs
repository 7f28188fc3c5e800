//! Runs the graph over a log with any number of workers and processes, and returns what was
//! delivered.

use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{
    Change, Diff, Epoch, Order, OrderKey, OrderState, Part, Parts, PlainRows, Position, Reference,
};
use dataflows::{RowKey, Rows, Totals, Upsert, UpsertReference, ViewId, Windows, build, deliver, upsert};
use differential_dataflow::AsCollection;
use timely::WorkerConfig;
use timely::communication::AllocatorBuilder;
use timely::communication::Hooks;
use timely::communication::allocator::ProcessBuilder;
use timely::communication::allocator::zero_copy::initialize::initialize_networking_from_sockets;
use timely::container::NoopBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::Input;
use timely::worker::Worker;

/// A log of changes, as either kind of source gives it. The place of a line tells its epoch.
#[derive(Clone)]
pub(crate) enum Log {
    /// Orders that are added and removed, from a source that knows the row before a change.
    Updates(Vec<(Order, Diff)>),
    /// The latest states of orders by their keys.
    Upserts(Vec<(OrderKey, Option<OrderState>)>),
}

impl Log {
    pub(crate) fn len(&self) -> usize {
        match self {
            Log::Updates(lines) => lines.len(),
            Log::Upserts(lines) => lines.len(),
        }
    }
}

/// The shape of a run. The tests check that it makes no difference.
#[derive(Copy, Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) workers: usize,
    pub(crate) processes: usize,
    /// The number of lines in an epoch.
    pub(crate) epoch_lines: usize,
    /// The number of lines that a worker feeds before it lets the graph run.
    pub(crate) feed_lines: usize,
}

/// Each epoch that changed a row, with its rows, in the order of delivery.
pub(crate) type Delivered = Vec<(Epoch, Vec<Change>)>;

/// Runs the log through the graph. The lines are dealt out to all workers in turn.
pub(crate) fn run(log: &Log, windows: &Windows, shape: Shape) -> Delivered {
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let guards: Vec<_> = allocators(shape)
        .into_iter()
        .map(|(builders, guard)| {
            let (log, delivered) = (Arc::new(log.clone()), Arc::clone(&delivered));
            let windows = windows.clone();
            timely::execute::execute_from(builders, guard, WorkerConfig::default(), move |worker| {
                feed(worker, &log, &windows, shape, &delivered);
            })
            .expect("workers start")
        })
        .collect();
    for guard in guards {
        guard.join().into_iter().for_each(|worker| worker.expect("a worker runs to its end"));
    }
    Arc::into_inner(delivered).expect("all workers ended").into_inner().expect("no worker panicked")
}

type Process = (Vec<AllocatorBuilder>, Box<dyn std::any::Any + Send>);

/// Returns the workers of each process. Processes are connected by sockets, so parcels cross as
/// bytes.
fn allocators(shape: Shape) -> Vec<Process> {
    if shape.processes == 1 {
        return vec![timely::CommunicationConfig::Process(shape.workers).try_build().expect("threads")];
    }
    assert_eq!(shape.processes, 2);
    let (first, second) = UnixStream::pair().expect("a pair of sockets");
    [vec![None, Some(first)], vec![Some(second), None]]
        .into_iter()
        .enumerate()
        .map(|(index, sockets)| {
            let hooks = Hooks::default();
            let threads = ProcessBuilder::new_typed_vector(shape.workers, hooks.refill.clone(), None);
            let (builders, guard) =
                initialize_networking_from_sockets(threads, sockets, index, shape.workers, hooks)
                    .expect("networking starts");
            let builders = builders.into_iter().map(AllocatorBuilder::Tcp).collect();
            (builders, Box::new(guard) as Box<dyn std::any::Any + Send>)
        })
        .collect()
}

type OrdersInput = InputHandle<Epoch, NoopBuilder<Rc<Vec<(Order, Epoch, Diff)>>>>;
type UpsertsInput = InputHandle<Epoch, NoopBuilder<dataflows::Upserts>>;

fn feed(worker: &mut Worker, log: &Log, windows: &Windows, shape: Shape, delivered: &Arc<Mutex<Delivered>>) {
    let delivered = Arc::clone(delivered);
    let (mut orders, mut upserts) = (OrdersInput::new_with_builder(), UpsertsInput::new_with_builder());
    let probe = worker.dataflow::<Epoch, _, _>(|scope| {
        let collection = match log {
            Log::Updates(_) => scope.input_from(&mut orders).as_collection(),
            Log::Upserts(_) => upsert(scope.input_from(&mut upserts)),
        };
        deliver(build(collection, windows), move |epoch, changes| {
            delivered.lock().expect("no panic").push((epoch, changes))
        })
    });
    let (index, peers) = (worker.index(), worker.peers());
    for start in (0..log.len()).step_by(shape.feed_lines) {
        let lines = start..(start + shape.feed_lines).min(log.len());
        let mine = lines.clone().filter(|line| line % peers == index);
        match log {
            Log::Updates(log) => {
                let batch = mine.map(|at| (log[at].0.clone(), epoch_of(at, shape), log[at].1)).collect();
                orders.send_batch(&mut Rc::new(batch));
            }
            Log::Upserts(log) => {
                let records = mine.map(|at| upsert_line(log, at, shape)).collect();
                upserts.send_batch(&mut dataflows::Upserts { records });
            }
        }
        let next = epoch_of(lines.end, shape);
        orders.advance_to(next);
        upserts.advance_to(next);
        worker.step();
        // No worker may run ahead without bound. A driver does the same.
        let bound = next.saturating_sub(4 * (shape.feed_lines / shape.epoch_lines + 1) as Epoch);
        worker.step_while(|| probe.less_than(&bound));
    }
}

pub(crate) fn epoch_of(line: usize, shape: Shape) -> Epoch {
    (line / shape.epoch_lines) as Epoch
}

fn upsert_line(log: &[(OrderKey, Option<OrderState>)], at: usize, shape: Shape) -> Upsert {
    let position = Position { round: 0, input: 0, offset: at as u64 };
    Upsert { key: log[at].0.clone(), position, after: log[at].1, epoch: epoch_of(at, shape) }
}

/// Returns what must be delivered: the rows by which the reference fold differs from epoch to
/// epoch.
pub(crate) fn expected(log: &Log, windows: &Windows, shape: Shape) -> Delivered {
    let (mut reference, mut rows) = (Reference::new(windows), PlainRows::new(windows));
    let mut upserts = UpsertReference::default();
    let mut delivered = Vec::new();
    let lines: Vec<usize> = (0..log.len()).collect();
    for epoch in lines.chunks(shape.epoch_lines) {
        let updates: Vec<(Order, Diff)> = match log {
            Log::Updates(log) => epoch.iter().map(|line| log[*line].clone()).collect(),
            Log::Upserts(log) => {
                epoch.iter().flat_map(|line| upserts.update(&upsert_line(log, *line, shape))).collect()
            }
        };
        let touched: std::collections::BTreeSet<RowKey> = updates
            .iter()
            .flat_map(|(order, _)| ViewId::all().map(|view| RowKey::new(view, (view.group)(order, windows))))
            .collect();
        let before: Vec<_> = touched.iter().map(|key| row(&rows, key)).collect();
        for (order, times) in &updates {
            reference.update(order, *times);
            rows.update(order, *times);
        }
        let changes: Vec<Change> = touched
            .into_iter()
            .zip(before)
            .map(|(key, before)| Change { after: row(&rows, &key), key, before })
            .filter(|change| change.before != change.after)
            .collect();
        if !changes.is_empty() {
            delivered.push((epoch_of(epoch[0], shape), changes));
        }
    }
    assert_eq!(by_view(&rows), by_hand(&reference), "the plain groupings are those of the reference");
    delivered
}

fn row(rows: &PlainRows, key: &RowKey) -> Option<Totals> {
    rows.rows(key.view).get(&key.parts).copied()
}

/// Returns the rows of the views that the reference has.
fn by_view(rows: &PlainRows) -> Vec<(RowKey, Totals)> {
    rows.iter().filter(|(key, _)| [USERS, TOTAL, WINDOWS].contains(&key.view)).collect()
}

/// Returns the rows of the reference, named by the views.
pub(crate) fn by_hand(reference: &Reference) -> Vec<(RowKey, Totals)> {
    let users = reference.users.iter().map(|(user, totals)| (USERS, Parts::text(user.clone()), *totals));
    let total = (reference.total != Totals::ZERO).then_some((TOTAL, Parts::None, reference.total));
    let windows = reference.windows.iter();
    let windows = windows.map(|(window, totals)| (WINDOWS, Parts::integer(window.start_ms), *totals));
    let all = users.chain(total).chain(windows);
    all.map(|(view, parts, totals)| (RowKey::new(view, parts), totals)).collect()
}

/// Returns the rows by which the views differ from differential's own `count_total` over the same
/// orders, at any epoch.
pub(crate) fn differs_from_count_total(
    log: &[(Order, Diff)],
    windows: &Windows,
    shape: Shape,
) -> Vec<String> {
    let (found, log) = (Arc::new(Mutex::new(Vec::new())), Arc::new(log.to_vec()));
    let windows = windows.clone();
    let collected = Arc::clone(&found);
    timely::execute(timely::Config::process(shape.workers), move |worker| {
        let mut input = OrdersInput::new_with_builder();
        let found = Arc::clone(&collected);
        worker.dataflow::<Epoch, _, _>(|scope| {
            let orders = scope.input_from(&mut input).as_collection();
            for rows in build(orders.clone(), &windows) {
                let (view, windows) = (rows.view(), windows.clone());
                let group = move |order: &Order| plain_key(&(view.group)(order, &windows));
                differ(rows, counted(&orders, group), &found);
            }
        });
        let (index, peers) = (worker.index(), worker.peers());
        for start in (0..log.len()).step_by(shape.feed_lines) {
            let lines = start..(start + shape.feed_lines).min(log.len());
            let mine = lines.clone().filter(|line| line % peers == index);
            let batch = mine.map(|at| (log[at].0.clone(), epoch_of(at, shape), log[at].1)).collect();
            input.send_batch(&mut Rc::new(batch));
            input.advance_to(epoch_of(lines.end, shape));
            worker.step();
        }
    })
    .expect("workers start")
    .join()
    .into_iter()
    .for_each(|worker| worker.expect("a worker runs to its end"));
    Arc::into_inner(found).expect("all workers ended").into_inner().expect("no worker panicked")
}

type VecRows<'scope, K> = differential_dataflow::VecCollection<'scope, Epoch, (K, Totals), Diff>;

/// Computes a view in the plain form: differential arranges every order and counts.
fn counted<'scope, K: differential_dataflow::ExchangeData + std::hash::Hash>(
    orders: &dataflows::Orders<'scope>,
    key: impl Fn(&Order) -> K + 'static,
) -> VecRows<'scope, K> {
    use differential_dataflow::operators::CountTotal;
    use timely::dataflow::channels::pact::Pipeline;
    use timely::dataflow::operators::Operator;
    type Keyed<K> = timely::container::CapacityContainerBuilder<Vec<(K, Epoch, Totals)>>;
    let keyed = orders.inner.clone().unary::<Keyed<K>, _, _, _>(Pipeline, "Key", |_, _| {
        move |input, output| {
            input.for_each(|capability, batch| {
                let keyed =
                    batch.iter().map(|(order, at, times)| (key(order), *at, Totals::of(order.price, *times)));
                output.session(&capability).give_iterator(keyed);
            });
        }
    });
    keyed.as_collection().count_total_core()
}

/// Returns a key as a type that differential can arrange.
fn plain_key(parts: &Parts) -> Vec<(String, i64)> {
    let part = |part: &Part| match part {
        Part::Text(text) => (text.to_string(), 0),
        Part::Integer(number) => (String::new(), *number),
    };
    parts.as_slice().iter().map(part).collect()
}

fn differ<'scope>(
    ours: Rows<'scope>,
    theirs: VecRows<'scope, Vec<(String, i64)>>,
    found: &Arc<Mutex<Vec<String>>>,
) {
    let found = Arc::clone(found);
    ours.collection()
        .map(|(parts, totals)| (plain_key(&parts), totals))
        .concat(theirs.negate())
        .consolidate()
        .inspect(move |row| found.lock().expect("no panic").push(format!("{row:?}")));
}
