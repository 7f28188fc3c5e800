//! The rows of all views as of one epoch, kept in the order they are printed in.
//!
//! A row is there exactly while it counts orders: a user whose orders cancel to 0.00 stays, one
//! without orders goes. Ordered maps, because a growing input changes few rows between two writes
//! of the files; a bounded one fills them at once, with its first epoch.

use std::collections::BTreeMap;
use std::fmt;

use dataflows::views::TOTAL;
use dataflows::{Amount, Change, Epoch, Parts, RowKey, Totals, ViewId};

/// The rows of all views as of one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Results {
    /// Rows by key, by the list of views.
    views: Vec<BTreeMap<Parts, Totals>>,
    /// The epoch as of which these are the results.
    pub epoch: Epoch,
}

impl Default for Results {
    /// No rows, as of epoch 0.
    fn default() -> Results {
        Results { views: ViewId::all().map(|_| BTreeMap::new()).collect(), epoch: 0 }
    }
}

/// A change does not follow from the results it was applied to, which is a bug in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Which row.
    pub key: RowKey,
    /// What the row is.
    pub found: Option<Totals>,
    /// What the change takes it to be.
    pub before: Option<Totals>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mismatch { key, found, before } = self;
        write!(f, "internal: a change of {key} starts from {}, but it is {}", Row(before), Row(found))
    }
}

impl std::error::Error for Mismatch {}

/// The views contradict each other, which is a bug in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// A row counts no orders, or fewer than none.
    NoOrders(RowKey, Totals),
    /// The rows of one result do not sum up to the total.
    Sum {
        /// Which rows: the name of their view.
        rows: &'static str,
        /// Their sum.
        sum: Totals,
        /// The total.
        total: Totals,
    },
    /// The rows of one result sum up to more than an amount can hold.
    Overflow(&'static str),
    /// A row is given twice.
    Twice(RowKey),
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Disagreement::NoOrders(key, totals) => {
                write!(f, "internal: the row of {key} counts {} orders", totals.orders)
            }
            Disagreement::Sum { rows, sum, total } => {
                write!(f, "internal: the {rows} sum up to {}, but the total is {}", Show(sum), Show(total))
            }
            Disagreement::Overflow(rows) => write!(f, "internal: the sum of the {rows} overflows"),
            Disagreement::Twice(key) => write!(f, "internal: there are two rows of {key}"),
        }
    }
}

impl std::error::Error for Disagreement {}

/// Totals as a message shows them.
struct Show<'a>(&'a Totals);

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} orders of {}", self.0.orders, self.0.amount)
    }
}

/// A row as a message shows it.
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
    /// The results that these rows are, in any order.
    ///
    /// Cost: one sort of the rows by key.
    ///
    /// # Errors
    /// [`Disagreement::Twice`] where two rows have one key, else what [`Results::check`] finds.
    pub fn from_rows(epoch: Epoch, mut rows: Vec<(RowKey, Totals)>) -> Result<Results, Disagreement> {
        // Rows come in sorted runs, one or more a worker; the stable sort only merges those.
        rows.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(Disagreement::Twice(pair[0].0.clone()));
        }
        let of = |view| rows.iter().filter(move |(key, _)| key.view == view);
        let views = ViewId::all().map(|view| of(view).map(|(key, row)| (key.parts.clone(), *row)).collect());
        let results = Results { views: views.collect(), epoch };
        results.check()?;
        Ok(results)
    }

    /// The rows of a view, by key.
    pub fn rows(&self, view: ViewId) -> &BTreeMap<Parts, Totals> {
        &self.views[view.index()]
    }

    /// What all orders come to; [`Totals::ZERO`] where there is no order.
    pub fn total(&self) -> Totals {
        self.rows(TOTAL).get(&Parts::None).copied().unwrap_or(Totals::ZERO)
    }

    /// Makes the changes of one epoch. Cost: a look-up a row; without rows so far, as good as nothing.
    ///
    /// # Errors
    /// The first [`Mismatch`]; then some changes may have been made.
    pub fn apply_epoch(&mut self, epoch: Epoch, changes: &[Change]) -> Result<(), Mismatch> {
        self.epoch = epoch;
        if self.views.iter().all(BTreeMap::is_empty) && changes.is_sorted_by(|a, b| a.key < b.key) {
            return self.fill(changes);
        }
        changes.iter().try_for_each(|change| self.apply(change))
    }

    /// Makes changes that are sorted by key, while there is no row.
    fn fill(&mut self, changes: &[Change]) -> Result<(), Mismatch> {
        if let Some(change) = changes.iter().find(|change| change.before.is_some()) {
            return Err(Mismatch { key: change.key.clone(), found: None, before: change.before });
        }
        for changes in changes.chunk_by(|a, b| a.key.view == b.key.view) {
            let rows = changes.iter().filter_map(|change| Some((change.key.parts.clone(), change.after?)));
            // Collecting what is sorted already builds a map from below, without a search.
            self.views[changes[0].key.view.index()] = rows.collect();
        }
        Ok(())
    }

    /// Makes one change. Cost: a look-up by key, and another where the row comes or goes.
    ///
    /// # Errors
    /// [`Mismatch`] unless the row is `change.before`; then nothing is changed.
    pub fn apply(&mut self, change: &Change) -> Result<(), Mismatch> {
        let Change { key, before, after } = change;
        set(&mut self.views[key.view.index()], &key.parts, *before, *after).map_err(|found| Mismatch {
            key: key.clone(),
            found,
            before: *before,
        })
    }

    /// Whether the rows of each view of all orders sum up to the total, in count and exact amount, and
    /// every row counts orders. Cost: one addition a row.
    ///
    /// # Errors
    /// The first [`Disagreement`] found.
    pub fn check(&self) -> Result<(), Disagreement> {
        let sums = ViewId::all().map(|view| Ok((view, sum(view, self.rows(view))?)));
        let sums: Vec<_> = sums.collect::<Result<_, Disagreement>>()?;
        let total = self.total();
        match sums.into_iter().find(|(view, sum)| view.is_of_all() && *sum != total) {
            Some((view, sum)) => Err(Disagreement::Sum { rows: view.name, sum, total }),
            None => Ok(()),
        }
    }
}

/// Sets a row that is `before`, or returns what it is instead.
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

fn sum(view: ViewId, rows: &BTreeMap<Parts, Totals>) -> Result<Totals, Disagreement> {
    let (mut orders, mut amount) = (0_i64, Amount::ZERO);
    for (parts, totals) in rows {
        if totals.orders <= 0 {
            return Err(Disagreement::NoOrders(RowKey::new(view, parts.clone()), *totals));
        }
        orders = orders.checked_add(totals.orders).ok_or(Disagreement::Overflow(view.name))?;
        amount = amount.checked_add(totals.amount).ok_or(Disagreement::Overflow(view.name))?;
    }
    Ok(Totals { orders, amount })
}

#[cfg(test)]
mod tests;
