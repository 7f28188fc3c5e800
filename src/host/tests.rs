use std::sync::mpsc::TrySendError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dataflows::views::{TOTAL, USERS};
use dataflows::{Amount, Id, Parts, Windows};
use timely::logging::{ParkEvent, TimelyEvent, TimelyEventBuilder};

use super::*;

/// A time that every awaited message takes less than.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first epoch of each host in these tests.
const FIRST: Epoch = 5;

fn shape() -> GraphShape {
    GraphShape { upserts: false, kept: true, windows: Windows::default() }
}

fn host(workers: usize) -> Host {
    Host::start(Workers::threads(workers), shape(), FIRST).unwrap()
}

/// Returns an order of user `a` that costs 1.00.
fn order(epoch: Epoch) -> (Order, Epoch, Diff) {
    let price = Amount::from_decimal(100, 2).unwrap();
    (Order { user_id: Id::new("a"), at_ms: 0, price }, epoch, 1)
}

fn totals(orders: i64) -> Totals {
    Totals { orders, amount: Amount::from_decimal(100 * orders, 2).unwrap() }
}

/// Returns the next message of a worker.
fn next<T>(told: &Receiver<T>) -> T {
    told.recv_timeout(PATIENCE).expect("the worker tells something")
}

/// Starts a worker that serves the tasks of a lane and hands its changes to `on_changes`. First it
/// calls `prepare` on its thread.
fn served(
    prepare: impl Fn(&mut Worker) + Send + Sync + 'static,
    on_changes: impl Fn() + Clone + Send + Sync + 'static,
) -> (Lane, Receiver<Told>, WorkerGuards<()>) {
    let (tasks, waiting) = sync_channel(TASKS_WAITING_MAX);
    let (tell, told) = channel();
    let waiting = Mutex::new(waiting);
    let guards = Workers::threads(1)
        .start(
            Box::new(|| {}),
            Box::new(move |worker| {
                prepare(worker);
                let on_changes = on_changes.clone();
                let graph = WorkerGraph::build(worker, shape(), Box::new(move |_, _| on_changes()), None);
                serve(worker, graph, &waiting.lock().unwrap(), Some(tell.clone()));
            }),
        )
        .unwrap();
    let thread = guards.guards()[0].thread().clone();
    (Lane { tasks, thread }, told, guards)
}

#[test]
fn an_epoch_is_told_done_once_and_after_its_changes() {
    for workers in [1, 3] {
        let mut host = host(workers);
        let end = FIRST + 50;
        for epoch in FIRST..end {
            host.orders(vec![order(epoch)]).unwrap();
            host.lanes.iter().for_each(|lane| lane.send(Task::Advance(epoch + 1)).unwrap());
        }
        let (mut done, mut changed) = (0, 0);
        while done < end {
            match next(&host.told) {
                // Each epoch's order changes the total, the user and the window.
                Told::Changes(rows) => changed += rows.len() as u64 / 3,
                Told::Done(upper) => {
                    assert!(upper > done, "{upper} after {done}");
                    assert!(changed >= upper.saturating_sub(FIRST), "{upper} before its changes");
                    done = upper;
                }
                Told::Lost => panic!("a worker panicked"),
            }
        }
        assert_eq!((done, changed), (end, 50));
        // A worker that is woken again tells nothing again.
        host.lanes.iter().for_each(|lane| lane.thread.unpark());
        assert!(host.finish(end + 1).unwrap().changes.is_empty());
        assert!(host.told.try_recv().is_err(), "told once");
    }
}

#[test]
fn what_an_epoch_came_to_is_that_of_all_workers() {
    let mut host = host(3);
    let keys = [RowKey::new(TOTAL, Parts::None), RowKey::new(USERS, Parts::text(Id::new("a")))];
    host.keep(keys.iter().map(|key| (key.clone(), totals(7))).collect()).unwrap();
    let rows = |done: Done| -> Vec<_> {
        done.changes
            .into_iter()
            .filter(|row| keys.contains(&row.key))
            .map(|row| (row.before, row.after))
            .collect()
    };
    assert_eq!(rows(host.finish(FIRST + 1).unwrap()), [(None, Some(totals(7))); 2]);
    let many = 2 * BLOCK_RECORDS_MAX as i64 + 1;
    host.orders((0..many).map(|_| order(FIRST + 1)).collect()).unwrap();
    let done = host.finish(FIRST + 2).unwrap();
    // At least each block and each row is counted.
    assert!(done.records >= 6, "{}", done.records);
    assert_eq!(rows(done), [(Some(totals(7)), Some(totals(7 + many))); 2]);
    assert!(host.finish(FIRST + 3).unwrap().changes.is_empty());
}

