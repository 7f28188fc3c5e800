//! The live job killed with SIGKILL at random moments, under four writers and a reader: no
//! acknowledged order is lost or counted twice, the results are those of the orders, and no reader
//! ever saw them disagree or go back.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use dataflows::{Amount, Id, Order, Reference, Windows};
use live::job::Recorded;
use order_tables::ORDER_SOURCE;
use store::change::{ColumnChange, RowWrite, Write};
use store::value::{KeyValue, PrimaryKey, Row, Value};
use store::{Store, StoreOptions};
use tablestore::client::{Client, ClientError};

use crate::crash::{
    Dice, KEY, Rows, Script, WRITERS, Writer, block_on, client, rounds, seed, write, write_until_killed,
};
use crate::live_tables::{LiveTables, await_ready, rows_of_snapshot, rows_of_view};
use crate::store_server::Up;

/// Rows of a request, and the time from request to request: 1,250 rows a second of each writer,
/// 5,000 in all.
const ROWS_PER_REQUEST: usize = 25;
const PACE: Duration = Duration::from_millis(20);

const KEYS_PER_WRITER: u64 = 1_500;
const USERS: u64 = 97;

/// Event time of the first orders, in epoch milliseconds.
const START_MS: i64 = 1_700_000_000_000;

/// What a row has for a price.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Price {
    Cents(i64),
    Text,
    NotANumber,
}

/// An order as it was written: good, or bad in one way or another.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Placed {
    price: Option<Price>,
    at_ms: Option<i64>,
}

/// Places, corrects and deletes orders, good and bad ones.
struct Orders {
    writer: usize,
    dice: Dice,
}

/// The user and the order of a writer's row.
fn key_of(writer: usize, row: u64) -> [String; 2] {
    [format!("u{}", (row * 7 + writer as u64) % USERS), format!("w{writer}-{row}")]
}

fn put(name: &str, value: Value) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value, version: None })
}

fn put_price(price: Price) -> (String, ColumnChange) {
    put(
        "price",
        match price {
            Price::Cents(cents) => Value::Double(cents as f64 / 100.0),
            Price::Text => Value::String("12.50".to_owned()),
            Price::NotANumber => Value::Double(f64::NAN),
        },
    )
}

fn put_at(at_ms: i64) -> (String, ColumnChange) {
    put("timestamp", Value::Integer(at_ms))
}

impl Placed {
    fn put(self) -> RowWrite {
        RowWrite::Put(self.price.map(put_price).into_iter().chain(self.at_ms.map(put_at)).collect())
    }

    /// What a row holds.
    fn of(row: &Row) -> Placed {
        let mut placed = Placed::default();
        for cell in &row.cells {
            match (cell.name.as_str(), &cell.value) {
                ("price", Value::Double(price)) if price.is_nan() => placed.price = Some(Price::NotANumber),
                ("price", Value::Double(price)) => {
                    placed.price = Some(Price::Cents((price * 100.0).round() as i64));
                }
                ("price", Value::String(_)) => placed.price = Some(Price::Text),
                ("timestamp", Value::Integer(at_ms)) => placed.at_ms = Some(*at_ms),
                other => panic!("a column that nobody wrote: {other:?}"),
            }
        }
        placed
    }

    /// The order that it is, or why it is none.
    fn order(self, key: &PrimaryKey) -> Result<Order, String> {
        let cents = match self.price {
            Some(Price::Cents(cents)) => cents,
            Some(Price::Text) => return Err("price is a string, not a double".to_owned()),
            Some(Price::NotANumber) => return Err("price NaN is not a finite number".to_owned()),
            None => return Err("price is missing".to_owned()),
        };
        let at_ms = match self.at_ms {
            Some(i64::MAX) => {
                let range = "epoch milliseconds from -62000000000000 to 253000000000000";
                return Err(format!("timestamp {} is out of range: {range}", i64::MAX));
            }
            Some(at_ms) => at_ms,
            None => return Err("timestamp is missing".to_owned()),
        };
        let [KeyValue::String(user), KeyValue::String(_)] = key.as_slice() else { panic!("the key {key:?}") };
        Ok(Order { user_id: Id::new(user), at_ms, price: Amount::from_decimal(cents, 2).expect("a price") })
    }
}

impl Orders {
    fn price(&mut self) -> Price {
        Price::Cents(self.dice.below(100_000) as i64 - 10_000)
    }

