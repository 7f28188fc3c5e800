//! Holds the rows of all views as of one epoch, in the order in which they are printed.
//!
//! A row exists exactly while it counts orders: a user whose orders sum up to 0.00 stays, a user
//! without orders is removed. The maps are ordered, because an input that grows changes few rows
//! between two writes of the files. An input that ends fills them at once, with its first epoch.

use std::collections::BTreeMap;
use std::fmt;

use dataflows::views::TOTAL;
use dataflows::{Amount, Change, Epoch, Parts, RowKey, Totals, ViewId};

/// The rows of all views as of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// The rows of each view by key, in the order of the list of views.
    views: Vec<BTreeMap<Parts, Totals>>,
    /// The epoch as of which these are the results.
    pub epoch: Epoch,
}

impl Default for Results {
    /// Creates results without rows, as of epoch 0.
    fn default() -> Results {
        Results { views: ViewId::all().map(|_| BTreeMap::new()).collect(), epoch: 0 }
    }
}

/// The error that a change does not follow from the results it was applied to. This is a bug in the
/// graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of the row.
    pub key: RowKey,
    /// The row as it is; `None` if there is none.
    pub found: Option<Totals>,
    /// The row from which the change starts.
    pub before: Option<Totals>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { key, found, before } = self;
        write!(f, "internal: a change of {key} starts from {}, but it is {}", Row(before), Row(found))
    }
}

impl std::error::Error for Mismatch {}

/// Why the views contradict each other. This is a bug in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// A row counts zero orders or fewer.
    NoOrders(RowKey, Totals),
    /// The rows of one view do not sum up to the total.
    Sum {
        /// The name of the view.
        rows: &'static str,
        /// The sum of the view's rows.
        sum: Totals,
        /// The totals of all orders.
        total: Totals,
    },
    /// The rows of one view sum up to more than an amount can hold.
    Overflow(&'static str),
    /// Two rows have this key.
    Twice(RowKey),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Contradiction::NoOrders(key, totals) => {
                write!(f, "internal: the row of {key} counts {} orders", totals.orders)
            }
            Contradiction::Sum { rows, sum, total } => {
                write!(f, "internal: the {rows} sum up to {}, but the total is {}", Show(sum), Show(total))
            }
            Contradiction::Overflow(rows) => write!(f, "internal: the sum of the {rows} overflows"),
            Contradiction::Twice(key) => write!(f, "internal: there are two rows of {key}"),
        }
    }
}

impl std::error::Error for Contradiction {}

/// Totals that print as messages show them.
struct Show<'a>(&'a Totals);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} orders of {}", self.0.orders, self.0.amount)
    }
}

/// A row that prints as messages show it.
struct Row<'a>(&'a Option<Totals>);

impl fmt::Display for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(totals) => Show(totals).fmt(f),
            None => write!(f, "absent"),
        }
    }
}

