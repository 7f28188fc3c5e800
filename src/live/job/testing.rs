//! Runs a job on a store in memory, and checks what its tables hold.

#![allow(clippy::unwrap_used, clippy::new_without_default)] // Tests may.

use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::time::Duration;

use dataflows::{Reference, Totals};

use crate::job::{Job, JobConfig, Phase, Status};
use order_tables::{ORDER_REJECTS, ORDER_SOURCE, RESULT_TABLES, order_of, schemas};
use orders::{Layout, Zone};
use store::change::{ColumnChange, RowWrite, Write};
use store::error::NoTable;
use store::testing::Disk;
use store::testing::{TestClock, open, write};
use store::value::{KeyPart, KeyValue, NamedKey, Value, ValueRef};
use store::view::View;
use store::{Durability, Store};
use testkit::Random;

/// How long the job may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store on a disk that outlives it, and the job on it.
pub struct Fixture {
    /// The disk in memory.
    pub disk: Disk,
    /// The clock of the store.
    pub clock: TestClock,
    /// The store that is open now.
    pub store: Store,
    job: Option<Job>,
}

/// Returns the configuration of a job with this many workers, which takes at most `changes_max`
/// changes at a time.
pub fn config(workers: usize, changes_max: usize) -> JobConfig {
    JobConfig { workers, layout: Layout::default(), changes_max }
}

impl Fixture {
    /// Creates a store without tables and without a job.
    pub fn new() -> Fixture {
        let (disk, clock) = (Disk::default(), TestClock::new());
        let store = open(&disk, &clock, Durability::Synced).unwrap();
        Fixture { disk, clock, store, job: None }
    }

    /// Creates a store with the table of orders, and starts a job.
    pub fn with_orders(config: JobConfig) -> Fixture {
        let mut fixture = Fixture::new();
        fixture.create_orders();
        fixture.start(config);
        fixture
    }

    /// Makes the table of orders.
    pub fn create_orders(&self) {
        let [orders, ..] = schemas();
        self.store.create_table(orders).unwrap();
    }

    /// Starts the job.
    pub fn start(&mut self, config: JobConfig) {
        self.job = Some(Job::start(self.store.clone(), config).unwrap());
    }

    /// Returns the job, which must have been started.
    pub fn job(&self) -> &Job {
        self.job.as_ref().unwrap()
    }

    /// Ends the job, opens the store anew, and starts the job again.
    pub fn restart(&mut self, config: JobConfig) {
        self.stop();
        self.open();
        self.start(config);
    }

    /// Ends the job. The store stays open.
    pub fn stop(&mut self) {
        self.job = None;
    }

    /// Opens the store anew, as another process would.
    pub fn open(&mut self) {
        let _ = self.store.close();
        self.store = open(&self.disk, &self.clock, Durability::Synced).unwrap();
    }

    /// Writes, and returns the number of the last commit among the answers.
    pub fn write(&self, writes: Vec<Write>) -> u64 {
        let answers = self.store.write_and_wait(writes);
        answers.into_iter().map(|answer| answer.unwrap().commit).max().unwrap_or_default()
    }

    /// Waits until `is` holds for the status of the job, and returns that status.
    pub fn until(&self, what: &str, is: impl FnMut(&Status) -> bool) -> Status {
        let mut status = self.job().watch().follow();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waited = runtime.block_on(async {
            tokio::time::timeout(PATIENCE, status.wait_for(is))
                .await
                .map(|told| told.map(|told| told.clone()))
        });
        match waited {
            Ok(Ok(told)) => told,
            _ => panic!("{what} never came to be: {:?}", self.job().watch().status()),
        }
    }

    /// Waits until the results hold all commits.
    pub fn settle(&self) -> Status {
        let last = self.store.last_commit();
        self.until("all of it", |status| status.phase == Phase::Running && status.upper > last)
    }

    /// Waits for the results, compares them with a fold of the orders, and returns them.
    pub fn check(&self) -> String {
        self.settle();
        let view = self.store.view().unwrap();
        let (found, wanted) = (dump(&view), wanted(&view));
        assert_eq!(found, wanted);
        found
    }
}

/// Returns the key of an order.
pub fn key(user: &str, order: &str) -> NamedKey {
    let part = |text: &str| KeyPart::Value(KeyValue::String(text.to_owned()));
    vec![("UserId".to_owned(), part(user)), ("OrderId".to_owned(), part(order))]
}

/// Returns the write that makes an order have exactly these columns.
pub fn put_cells(user: &str, order: &str, cells: &[(&str, Value)]) -> Write {
    let put = |(name, value): &(&str, Value)| {
        ((*name).to_owned(), ColumnChange::Put { value: value.clone(), version: None })
    };
    write(ORDER_SOURCE, key(user, order), RowWrite::Put(cells.iter().map(put).collect()))
}

