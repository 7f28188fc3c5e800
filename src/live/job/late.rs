//! Changes of orders that come late: a label for people, with no part in any result.

use std::collections::{BTreeMap, VecDeque};

use dataflows::{Amount, Order, WindowWidth};

use store::value::KeyRef;

/// Late changes of an epoch whose orders are told; of further ones the last are.
pub const LATE_ROWS_MAX: usize = 500;

/// A price, and the event time in epoch milliseconds.
pub type Placed = (Amount, i64);

/// A change of an order in a window that had ended when the change was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LateChange {
    /// Whose order.
    pub user: String,
    /// Which.
    pub order: String,
    /// What it was; none where it is placed.
    pub before: Option<Placed>,
    /// What it is; none where it is cancelled.
    pub after: Option<Placed>,
    /// First instant of the window that had ended.
    pub window_ms: i64,
    /// The commit that changed it.
    pub commit: u64,
}

/// The late changes of an epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Late {
    /// How many.
    pub count: u64,
    /// How many in each window, by its first instant.
    pub windows: BTreeMap<i64, u64>,
    /// The last [`LATE_ROWS_MAX`], in the order of their commits.
    pub rows: VecDeque<LateChange>,
}

impl Late {
    /// Adds a change, if it is late at `now_ms`: the window that it lands in, or the one that it leaves, had ended.
    pub(super) fn push(
        &mut self,
        (now_ms, width): (i64, WindowWidth),
        commit: u64,
        key: &[KeyRef<'_>],
        before: Option<&Order>,
        after: Option<&Order>,
    ) {
        let ended = |order: Option<&Order>| {
            let window = width.containing(order?.at_ms);
            (window.start_ms.saturating_add(width.ms()) <= now_ms).then_some(window.start_ms)
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
        late.push((now_ms, WindowWidth::default()), 7, &key, before.as_ref(), after.as_ref());
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
            late.push((i64::MAX, WindowWidth::default()), commit, &key, None, Some(&order(0)));
        }
        assert_eq!((late.count, late.windows[&0]), (1_000, 1_000));
        let commits: Vec<u64> = late.rows.iter().map(|row| row.commit).collect();
        assert_eq!(commits, (500..1_000).collect::<Vec<_>>());
    }
}
