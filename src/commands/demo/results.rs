//! Reads the result tables back as sums, and checks whether they agree.

use std::fmt;

use dataflows::views::TOTAL;
use dataflows::{Totals, ViewId};
use differential_dataflow::difference::Semigroup;

use crate::commands::columns::columns;
use order_tables::{ResultError, each_totals, total};
use store::view::View;
use terminal::{Thousands, amount_for_people};

/// The rows of one view, counted and summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    /// The view.
    pub(super) of: ViewId,
    /// The number of rows.
    pub(super) rows: u64,
    /// The sum of the rows' totals.
    pub(super) totals: Totals,
}

/// The sums of the rows of each view, in the order of the list. All are read from one view of the
/// store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sums(Vec<Sum>);

impl Sums {
    /// Adds up the tables of all views. Cost: one scan of each table.
    ///
    /// # Errors
    /// Returns [`ResultError`] if the tables cannot be read.
    pub(super) fn of(view: &View) -> Result<Sums, ResultError> {
        // If the total has two rows, this error names them.
        total(view)?;
        ViewId::all().map(|of| sum(view, of)).collect::<Result<_, _>>().map(Sums)
    }

    /// Returns the sum of the rows of a view.
    pub(super) fn rows(&self, of: ViewId) -> Sum {
        self.0[of.index()]
    }

    /// Returns whether all views of all orders have the same sum, in count and exact amount.
    pub(super) fn agree(&self) -> bool {
        let total = self.rows(TOTAL).totals;
        self.0.iter().filter(|sum| sum.of.is_of_all()).all(|sum| sum.totals == total)
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |Sum { of, rows, totals }: &Sum| {
            let sign = if totals.orders < 0 { "-" } else { "" };
            let orders = format!("{sign}{}", Thousands(totals.orders.unsigned_abs()));
            vec![of.table.to_owned(), Thousands(*rows).to_string(), orders, amount_for_people(totals.amount)]
        };
        let head = ["table", "rows", "orders", "amount"].map(str::to_owned).to_vec();
        let lines: Vec<Vec<String>> = [head].into_iter().chain(self.0.iter().map(line)).collect();
        f.write_str(&columns(&lines))?;
        let number = match self.0.len() {
            3 => "three".to_owned(),
            number => number.to_string(),
        };
        let names: Vec<&str> = self.0.iter().map(|sum| sum.of.name).collect();
        let (first, last) = names.split_at(names.len() - 1);
        let names = format!("{} and {}", first.join(", "), last.concat());
        match self.agree() {
            true => writeln!(f, "The {number} results agree: {names}, in count and exact amount."),
            false => {
                writeln!(f, "THE {} RESULTS DISAGREE: that is a bug in orderflow.", number.to_uppercase())
            }
        }
    }
}

fn sum(view: &View, of: ViewId) -> Result<Sum, ResultError> {
    let mut sum = Sum { of, rows: 0, totals: Totals::ZERO };
    each_totals(view, of, &mut |_, totals| {
        sum.rows += 1;
        sum.totals.plus_equals(&totals);
    })?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use dataflows::views::{USERS, WINDOWS};
    use dataflows::{Amount, Id, Parts, RowKey};
    use order_tables::{ResultRow, schemas};
    use orders::Layout;
    use store::{Store, StoreOptions};

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
        let layout = Layout::default();
        let put = |key: RowKey, totals: Totals| {
            let write = ResultRow::new(&key, &totals, &layout).put(1);
            assert!(store.write_and_wait(vec![write]).iter().all(Result::is_ok));
        };
        let sums = || Sums::of(&store.view().unwrap()).unwrap();
        let none = |of| Sum { of, rows: 0, totals: Totals::ZERO };
        assert_eq!(sums(), Sums(ViewId::all().map(none).collect()));
        assert!(sums().agree());

        put(RowKey::new(USERS, Parts::text(Id::new("a"))), totals(2, 1_050));
        put(RowKey::new(USERS, Parts::text(Id::new("b"))), totals(1, -50));
        put(RowKey::new(WINDOWS, Parts::integer(0)), totals(3, 1_000));
        assert!(!sums().agree());
        put(RowKey::new(TOTAL, Parts::None), totals(3, 1_000));
        let found = sums();
        let users = found.rows(USERS);
        assert_eq!((users.rows, found.rows(WINDOWS).rows, users.totals), (2, 1, totals(3, 1_000)));
        assert!(found.agree() && found.to_string().contains("The three results agree"));
        // A window differs by one cent.
        put(RowKey::new(WINDOWS, Parts::integer(0)), totals(3, 1_001));
        assert!(sums().to_string().contains("DISAGREE"));
        // The total has a second row.
        put(RowKey::new(TOTAL, Parts::None), totals(4, 1_000));
        let error = Sums::of(&store.view().unwrap()).unwrap_err();
        assert!(error.to_string().contains("OrderTotalSink"), "{error}");
    }
}
