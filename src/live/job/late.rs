//! Marks changes of orders that come late. The mark is for people and has no part in any result.

use std::collections::{BTreeMap, VecDeque};

use dataflows::{Amount, Order, Windows};

use store::value::KeyRef;

/// The most late changes of an epoch that are kept with their orders. If there are more, the last
/// ones are kept.
pub const LATE_ROWS_MAX: usize = 500;

/// The price of an order, and its event time (epoch ms).
pub type Placed = (Amount, i64);

/// A change of an order in a window that had ended when the change was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateChange {
    /// The user of the order.
    pub user: String,
    /// The id of the order.
    pub order: String,
    /// The order before the change; `None` if the change places it.
    pub before: Option<Placed>,
    /// The order after the change; `None` if the change cancels it.
    pub after: Option<Placed>,
    /// The first instant (epoch ms) of the window that had ended.
    pub window_ms: i64,
    /// The commit that made the change.
    pub commit: u64,
}

/// The late changes of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// The number of late changes.
    pub count: u64,
    /// The number of late changes in each window, by its first instant (epoch ms).
    pub windows: BTreeMap<i64, u64>,
    /// The last [`LATE_ROWS_MAX`] late changes, in the order of their commits.
    pub rows: VecDeque<LateChange>,
}

impl Late {
    /// Adds a change if it is late at `now_ms` (epoch ms): if the window of the order after it, or
    /// of the order before it, has ended.
    pub(super) fn push(
        &mut self,
        (now_ms, windows): (i64, &Windows),
        commit: u64,
        key: &[KeyRef<'_>],
        before: Option<&Order>,
        after: Option<&Order>,
    ) {
        let ended = |order: Option<&Order>| {
            let window = windows.containing(order?.at_ms);
            (windows.end_ms(window) <= now_ms).then_some(window.start_ms)
        };
        let Some(window_ms) = ended(after).or_else(|| ended(before)) else { return };
        self.count += 1;
        *self.windows.entry(window_ms).or_default() += 1;
        let [KeyRef::String(user), KeyRef::String(order)] = *key else { return };
        if self.rows.len() == LATE_ROWS_MAX {
            self.rows.pop_front();
        }
        let placed = |order: Option<&Order>| order.map(|order| (order.price, order.at_ms));
        self.rows.push_back(LateChange {
            user: user.to_owned(),
            order: order.to_owned(),
            before: placed(before),
            after: placed(after),
            window_ms,
            commit,
        });
    }
}

#[cfg(test)]
mod tests {
    use dataflows::Id;

    use super::*;

    fn order(at_ms: i64) -> Order {
        Order { user_id: Id::new("u"), at_ms, price: Amount::from_decimal(5, 0).unwrap() }
    }

    fn late(now_ms: i64, before: Option<i64>, after: Option<i64>) -> Late {
        let mut late = Late::default();
        let key = [KeyRef::String("u"), KeyRef::String("o")];
        let (before, after) = (before.map(order), after.map(order));
        late.push((now_ms, &Windows::default()), 7, &key, before.as_ref(), after.as_ref());
        late
    }

    #[test]
    fn late_is_what_touches_a_window_that_has_ended() {
        for (name, now_ms, before, after, window_ms) in [
            ("placed in the open window", 29_999, None, Some(0), None),
            ("placed as its window ends", 30_000, None, Some(29_999), Some(0)),
            ("placed ahead of the clock", 0, None, Some(90_000), None),
            ("cancelled after its window", 45_000, Some(29_999), None, Some(0)),
            ("moved out of an ended window", 45_000, Some(0), Some(31_000), Some(0)),
            ("moved into an ended window", 45_000, Some(31_000), Some(0), Some(0)),
            ("moved between ended windows", 95_000, Some(0), Some(31_000), Some(30_000)),
            ("before 1970", 0, None, Some(-1), Some(-30_000)),
        ] {
            let found = late(now_ms, before, after);
            assert_eq!(found.windows.keys().next().copied(), window_ms, "{name}");
            assert_eq!((found.count, found.rows.len()), (found.windows.len() as u64, found.windows.len()));
            if let Some(row) = found.rows.front() {
                let times = (row.before.map(|(_, at_ms)| at_ms), row.after.map(|(_, at_ms)| at_ms));
                assert_eq!((times, row.commit, &*row.order), ((before, after), 7, "o"), "{name}");
            }
        }
    }

    #[test]
    fn all_are_counted_and_the_last_are_told() {
        let mut late = Late::default();
        for commit in 0..2 * LATE_ROWS_MAX as u64 {
            let order_id = commit.to_string();
            let key = [KeyRef::String("u"), KeyRef::String(&order_id)];
            late.push((i64::MAX, &Windows::default()), commit, &key, None, Some(&order(0)));
        }
        assert_eq!((late.count, late.windows[&0]), (1_000, 1_000));
        let commits: Vec<u64> = late.rows.iter().map(|row| row.commit).collect();
        assert_eq!(commits, (500..1_000).collect::<Vec<_>>());
    }
}
