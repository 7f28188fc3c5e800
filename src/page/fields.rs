//! The columns and fields that all answers print in the same way.

use dataflows::{Aggregate, Totals, ViewId};

use super::rows::ShownField;

/// Returns the names of the columns of a view's rows: those of its key, then those of
/// [`totals_fields`].
pub(super) fn columns_of(view: ViewId) -> Vec<&'static str> {
    let key = view.key.iter().map(|column| column.name);
    let aggregates = view.aggregates.iter().flat_map(|aggregate| match *aggregate {
        Aggregate::Count { column } => vec![column],
        Aggregate::Sum { column, exact } => vec![column, exact],
    });
    key.chain(aggregates).collect()
}

/// Returns the count, the nearest double and the exact decimal.
pub(super) fn totals_fields(totals: &Totals) -> [ShownField; 3] {
    let Totals { orders, amount } = totals;
    [ShownField::Integer(*orders), ShownField::Double(amount.to_f64()), ShownField::Plain(amount.to_string())]
}