    /// Within an hour; of ten, one up to a month before.
    fn at_ms(&mut self) -> i64 {
        let late_ms = if self.dice.below(10) == 0 { self.dice.below(30 * 24 * 3_600_000) } else { 0 };
        START_MS + self.dice.below(3_600_000) as i64 - late_ms as i64
    }

    /// The next write of a row, and what the row is after it.
    fn change(&mut self, before: Option<Placed>) -> (RowWrite, Option<Placed>) {
        let (price, at_ms) = (self.price(), self.at_ms());
        let good = Placed { price: Some(price), at_ms: Some(at_ms) };
        let bad = match self.dice.below(20) {
            0..9 => return (good.put(), Some(good)),
            9..12 => {
                let after = Placed { price: Some(price), ..before.unwrap_or_default() };
                return (RowWrite::Update(vec![put_price(price)]), Some(after));
            }
            12..14 => {
                let after = Placed { at_ms: Some(at_ms), ..before.unwrap_or_default() };
                return (RowWrite::Update(vec![put_at(at_ms)]), Some(after));
            }
            14..17 => return (RowWrite::Delete, None),
            17 => Placed { price: None, ..good },
            18 if self.dice.below(2) == 0 => Placed { price: Some(Price::Text), ..good },
            18 => Placed { price: Some(Price::NotANumber), ..good },
            _ => Placed { at_ms: Some(i64::MAX), ..good },
        };
        (bad.put(), Some(bad))
    }
}

impl Script for Orders {
    type Row = Placed;

    fn request(&mut self, orders: &mut Rows<Placed>) -> Vec<Write> {
        let mut rows = BTreeSet::new();
        while rows.len() < ROWS_PER_REQUEST {
            rows.insert(self.dice.below(KEYS_PER_WRITER));
        }
        rows.into_iter()
            .map(|row| {
                let (change, after) = self.change(orders.get(&row).copied());
                match after {
                    Some(after) => orders.insert(row, after),
                    None => orders.remove(&row),
                };
                write(ORDER_SOURCE, key_of(self.writer, row), change)
            })
            .collect()
    }
}

/// Orders by key.
type OrdersByKey = BTreeMap<PrimaryKey, Placed>;

/// The orders and the results as one reader finds them.
struct Found {
    orders: OrdersByKey,
    /// The orders that the results are of.
    counted: OrdersByKey,
    results: LiveTables,
    /// The results are those as of all commits below this one.
    upper: u64,
}

fn orders_of(rows: Vec<Row>) -> OrdersByKey {
    rows.iter().map(|row| (row.key.clone(), Placed::of(row))).collect()
}

impl Found {
    /// What a dead server left in its folder: results that may be of some commits ago. `None` if
    /// there are none yet.
    fn in_folder(folder: &Path) -> Option<Found> {
        let store = Store::open(folder, StoreOptions::default()).expect("the folder opens after a kill");
        store.check().expect("tables and logs agree");
        let view = store.view().expect("a view");
        let recorded = Recorded::of(&view).expect("the store is read")?;
        let orders = orders_of(rows_of_view(&view, ORDER_SOURCE));
        let mut counted = orders.clone();
        let mut changed = BTreeSet::new();
        let each = view.each_change(ORDER_SOURCE, recorded.upper, &mut |_, change| {
            let change = change.to_changed_row();
            let row = change.before.as_ref().or(change.after.as_ref()).expect("a change of a row");
            // What a row was before its first change, it is as of the results.
            if changed.insert(row.key.clone()) {
                match &change.before {
                    Some(before) => counted.insert(row.key.clone(), Placed::of(before)),
                    None => counted.remove(&row.key),
                };
            }
            ControlFlow::Continue(())
        });
        each.expect("the log is kept");
        let results = LiveTables::of_view(&view);
        store.close().expect("the store closes");
        Some(Found { orders, counted, results, upper: recorded.upper })
    }

    /// What a server shows that is ready and that nobody writes to: the results of all orders.
    fn over_the_wire(server: &Up) -> Found {
        await_ready(server);
        let client = client(server);
        let found = async {
            let snapshot = client.open_snapshot().await?.expect("there are results");
            let orders = orders_of(rows_of_snapshot(&client, snapshot.id, ORDER_SOURCE, &KEY).await?);
            let results = LiveTables::of_snapshot(&client, snapshot.id).await?;
            client.close_snapshot(snapshot.id).await?;
            Ok::<_, ClientError>(Found { counted: orders.clone(), orders, results, upper: snapshot.upper })
        };
        block_on(found).expect("the server answers")
    }

