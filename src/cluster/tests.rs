//! Tests whole runs, in which each process is a thread. Peers that misbehave are played by hand.

mod fake;
mod frames;
mod losses;
mod refusals;

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use timely::dataflow::operators::{Exchange, Inspect, Probe, ToStream};

use super::*;

/// A time that is longer than any condition needs to become true.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a condition holds.
fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::yield_now();
    }
}

/// Returns this many addresses that no other test uses. With more than one, each call has a
/// loopback address of its own.
fn addresses(processes: usize) -> Vec<String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, _, high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let host =
        if cfg!(target_os = "linux") { format!("127.77.{high}.{low}") } else { "127.0.0.1".to_owned() };
    let held: Vec<TcpListener> =
        (0..processes).map(|_| TcpListener::bind((host.as_str(), 0)).unwrap()).collect();
    held.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}

/// The sentences with which `on_loss` was called.
type Losses = Arc<Mutex<Vec<String>>>;

/// Returns the configurations of a run on loopback, whose losses are only recorded.
fn configs(processes: usize, workers: usize) -> (Vec<ClusterConfig>, Losses) {
    let losses = Losses::default();
    let addresses = if processes == 1 { Vec::new() } else { addresses(processes) };
    let config = |process| {
        let losses = Arc::clone(&losses);
        ClusterConfig {
            processes,
            process,
            addresses: addresses.clone(),
            key: Some(b"a key of some length".to_vec()),
            deadline: PATIENCE,
            silence_max: PATIENCE,
            on_loss: Arc::new(move |sentence| losses.lock().unwrap().push(sentence.to_owned())),
            ..ClusterConfig::single(workers)
        }
    };
    ((0..processes).map(config).collect(), losses)
}

