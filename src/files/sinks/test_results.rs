//! Builds small results for the tests of this module and its parts.

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Epoch, Id, Parts, RowKey, Totals, Window};

use orders::{Layout, Zone};

use super::files::FileLayout;
use super::results::{Contradiction, Results};
use crate::format::Format;

/// Returns the totals of this number of orders, whose amounts are summed up from `a+b+…`.
pub(crate) fn totals(orders: i64, amount: &str) -> Totals {
    let amounts = amount.split('+').map(|part| part.parse().unwrap());
    let amount = amounts.fold(dataflows::Amount::ZERO, |sum, part| sum.checked_add(part).unwrap());
    Totals { orders, amount }
}

/// Returns a layout with windows of this width in this zone.
pub(crate) fn layout(format: Format, zone: &str, width_ms: u32) -> FileLayout {
    FileLayout { format, keys: Layout::new(Zone::parse(zone).unwrap(), width_ms).unwrap() }
}

/// Returns the key of a user's row.
pub(crate) fn user_key(user: &Id) -> RowKey {
    RowKey::new(USERS, Parts::text(user.clone()))
}

/// Returns the key of the row of the window that begins at this time.
pub(crate) fn window_key(start_ms: i64) -> RowKey {
    RowKey::new(WINDOWS, Parts::integer(start_ms))
}

/// Returns the key of the row of all orders.
pub(crate) fn total_key() -> RowKey {
    RowKey::new(TOTAL, Parts::None)
}

/// Returns the results with these rows.
pub(crate) fn results(
    epoch: Epoch,
    users: Vec<(Id, Totals)>,
    total: Totals,
    windows: Vec<(Window, Totals)>,
) -> Result<Results, Contradiction> {
    let users = users.into_iter().map(|(user, totals)| (user_key(&user), totals));
    let windows = windows.into_iter().map(|(window, totals)| (window_key(window.start_ms), totals));
    let total = (total != Totals::ZERO).then(|| (total_key(), total));
    Results::from_rows(epoch, windows.chain(users).chain(total).collect())
}

/// Returns results of three users, one of them with a name to quote, and three windows, one of them
/// before 1970.
pub(crate) fn small() -> Results {
    results(
        7,
        vec![
            (Id::new("u1"), totals(2, "12.34")),
            (Id::new("größe, \"XL\""), totals(1, "-0.000000000000000001")),
            (Id::new("A user whose name is not short"), totals(1, "0")),
        ],
        totals(4, "12.34+-0.000000000000000001"),
        vec![
            (Window { start_ms: 1_700_000_010_000 }, totals(1, "12.34")),
            (Window { start_ms: -30_000 }, totals(1, "-0.000000000000000001")),
            (Window { start_ms: 0 }, totals(2, "0")),
        ],
    )
    .unwrap()
}
