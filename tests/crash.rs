//! What the crash tests share: seeds, writers that know what was acknowledged, and the moment of
//! the kill.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use store::change::{Condition, Returning, RowWrite, Write};
use store::read::{RangeRead, Selection};
use store::value::{KeyPart, KeyValue, NamedKey};
use tablestore::client::{Client, ClientConfig};

use crate::store_server::Up;

/// Writers of a crash test.
pub(crate) const WRITERS: usize = 4;

/// The key columns of the tables that are written.
pub(crate) const KEY: [&str; 2] = ["UserId", "OrderId"];

/// A small generator of its own, so that a seed printed by a failure brings the same run back.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        // splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// The seed of a run: that of the environment, to bring a failure back. Prints it.
pub(crate) fn seed() -> u64 {
    let seed = number_of("CRASH_SEED").unwrap_or(20_261_122);
    println!("CRASH_SEED={seed}");
    seed
}

/// How often to kill: as often as the environment says, else so often.
pub(crate) fn rounds(usual: u64) -> u64 {
    number_of("ROUNDS").unwrap_or(usual)
}

fn number_of(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}={text} is not a number")))
}

/// The rows of a writer, by number.
pub(crate) type Rows<Row> = BTreeMap<u64, Row>;

/// Decides what a writer writes.
pub(crate) trait Script: Send {
    /// What is to be known of a row.
    type Row: Clone + PartialEq + Debug + Send;

    /// The writes of a request, a row at most once, to these rows, which it makes what they are
    /// afterwards.
    fn request(&mut self, rows: &mut Rows<Self::Row>) -> Vec<Write>;
}

/// One of those who write while the server is killed, each to rows of its own.
pub(crate) struct Writer<S: Script> {
    index: usize,
    script: S,
    /// From the start of a request to that of the next; none for as fast as may be.
    pace: Option<Duration>,
    /// As of the last acknowledged request.
    rows: Rows<S::Row>,
    /// As of a request that was sent and never answered.
    unanswered: Option<Rows<S::Row>>,
}

impl<S: Script> Writer<S> {
    pub(crate) fn new(index: usize, script: S, pace: Option<Duration>) -> Writer<S> {
        Writer { index, script, pace, rows: Rows::new(), unanswered: None }
    }

    /// Writes until the server is gone, and counts what it acknowledged.
    async fn write(&mut self, client: &Client, acknowledged: &AtomicUsize) {
        let mut pace = self.pace.map(tokio::time::interval);
        loop {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            let mut after = self.rows.clone();
            let writes = self.script.request(&mut after);
            match client.batch_write_row(&writes).await {
                Ok(results) => {
                    assert_eq!(results.len(), writes.len());
                    results.into_iter().for_each(|result| assert_eq!(result, Ok(None)));
                    self.rows = after;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => {
                    self.unanswered = Some(after);
                    return;
                }
            }
        }
    }

    /// Compares the rows that are there, each request whole or absent, and goes on from them.
    pub(crate) fn compare(&mut self, found: Rows<S::Row>) {
        let unanswered = self.unanswered.take();
        let as_of = [Some(&self.rows), unanswered.as_ref()];
        assert!(
            as_of.contains(&Some(&found)),
            "writer {}: found {found:?}, acknowledged {:?}, unanswered {unanswered:?}",
            self.index,
            self.rows
        );
        self.rows = found;
    }
}

/// A row of a writer.
pub(crate) fn write(table: &str, key: [String; 2], change: RowWrite) -> Write {
    let part = |text| KeyPart::Value(KeyValue::String(text));
    Write {
        table: table.to_owned(),
        key: KEY.into_iter().zip(key).map(|(name, text)| (name.to_owned(), part(text))).collect(),
        change,
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// All of a table with these key columns.
pub(crate) fn whole(table: &str, key: &[&str]) -> RangeRead {
    let bound =
        |part: KeyPart| -> NamedKey { key.iter().map(|name| ((*name).to_owned(), part.clone())).collect() };
    RangeRead {
        table: table.to_owned(),
        direction: Default::default(),
        start: bound(KeyPart::Min),
        end: bound(KeyPart::Max),
        selection: Selection::default(),
        rows_max: None,
    }
}

/// A client with what the server printed, that knows at once when the server is gone.
pub(crate) fn client(server: &Up) -> Client {
    let of = |name| server.export(name);
    let region = Some(of("OTS_REGION"));
    let mut config =
        ClientConfig::new(of("OTS_ENDPOINT"), of("OTS_INSTANCE"), of("OTS_AK_ENV"), of("OTS_SK_ENV"), region);
    config.retry.connect_patience = Duration::ZERO;
    Client::new(config).expect("what the server printed is a configuration")
}

/// Runs to its end what needs a runtime, on this thread.
pub(crate) fn block_on<T>(act: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(act)
}

/// Has all write, and `beside` run beside them, until the server is killed: some moment after so
/// many requests were acknowledged. Gives how many were in the end.
pub(crate) fn write_until_killed<S: Script>(
    server: Up,
    writers: &mut [Writer<S>],
    requests: usize,
    dice: &mut Dice,
    beside: impl FnOnce() + Send,
) -> usize {
    let spins = dice.below(30_000);
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let threads: Vec<_> = writers
            .iter_mut()
            .map(|writer| {
                let (client, acknowledged) = (client(&server), &acknowledged);
                scope.spawn(move || block_on(writer.write(&client, acknowledged)))
            })
            .collect();
        scope.spawn(beside);
        // Some moment between two acknowledgements, or within a commit.
        while acknowledged.load(Ordering::SeqCst) < requests {
            assert!(!threads.iter().all(|thread| thread.is_finished()), "the server went by itself");
            thread::yield_now();
        }
        (0..spins).for_each(|_| thread::yield_now());
        server.stop("KILL");
    });
    acknowledged.into_inner()
}