/// Returns the write of a valid order.
pub fn put(user: &str, order: &str, price: f64, at_ms: i64) -> Write {
    put_cells(user, order, &[("price", Value::Double(price)), ("timestamp", Value::Integer(at_ms))])
}

/// Returns the write that sets one column of an order.
pub fn update(user: &str, order: &str, name: &str, value: Value) -> Write {
    let change = RowWrite::Update(vec![(name.to_owned(), ColumnChange::Put { value, version: None })]);
    write(ORDER_SOURCE, key(user, order), change)
}

/// Returns the write that deletes an order.
pub fn delete(user: &str, order: &str) -> Write {
    write(ORDER_SOURCE, key(user, order), RowWrite::Delete)
}

/// Returns a random write of one of few orders of few users, valid or not, early or late.
pub fn any_write(random: &mut Random) -> Write {
    let (user, order) = (format!("user {}", random.below(5)), format!("{:02}", random.below(12)));
    let price = (random.below(2_000_000) as f64 - 200_000.0) / 1_000.0;
    let at_ms = 1_700_000_000_000 + random.below(400_000) as i64 - random.below(2) as i64 * 2_000_000_000_000;
    match random.below(12) {
        0..6 => put(&user, &order, price, at_ms),
        6 => update(&user, &order, "price", Value::Double(price)),
        7 => update(&user, &order, "timestamp", Value::Integer(at_ms)),
        8 => {
            let bad = [Value::String("12.5".to_owned()), Value::Double(f64::NAN), Value::Double(1e13)];
            update(&user, &order, "price", bad[random.below(3)].clone())
        }
        9 => put_cells(&user, &order, &[("timestamp", Value::Integer(at_ms))]),
        _ => delete(&user, &order),
    }
}

/// Returns a request of such writes, with each row at most once.
pub fn any_request(random: &mut Random) -> Vec<Write> {
    let mut writes: Vec<Write> = (0..1 + random.below(9)).map(|_| any_write(random)).collect();
    writes.sort_by_key(|write| format!("{:?}", write.key));
    writes.dedup_by_key(|write| write.key.clone());
    writes
}

fn push(text: &mut String, table: &str, key: &[String], cells: &[(&str, String)]) {
    writeln!(text, "{table} {key:?} {cells:?}").unwrap();
}

fn show(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Double(value) => format!("{value:?}"),
        value => format!("{value:?}"),
    }
}

/// Returns all rows that the job writes as text, without versions and without the commits of
/// rejects.
pub fn dump(view: &View) -> String {
    let mut text = String::new();
    for table in RESULT_TABLES {
        if view.table(table) == Err(NoTable(table.to_owned())) {
            continue;
        }
        view.each_row(table, None, &mut |key, cells| {
            let key: Vec<String> = key.iter().map(|value| format!("{:?}", value.to_value())).collect();
            let cells: Vec<(&str, String)> = cells
                .iter()
                .filter(|cell| table != ORDER_REJECTS || cell.name != "commit")
                .map(|cell| (cell.name, show(cell.value)))
                .collect();
            push(&mut text, table, &key, &cells);
            ControlFlow::Continue(())
        })
        .unwrap();
    }
    text
}

/// Returns what [`dump`] must return, by a plain fold of the orders.
pub fn wanted(view: &View) -> String {
    let (mut reference, mut rejects) = (Reference::new(&Default::default()), Vec::new());
    view.each_row(ORDER_SOURCE, None, &mut |key, cells| {
        match order_of(key, cells) {
            Ok(order) => reference.update(&order, 1),
            Err(reason) => {
                rejects.push((key.iter().map(|value| value.to_value()).collect::<Vec<_>>(), reason))
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    let [users, total, windows, ..] = RESULT_TABLES;
    let prices = |totals: &Totals| {
        let amount = totals.amount;
        vec![
            ("totalPrice", format!("{:?}", amount.to_string().parse::<f64>().unwrap())),
            ("totalPriceExact", format!("String({:?})", amount.to_string())),
        ]
    };
    let cells =
        |totals: &Totals| [vec![("count", format!("Integer({})", totals.orders))], prices(totals)].concat();
    let string = |text: String| format!("String({text:?})");
    let mut text = String::new();
    for (user, totals) in &reference.users {
        push(&mut text, users, &[string(user.to_string())], &cells(totals));
    }
    if reference.total.orders > 0 {
        let key = format!("Integer({})", reference.total.orders);
        push(&mut text, total, &[key], &prices(&reference.total));
    }
    for (window, totals) in &reference.windows {
        let time = |at_ms| string(Zone::default().format(at_ms));
        let key = [time(window.start_ms), time(window.start_ms + 30_000)];
        push(&mut text, windows, &key, &cells(totals));
    }
    for (key, reason) in rejects {
        let key: Vec<String> = key.iter().map(|value| format!("{value:?}")).collect();
        push(&mut text, ORDER_REJECTS, &key, &[("reason", format!("String({reason:?})"))]);
    }
    text
}
