//! Small results for the tests of this module and its parts.

use dataflows::{Id, Totals, Window, WindowWidth};

use orders::{Layout, Zone};

use super::files::FileLayout;
use super::results::Results;
use crate::format::Format;

/// The totals of so many orders of this amount in all.
pub(crate) fn totals(orders: i64, amount: &str) -> Totals {
    let amounts = amount.split('+').map(|part| part.parse().unwrap());
    let amount = amounts.fold(dataflows::Amount::ZERO, |sum, part| sum.checked_add(part).unwrap());
    Totals { orders, amount }
}

/// A layout of windows of this width in this zone.
pub(crate) fn layout(format: Format, zone: &str, width_ms: u32) -> FileLayout {
    let (zone, width) = (Zone::parse(zone).unwrap(), WindowWidth::from_ms(width_ms).unwrap());
    FileLayout { format, keys: Layout { zone, width } }
}

/// Three users, one of them with a name to quote; three windows, one before 1970.
pub(crate) fn small() -> Results {
    Results::from_rows(
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
