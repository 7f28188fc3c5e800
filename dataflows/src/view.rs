//! The type of a view: a value that says which rows it has, where they go, and which engine
//! computes them.

use crate::engine::{Engine, Filter};
use crate::row::{Part, Parts};
use crate::{Order, Windows};

/// A question about the orders, and all that the rest of the program needs to know about its
/// answer.
///
/// All code that writes, reads, checks or shows rows takes names, keys and columns from here. See
/// [`views`](crate::views) for how to add a view.
#[derive(Debug)]
pub struct View {
    /// The name in addresses, printed changes, metrics and operators. It is a plural in lower case,
    /// except for a view of one row.
    pub name: &'static str,
    /// The name of its result table, and of its result file without the extension.
    pub table: &'static str,
    /// The words by which messages name one of its rows. `{}` stands for each value of the key.
    pub row: &'static str,
    /// The words by which sentences count its rows: `in` and `window` make "in 2 windows". `None`
    /// if it has no groups.
    pub counted: Option<(&'static str, &'static str)>,
    /// The key columns of its rows, in the order of the parts of the key. They are empty if it has
    /// no groups: the key of its result table is then the column of its count.
    pub key: &'static [KeyColumn],
    /// The condition on its orders; `None` if it is of all orders.
    pub filter: Option<Filter>,
    /// Returns the group of an order in the plainest way. Recounts use it, and the graph never
    /// does.
    pub group: fn(&Order, &Windows) -> Parts,
    /// The aggregates of each group, in the order of the columns.
    pub aggregates: &'static [Aggregate],
    /// The engine that keeps its rows up to date.
    pub engine: Engine,
}

/// A column of a row's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// The name of the column.
    pub name: &'static str,
    /// The number of the part of the key that the column shows.
    pub part: usize,
    /// How the column shows the part.
    pub print: Print,
}

/// How a column shows a part of a key. All columns but integers are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// The part is a text, which is shown as it is.
    Text,
    /// The part is a whole number, which is shown as it is.
    Integer,
    /// The part is the first instant of a window, which is shown in the run's zone.
    WindowBegin,
    /// The part is the first instant of a window. The first instant after the window is shown in
    /// the run's zone.
    WindowEnd,
    /// The part is the first instant of a day of UTC, which is shown as `YYYY-MM-DD`.
    UtcDate,
}

/// A number that is computed from a group of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The number of orders.
    Count {
        /// The name of the column.
        column: &'static str,
    },
    /// The sum of their prices.
    Sum {
        /// The name of the column of the sum, or of the double that is nearest to it.
        column: &'static str,
        /// The name of the column of the exact decimal, which is a text.
        exact: &'static str,
    },
}

/// The aggregates `COUNT(*), SUM(price)`, under the names that all results have.
pub const COUNT_AND_SUM: &[Aggregate] = &[
    Aggregate::Count { column: "count" },
    Aggregate::Sum { column: "totalPrice", exact: "totalPriceExact" },
];

impl View {
    /// Returns the name of the column of the count; `None` if the view does not count.
    pub fn count_column(&self) -> Option<&'static str> {
        self.aggregates.iter().find_map(|aggregate| match aggregate {
            Aggregate::Count { column } => Some(*column),
            Aggregate::Sum { .. } => None,
        })
    }

    /// Returns the name of the column of the exact sum; `None` if the view has no sum.
    pub fn exact_column(&self) -> Option<&'static str> {
        self.aggregates.iter().find_map(|aggregate| match aggregate {
            Aggregate::Count { .. } => None,
            Aggregate::Sum { exact, .. } => Some(*exact),
        })
    }

    /// Returns the key columns of a row, each with the part that it shows.
    pub fn columns<'a>(&self, parts: &'a Parts) -> impl Iterator<Item = (&'static KeyColumn, &'a Part)> {
        let parts = parts.as_slice();
        self.key.iter().filter_map(|column| Some((column, parts.get(column.part)?)))
    }

    /// Returns whether the view is of all orders. The rows of all such views add up to the same
    /// totals.
    pub fn is_of_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Returns whether the view is of this order.
    pub fn holds(&self, order: &Order) -> bool {
        self.filter.is_none_or(|filter| (filter.holds)(order))
    }

    /// Returns whether its keys are of windows. Then other widths or zones make other rows.
    pub fn has_windows(&self) -> bool {
        self.key.iter().any(|column| matches!(column.print, Print::WindowBegin | Print::WindowEnd))
    }

    /// Returns whether keys have the same order as their printed columns.
    pub fn prints_in_order(&self) -> bool {
        self.key.iter().all(|column| matches!(column.print, Print::Text | Print::Integer))
    }

    /// Returns whether this is a key of its rows: whether there are as many values as its columns
    /// show, each of the type that they print.
    pub fn is_key(&self, parts: &Parts) -> bool {
        let parts = parts.as_slice();
        let shown = self.key.iter().map(|column| column.part + 1).max().unwrap_or(0);
        let fits = |column: &KeyColumn| match parts.get(column.part) {
            Some(Part::Text(_)) => column.print == Print::Text,
            Some(Part::Integer(_)) => column.print != Print::Text,
            None => false,
        };
        parts.len() == shown && self.key.iter().all(fits)
    }
}
