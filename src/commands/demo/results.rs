//! The result tables, read back as totals, and whether they agree.

use std::fmt;
use std::ops::ControlFlow;

use dataflows::{Amount, FRACTION_DIGITS_MAX, Totals};
use differential_dataflow::difference::Semigroup;

use crate::commands::columns::columns;
use crate::order_tables::RESULT_TABLES;
use crate::store::error::StoreError;
use crate::store::value::{CellRef, KeyRef, ValueRef};
use crate::store::view::View;
use crate::summary::{Thousands, amount_for_people};

/// The table of what each user has ordered.
pub(super) const USERS: &str = RESULT_TABLES[0];

/// The table of what all have ordered.
const TOTAL: &str = RESULT_TABLES[1];

/// The table of what was ordered in each window.
pub(super) const WINDOWS: &str = RESULT_TABLES[2];

/// The rows of one result, counted and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// How many.
    pub(super) rows: u64,
    /// What they add up to.
    pub(super) totals: Totals,
}

/// What the three results add up to, in one view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    /// Per user.
    pub(super) users: Sum,
    /// Over all; zero where there is no row.
    pub(super) total: Totals,
    /// Per window.
    pub(super) windows: Sum,
}

impl Sums {
    /// Adds up the three tables of a view. Cost: one scan of each.
    ///
    /// # Errors
    /// [`StoreError`], where they cannot be read.
    pub(super) fn of(view: &View) -> Result<Sums, StoreError> {
        Ok(Sums { users: sum(view, USERS)?, total: total(view)?, windows: sum(view, WINDOWS)? })
    }

    /// Whether the users, the windows and the total are the same, in count and exact amount.
    pub(super) fn agree(&self) -> bool {
        self.users.totals == self.total && self.windows.totals == self.total
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |table: &str, rows: u64, totals: &Totals| {
            let sign = if totals.orders < 0 { "-" } else { "" };
            let orders = format!("{sign}{}", Thousands(totals.orders.unsigned_abs()));
            vec![table.to_owned(), Thousands(rows).to_string(), orders, amount_for_people(totals.amount)]
        };
        let lines = [
            ["table", "rows", "orders", "amount"].map(str::to_owned).to_vec(),
            line(USERS, self.users.rows, &self.users.totals),
            line(TOTAL, u64::from(self.total != Totals::ZERO), &self.total),
            line(WINDOWS, self.windows.rows, &self.windows.totals),
        ];
        f.write_str(&columns(&lines))?;
        f.write_str(match self.agree() {
            true => "The three results agree: users, total and windows, in count and exact amount.\n",
            false => "THE THREE RESULTS DISAGREE: that is a bug in orderflow.\n",
        })
    }
}

fn sum(view: &View, table: &str) -> Result<Sum, StoreError> {
    let mut sum = Sum { rows: 0, totals: Totals::ZERO };
    each_totals(view, table, &mut |_, totals| {
        sum.rows += 1;
        sum.totals.plus_equals(&totals);
    })?;
    Ok(sum)
}

/// Gives the rows of a result in the order of their keys: the first key column, and the totals.
///
/// # Errors
/// [`StoreError`]: the table cannot be read, or a row is none of a result.
pub(super) fn each_totals(
    view: &View,
    table: &str,
    emit: &mut dyn FnMut(&str, Totals),
) -> Result<(), StoreError> {
    let mut wrong = Ok(());
    view.each_row(table, None, &mut |key, cells| match (key.first(), count_of(cells), amount_of(cells)) {
        (Some(KeyRef::String(name)), Some(orders), Some(amount)) => {
            emit(name, Totals { orders, amount });
            ControlFlow::Continue(())
        }
        _ => {
            wrong = Err(not_a_result(table, key));
            ControlFlow::Break(())
        }
    })?;
    wrong
}