    /// Holds the orders to what was acknowledged, and the results to the orders.
    fn check(self, writers: &mut [Writer<Orders>]) {
        let mut by_writer = vec![Rows::new(); WRITERS];
        for (key, placed) in &self.orders {
            let [KeyValue::String(_), KeyValue::String(order)] = key.as_slice() else {
                panic!("the key {key:?}")
            };
            let parts =
                order.strip_prefix('w').and_then(|rest| rest.split_once('-')).expect("a writer's order");
            let (writer, row): (usize, u64) =
                (parts.0.parse().expect("a number"), parts.1.parse().expect("a number"));
            by_writer[writer].insert(row, *placed);
        }
        for (writer, found) in writers.iter_mut().zip(by_writer) {
            writer.compare(found);
        }
        let mut reference = Reference::new(&Windows::default());
        let mut reasons = BTreeMap::new();
        for (key, placed) in &self.counted {
            match placed.order(key) {
                Ok(order) => reference.update(&order, 1),
                Err(reason) => drop(reasons.insert(key.clone(), reason)),
            }
        }
        self.results.assert_results(&LiveTables::expected(&reference));
        let rejects = self.results.rejects();
        assert!(rejects.values().all(|(_, commit)| *commit < self.upper), "{rejects:?}");
        let found: BTreeMap<_, _> = rejects.into_iter().map(|(key, (reason, _))| (key, reason)).collect();
        assert_eq!(found, reasons);
        let newest = self.results.versions().map(|(.., version)| version).max();
        assert!(newest < i64::try_from(self.upper).ok(), "{newest:?} below {}", self.upper);
    }
}

/// Reads snapshots of the results, before kills and after, and sees that they agree and never go
/// back.
#[derive(Default)]
struct Reader {
    /// The newest version of each row, by table and key.
    seen: BTreeMap<(&'static str, PrimaryKey), i64>,
    upper: u64,
    snapshots: u64,
}

impl Reader {
    /// Reads until the server is gone.
    async fn read(&mut self, client: &Client) {
        loop {
            match self.look(client).await {
                Ok(()) => {}
                Err(ClientError::NotSent { .. } | ClientError::Lost { .. }) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    async fn look(&mut self, client: &Client) -> Result<(), ClientError> {
        let Some(snapshot) = client.open_snapshot().await? else { return Ok(()) };
        let results = LiveTables::of_snapshot(client, snapshot.id).await?;
        client.close_snapshot(snapshot.id).await?;
        results.total();
        for (table, key, version) in results.versions() {
            let seen = self.seen.entry((table, key.clone())).or_insert(version);
            assert!(*seen <= version, "{table} {key:?} went back from {seen} to {version}");
            *seen = version;
        }
        assert!(self.upper <= snapshot.upper, "from {} back to {}", self.upper, snapshot.upper);
        self.upper = snapshot.upper;
        self.snapshots += 1;
        Ok(())
    }
}

#[test]
fn the_live_job_killed_at_random_moments() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let seed = seed();
    let mut dice = Dice::new(seed);
    let mut writers: Vec<Writer<Orders>> = (0..WRITERS)
        .map(|writer| {
            let dice = Dice::new(seed + 1 + writer as u64);
            Writer::new(writer, Orders { writer, dice }, Some(PACE))
        })
        .collect();
    let mut reader = Reader::default();
    let (mut acknowledged, rounds) = (0, rounds(25));
    for round in 0..rounds {
        let is_over_the_wire = round % 2 == 1;
        if !is_over_the_wire && let Some(found) = Found::in_folder(folder.path()) {
            found.check(&mut writers);
        }
        let workers = (1 + round % 4).to_string();
        let server = Up::start(folder.path(), &["-w", &workers]);
        if round == 0 {
            server.ok(&["init"]);
        }
        if is_over_the_wire {
            Found::over_the_wire(&server).check(&mut writers);
        }
        let reading = client(&server);
        let requests = dice.below(120) as usize;
        acknowledged += write_until_killed(server, &mut writers, requests, &mut dice, || {
            block_on(reader.read(&reading));
        });
    }
    Found::in_folder(folder.path()).expect("there are results").check(&mut writers);
    Found::over_the_wire(&Up::start(folder.path(), &[])).check(&mut writers);
    assert!(reader.snapshots >= rounds, "{} snapshots", reader.snapshots);
    println!("{rounds} kills, {acknowledged} acknowledged requests, {} snapshots", reader.snapshots);
}
