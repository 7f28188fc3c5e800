//! A recount of all orders by a plain fold, and whether the result tables say the same.

use std::ops::ControlFlow;
use std::time::Instant;

use dataflows::{Reference, RowKey, Totals};
use serde::Serialize;

use crate::order_tables::{ORDER_SOURCE, RESULT_TABLES, ResultRow, order_of};
use crate::sinks::Layout;
use crate::store::error::StoreError;
use crate::store::value::KeyRef;
use crate::store::view::View;

/// A recount. As JSON, its fields have these names.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Recount {
    /// Orders that were counted.
    pub(super) orders: i64,
    /// Users with orders.
    pub(super) users: usize,
    /// Windows with orders.
    pub(super) windows: usize,
    /// How long counting took.
    pub(super) seconds: f64,
    /// The first row of the results that is not as counted; none where all are.
    pub(super) difference: Option<String>,
}

/// Counts the orders of a view one by one, and compares the result tables in it row by row.
///
/// # Errors
/// [`StoreError`], where the tables cannot be read.
pub(super) fn recount(view: &View, layout: &Layout) -> Result<Recount, StoreError> {
    let started = Instant::now();
    let mut reference = Reference::new(layout.width);
    view.each_row(ORDER_SOURCE, None, &mut |key, cells| {
        // What is no order is in no result.
        if let Ok(order) = order_of(key, cells) {
            reference.update(&order, 1);
        }
        ControlFlow::Continue(())
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let Reference { users, total, windows, .. } = &reference;
    let [user_table, total_table, window_table, _] = RESULT_TABLES;
    let row = |key: RowKey, totals: &Totals| ResultRow::new(&key, totals, layout);
    let mut user_rows = users.iter().map(|(user, totals)| row(RowKey::User(user.clone()), totals));
    let mut window_rows = windows.iter().map(|(window, totals)| row(RowKey::Window(*window), totals));
    let mut total_rows = (*total != Totals::ZERO).then(|| row(RowKey::Total, total)).into_iter();
    let difference = match difference(view, user_table, &mut user_rows)? {
        None => match difference(view, total_table, &mut total_rows)? {
            None => difference(view, window_table, &mut window_rows)?,
            found => found,
        },
        found => found,
    };
    Ok(Recount { orders: total.orders, users: users.len(), windows: windows.len(), seconds, difference })
}

/// The first row of a table that is not the next one expected.
fn difference(
    view: &View,
    table: &str,
    expected: &mut dyn Iterator<Item = ResultRow>,
) -> Result<Option<String>, StoreError> {
    let mut found = None;
    view.each_row(table, None, &mut |key, cells| {
        let key: Vec<_> = key.iter().copied().map(KeyRef::to_value).collect();
        match expected.next() {
            Some(row) if row.primary_key() == key && row.has(cells) => ControlFlow::Continue(()),
            row => {
                let row = row.map(|row| (row.primary_key(), row.columns));
                found = Some(format!("table {table} holds {key:?} {cells:?} where {row:?} was counted"));
                ControlFlow::Break(())
            }
        }
    })?;
    if found.is_none() {
        found = expected
            .next()
            .map(|row| format!("table {table} does not hold {:?} {:?}", row.primary_key(), row.columns));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::generate::write_of;
    use crate::format::Format;
    use crate::generate::{Orders, Spec};
    use crate::order_tables::schemas;
    use crate::sinks::Zone;
    use crate::store::change::Write;
    use crate::store::{Store, StoreOptions};
    use dataflows::{Amount, Id, Window, WindowWidth};

    #[test]
    fn the_first_row_that_differs_is_found_in_each_table() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), StoreOptions::default()).unwrap();
        schemas().into_iter().for_each(|schema| store.create_table(schema).unwrap());
        let layout = Layout { format: Format::Csv, zone: Zone::default(), width: WindowWidth::default() };
        let write = |writes: Vec<Write>| assert!(store.write_and_wait(writes).iter().all(Result::is_ok));
        let recounted = || recount(&store.view().unwrap(), &layout).unwrap();
        assert_eq!(recounted().difference, None);

        let spec = Spec { orders: 100, users: 7, ..Spec::default() };
        let orders: Vec<_> = Orders::new(spec).collect();
        write(orders.iter().map(write_of).collect());
        let mut reference = Reference::new(layout.width);
        for order in &orders {
            reference.update(
                &dataflows::Order {
                    user_id: Id::new(&format!("u{:07}", order.user)),
                    at_ms: order.at_ms,
                    price: Amount::from_decimal(order.price_cents, 2).unwrap(),
                },
                1,
            );
        }
        let put = |key: RowKey, totals: &Totals| write(vec![ResultRow::new(&key, totals, &layout).put(1)]);
        assert!(recounted().difference.unwrap().starts_with("table OrderBatchSink does not hold "));
        reference.users.iter().for_each(|(user, totals)| put(RowKey::User(user.clone()), totals));
        assert!(recounted().difference.unwrap().starts_with("table OrderTotalSink does not hold "));
        put(RowKey::Total, &reference.total);
        reference.windows.iter().for_each(|(window, totals)| put(RowKey::Window(*window), totals));
        let found = recounted();
        assert_eq!((found.difference, found.orders, found.users), (None, 100, reference.users.len()));

        // A window that no order is in.
        put(RowKey::Window(Window { start_ms: 0 }), &Totals::of(Amount::ZERO, 1));
        assert!(recounted().difference.unwrap().starts_with("table OrderStreamSink holds "));
    }
}