/// What all have ordered; zero where there is no row.
///
/// # Errors
/// [`StoreError`]: the table cannot be read, or does not hold one row of totals.
pub(super) fn total(view: &View) -> Result<Totals, StoreError> {
    let mut found = Ok(None);
    view.each_row(TOTAL, None, &mut |key, cells| {
        found = match (&found, key.first(), amount_of(cells)) {
            (Ok(None), Some(KeyRef::Integer(orders)), Some(amount)) => {
                Ok(Some(Totals { orders: *orders, amount }))
            }
            _ => Err(not_a_result(TOTAL, key)),
        };
        if found.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    found.map(|total| total.unwrap_or(Totals::ZERO))
}

fn not_a_result(table: &str, key: &[KeyRef<'_>]) -> StoreError {
    StoreError::Damaged(format!("row {key:?} of table {table:?} is not a result"))
}

fn count_of(cells: &[CellRef<'_>]) -> Option<i64> {
    cells.iter().find(|cell| cell.name == "count").and_then(|cell| match cell.value {
        ValueRef::Integer(count) => Some(count),
        _ => None,
    })
}

fn amount_of(cells: &[CellRef<'_>]) -> Option<Amount> {
    cells.iter().find(|cell| cell.name == "totalPriceExact").and_then(|cell| match cell.value {
        ValueRef::String(text) => sum_amount(text),
        _ => None,
    })
}

/// The amount that a sum prints as; it may be beyond the greatest price.
fn sum_amount(text: &str) -> Option<Amount> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = FRACTION_DIGITS_MAX as usize;
    let is_plain =
        (1..=digits).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let units: i128 = is_plain.then(|| format!("{whole}{fraction:0<digits$}").parse().ok()).flatten()?;
    Some(Amount::from_units(units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::order_tables::{ResultRow, schemas};
    use crate::sinks::{Layout, Zone};
    use crate::store::{Store, StoreOptions};
    use dataflows::{Id, RowKey, Window, WindowWidth};

    #[test]
    fn amounts_read_back_as_they_print() {
        for units in [0, 1, -1, 10_i128.pow(18), -(10_i128.pow(31)) - 5, i128::MAX / 2, 123 * 10_i128.pow(16)]
        {
            let amount = Amount::from_units(units);
            assert_eq!(sum_amount(&amount.to_string()), Some(amount), "{amount}");
        }
        for text in ["", "1", ".", "1.-5", "1.0000000000000000001", "x.00", "1.2.3"] {
            assert_eq!(sum_amount(text), None, "{text:?}");
        }
    }

    fn totals(orders: i64, cents: i64) -> Totals {
        Totals { orders, amount: Amount::from_decimal(cents, 2).unwrap() }
    }

    #[test]
    fn the_tables_of_a_view_are_added_up_and_compared() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        for schema in schemas() {
            store.create_table(schema).unwrap();
        }
        let layout = Layout { format: Format::Csv, zone: Zone::default(), width: WindowWidth::default() };
        let put = |key: RowKey, totals: Totals| {
            let write = ResultRow::new(&key, &totals, &layout).put(1);
            assert!(store.write_and_wait(vec![write]).iter().all(Result::is_ok));
        };
        let sums = || Sums::of(&store.view().unwrap()).unwrap();
        let none = Sum { rows: 0, totals: Totals::ZERO };
        assert_eq!(sums(), Sums { users: none, total: Totals::ZERO, windows: none });
        assert!(sums().agree());

        put(RowKey::User(Id::new("a")), totals(2, 1_050));
        put(RowKey::User(Id::new("b")), totals(1, -50));
        put(RowKey::Window(Window { start_ms: 0 }), totals(3, 1_000));
        assert!(!sums().agree());
        put(RowKey::Total, totals(3, 1_000));
        let found = sums();
        assert_eq!((found.users.rows, found.windows.rows, found.users.totals), (2, 1, totals(3, 1_000)));
        assert!(found.agree() && found.to_string().contains("The three results agree"));
        // One cent of one window.
        put(RowKey::Window(Window { start_ms: 0 }), totals(3, 1_001));
        assert!(sums().to_string().contains("DISAGREE"));
        // A second row of the total.
        put(RowKey::Total, totals(4, 1_000));
        let error = Sums::of(&store.view().unwrap()).unwrap_err();
        assert!(error.to_string().contains("OrderTotalSink"), "{error}");
    }
}
