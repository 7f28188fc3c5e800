//! Tests peers that are lost during the run, each in its own way.

use std::sync::Barrier;

use super::fake::Fake;
use super::*;
use crate::frame::{Body, Heartbeat, Refusal};

/// Runs process 0 against a peer that `misbehaves` once process 0 works. Returns the sentence that
/// process 0 ends with.
fn lost(silence_max: Duration, misbehave: impl FnOnce(Fake) -> Option<Fake> + Send) -> String {
    let (mut configs, losses) = configs(2, 2);
    configs[0].silence_max = silence_max;
    let addresses = &configs[0].addresses;
    let cleaned = Arc::new(AtomicU32::new(0));
    let sentence = thread::scope(|scope| {
        let clean = Arc::clone(&cleaned);
        let (working, works) = mpsc::channel();
        let zero = scope.spawn(|| {
            let cluster = connect(&configs[0], &[]).unwrap();
            cluster.control().on_failure(Box::new(move || {
                clean.fetch_add(1, Ordering::SeqCst);
            }));
            let outcome = cluster.execute(move |worker| {
                let _ = working.send(());
                exchange(worker)
            });
            outcome.err().expect("the peer took no part").to_string()
        });
        let fake = Fake::join(&configs[1]);
        works.recv_timeout(PATIENCE).unwrap();
        let rest = misbehave(fake);
        let sentence = zero.join().unwrap();
        drop(rest);
        sentence
    });
    assert_eq!(*losses.lock().unwrap(), std::slice::from_ref(&sentence), "reported once, and the same");
    assert_eq!(cleaned.load(Ordering::SeqCst), 1, "cleaned up once");
    sentence.replace(&addresses[1], "ADDRESS")
}

#[test]
fn a_peer_that_ends_is_lost() {
    assert_eq!(lost(PATIENCE, |_| None), "process 1 at ADDRESS ended before the run did");
}

#[test]
fn a_peer_that_loses_its_control_connection_is_lost() {
    let close_control = |mut fake: Fake| {
        fake.control = None;
        Some(fake)
    };
    assert_eq!(lost(PATIENCE, close_control), "process 1 at ADDRESS ended before the run did");
}

#[test]
fn a_peer_that_is_silent_is_lost() {
    // Both connections stay open, so only the silence can be noticed.
    let sentence = lost(Duration::from_millis(300), Some);
    assert_eq!(sentence, "process 1 at ADDRESS has been silent for 300 ms");
}

#[test]
fn a_peer_that_loses_its_data_connection_is_lost() {
    let close_data = |mut fake: Fake| {
        fake.say(Body::Heartbeat(Heartbeat::default()));
        fake.data = None;
        Some(fake)
    };
    let sentence = lost(PATIENCE, close_data);
    assert!(sentence.starts_with("lost the data connection to process 1 at ADDRESS: "), "{sentence}");
}

#[test]
fn the_reason_that_a_peer_gives_is_better_than_a_broken_connection() {
    let close_data_and_say_why = |mut fake: Fake| {
        fake.data = None;
        fake.say(Body::Refusal(Refusal { reason: "process 7 is on\x1b[31m fire".to_owned() }));
        Some(fake)
    };
    assert_eq!(lost(PATIENCE, close_data_and_say_why), "process 7 is on\u{fffd}[31m fire");
}

#[test]
fn a_peer_that_speaks_garbage_is_lost() {
    let garbage = |mut fake: Fake| {
        let control = fake.control.as_mut().unwrap();
        let bytes = b"GET / HTTP/1.1\r\n\r\n";
        fake.runtime.block_on(tokio::io::AsyncWriteExt::write_all(control, bytes)).unwrap();
        Some(fake)
    };
    assert_eq!(lost(PATIENCE, garbage), "process 1 at ADDRESS ended before the run did");
}

#[test]
fn a_dropped_process_ends_the_run_of_the_others() {
    let (configs, losses) = configs(3, 1);
    let begun = Barrier::new(3);
    let outcomes = at_once(&configs, |config| {
        let cluster = connect(config, &[]).unwrap();
        begun.wait();
        match config.process {
            1 => None,
            _ => Some(cluster.control().finish(Ok(())).unwrap_err().to_string()),
        }
    });
    let expected = format!("process 1 at {} ended before the run did", configs[0].addresses[1]);
    assert_eq!(outcomes, [Some(expected.clone()), None, Some(expected)]);
    assert_eq!(losses.lock().unwrap().len(), 2);
}
