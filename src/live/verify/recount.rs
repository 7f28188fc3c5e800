//! One recount, a bounded number of rows at a time.

use std::collections::BTreeMap;
use std::fmt;

use dataflows::views::VIEWS;
use dataflows::{Totals, ViewId};

use super::fold::{Expected, Fold};
use super::source::key_names;
use super::{ChangesFrom, RecountSource, VerifyError};
use crate::job::Recorded;
use order_tables::row_text::{named_key_text, printable, value_text};
use order_tables::{ORDER_SOURCE, RESULT_TABLES, ResultRow};
use orders::Layout;
use store::value::{Cell, CellRef, KeyPart, KeyRef, NamedKey, PrimaryKey, Value, ValueRef};

/// The most differences that are kept. All are counted.
pub const DIFFERENCES_MAX: usize = 10;

/// A row of a result that is not what the recount says.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The name of the table.
    pub table: &'static str,
    /// The key of the row.
    pub key: PrimaryKey,
    /// The cells of the row; `None` if there is no such row.
    pub found: Option<Vec<Cell>>,
    /// The cells by the recount, of version 0; `None` if there must be no such row.
    pub recounted: Option<Vec<Cell>>,
}

/// What a recount found.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The recount is of the orders as of all commits below this one.
    pub upper: u64,
    /// The count and amount of all orders, recounted.
    pub total: Totals,
    /// The number of rows of each view, recounted, in the order of the list of views.
    pub rows: [u64; VIEWS.len()],
    /// The number of orders that must be set aside, recounted.
    pub rejects: u64,
    /// The number of rows that differ.
    pub differing: u64,
    /// The first [`DIFFERENCES_MAX`] of them, table by table: rows that are wrong come before those
    /// that are missing.
    pub differences: Vec<Difference>,
}

impl Difference {
    /// Returns the names of the columns of the key.
    pub fn key_names(&self) -> Vec<String> {
        key_names(self.table)
    }
}

impl fmt::Display for Difference {
    /// Writes the difference on one line, whatever the row holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { table, key, found, recounted } = self;
        let key: NamedKey =
            self.key_names().into_iter().zip(key.iter().cloned().map(KeyPart::Value)).collect();
        let cells = |cells: &Option<Vec<Cell>>| match cells {
            None => "absent".to_owned(),
            Some(cells) if cells.is_empty() => "no columns".to_owned(),
            Some(cells) => {
                let cell = |cell: &Cell| printable(&format!("{} {}", cell.name, value_text(&cell.value)));
                cells.iter().map(cell).collect::<Vec<_>>().join(", ")
            }
        };
        let (key, found, recounted) = (named_key_text(&key), cells(found), cells(recounted));
        write!(f, "{table} ({key}): the row says {found}; the recount says {recounted}")
    }
}

impl Verified {
    /// Returns whether the results are right.
    pub fn is_equal(&self) -> bool {
        self.differing == 0
    }

    /// Returns the number of rows of a view, recounted.
    pub fn rows(&self, view: ViewId) -> u64 {
        self.rows[view.index()]
    }

    fn differ(&mut self, difference: impl FnOnce() -> Difference) {
        self.differing += 1;
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference());
        }
    }
}

/// A recount that is being made.
#[derive(Debug)]
pub struct Recount<S> {
    source: S,
    layout: Layout,
    at: Stage,
    fold: Fold,
    /// The rows that the table being compared must hold and that were not found yet.
    expected: BTreeMap<PrimaryKey, Expected>,
    verified: Verified,
}

/// The next stage of a recount. Tables are numbered as in [`RESULT_TABLES`].
#[derive(Debug)]
enum Stage {
    /// Fold in the orders from this key on.
    Orders(Option<PrimaryKey>),
    /// Undo the changes from this place on.
    Changes(ChangesFrom),
    /// Take the rows that a table must hold from the fold.
    Expect(usize),
    /// Compare the rows of a table from this key on.
    Rows(usize, Option<PrimaryKey>),
    /// Report the rows that were not found in a table.
    Missing(usize),
    /// Everything is compared.
    Done,
    /// A step failed, perhaps halfway.
    Failed(VerifyError),
}

impl<S: RecountSource> Recount<S> {
    /// Begins at the first order. `recorded` says as of when the results in the source are.
    pub fn new(source: S, recorded: Recorded) -> Recount<S> {
        let fold = Fold::new(&recorded.layout.windows);
        Recount::begin(source, recorded, Stage::Orders(None), fold)
    }

    /// Does what [`Recount::new`] does, if all orders in the source are folded in already.
    pub(super) fn of_orders(source: S, recorded: Recorded, fold: Fold) -> Recount<S> {
        let from = ChangesFrom { commit: recorded.upper, skip: 0 };
        Recount::begin(source, recorded, Stage::Changes(from), fold)
    }

    fn begin(source: S, recorded: Recorded, at: Stage, fold: Fold) -> Recount<S> {
        let Recorded { upper, layout } = recorded;
        let verified = Verified {
            upper,
            total: Totals::ZERO,
            rows: [0; VIEWS.len()],
            rejects: 0,
            differing: 0,
            differences: Vec::new(),
        };
        Recount { source, layout, at, fold, expected: BTreeMap::new(), verified }
    }

    /// Returns the source.
    pub fn into_source(self) -> S {
        self.source
    }

