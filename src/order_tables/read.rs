//! Rows of result tables, read back as totals.

use std::fmt;
use std::ops::ControlFlow;

use dataflows::views::{TOTAL, WINDOWS};
use dataflows::{Amount, FRACTION_DIGITS_MAX, Totals, ViewId};

use store::error::{Damage, ReadError};
use store::value::{CellRef, KeyRef, ValueRef};
use store::view::View;

/// Why results cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultError {
    /// Their table cannot be read.
    Read(ReadError),
    /// A row is not one of a result: somebody else has written it.
    Foreign {
        /// Name of the table.
        table: String,
        /// Key of the row.
        row: String,
    },
    /// A row is not of a window of the zone that windows are printed in.
    Window {
        /// Begin of the window, as it stands there.
        begin: String,
        /// Name of the zone.
        zone: String,
    },
}

impl fmt::Display for ResultError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResultError::Read(error) => error.fmt(f),
            ResultError::Foreign { table, row } => write!(f, "row {row} of table {table:?} is not a result"),
            ResultError::Window { begin, zone } => {
                write!(f, "row {begin:?} of table {:?} is not of a window of the zone {zone}", WINDOWS.table)
            }
        }
    }
}

impl std::error::Error for ResultError {}

impl From<ReadError> for ResultError {
    fn from(error: ReadError) -> ResultError {
        ResultError::Read(error)
    }
}

impl From<Damage> for ResultError {
    fn from(damage: Damage) -> ResultError {
        ResultError::Read(damage.into())
    }
}

/// Gives the rows of a view's table to `emit`, in the order of their keys: the key columns and the
/// totals.
///
/// # Errors
/// [`ResultError`]: the table cannot be read, or a row is not one of the view.
pub fn each_totals(
    view: &View,
    of: ViewId,
    emit: &mut dyn FnMut(&[KeyRef<'_>], Totals),
) -> Result<(), ResultError> {
    let mut wrong = Ok(());
    view.each_row(of.table, None, &mut |key, cells| match totals_of(of, key, cells) {
        Some(totals) => {
            emit(key, totals);
            ControlFlow::Continue(())
        }
        None => {
            wrong = Err(not_a_result(of.table, key));
            ControlFlow::Break(())
        }
    })?;
    wrong
}

/// The totals of a row of a view's table; none if it is no row of the view.
pub fn totals_of(of: ViewId, key: &[KeyRef<'_>], cells: &[CellRef<'_>]) -> Option<Totals> {
    let orders = match of.key {
        [] => match key {
            [KeyRef::Integer(orders)] => *orders,
            _ => return None,
        },
        columns if columns.len() == key.len() => count_in(cells, of.count_column()?)?,
        _ => return None,
    };
    Some(Totals { orders, amount: amount_in(cells, of.exact_column()?)? })
}

/// What all have ordered; zero where there is no row.
///
/// # Errors
/// [`ResultError`]: the table cannot be read, or does not hold one row of totals.
pub fn total(view: &View) -> Result<Totals, ResultError> {
    let mut found = Ok(None);
    view.each_row(TOTAL.table, None, &mut |key, cells| {
        found = match (&found, totals_of(TOTAL, key, cells)) {
            (Ok(None), Some(totals)) => Ok(Some(totals)),
            _ => Err(not_a_result(TOTAL.table, key)),
        };
        if found.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    found.map(|total| total.unwrap_or(Totals::ZERO))
}

/// Says that a row of a table is not one of a result.
pub fn not_a_result(table: &str, key: &[KeyRef<'_>]) -> ResultError {
    ResultError::Foreign { table: table.to_owned(), row: format!("{key:?}") }
}

fn count_in(cells: &[CellRef<'_>], column: &str) -> Option<i64> {
    cells.iter().find(|cell| cell.name == column).and_then(|cell| match cell.value {
        ValueRef::Integer(count) => Some(count),
        _ => None,
    })
}

fn amount_in(cells: &[CellRef<'_>], column: &str) -> Option<Amount> {
    cells.iter().find(|cell| cell.name == column).and_then(|cell| match cell.value {
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
}