fn run_facts(facts: &[(&str, &str)]) -> Vec<(String, String)> {
    facts.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// Runs `act` for each process at the same time, each on a thread of its own.
fn at_once<T: Send>(configs: &[ClusterConfig], act: impl Fn(&ClusterConfig) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let act = &act;
        let threads: Vec<_> = configs.iter().map(|config| scope.spawn(move || act(config))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Exchanges numbers between all workers. Returns the sum of the numbers that came to this worker.
fn exchange(worker: &mut Worker) -> u64 {
    let (index, peers) = (worker.index() as u64, worker.peers() as u64);
    let sum = Arc::new(Mutex::new(0));
    let inspected = Arc::clone(&sum);
    let probe = worker.dataflow::<u64, _, _>(move |scope| {
        (0..1000u64)
            .map(move |number| number * peers + index)
            .to_stream(scope)
            .container::<Vec<_>>()
            .exchange(|number| *number / 7)
            .inspect(move |number| {
                assert_eq!(number / 7 % peers, index, "came to the wrong worker");
                *inspected.lock().unwrap() += number;
            })
            .probe()
            .0
    });
    while !probe.done() {
        worker.step_or_park(None);
    }
    *sum.lock().unwrap()
}

#[test]
fn workers_of_all_processes_exchange() {
    for (processes, workers) in [(1, 1), (1, 3), (2, 1), (2, 2), (3, 2), (4, 1)] {
        let (configs, losses) = configs(processes, workers);
        let sums = at_once(&configs, |config| {
            let cluster = connect(config, &run_facts(&[("--window", "30s")])).unwrap();
            let finished = cluster.execute(exchange).unwrap();
            finished.control.finish(Ok(())).unwrap();
            assert_eq!(finished.results.len(), workers);
            finished.results.iter().sum::<u64>()
        });
        let numbers = 1000 * (processes * workers) as u64;
        assert_eq!(sums.iter().sum::<u64>(), numbers * (numbers - 1) / 2, "{processes} × {workers}");
        assert_eq!(*losses.lock().unwrap(), [""; 0]);
    }
}

#[test]
fn progress_and_stop_reach_everyone() {
    let (mut configs, losses) = configs(3, 1);
    configs.iter_mut().for_each(|config| config.silence_max = Duration::from_secs(4));
    let of = |process: u64| Progress { bytes: 10 * process, orders: 20 + process, rejected: 30 + process };
    at_once(&configs, |config| {
        let control = connect(config, &[]).unwrap().control();
        control.report(of(config.process as u64));
        until("all progress has come", || control.peers_progress() == [of(0), of(1), of(2)]);
        assert!(config.process != 2 || !control.stop_requested());
        if config.process == 2 {
            control.request_stop();
        }
        until("the stop has come", || control.stop_requested());
        control.finish(Ok(())).unwrap();
    });
    assert_eq!(*losses.lock().unwrap(), [""; 0]);
}

#[test]
fn process_0_waits_for_its_peers_and_they_for_it() {
    let (configs, _) = configs(3, 1);
    let order = Mutex::new(Vec::new());
    at_once(&configs, |config| {
        let control = connect(config, &[]).unwrap().control();
        control.report(Progress { orders: 7, ..Progress::default() });
        if config.process == 0 {
            control.await_peers().unwrap();
            assert!(control.peers_progress().iter().all(|progress| progress.orders == 7));
            order.lock().unwrap().push("results in place");
        } else {
            order.lock().unwrap().push("share done");
        }
        control.finish(Ok(())).unwrap();
        order.lock().unwrap().push("over");
    });
    assert_eq!(
        *order.lock().unwrap(),
        ["share done", "share done", "results in place", "over", "over", "over"]
    );
}

/// Returns what each of three processes ends with if process 1 fails. All of them run `start`
/// first.
fn outcomes_of_a_failure(configs: &[ClusterConfig], start: impl Fn() + Sync) -> Vec<Option<String>> {
    at_once(configs, |config| {
        let outcome = connect(config, &[]).and_then(|cluster| {
            let control = cluster.control();
            start();
            match config.process {
                1 => control.finish(Err("disk full".to_owned())),
                0 => control.await_peers(),
                _ => control.finish(Ok(())),
            }
        });
        outcome.err().map(|error| error.to_string())
    })
}

#[test]
fn a_process_that_fails_tells_the_others_why() {
    let (configs, losses) = configs(3, 1);
    let all_connected = Barrier::new(3);
    let said = outcomes_of_a_failure(&configs, || {
        all_connected.wait();
    });
    let failed = Some("process 1 failed: disk full".to_owned());
    assert_eq!(said, [failed.clone(), None, failed]);
    assert_eq!(losses.lock().unwrap().len(), 2);
}

#[test]
fn a_process_that_fails_at_once_tells_those_that_still_connect() {
    let (configs, losses) = configs(3, 1);
    let said = outcomes_of_a_failure(&configs, || ());
    let failed = Some("process 1 failed: disk full".to_owned());
    assert_eq!(said, [failed.clone(), None, failed]);
    assert!(losses.lock().unwrap().iter().all(|sentence| sentence == "process 1 failed: disk full"));
}

#[test]
fn a_worker_that_panics_ends_the_run() {
    let (configs, losses) = configs(1, 1);
    let cluster = connect(&configs[0], &[]).unwrap();
    let cleaned = Arc::new(AtomicU32::new(0));
    let clean = Arc::clone(&cleaned);
    cluster.control().on_failure(Box::new(move || {
        clean.fetch_add(1, Ordering::SeqCst);
    }));
    let outcome = cluster.execute(|_| assert!(std::hint::black_box(false), "this panic is part of a test"));
    assert_eq!(outcome.err().unwrap().to_string(), "a worker of process 0 panicked");
    assert_eq!(*losses.lock().unwrap(), ["a worker of process 0 panicked"]);
    assert_eq!(cleaned.load(Ordering::SeqCst), 1);
}

#[test]
fn a_worker_that_panics_is_named_everywhere() {
    let (configs, losses) = configs(2, 2);
    let outcomes = at_once(&configs, |config| {
        let panics = config.process == 1;
        let cluster = connect(config, &[]).unwrap();
        let outcome = cluster.execute(move |worker| {
            assert!(!panics || worker.index() == 2, "this panic is part of a test");
            exchange(worker)
        });
        outcome.err().unwrap().to_string()
    });
    assert_eq!(outcomes, ["a worker of process 1 panicked"; 2]);
    assert_eq!(*losses.lock().unwrap(), ["a worker of process 1 panicked"; 2]);
}

#[test]
fn whoever_says_that_a_process_failed_also_reports_it() {
    let (configs, losses) = configs(1, 1);
    let cluster = connect(&configs[0], &[]).unwrap();
    let control = cluster.control();
    let reported = Arc::new(AtomicU32::new(0));
    let reports = Arc::clone(&reported);
    let finished = cluster.execute(move |_| {
        control.finish(Err("disk full".to_owned())).unwrap();
        // This gives a main thread the time to end the process first, if it would.
        (0..10_000).for_each(|_| thread::yield_now());
        reports.fetch_add(1, Ordering::SeqCst);
    });
    assert_eq!(reported.load(Ordering::SeqCst), 1, "the main thread went on before the worker had reported");
    assert_eq!(finished.unwrap().results.len(), 1);
    assert_eq!(*losses.lock().unwrap(), [""; 0]);
}
