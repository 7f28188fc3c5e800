//! The result tables, read back as totals, and whether they agree.

use std::fmt;

use dataflows::Totals;
use differential_dataflow::difference::Semigroup;

use crate::commands::columns::columns;
use order_tables::{ResultError, TOTAL_TABLE, USERS_TABLE, WINDOWS_TABLE, each_totals, total};
use store::view::View;
use driver::summary::{Thousands, amount_for_people};

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
    /// [`ResultError`], where they cannot be read.
    pub(super) fn of(view: &View) -> Result<Sums, ResultError> {
        Ok(Sums { users: sum(view, USERS_TABLE)?, total: total(view)?, windows: sum(view, WINDOWS_TABLE)? })
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
            line(USERS_TABLE, self.users.rows, &self.users.totals),
            line(TOTAL_TABLE, u64::from(self.total != Totals::ZERO), &self.total),
            line(WINDOWS_TABLE, self.windows.rows, &self.windows.totals),
        ];
        f.write_str(&columns(&lines))?;
        f.write_str(match self.agree() {
            true => "The three results agree: users, total and windows, in count and exact amount.\n",
            false => "THE THREE RESULTS DISAGREE: that is a bug in orderflow.\n",
        })
    }
}

fn sum(view: &View, table: &str) -> Result<Sum, ResultError> {
    let mut sum = Sum { rows: 0, totals: Totals::ZERO };
    each_totals(view, table, &mut |_, totals| {
        sum.rows += 1;
        sum.totals.plus_equals(&totals);
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use files::format::Format;
    use order_tables::{ResultRow, schemas};
    use orders::{Layout, Zone};
    use store::{Store, StoreOptions};
    use dataflows::{Amount, Id, RowKey, Window, WindowWidth};

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
