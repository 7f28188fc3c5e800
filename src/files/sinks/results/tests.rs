use proptest::prelude::*;

use super::*;
use crate::sinks::test_results::{self, small, total_key, totals, user_key, window_key};
use dataflows::views::{USERS, WINDOWS};
use dataflows::{Id, Window};

fn user(name: &str) -> RowKey {
    user_key(&Id::new(name))
}

#[test]
fn rows_come_in_any_order_and_stand_in_theirs() {
    let results = small();
    let users = ["A user whose name is not short", "größe, \"XL\"", "u1"].map(Id::new).map(Parts::text);
    assert_eq!(results.rows(USERS).keys().cloned().collect::<Vec<_>>(), users);
    let windows = [-30_000, 0, 1_700_000_010_000].map(Parts::integer);
    assert_eq!(results.rows(WINDOWS).keys().cloned().collect::<Vec<_>>(), windows);
    assert_eq!(results.check(), Ok(()));
}

#[test]
fn results_that_contradict_each_other_are_found() {
    let one = totals(1, "5");
    let (ann, at) = (Id::new("ann"), Window { start_ms: 0 });
    for (users, total, windows, expected) in [
        (
            vec![(ann.clone(), one), (ann.clone(), one)],
            totals(2, "10"),
            vec![(at, totals(2, "10"))],
            "internal: there are two rows of user \"ann\"",
        ),
        (
            vec![(ann.clone(), one)],
            one,
            vec![(at, totals(1, "5.01"))],
            "internal: the windows sum up to 1 orders of 5.01, but the total is 1 orders of 5.00",
        ),
        (
            vec![],
            one,
            vec![(at, one)],
            "internal: the users sum up to 0 orders of 0.00, but the total is 1 orders of 5.00",
        ),
        (
            vec![(ann.clone(), totals(0, "5"))],
            one,
            vec![(at, one)],
            "internal: the row of user \"ann\" counts 0 orders",
        ),
        (vec![], totals(0, "5"), vec![], "internal: the row of the total counts 0 orders"),
        (
            vec![(ann, one)],
            one,
            vec![(at, totals(-1, "5"))],
            "internal: the row of the window from 0 ms counts -1 orders",
        ),
    ] {
        assert_eq!(test_results::results(0, users, total, windows).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_sum_beyond_all_amounts_is_a_disagreement_not_a_panic() {
    let most = Totals { orders: i64::MAX, amount: Amount::from_units(i128::MAX) };
    let users = vec![(Id::new("a"), most), (Id::new("b"), most)];
    assert_eq!(test_results::results(0, users, most, vec![]), Err(Contradiction::Overflow("users")));
}

#[test]
fn a_change_must_start_from_what_is_there() {
    let mut results = small();
    let before = results.clone();
    for (key, claimed, expected) in [
        (
            user("u1"),
            None,
            "internal: a change of user \"u1\" starts from absent, but it is 2 orders of 12.34",
        ),
        (
            user("u2"),
            Some(totals(1, "1")),
            "internal: a change of user \"u2\" starts from 1 orders of 1.00, but it is absent",
        ),
        (
            window_key(0),
            Some(totals(2, "1")),
            "internal: a change of the window from 0 ms starts from 2 orders of 1.00, but it is 2 orders of 0.00",
        ),
        (
            total_key(),
            None,
            "internal: a change of the total starts from absent, but it is 4 orders of 12.339999999999999999",
        ),
    ] {
        let change = Change { key, before: claimed, after: None };
        assert_eq!(results.apply(&change).unwrap_err().to_string(), expected);
        assert_eq!(results, before);
    }
}

/// Returns all changes that lead from one state of the results to another.
fn changes_between(from: &Results, to: &Results) -> Vec<Change> {
    let mut changes = Vec::new();
    for view in ViewId::all() {
        let (before, after) = (from.rows(view), to.rows(view));
        let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
        changes.extend(keys.into_iter().map(|parts| Change {
            key: RowKey::new(view, parts.clone()),
            before: before.get(parts).copied(),
            after: after.get(parts).copied(),
        }));
    }
    changes.retain(|change| change.before != change.after);
    changes
}

/// Returns the results of these orders, given as user, window and whole price.
fn results_of(orders: &[(u8, i8, i32)], epoch: Epoch) -> Results {
    let (mut users, mut windows, mut total) = (BTreeMap::new(), BTreeMap::new(), Totals::ZERO);
    let add = |row: &mut Totals, price: i32| {
        row.orders += 1;
        row.amount = Amount::from_units(row.amount.units() + i128::from(price) * 10_i128.pow(18));
    };
    for &(user, window, price) in orders {
        add(users.entry(Id::new(&format!("user {user}"))).or_default(), price);
        add(windows.entry(Window { start_ms: i64::from(window) * 30_000 }).or_default(), price);
        add(&mut total, price);
    }
    test_results::results(epoch, users.into_iter().collect(), total, windows.into_iter().collect()).unwrap()
}

proptest! {
    #[test]
    fn changes_folded_up_are_the_results(
        states in prop::collection::vec(prop::collection::vec((0_u8..5, -3_i8..3, -9_i32..9), 0..12), 1..8),
        backwards: bool,
    ) {
        let mut folded = Results::default();
        for (epoch, orders) in states.iter().enumerate() {
            let expected = results_of(orders, epoch as Epoch);
            prop_assert_eq!(expected.check(), Ok(()));
            let mut changes = changes_between(&folded, &expected);
            if backwards {
                changes.reverse();
            }
            for change in &changes {
                folded.apply(change).unwrap();
            }
            folded.epoch = expected.epoch;
            prop_assert_eq!(&folded, &expected);
        }
    }
}
