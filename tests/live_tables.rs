//! The tables that the live job writes: as a reader finds them, and as they must be.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use dataflows::{Amount, Reference, Totals};
use differential_dataflow::difference::Semigroup;
use order_tables::{ORDER_REJECTS, RESULT_TABLES};
use store::value::{Cell, CellRef, KeyRef, KeyValue, PrimaryKey, Row, Value};
use store::view::View;
use tablestore::client::{Client, ClientError};

use crate::crash::whole;
use crate::live::{get, until};
use crate::store_server::Up;
use crate::support::{Files, utc};

/// Width of the windows where nothing else is said, in milliseconds.
const WINDOW_MS: i64 = 30_000;

/// The key columns of each of [`RESULT_TABLES`].
const KEYS: [&[&str]; 4] = [&["UserId"], &["count"], &["begin", "end"], &["UserId", "OrderId"]];

/// Rows of a table by key.
type Table = BTreeMap<PrimaryKey, Vec<Cell>>;

/// The three results and the orders that are set aside, as of one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveTables {
    /// In the order of [`RESULT_TABLES`].
    tables: [Table; 4],
}

impl LiveTables {
    /// Those that a view sees. All must be there.
    pub(crate) fn of_view(view: &View) -> LiveTables {
        let tables = RESULT_TABLES.map(|name| rows_of_view(view, name).into_iter().map(by_key).collect());
        LiveTables { tables }
    }

    /// Those that a snapshot shows.
    pub(crate) async fn of_snapshot(client: &Client, id: u64) -> Result<LiveTables, ClientError> {
        let mut live = LiveTables::default();
        for ((name, key), table) in RESULT_TABLES.iter().zip(KEYS).zip(&mut live.tables) {
            table.extend(rows_of_snapshot(client, id, name, key).await?.into_iter().map(by_key));
        }
        Ok(live)
    }

    /// What the results of these orders must be, printed without any code of the program's; no
    /// versions, and nothing set aside.
    pub(crate) fn expected(reference: &Reference) -> LiveTables {
        let text = KeyValue::String;
        let mut live = LiveTables::default();
        let [users, total, windows, ..] = &mut live.tables;
        for (user, totals) in &reference.users {
            users.insert(vec![text(user.to_string())], with_count(totals));
        }
        if reference.total != Totals::ZERO {
            total.insert(vec![KeyValue::Integer(reference.total.orders)], prices(&reference.total));
        }
        for (window, totals) in &reference.windows {
            let ends = [window.start_ms, window.start_ms + WINDOW_MS];
            windows.insert(ends.map(|at_ms| text(utc(at_ms))).to_vec(), with_count(totals));
        }
        live
    }

    /// The three results, without versions.
    pub(crate) fn results(&self) -> LiveTables {
        let mut results = self.clone();
        results.tables[3].clear();
        for cell in results.tables.iter_mut().flat_map(Table::values_mut).flatten() {
            cell.version = 0;
        }
        results
    }

