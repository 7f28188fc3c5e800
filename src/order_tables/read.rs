//! Reads rows of result tables back as totals.

use std::fmt;
use std::ops::ControlFlow;

use dataflows::views::{TOTAL, WINDOWS};
use dataflows::{Amount, FRACTION_DIGITS_MAX, Totals, ViewId};

use store::error::{Damage, ReadError};
use store::value::{CellRef, KeyRef, ValueRef};
use store::view::View;

/// The reason why results cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultError {
    /// The table of the results cannot be read.
    Read(ReadError),
    /// A row is not a row of a result, so another program must have written it.
    Foreign {
        /// The name of the table.
        table: String,
        /// The key of the row, as text.
        row: String,
    },
    /// A row does not belong to a window of the time zone that windows are printed in.
    Window {
        /// The begin of the window, as the row has it.
        begin: String,
        /// The name of the time zone.
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

/// Passes the rows of a view's table to `emit`, in the order of their keys. Each row is passed as
/// its key columns and its totals.
///
/// # Errors
/// Returns a [`ResultError`] if the table cannot be read or a row does not belong to the view.
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

/// Returns the totals in a row of a view's table, or `None` if the row does not belong to the view.
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

/// Returns the totals of all orders, which are zero if the table has no row.
///
/// # Errors
/// Returns a [`ResultError`] if the table cannot be read or holds anything but one row of totals.
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

/// Returns the error that says that a row of a table is not a result.
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

/// Parses the printed form of a sum, which may be greater than the greatest price. Returns `None`
/// if the text is not of that form.
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
