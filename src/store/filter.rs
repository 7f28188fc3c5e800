//! Evaluates conditions on the columns of a row, for reads and for writes.

use std::cmp::Ordering;

use super::error::FilterTooLarge;
use super::value::{CellRef, Value, ValueRef};

/// The most conditions of one filter.
pub const CONDITIONS_MAX: usize = 32;
/// The most levels of filters within each other.
pub const FILTER_DEPTH_MAX: usize = 32;

/// A comparison of a column's value with the value of a filter. Values of different types are never
/// equal, less or greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The names say it.
pub enum Comparator {
    Equal,
    NotEqual,
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
}

/// A condition on the columns of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Holds if the value of a column compares with `value` as `comparator` says.
    Column {
        /// The name of the column.
        name: String,
        /// How the two values must compare.
        comparator: Comparator,
        /// The value on the right side of the comparison.
        value: Value,
        /// Whether the condition holds for a row without the column.
        if_missing: bool,
        /// Whether only the newest version counts. Otherwise the condition holds if it holds for
        /// any version.
        latest_only: bool,
    },
    /// Holds if the filter does not hold.
    Not(Box<Filter>),
    /// Holds if all filters hold.
    All(Vec<Filter>),
    /// Holds if any of the filters holds.
    Any(Vec<Filter>),
    /// Holds for every row, and selects `limit` of its columns, by name, from `offset` on.
    Page {
        /// How many columns are left out at the start.
        offset: usize,
        /// The most columns.
        limit: usize,
    },
}

impl Filter {
    /// Returns an error if the filter has too many conditions or levels.
    pub(crate) fn check(&self) -> Result<(), FilterTooLarge> {
        let mut conditions = 0;
        self.count(1, &mut conditions)
    }

    fn count(&self, depth: usize, conditions: &mut usize) -> Result<(), FilterTooLarge> {
        if depth > FILTER_DEPTH_MAX {
            return Err(FilterTooLarge::Depth { max: FILTER_DEPTH_MAX });
        }
        match self {
            Filter::Not(filter) => filter.count(depth + 1, conditions),
            Filter::All(filters) | Filter::Any(filters) => {
                filters.iter().try_for_each(|filter| filter.count(depth + 1, conditions))
            }
            Filter::Column { .. } | Filter::Page { .. } => {
                *conditions += 1;
                if *conditions > CONDITIONS_MAX {
                    return Err(FilterTooLarge::Conditions { max: CONDITIONS_MAX });
                }
                Ok(())
            }
        }
    }

    /// Returns whether the filter holds for the cells of a row, which must be sorted by name, then
    /// from the highest version to the lowest.
    pub(crate) fn matches(&self, cells: &[CellRef<'_>]) -> bool {
        match self {
            Filter::Column { name, comparator, value, if_missing, latest_only } => {
                let start = cells.partition_point(|cell| cell.name < name.as_str());
                let mut versions = cells.iter().skip(start).take_while(|cell| cell.name == name).peekable();
                if versions.peek().is_none() {
                    return *if_missing;
                }
                let versions_max = if *latest_only { 1 } else { usize::MAX };
                versions.take(versions_max).any(|cell| comparator.holds(&cell.value, &value.borrow()))
            }
            Filter::Not(filter) => !filter.matches(cells),
            Filter::All(filters) => filters.iter().all(|filter| filter.matches(cells)),
            Filter::Any(filters) => filters.iter().any(|filter| filter.matches(cells)),
            Filter::Page { .. } => true,
        }
    }

    /// Returns the offset and limit of the page of columns that the filter asks for, if it does.
    pub(crate) fn page(&self) -> Option<(usize, usize)> {
        match self {
            Filter::Page { offset, limit } => Some((*offset, *limit)),
            Filter::Not(filter) => filter.page(),
            Filter::All(filters) | Filter::Any(filters) => filters.iter().find_map(Filter::page),
            Filter::Column { .. } => None,
        }
    }
}

impl Comparator {
    fn holds(self, left: &ValueRef<'_>, right: &ValueRef<'_>) -> bool {
        let order = match (left, right) {
            (ValueRef::Integer(left), ValueRef::Integer(right)) => Some(left.cmp(right)),
            (ValueRef::Double(left), ValueRef::Double(right)) => left.partial_cmp(right),
            (ValueRef::Boolean(left), ValueRef::Boolean(right)) => Some(left.cmp(right)),
            (ValueRef::String(left), ValueRef::String(right)) => Some(left.cmp(right)),
            (ValueRef::Binary(left), ValueRef::Binary(right)) => Some(left.cmp(right)),
            _ => None,
        };
        match self {
            Comparator::Equal => order == Some(Ordering::Equal),
            Comparator::NotEqual => order != Some(Ordering::Equal),
            Comparator::Greater => order == Some(Ordering::Greater),
            Comparator::GreaterEqual => order.is_some_and(Ordering::is_ge),
            Comparator::Less => order == Some(Ordering::Less),
            Comparator::LessEqual => order.is_some_and(Ordering::is_le),
        }
    }
}
