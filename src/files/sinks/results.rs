//! The three results as of one epoch, kept in the order they are printed in.
//!
//! A row is there exactly while it counts orders: a user whose orders cancel to 0.00 stays, one
//! without orders goes. Ordered maps, because a growing input changes few rows between two writes
//! of the files; a bounded one fills them at once, with its first epoch.

use std::collections::BTreeMap;
use std::fmt;

use dataflows::{Amount, Change, Epoch, Id, RowKey, Totals, Window};

/// The three results as of one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// What each user with orders has ordered, bytewise by name.
    pub users: BTreeMap<Id, Totals>,
    /// What all have ordered; [`Totals::ZERO`] where there is no order.
    pub total: Totals,
    /// What was ordered in each window with orders, by the window's first millisecond.
    pub windows: BTreeMap<i64, Totals>,
    /// The epoch as of which these are the results.
    pub epoch: Epoch,
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

/// The three results contradict each other, which is a bug in the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// A row counts no orders, or fewer than none.
    NoOrders(RowKey, Totals),
    /// The rows of one result do not sum up to the total.
    Sum {
        /// Which rows: `users` or `windows`.
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
    pub fn from_rows(
        epoch: Epoch,
        users: Vec<(Id, Totals)>,
        total: Totals,
        windows: Vec<(Window, Totals)>,
    ) -> Result<Results, Disagreement> {
        let windows = windows.into_iter().map(|(window, totals)| (window.start_ms, totals)).collect();
        let users = distinct(users, |user| RowKey::User(user.clone()))?;
        let windows = distinct(windows, |start_ms| RowKey::Window(Window { start_ms: *start_ms }))?;
        let results = Results { users, total, windows, epoch };
        results.check()?;
        Ok(results)
    }

    /// The row of the global total, or `None` where there is no order.
    pub fn total_row(&self) -> Option<Totals> {
        (self.total != Totals::ZERO).then_some(self.total)
    }

    /// Makes the changes of one epoch. Cost: a look-up a row; without rows so far, as good as nothing.
    ///
    /// # Errors
    /// The first [`Mismatch`]; then some changes may have been made.
    pub fn apply_epoch(&mut self, epoch: Epoch, changes: &[Change]) -> Result<(), Mismatch> {
        self.epoch = epoch;
        if self.total == Totals::ZERO && changes.is_sorted_by(|a, b| a.key < b.key) {
            return self.fill(changes);
        }
        changes.iter().try_for_each(|change| self.apply(change))
    }

    /// Makes changes that are sorted by key, while there is no row.
    fn fill(&mut self, changes: &[Change]) -> Result<(), Mismatch> {
        if let Some(change) = changes.iter().find(|change| change.before.is_some()) {
            return Err(Mismatch { key: change.key.clone(), found: None, before: change.before });
        }
        let rows = || changes.iter().filter_map(|change| Some((&change.key, change.after?)));
        self.total = rows().find(|(key, _)| **key == RowKey::Total).map_or(Totals::ZERO, |(_, row)| row);
        // Collecting what is sorted already builds a map from below, without a search.
        self.users = rows()
            .filter_map(|(key, row)| match key {
                RowKey::User(user) => Some((user.clone(), row)),
                _ => None,
            })
            .collect();
        self.windows = rows()
            .filter_map(|(key, row)| match key {
                RowKey::Window(window) => Some((window.start_ms, row)),
                _ => None,
            })
            .collect();
        Ok(())
    }

    /// Makes one change. Cost: a look-up by key, and another where the row comes or goes.
    ///
    /// # Errors
    /// [`Mismatch`] unless the row is `change.before`; then nothing is changed.
    pub fn apply(&mut self, change: &Change) -> Result<(), Mismatch> {
        let Change { key, before, after } = change;
        let applied = match key {
            RowKey::User(user) => set(&mut self.users, user, *before, *after),
            RowKey::Window(window) => set(&mut self.windows, &window.start_ms, *before, *after),
            RowKey::Total if self.total_row() == *before => {
                self.total = after.unwrap_or(Totals::ZERO);
                Ok(())
            }
            RowKey::Total => Err(self.total_row()),
        };
        applied.map_err(|found| Mismatch { key: key.clone(), found, before: *before })
    }

    /// Whether the users and the windows both sum up to the total, in count and exact amount, and
    /// every row counts orders. Cost: one addition a row.
    ///
    /// # Errors
    /// The first [`Disagreement`] found.
    pub fn check(&self) -> Result<(), Disagreement> {
        if self.total.orders < 0 || (self.total.orders == 0 && self.total != Totals::ZERO) {
            return Err(Disagreement::NoOrders(RowKey::Total, self.total));
        }
        let users = sum("users", &self.users, |user| RowKey::User(user.clone()))?;
        let windows =
            sum("windows", &self.windows, |start_ms| RowKey::Window(Window { start_ms: *start_ms }))?;
        for (rows, sum) in [("users", users), ("windows", windows)] {
            if sum != self.total {
                return Err(Disagreement::Sum { rows, sum, total: self.total });
            }
        }
        Ok(())
    }
}

/// Sets a row that is `before`, or returns what it is instead.
fn set<K: Ord + Clone>(
    rows: &mut BTreeMap<K, Totals>,
    key: &K,
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

fn distinct<K: Ord>(
    mut rows: Vec<(K, Totals)>,
    key: impl Fn(&K) -> RowKey,
) -> Result<BTreeMap<K, Totals>, Disagreement> {
    // Rows come in sorted runs, one or more a worker; the stable sort only merges those.
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    if let Some(pair) = rows.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Disagreement::Twice(key(&pair[0].0)));
    }
    // Collecting what is sorted already builds the map from below, without a search.
    Ok(rows.into_iter().collect())
}

fn sum<K>(
    name: &'static str,
    rows: &BTreeMap<K, Totals>,
    key: impl Fn(&K) -> RowKey,
) -> Result<Totals, Disagreement> {
    let (mut orders, mut amount) = (0_i64, Amount::ZERO);
    for (at, totals) in rows {
        if totals.orders <= 0 {
            return Err(Disagreement::NoOrders(key(at), *totals));
        }
        orders = orders.checked_add(totals.orders).ok_or(Disagreement::Overflow(name))?;
        amount = amount.checked_add(totals.amount).ok_or(Disagreement::Overflow(name))?;
    }
    Ok(Totals { orders, amount })
}

#[cfg(test)]
mod tests;
