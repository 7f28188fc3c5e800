//! Tests the list of views: each view fits together, and no two conflict.

use std::collections::BTreeSet;

use dataflows::views::{TOTAL, USERS, WINDOWS};
use dataflows::{Aggregate, Id, Order, Part, Parts, RowKey, ViewId, Windows};

fn order() -> Order {
    Order { user_id: Id::new("a \"user\""), at_ms: 100_000_000_000, price: "1.25".parse().expect("a price") }
}

#[test]
fn each_view_has_names_of_its_own_and_keys_of_its_columns() {
    let (mut names, mut tables) = (BTreeSet::new(), BTreeSet::new());
    for view in ViewId::all() {
        assert!(names.insert(view.name) && tables.insert(view.table), "{view:?}: its names are its own");
        assert!(view.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{view:?}: an address");
        let parts = (view.group)(&order(), &Windows::default());
        assert!(view.is_key(&parts), "{view:?}: {parts:?} is a key");
        assert!(!view.is_key(&Parts::Many([const { Part::Integer(0) }; 9].into())));
        assert!(view.key.is_sorted_by_key(|column| column.part), "{view:?}: columns in the order of the key");
        assert_eq!(
            view.key.is_empty(),
            view.counted.is_none(),
            "{view:?}: rows that are one are not counted"
        );
        assert_eq!(view.row.matches("{}").count(), parts.as_slice().len(), "{view:?}: all of a key is told");
        let columns: BTreeSet<&str> = view.key.iter().map(|column| column.name).collect();
        assert_eq!(columns.len(), view.key.len(), "{view:?}: a column comes once");
        // The engine keeps these of each group, and all readers of result tables need them.
        assert!(view.count_column().is_some() && view.exact_column().is_some(), "{view:?}");
        assert!(matches!(view.aggregates, [Aggregate::Count { .. }, Aggregate::Sum { .. }]), "{view:?}");
    }
    assert!(TOTAL.is_of_all() && TOTAL.key.is_empty());
}

#[test]
fn rows_are_told_in_words_and_ordered_by_view_then_key() {
    let windows = Windows::default();
    let key = |view: ViewId| RowKey::new(view, (view.group)(&order(), &windows));
    let keys = [USERS, TOTAL, WINDOWS].map(key);
    assert!(keys.is_sorted(), "{keys:?}");
    let told = keys.map(|key| key.to_string());
    assert_eq!(told, ["user \"a \\\"user\\\"\"", "the total", "the window from 99999990000 ms"]);
}

#[test]
fn a_key_of_one_value_needs_no_memory_of_its_own() {
    assert!(size_of::<RowKey>() <= 40, "{} bytes", size_of::<RowKey>());
}