    /// Goes on by at most `rows_max` rows, at least 1. Returns what was found once all rows are
    /// compared, and then again each time.
    ///
    /// # Errors
    /// Returns [`VerifyError`], and then again each time.
    pub fn step(&mut self, rows_max: usize) -> Result<Option<Verified>, VerifyError> {
        let next = match std::mem::replace(&mut self.at, Stage::Done) {
            Stage::Orders(start) => self.orders(start, rows_max),
            Stage::Changes(from) => self.changes(from, rows_max),
            Stage::Expect(table) => Ok(self.expect(table, rows_max)),
            Stage::Rows(table, start) => self.rows(table, start, rows_max),
            Stage::Missing(table) => Ok(self.missing(table, rows_max)),
            Stage::Done => return Ok(Some(self.verified.clone())),
            Stage::Failed(error) => Err(error),
        };
        match next {
            Ok(next) => {
                self.at = next;
                Ok(None)
            }
            Err(error) => {
                self.at = Stage::Failed(error.clone());
                Err(error)
            }
        }
    }

    /// Makes all steps, each of at most `rows_max` rows, and calls `pause` after each. Returns
    /// `None` if `pause` returns false, which means to give up.
    ///
    /// # Errors
    /// Returns [`VerifyError`] if a step fails.
    pub fn run(
        &mut self,
        rows_max: usize,
        mut pause: impl FnMut() -> bool,
    ) -> Result<Option<Verified>, VerifyError> {
        loop {
            if let Some(verified) = self.step(rows_max)? {
                return Ok(Some(verified));
            }
            if !pause() {
                return Ok(None);
            }
        }
    }

    fn orders(&mut self, start: Option<PrimaryKey>, rows_max: usize) -> Result<Stage, VerifyError> {
        let fold = &mut self.fold;
        let mut emit = |key: &[KeyRef<'_>], cells: &[CellRef<'_>]| fold.update(key, cells, 1);
        Ok(match self.source.rows(ORDER_SOURCE, start, rows_max, &mut emit)? {
            Some(next) => Stage::Orders(Some(next)),
            None => Stage::Changes(ChangesFrom { commit: self.verified.upper, skip: 0 }),
        })
    }

    fn changes(&mut self, from: ChangesFrom, changes_max: usize) -> Result<Stage, VerifyError> {
        let fold = &mut self.fold;
        let next = self.source.changes(from, changes_max, &mut |change| {
            fold.update_row(change.key, change.after, -1);
            fold.update_row(change.key, change.before, 1);
        })?;
        Ok(match next {
            Some(next) => Stage::Changes(next),
            None => {
                self.verified.total = self.fold.rows.total();
                Stage::Expect(0)
            }
        })
    }

    fn expect(&mut self, table: usize, rows_max: usize) -> Stage {
        let Recount { layout, fold, expected, verified, .. } = self;
        for _ in 0..rows_max {
            // The tables are those of the views, then that of the rejects.
            let (row, count) = match ViewId::all().nth(table) {
                Some(view) => (fold.pop_row(view, layout), &mut verified.rows[table]),
                None => (fold.pop_reject(), &mut verified.rejects),
            };
            let Some((key, row)) = row else { return Stage::Rows(table, None) };
            *count += 1;
            expected.insert(key, row);
        }
        Stage::Expect(table)
    }

    fn rows(
        &mut self,
        table: usize,
        start: Option<PrimaryKey>,
        rows_max: usize,
    ) -> Result<Stage, VerifyError> {
        let Some(name) = RESULT_TABLES.get(table).copied() else { return Ok(Stage::Done) };
        let Recount { source, layout, expected, verified, .. } = self;
        let next = source.rows(name, start, rows_max, &mut |key, cells| {
            let key: PrimaryKey = key.iter().map(|value| value.to_value()).collect();
            let row = expected.remove(&key);
            if !row.as_ref().is_some_and(|row| row.is_in(cells, layout)) {
                verified.differ(|| Difference {
                    table: name,
                    key,
                    found: Some(cells.iter().map(|cell| cell.to_cell()).collect()),
                    recounted: row.map(|row| row.cells(layout)),
                });
            }
        })?;
        Ok(match next {
            Some(next) => Stage::Rows(table, Some(next)),
            None => Stage::Missing(table),
        })
    }

    fn missing(&mut self, table: usize, rows_max: usize) -> Stage {
        let Some(name) = RESULT_TABLES.get(table).copied() else { return Stage::Done };
        for _ in 0..rows_max {
            let Some((key, row)) = self.expected.pop_first() else {
                return if table + 1 < RESULT_TABLES.len() { Stage::Expect(table + 1) } else { Stage::Done };
            };
            let layout = &self.layout;
            self.verified.differ(|| Difference {
                table: name,
                key,
                found: None,
                recounted: Some(row.cells(layout)),
            });
        }
        Stage::Missing(table)
    }
}

impl Expected {
    /// Returns whether the row has these cells.
    fn is_in(&self, cells: &[CellRef<'_>], layout: &Layout) -> bool {
        match self {
            Expected::Result(key, totals) => ResultRow::new(key, totals, layout).has(cells),
            // The table of orders does not tell since which commit an order is set aside.
            Expected::Reject(expected) => matches!(
                cells,
                [
                    CellRef { name: "commit", value: ValueRef::Integer(_), .. },
                    CellRef { name: "reason", value: ValueRef::String(reason), .. },
                ] if reason == expected
            ),
        }
    }

    /// Returns the cells of the row, as far as they are known.
    fn cells(self, layout: &Layout) -> Vec<Cell> {
        let columns = match self {
            Expected::Result(key, totals) => ResultRow::new(&key, &totals, layout).columns,
            Expected::Reject(reason) => vec![("reason", Value::String(reason))],
        };
        let cell = |(name, value): (&str, Value)| Cell { name: name.to_owned(), value, version: 0 };
        columns.into_iter().map(cell).collect()
    }
}