impl Results {
    /// Creates results from these rows, which may come in any order.
    ///
    /// This costs one sort of the rows by key.
    ///
    /// # Errors
    /// Returns [`Contradiction::Twice`] if two rows have one key, else what [`Results::check`]
    /// finds.
    pub fn from_rows(epoch: Epoch, mut rows: Vec<(RowKey, Totals)>) -> Result<Results, Contradiction> {
        // The rows consist of sorted runs, at least one from each worker. The stable sort only
        // merges them.
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Contradiction::Twice(pair[0].0.clone()));
        }
        let of = |view| rows.iter().filter(move |(key, _)| key.view == view);
        let views = ViewId::all().map(|view| of(view).map(|(key, row)| (key.parts.clone(), *row)).collect());
        let results = Results { views: views.collect(), epoch };
        results.check()?;
        Ok(results)
    }

    /// Returns the rows of a view by key.
    pub fn rows(&self, view: ViewId) -> &BTreeMap<Parts, Totals> {
        &self.views[view.index()]
    }

    /// Returns the totals of all orders; [`Totals::ZERO`] if there are none.
    pub fn total(&self) -> Totals {
        self.rows(TOTAL).get(&Parts::None).copied().unwrap_or(Totals::ZERO)
    }

    /// Applies the changes of one epoch. This costs a look-up for each row, and next to nothing if
    /// there are no rows yet and the changes are sorted.
    ///
    /// # Errors
    /// Returns the first [`Mismatch`]. Some changes may have been applied then.
    pub fn apply_epoch(&mut self, epoch: Epoch, changes: &[Change]) -> Result<(), Mismatch> {
        self.epoch = epoch;
        if self.views.iter().all(BTreeMap::is_empty) && changes.is_sorted_by(|a, b| a.key < b.key) {
            return self.fill(changes);
        }
        changes.iter().try_for_each(|change| self.apply(change))
    }

    /// Applies changes that are sorted by key to results without rows.
    fn fill(&mut self, changes: &[Change]) -> Result<(), Mismatch> {
        if let Some(change) = changes.iter().find(|change| change.before.is_some()) {
            return Err(Mismatch { key: change.key.clone(), found: None, before: change.before });
        }
        for changes in changes.chunk_by(|a, b| a.key.view == b.key.view) {
            let rows = changes.iter().filter_map(|change| Some((change.key.parts.clone(), change.after?)));
            // Collecting sorted rows builds a map from the bottom, without searching.
            self.views[changes[0].key.view.index()] = rows.collect();
        }
        Ok(())
    }

    /// Applies one change. This costs a look-up by key, and another if the row comes or goes.
    ///
    /// # Errors
    /// Returns a [`Mismatch`] unless the row is `change.before`. Nothing is changed then.
    pub fn apply(&mut self, change: &Change) -> Result<(), Mismatch> {
        let Change { key, before, after } = change;
        set(&mut self.views[key.view.index()], &key.parts, *before, *after).map_err(|found| Mismatch {
            key: key.clone(),
            found,
            before: *before,
        })
    }

    /// Checks that every row counts orders, and that the rows of each view of all orders sum up to
    /// the total, in count and exact amount. This costs one addition for each row.
    ///
    /// # Errors
    /// Returns the first [`Contradiction`] found.
    pub fn check(&self) -> Result<(), Contradiction> {
        let sums = ViewId::all().map(|view| Ok((view, sum(view, self.rows(view))?)));
        let sums: Vec<_> = sums.collect::<Result<_, Contradiction>>()?;
        let total = self.total();
        match sums.into_iter().find(|(view, sum)| view.is_of_all() && *sum != total) {
            Some((view, sum)) => Err(Contradiction::Sum { rows: view.name, sum, total }),
            None => Ok(()),
        }
    }
}

/// Sets a row to `after` if it is `before`. Otherwise returns what the row is.
fn set(
    rows: &mut BTreeMap<Parts, Totals>,
    key: &Parts,
    before: Option<Totals>,
    after: Option<Totals>,
) -> Result<(), Option<Totals>> {
    let row = rows.get_mut(key);
    let found = row.as_deref().copied();
    match (row, after) {
        _ if found != before => return Err(found),
        (Some(row), Some(after)) => *row = after,
        (Some(_), None) => _ = rows.remove(key),
        (None, Some(after)) => _ = rows.insert(key.clone(), after),
        (None, None) => {}
    }
    Ok(())
}

fn sum(view: ViewId, rows: &BTreeMap<Parts, Totals>) -> Result<Totals, Contradiction> {
    let (mut orders, mut amount) = (0_i64, Amount::ZERO);
    for (parts, totals) in rows {
        if totals.orders <= 0 {
            return Err(Contradiction::NoOrders(RowKey::new(view, parts.clone()), *totals));
        }
        orders = orders.checked_add(totals.orders).ok_or(Contradiction::Overflow(view.name))?;
        amount = amount.checked_add(totals.amount).ok_or(Contradiction::Overflow(view.name))?;
    }
    Ok(Totals { orders, amount })
}

#[cfg(test)]
mod tests;