#[test]
fn a_lane_holds_so_many_tasks_and_no_more() {
    let (enter, entered) = channel();
    let (open, gate) = channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let on_changes = move || {
        enter.send(()).unwrap();
        gate.lock().unwrap().recv_timeout(PATIENCE).unwrap();
    };
    let (lane, told, guards) = served(|_| {}, on_changes);
    lane.send(Task::Orders(vec![order(0)])).unwrap();
    lane.send(Task::Advance(1)).unwrap();
    // From here on the worker takes no task.
    next(&entered);
    let mut waiting = 0;
    let refused = loop {
        match lane.tasks.try_send(Task::Advance(2 + waiting)) {
            Ok(()) => waiting += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused, TrySendError::Full(_)));
    assert_eq!(waiting, TASKS_WAITING_MAX as u64);
    open.send(()).unwrap();
    while !matches!(next(&told), Told::Done(done) if done == 1 + waiting) {}
    lane.thread.unpark();
    drop(lane);
    guards.join().into_iter().for_each(|ended| ended.unwrap());
}

#[test]
fn a_worker_holds_back_at_the_bound_until_the_others_come() {
    let (ahead, held) = channel();
    let held = Mutex::new(held);
    let end = 3 * EPOCHS_IN_FLIGHT_MAX;
    let counted = Arc::new(Mutex::new(Vec::new()));
    let counts = Arc::clone(&counted);
    let work = move |worker: &mut Worker| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let reports = Arc::clone(&seen);
        let on_report: OnReport = Box::new(move |report| match report {
            Report::PartDone { input, lines, .. } => reports.lock().unwrap().push((input, lines)),
            report => panic!("{report:?} was never sent"),
        });
        let mut graph = WorkerGraph::build(worker, shape(), Box::new(|_, _| {}), Some(on_report));
        let index = worker.index();
        if index == 1 {
            // It begins once the other can go no further.
            next(&held.lock().unwrap());
        }
        for epoch in 1..=end {
            let (input, lines) = (index as u32, epoch - 1);
            graph.report(Report::PartDone { input, part: 0, lines, good: 0, lacking: 0 });
            graph.advance_to(epoch);
            if index == 0 && epoch == EPOCHS_IN_FLIGHT_MAX + 1 {
                assert_eq!(graph.done_before(), Some(0), "the other has not begun");
                ahead.send(()).unwrap();
            }
            graph.hold_back(worker);
            let done = graph.done_before().unwrap();
            assert!(epoch - done <= EPOCHS_IN_FLIGHT_MAX, "at {epoch} with {done}");
            if index == 0 {
                let of_done = seen.lock().unwrap().iter().filter(|(_, epoch)| *epoch < done).count();
                assert_eq!(
                    of_done as u64,
                    2 * done,
                    "reports of both workers come before their epoch is done"
                );
            }
        }
        graph.finish(worker);
        counts.lock().unwrap().push((index, seen.lock().unwrap().len() as u64));
    };
    let guards = Workers::threads(2).start(Box::new(|| {}), Box::new(work)).unwrap();
    guards.join().into_iter().for_each(|ended| ended.unwrap());
    counted.lock().unwrap().sort_unstable();
    let seen: Vec<u64> = counted.lock().unwrap().iter().map(|(_, count)| *count).collect();
    assert_eq!(seen, [2 * end, 0]);
}

#[test]
fn a_panic_of_one_worker_is_told_while_the_others_wait() {
    for workers in [2, 4] {
        let mut host = host(workers);
        host.orders(vec![order(FIRST)]).unwrap();
        assert_eq!(host.finish(FIRST + 1).unwrap().changes.len(), 3);
        // Time does not go backwards: this panic is part of the test.
        host.lanes[1].send(Task::Advance(0)).unwrap();
        let lost = host.finish(FIRST + 2).err().expect("it is told");
        assert_eq!(lost.to_string(), "a worker of the graph ended by an internal error; start again");
        let guards = host.guards.as_ref().unwrap().guards();
        assert!(!guards[0].is_finished(), "the others wait");
        // The drop does not wait for them.
        drop(host);
    }
}

#[test]
fn a_panic_is_told_to_whoever_waits_already() {
    let mut host = host(2);
    host.lanes[0].send(Task::Advance(FIRST + 1)).unwrap();
    host.lanes[1].send(Task::Advance(0)).unwrap();
    while !matches!(next(&host.told), Told::Lost) {}
    host.lost = true;
}

#[test]
fn a_worker_without_tasks_sleeps() {
    let (tell, parked) = channel();
    let tell = Mutex::new(tell);
    let prepare = move |worker: &mut Worker| {
        let tell = tell.lock().unwrap().clone();
        let mut log = worker.log_register().unwrap();
        log.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
            for (_, event) in events.iter().flatten() {
                if let TimelyEvent::Park(ParkEvent::Park(until)) = event {
                    tell.send(*until).unwrap();
                }
            }
        });
    };
    let (lane, told, guards) = served(prepare, || {});
    lane.send(Task::Orders(vec![order(0)])).unwrap();
    lane.send(Task::Advance(1)).unwrap();
    while !matches!(next(&told), Told::Done(1)) {}
    let first = next(&parked);
    drop(lane.tasks);
    lane.thread.unpark();
    guards.join().into_iter().for_each(|ended| ended.unwrap());
    let naps: Vec<_> = [first].into_iter().chain(parked.try_iter()).collect();
    assert!(naps.iter().all(Option::is_none), "it sleeps until it is woken: {naps:?}");
    // The worker sleeps before each task, after the last, and once more if it is woken while awake.
    assert!(naps.len() <= 8, "{naps:?}");
}
