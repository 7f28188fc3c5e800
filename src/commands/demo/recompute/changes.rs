//! Makes single changes, and shows what they do to the results and what they cost.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dataflows::{RowKey, Totals};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::broadcast::Receiver;
use tokio::sync::oneshot;

use crate::commands::Failure;
use crate::commands::columns::columns;
use crate::commands::demo::runtime::environment;
use crate::commands::generate::write_of;
use files::generate::{GeneratedOrder, Op, Orders, Spec, push_order_id, push_user_id};
use live::job::Committed;
use order_tables::ResultRow;
use order_tables::row_text::{key_value_text, row_json, value_text};
use orders::{Layout, Zone};
use store::Store;
use store::read::Selection;
use store::value::Row;
use store::view::View;

/// The cents by which a price is corrected.
const PRICE_CENTS_MORE: i64 = 101;

/// The milliseconds by which a time is corrected: three windows.
const LATER_MS: i64 = 90_000;

/// The price of a new order, in cents.
const NEW_PRICE_CENTS: i64 = 4_217;

/// The text for a row, or a number in a row, that does not exist.
const ABSENT: &str = "-";

/// A change to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderChange {
    /// The change in words.
    what: String,
    /// The order after the change.
    order: GeneratedOrder,
}

/// A change that was made, and its costs. The names of its fields are the names in JSON.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    /// The change in words.
    change: String,
    /// The rows of results that it changed.
    rows: Vec<ChangedRow>,
    /// The number of records that crossed from one operator of the graph to another for it.
    records: u64,
    /// The microseconds from the order's entry into the graph until all changes of results were
    /// there.
    pub(super) in_graph_us: u64,
    /// The microseconds from the acknowledgement of the write until the results were durable.
    durable_after_us: u64,
}

/// A row of a result before and after a change, as its table holds it.
#[derive(Debug, Serialize)]
struct ChangedRow {
    table: &'static str,
    before: Option<Box<RawValue>>,
    after: Option<Box<RawValue>>,
    /// The table, the key, the count and the amount, for people.
    #[serde(skip)]
    shown: Vec<String>,
}

/// Returns the changes to make, one after the other, once the orders of the spec are there. Each is
/// of another order, except the last one, which cancels the order before it.
///
/// Cost: one pass over the orders.
pub(super) fn of(spec: &Spec) -> Vec<OrderChange> {
    let mut orders = Orders::new(spec.clone());
    // These are the last orders of each of the first three quarters.
    let quarter = usize::try_from(spec.orders / 4).unwrap_or(usize::MAX);
    let picked: Vec<GeneratedOrder> =
        std::iter::from_fn(|| orders.nth(quarter.saturating_sub(1))).take(3).collect();
    let last_ms = spec.start_ms.saturating_add_unsigned(spec.span_ms);
    let new = |user, more, at_ms| GeneratedOrder {
        user,
        order: spec.orders + more,
        price_cents: NEW_PRICE_CENTS,
        at_ms,
        op: Op::Put,
    };
    let mut changes = Vec::new();
    if let [price, time, cancelled] = picked[..] {
        let corrected = GeneratedOrder { price_cents: price.price_cents + PRICE_CENTS_MORE, ..price };
        let moved = GeneratedOrder { at_ms: time.at_ms + LATER_MS, ..time };
        let (is, becomes) = (cents(price.price_cents), cents(corrected.price_cents));
        changes
            .push(change(corrected, |name| format!("correct the price of {name}: {is} becomes {becomes}")));
        let (is, becomes) = (when(time.at_ms), when(moved.at_ms));
        changes.push(change(moved, |name| format!("correct the time of {name}: {is} becomes {becomes}")));
        let gone = GeneratedOrder { op: Op::Delete, ..cancelled };
        changes.push(change(gone, |name| format!("cancel {name}")));
        let late = new(price.user, 0, spec.start_ms);
        changes.push(change(late, |name| format!("place {name}, late: {}", price_and_time(&late))));
    }
    // Users are numbered from 0.
    let first = new(spec.users, 1, last_ms);
    changes.push(change(first, |name| format!("place {name}, a new user: {}", price_and_time(&first))));
    let none = GeneratedOrder { op: Op::Delete, ..first };
    changes.push(change(none, |name| format!("cancel {name}, the user's only one")));
    changes
}

