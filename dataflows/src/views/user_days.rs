use std::cmp::Ordering;
use std::sync::Arc;

use crate::engine::Engine;
use crate::key::{Grouping, Key};
use crate::row::{Part, Parts};
use crate::view::{COUNT_AND_SUM, KeyColumn, Print, View};
use crate::{Id, Order, Windows};

/// The number of milliseconds of a day of UTC.
const DAY_MS: i64 = 24 * 3_600_000;

/// What has each user ordered on each day of UTC, and for how much?
///
/// `SELECT user_id, date_trunc('day', at), COUNT(*), SUM(price) FROM orders GROUP BY 1, 2`
///
/// State: one entry per user and day with orders. Work per epoch: proportional to the entries that
/// changed.
pub(super) static VIEW: View = View {
    name: "days",
    table: "OrderDaySink",
    row: "user {} on the day from {} ms",
    counted: Some(("on", "user's day")),
    key: &[
        KeyColumn { name: "UserId", part: 0, print: Print::Text },
        KeyColumn { name: "day", part: 1, print: Print::UtcDate },
    ],
    filter: None,
    group: |order, _| {
        let day = Part::Integer(order.at_ms - order.at_ms.rem_euclid(DAY_MS));
        Parts::Many(Arc::new([Part::Text(order.user_id.clone()), day]))
    },
    aggregates: COUNT_AND_SUM,
    engine: Engine::typed::<ByUserAndDay>(),
};

/// A user and the first instant of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UserDay {
    user: Id,
    /// The text of the user, which is sent between processes.
    text: Arc<str>,
    day_ms: i64,
}

impl Ord for UserDay {
    fn cmp(&self, other: &UserDay) -> Ordering {
        (&self.user, self.day_ms).cmp(&(&other.user, other.day_ms))
    }
}

impl PartialOrd for UserDay {
    fn partial_cmp(&self, other: &UserDay) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl UserDay {
    fn new(user: &Id, day_ms: i64) -> UserDay {
        UserDay { user: user.clone(), text: user.to_string().into(), day_ms }
    }
}

impl Key for UserDay {
    fn hash64(&self, seed: u64) -> u64 {
        hash64(&self.user, self.day_ms, seed)
    }

    fn words(&self) -> [u64; 2] {
        [self.text.len() as u64, self.day_ms as u64]
    }

    fn text(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn from_words(words: [u64; 2], text: &mut &[u8]) -> Option<UserDay> {
        let (user, rest) = text.split_at_checked(usize::try_from(words[0]).ok()?)?;
        *text = rest;
        Some(UserDay::new(&Id::new(std::str::from_utf8(user).ok()?), words[1] as i64))
    }

    fn into_parts(self) -> Parts {
        Parts::Many(Arc::new([Part::Text(self.user), Part::Integer(self.day_ms)]))
    }

    fn from_parts(parts: &Parts) -> Option<UserDay> {
        match parts.as_slice() {
            [Part::Text(user), Part::Integer(day_ms)] => Some(UserDay::new(user, *day_ms)),
            _ => None,
        }
    }
}

fn hash64(user: &Id, day_ms: i64, seed: u64) -> u64 {
    user.hash64(seed ^ (day_ms as u64).rotate_left(32))
}

struct ByUserAndDay;

impl Grouping for ByUserAndDay {
    type Key = UserDay;

    fn new(_windows: &Windows) -> ByUserAndDay {
        ByUserAndDay
    }

    fn key(&self, order: &Order) -> UserDay {
        UserDay::new(&order.user_id, day_ms(order))
    }

    fn hash64(&self, order: &Order, seed: u64) -> u64 {
        hash64(&order.user_id, day_ms(order), seed)
    }

    fn holds(&self, order: &Order, key: &UserDay) -> bool {
        order.user_id == key.user && day_ms(order) == key.day_ms
    }
}

fn day_ms(order: &Order) -> i64 {
    order.at_ms - order.at_ms.rem_euclid(DAY_MS)
}