    /// Holds the three results to those that must be; a failure shows the first row of each table
    /// that differs.
    pub(crate) fn assert_results(&self, expected: &LiveTables) {
        let found = self.results();
        let mut differences = Vec::new();
        for (name, (found, expected)) in RESULT_TABLES.iter().zip(found.tables.iter().zip(&expected.tables)) {
            let mut keys = found.keys().chain(expected.keys());
            if let Some(key) = keys.find(|key| found.get(*key) != expected.get(*key)) {
                let (found, expected) = (found.get(key), expected.get(key));
                differences.push(format!("{name} {key:?} is {found:?} where {expected:?} is right"));
            }
        }
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    /// The orders that are set aside: why, and since which commit.
    pub(crate) fn rejects(&self) -> BTreeMap<PrimaryKey, (String, u64)> {
        let reject = |(key, cells): (&PrimaryKey, &Vec<Cell>)| match values(cells).as_slice() {
            [("commit", Value::Integer(commit)), ("reason", Value::String(reason))] => {
                (key.clone(), (reason.clone(), u64::try_from(*commit).expect("the number of a commit")))
            }
            other => panic!("a row of {ORDER_REJECTS}: {other:?}"),
        };
        self.tables[3].iter().map(reject).collect()
    }

    /// The version of each row of the results, by table and key.
    pub(crate) fn versions(&self) -> impl Iterator<Item = (&'static str, &PrimaryKey, i64)> {
        RESULT_TABLES.into_iter().zip(&self.tables).take(3).flat_map(|(name, table)| {
            table.iter().map(move |(key, cells)| {
                let version = cells[0].version;
                assert!(cells.iter().all(|cell| cell.version == version), "half a row: {key:?} {cells:?}");
                (name, key, version)
            })
        })
    }

    /// The total, once it is the sum of the users and of the windows, to the last digit.
    pub(crate) fn total(&self) -> Totals {
        let counted = |cells: &Vec<Cell>| match values(cells).as_slice() {
            [
                ("count", Value::Integer(orders)),
                ("totalPrice", _),
                ("totalPriceExact", Value::String(exact)),
            ] => Totals { orders: *orders, amount: amount(exact) },
            other => panic!("a row of results: {other:?}"),
        };
        let sum = |table: &Table| {
            table.values().map(counted).fold(Totals::ZERO, |mut sum, totals| {
                sum.plus_equals(&totals);
                sum
            })
        };
        let [users, total, windows, _] = &self.tables;
        let of_total =
            |(key, cells): (&PrimaryKey, &Vec<Cell>)| match (key.as_slice(), values(cells).as_slice()) {
                (
                    [KeyValue::Integer(orders)],
                    [("totalPrice", _), ("totalPriceExact", Value::String(exact))],
                ) => Totals { orders: *orders, amount: amount(exact) },
                other => panic!("a row of the total: {other:?}"),
            };
        assert!(total.len() <= 1, "the total has {} rows: {total:?}", total.len());
        let total = total.iter().next().map_or(Totals::ZERO, of_total);
        assert_eq!(
            (sum(users), sum(windows)),
            (total, total),
            "the sums of users and windows beside the total"
        );
        total
    }

    /// The files that a run over the same orders writes.
    pub(crate) fn files(&self) -> Files {
        let text = |part: &KeyValue| match part {
            KeyValue::String(text) => text.clone(),
            KeyValue::Integer(number) => number.to_string(),
            KeyValue::Binary(bytes) => panic!("a key of bytes: {bytes:?}"),
        };
        let line = |(key, cells): (&PrimaryKey, &Vec<Cell>)| {
            let columns = values(cells);
            let shown =
                columns.iter().filter(|(name, _)| *name != "totalPrice").map(|(_, value)| match value {
                    Value::Integer(count) => count.to_string(),
                    Value::String(exact) => exact.clone(),
                    other => panic!("a result: {other:?}"),
                });
            key.iter().map(text).chain(shown).collect::<Vec<_>>().join(",") + "\n"
        };
        let [users, total, windows, _] = &self.tables;
        let file = |head: &str, table: &Table| head.to_owned() + &table.iter().map(line).collect::<String>();
        Files {
            users: file("UserId,count,totalPrice\n", users),
            total: file("count,totalPrice\n", total),
            windows: file("begin,end,count,totalPrice\n", windows),
        }
    }
}

fn by_key(row: Row) -> (PrimaryKey, Vec<Cell>) {
    (row.key, row.cells)
}

fn values(cells: &[Cell]) -> Vec<(&str, &Value)> {
    cells.iter().map(|cell| (cell.name.as_str(), &cell.value)).collect()
}

fn amount(exact: &str) -> Amount {
    exact.parse().unwrap_or_else(|error| panic!("{exact}: {error}"))
}

fn prices(totals: &Totals) -> Vec<Cell> {
    let exact = totals.amount.to_string();
    let nearest = exact.parse().expect("a decimal is a double");
    let cell = |name: &str, value| Cell { name: name.to_owned(), value, version: 0 };
    vec![cell("totalPrice", Value::Double(nearest)), cell("totalPriceExact", Value::String(exact))]
}

fn with_count(totals: &Totals) -> Vec<Cell> {
    let count = Cell { name: "count".to_owned(), value: Value::Integer(totals.orders), version: 0 };
    [vec![count], prices(totals)].concat()
}

/// All rows of a table that a view sees.
pub(crate) fn rows_of_view(view: &View, table: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut take = |key: &[KeyRef<'_>], cells: &[CellRef<'_>]| {
        rows.push(Row {
            key: key.iter().map(|part| part.to_value()).collect(),
            cells: cells.iter().map(|cell| cell.to_cell()).collect(),
        });
        ControlFlow::Continue(())
    };
    view.each_row(table, None, &mut take).expect("the table is read");
    rows
}

/// All rows of a table that a snapshot shows.
pub(crate) async fn rows_of_snapshot(
    client: &Client,
    id: u64,
    table: &str,
    key: &[&str],
) -> Result<Vec<Row>, ClientError> {
    let mut read = whole(table, key);
    let mut rows = Vec::new();
    loop {
        let page = client.read_snapshot(id, &read).await?;
        rows.extend(page.rows);
        match page.next {
            Some(next) => read.start = next,
            None => return Ok(rows),
        }
    }
}

/// Waits until the results hold all that was committed before the server began.
pub(crate) fn await_ready(up: &Up) {
    until("being ready", || match get(up, "/readyz") {
        (200, _) => Some(()),
        (503, _) => None,
        (status, said) => panic!("/readyz answers {status}: {said}"),
    });
}