fn change(order: GeneratedOrder, what: impl FnOnce(&str) -> String) -> OrderChange {
    let spelled = |push: &dyn Fn(&mut Vec<u8>)| {
        let mut id = Vec::new();
        push(&mut id);
        String::from_utf8_lossy(&id).into_owned()
    };
    let (id, user) =
        (spelled(&|id| push_order_id(order.order, id)), spelled(&|id| push_user_id(order.user, id)));
    OrderChange { what: what(&format!("order {id} of {user}")), order }
}

fn price_and_time(order: &GeneratedOrder) -> String {
    format!("{} at {}", cents(order.price_cents), when(order.at_ms))
}

fn cents(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn when(at_ms: i64) -> String {
    Zone::default().format(at_ms)
}

/// Makes a change, waits for its results, and compares the rows before and after.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if the store refuses the change or cannot be read, or if
/// the job ends.
pub(super) async fn make(
    store: &Store,
    committed: &mut Receiver<Arc<Committed>>,
    layout: &Layout,
    change: OrderChange,
) -> Result<Changed, Failure> {
    let before = store.view().map_err(environment)?;
    let (answer, answered) = oneshot::channel();
    store.write(vec![write_of(&change.order)], move |written| {
        // It is no error if nobody listens any more, because the demo was interrupted.
        let _ = answer.send((Instant::now(), written));
    });
    let (acknowledged, written) = answered.await.map_err(environment)?;
    let mut commit = 0;
    for written in written {
        commit = written.map_err(environment)?.commit;
    }
    let epoch = loop {
        let epoch = committed.recv().await.map_err(environment)?;
        if epoch.epoch >= commit {
            break epoch;
        }
    };
    let after = store.view().map_err(environment)?;
    let rows = epoch.changes.iter().map(|change| ChangedRow::of(change, &before, &after, layout));
    Ok(Changed {
        change: change.what,
        rows: rows.collect::<Result<_, _>>()?,
        records: epoch.records,
        in_graph_us: micros(epoch.in_graph),
        durable_after_us: micros(epoch.at.saturating_duration_since(acknowledged)),
    })
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl ChangedRow {
    fn of(
        change: &dataflows::Change,
        before: &View,
        after: &View,
        layout: &Layout,
    ) -> Result<ChangedRow, Failure> {
        let before = read(before, &change.key, change.before.as_ref(), layout)?;
        let after = read(after, &change.key, change.after.as_ref(), layout)?;
        let sides = [before.as_ref(), after.as_ref()];
        let both =
            |name| sides.map(|side| side.map_or(ABSENT.to_owned(), |row| row.number(name))).join(" → ");
        let table = sides.into_iter().flatten().next().map_or(ABSENT, |row| row.table);
        let key = match change.key.view.key {
            // The key of this row is the count, which has a column of its own.
            [] => ABSENT.to_owned(),
            _ => sides.into_iter().flatten().next().map_or(String::new(), FoundRow::key),
        };
        let shown = vec![table.to_owned(), key, both("count"), both("totalPriceExact")];
        let as_json = |row: Option<&FoundRow>| row.map(FoundRow::json).transpose();
        Ok(ChangedRow { table, before: as_json(sides[0])?, after: as_json(sides[1])?, shown })
    }
}

/// A row in a table.
struct FoundRow {
    table: &'static str,
    /// The names of the key columns.
    names: Vec<String>,
    row: Row,
}

/// Reads the row of a result with these totals from its table; `None` if there are no totals.
fn read(
    view: &View,
    key: &RowKey,
    totals: Option<&Totals>,
    layout: &Layout,
) -> Result<Option<FoundRow>, Failure> {
    let Some(totals) = totals else { return Ok(None) };
    let ResultRow { table, key, .. } = ResultRow::new(key, totals, layout);
    let found = view.get(table, &key, &Selection::default()).map_err(environment)?;
    let names = key.into_iter().map(|(name, _)| name).collect();
    match found {
        Some(row) => Ok(Some(FoundRow { table, names, row })),
        None => Err(environment(format!("a row that the job wrote is not in table {table}"))),
    }
}

impl FoundRow {
    fn key(&self) -> String {
        self.row.key.iter().map(key_value_text).collect::<Vec<_>>().join(" to ")
    }

    /// Returns the value of a column as text, without rounding. The column may be one of the key.
    fn number(&self, name: &str) -> String {
        let of_key = self.names.iter().position(|of_key| of_key == name).and_then(|at| self.row.key.get(at));
        let cell =
            || self.row.cells.iter().find(|cell| cell.name == name).map(|cell| value_text(&cell.value));
        of_key.map(key_value_text).or_else(cell).unwrap_or(ABSENT.to_owned())
    }

    fn json(&self) -> Result<Box<RawValue>, Failure> {
        RawValue::from_string(row_json(&self.names, &self.row)).map_err(environment)
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = ["table", "row", "count", "totalPriceExact"].map(str::to_owned).to_vec();
        let rows: Vec<_> =
            std::iter::once(titles).chain(self.rows.iter().map(|row| row.shown.clone())).collect();
        let ms = |us: u64| us as f64 / 1_000.0;
        write!(f, "\n{}\n{}", self.change, columns(&rows))?;
        writeln!(
            f,
            "took {:.3} ms in the graph, {} records; the results were durable {:.3} ms after the write was acknowledged",
            ms(self.in_graph_us),
            self.records,
            ms(self.durable_after_us)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_of_another_order_and_the_last_ones_of_a_new_user() {
        for orders in [4, 5, 7, 2_000] {
            let spec = Spec { orders, users: 10, ..Spec::default() };
            let made: Vec<_> = Orders::new(spec.clone()).collect();
            let changes = of(&spec);
            let numbers: Vec<u64> = changes.iter().map(|change| change.order.order).collect();
            let [a, b, c, ..] = numbers[..] else { panic!("{numbers:?}") };
            assert!(a < b && b < c && c < orders, "{numbers:?}");
            assert_eq!(numbers[3..], [orders, orders + 1, orders + 1]);
            let was = |number: u64| made[number as usize];
            let expected = [
                GeneratedOrder { price_cents: was(a).price_cents + 101, ..was(a) },
                GeneratedOrder { at_ms: was(b).at_ms + 90_000, ..was(b) },
                GeneratedOrder { op: Op::Delete, ..was(c) },
            ];
            for (change, order) in changes.iter().zip(expected) {
                assert_eq!(change.order, order);
            }
            assert_eq!((changes[3].order.user, changes[3].order.at_ms), (was(a).user, spec.start_ms));
            assert_eq!((changes[4].order.user, changes[5].order.op), (10, Op::Delete));
        }
    }

    #[test]
    fn changes_are_told_in_words() {
        let spec = Spec { orders: 4, users: 1, ..Spec::default() };
        let words: Vec<String> = of(&spec).into_iter().map(|change| change.what).collect();
        assert!(words[0].starts_with("correct the price of order o00000001 of u0000000: "), "{}", words[0]);
        assert!(words[2] == "cancel order o00000003 of u0000000", "{}", words[2]);
        assert_eq!(words[3], "place order o00000005 of u0000000, late: 42.17 at 2026-01-01 00:00:00");
        assert_eq!(words[4], "place order o00000006 of u0000001, a new user: 42.17 at 2026-01-02 00:00:00");
        assert_eq!(words[5], "cancel order o00000006 of u0000001, the user's only one");
    }
}
