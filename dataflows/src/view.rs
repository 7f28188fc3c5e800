//! What a view is: a value that says which rows it has, where they go and what runs it.

use crate::build::Engine;
use crate::row::{Part, Parts};
use crate::{Order, WindowWidth};

/// A question about the orders, and all that the rest of the program needs to know of its answer.
///
/// Whatever writes, reads, checks or shows rows takes names, keys and columns from here. See
/// [`views`](crate::views) for how to add one.
#[derive(Debug)]
pub struct View {
    /// Name in addresses, printed changes, metrics and operators: a plural in lower case.
    pub name: &'static str,
    /// Name of its result table, and of its result file without the extension.
    pub table: &'static str,
    /// How messages name one of its rows; `{}` stands for each value of the key.
    pub row: &'static str,
    /// How sentences count its rows: `in` and `window` make "in 2 windows". None where it has no groups.
    pub counted: Option<(&'static str, &'static str)>,
    /// The key columns of its rows, in the order of the parts of the key. None where it has no groups:
    /// its result table is then keyed by the column of its count.
    pub key: &'static [KeyColumn],
    /// Which orders it is of; none for all.
    pub filter: Option<Filter>,
    /// Says plainly which group an order is in. Recounts use it, and never the graph.
    pub group: fn(&Order, WindowWidth) -> Parts,
    /// What is said of each group, in the order of the columns.
    pub aggregates: &'static [Aggregate],
    /// What keeps its rows up to date.
    pub engine: Engine,
}

/// A column of a row's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyColumn {
    /// Name of the column.
    pub name: &'static str,
    /// Which part of the key it shows.
    pub part: usize,
    /// How it shows that.
    pub print: Print,
}

/// How a column shows a part of a key. All but integers are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Text, as it is.
    Text,
    /// A whole number, as it is.
    Integer,
    /// The first instant of the window that begins at this one, in the run's zone.
    WindowBegin,
    /// The first instant after the window that begins at this one, in the run's zone.
    WindowEnd,
    /// The day of UTC that begins at this instant, `YYYY-MM-DD`.
    UtcDate,
}

/// A condition on orders.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// The condition as SQL has it.
    pub sql: &'static str,
    /// Whether an order meets it.
    pub holds: fn(&Order) -> bool,
}

/// What is said of a group of orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// The number of orders.
    Count {
        /// Name of the column.
        column: &'static str,
    },
    /// The sum of their prices.
    Sum {
        /// Name of the column of the sum, or of the double that is nearest to it.
        column: &'static str,
        /// Name of the column of the exact decimal, a text.
        exact: &'static str,
    },
}

/// `COUNT(*), SUM(price)` under the names that all results have.
pub const COUNT_AND_SUM: &[Aggregate] = &[
    Aggregate::Count { column: "count" },
    Aggregate::Sum { column: "totalPrice", exact: "totalPriceExact" },
];

impl View {
    /// Name of the column of the count; none if it does not count.
    pub fn count_column(&self) -> Option<&'static str> {
        self.aggregates.iter().find_map(|aggregate| match aggregate {
            Aggregate::Count { column } => Some(*column),
            Aggregate::Sum { .. } => None,
        })
    }

    /// Name of the column of the exact sum; none if it has no sum.
    pub fn exact_column(&self) -> Option<&'static str> {
        self.aggregates.iter().find_map(|aggregate| match aggregate {
            Aggregate::Count { .. } => None,
            Aggregate::Sum { exact, .. } => Some(*exact),
        })
    }

    /// The key columns of a row, each with the part that it shows.
    pub fn columns<'a>(&self, parts: &'a Parts) -> impl Iterator<Item = (&'static KeyColumn, &'a Part)> {
        let parts = parts.as_slice();
        self.key.iter().filter_map(|column| Some((column, parts.get(column.part)?)))
    }

    /// Whether it is of all orders: its rows then add up to the row of any other such view.
    pub fn is_of_all(&self) -> bool {
        self.filter.is_none()
    }

    /// Whether it is of this order.
    pub fn holds(&self, order: &Order) -> bool {
        self.filter.is_none_or(|filter| (filter.holds)(order))
    }

    /// Whether its keys are of windows: other widths or zones make other rows.
    pub fn has_windows(&self) -> bool {
        self.key.iter().any(|column| matches!(column.print, Print::WindowBegin | Print::WindowEnd))
    }

    /// Whether keys are sorted as their printed columns are.
    pub fn prints_in_order(&self) -> bool {
        self.key.iter().all(|column| matches!(column.print, Print::Text | Print::Integer))
    }

    /// Whether this is a key of its rows: as many values as its columns show, each of the type that they print.
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
