//! Checks what the results hold, whatever happens to orders.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use dataflows::{Amount, Totals};
use proptest::prelude::*;

use crate::job::testing::*;
use order_tables::{ORDER_REJECTS, RESULT_TABLES};
use store::change::RowWrite;
use store::error::{CatalogError, WriteError};
use store::schema::{TableOptions, TableUpdate};
use store::testing::write;
use store::value::{CellRef, KeyPart, KeyRef, KeyValue, Value, ValueRef};
use store::view::View;
use testkit::Random;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn results_are_a_fold_of_the_orders_at_every_stop(seed: u64, workers in 1..4_usize, changes_max in 1..30_usize) {
        let mut random = Random(seed);
        let fixture = Fixture::with_orders(config(workers, changes_max));
        for _ in 0..6 {
            for _ in 0..random.below(8) {
                fixture.write(any_request(&mut random));
            }
            fixture.check();
        }
    }
}

#[test]
fn corrections_move_all_three_results_and_what_is_empty_goes() {
    let fixture = Fixture::with_orders(config(2, 100));
    let steps = [
        ("placed", put("u1", "o1", 0.1, 0)),
        ("another", put("u1", "o2", 0.2, 29_999)),
        ("of another user, in another window", put("u2", "o1", 5.0, 30_000)),
        ("put again with another price", put("u1", "o1", 7.25, 0)),
        ("moved to another window", put("u1", "o1", 7.25, 60_000)),
        ("moved to before 1970", update("u1", "o1", "timestamp", Value::Integer(-1))),
        ("put again as it is", put("u2", "o1", 5.0, 30_000)),
        ("another column", update("u2", "o1", "note", Value::String("gift".to_owned()))),
        ("the user's last order", delete("u2", "o1")),
        ("what is not there", delete("u2", "o1")),
        ("one of two", delete("u1", "o2")),
        ("the last of all", delete("u1", "o1")),
    ];
    let dumps: Vec<String> = steps
        .into_iter()
        .map(|(step, write)| {
            fixture.write(vec![write]);
            let dump = fixture.check();
            println!("{step}:\n{dump}");
            dump
        })
        .collect();
    assert!(dumps[1].contains("\"totalPriceExact\", \"String(\\\"0.30\\\")\""), "0.1 + 0.2 is 0.30");
    assert_eq!(dumps[5], dumps[6], "nothing moved");
    assert_eq!(dumps[6], dumps[7], "nor here");
    assert!(!dumps[8].contains("u2"), "a user without orders goes");
    assert_eq!(dumps[11], "", "nothing is left");
}

#[test]
fn bad_orders_are_set_aside_counted_and_healed() {
    let fixture = Fixture::with_orders(config(1, 100));
    let at = ("timestamp", Value::Integer(0));
    let bad = [
        ("missing", vec![at.clone()], "price is missing"),
        (
            "text",
            vec![("price", Value::String("5".to_owned())), at.clone()],
            "price is a string, not a double",
        ),
        ("nan", vec![("price", Value::Double(f64::NAN)), at.clone()], "price NaN is not a finite number"),
        (
            "far",
            vec![("price", Value::Double(1e13)), at.clone()],
            "price 10000000000000.0 is beyond ±1000000000000",
        ),
        ("when", vec![("price", Value::Double(1.0))], "timestamp is missing"),
    ];
    fixture.write(vec![put("u", "good", 1.5, 0)]);
    let commit = fixture.write(bad.iter().map(|(id, cells, _)| put_cells("u", id, cells)).collect());
    let dump = fixture.check();
    for (id, _, reason) in &bad {
        assert!(
            dump.contains(&format!("{id}\\\")\"] [(\"reason\", \"String(\\\"{reason}\\\")\")]")),
            "{id}: {dump}"
        );
    }
    assert_eq!(fixture.settle().rejects, 5);
    assert_eq!(fixture.settle().total, Totals { orders: 1, amount: "1.5".parse().unwrap() });
    let commits: BTreeSet<i64> = commits_of(&fixture.store.view().unwrap());
    assert_eq!(commits, BTreeSet::from([commit as i64]), "the commit that wrote them so");
    // The orders become invalid in another way, valid, and deleted.
    fixture.write(vec![
        update("u", "nan", "price", Value::Double(f64::INFINITY)),
        put("u", "good", f64::NAN, 0),
    ]);
    fixture.check();
    assert_eq!((fixture.settle().rejects, fixture.settle().total.orders), (6, 0));
    fixture.write(vec![put("u", "nan", 2.0, 0), put("u", "good", 1.0, 0), delete("u", "far")]);
    fixture.check();
    assert_eq!((fixture.settle().rejects, fixture.settle().total.orders), (3, 2));
}

fn commits_of(view: &View) -> BTreeSet<i64> {
    let mut commits = BTreeSet::new();
    view.each_row(ORDER_REJECTS, None, &mut |_, cells| {
        let ValueRef::Integer(commit) = cells[0].value else { panic!("{cells:?}") };
        assert_eq!(cells[0].name, "commit");
        commits.insert(commit);
        ControlFlow::Continue(())
    })
    .unwrap();
    commits
}

#[test]
fn result_tables_are_the_jobs_while_it_runs() {
    let mut fixture = Fixture::with_orders(config(1, 100));
    fixture.write(vec![put("u", "o", 1.0, 0)]);
    fixture.check();
    let value = |value| KeyPart::Value(value);
    let text = |name: &str| (name.to_owned(), value(KeyValue::String("u".to_owned())));
    let keys = [
        vec![text("UserId")],
        vec![("count".to_owned(), value(KeyValue::Integer(1)))],
        vec![text("begin"), text("end")],
        key("u", "o"),
    ];
    let writes =
        || RESULT_TABLES.iter().zip(keys.clone()).map(|(table, key)| write(table, key, RowWrite::Delete));
    for (write, table) in writes().zip(RESULT_TABLES) {
        let answer = fixture.store.write_and_wait(vec![write]).remove(0);
        assert_eq!(answer.map(drop), Err(WriteError::Reserved(table.to_owned())));
    }
    let options = Some(TableOptions { time_to_live_s: 9, ..Default::default() });
    let options = TableUpdate { options, ..Default::default() };
    let refused = fixture.store.update_table("OrderBatchSink", options);
    assert_eq!(refused.map(drop), Err(CatalogError::Reserved("OrderBatchSink".to_owned())));
    fixture.stop();
    fixture.write(writes().collect());
}

/// Returns the sums over users and over windows, each with the number of rows, and the total, as a
/// view shows them.
fn sums(view: &View) -> [Totals; 3] {
    let [users, total, windows, ..] = RESULT_TABLES;
    [users, windows, total].map(|table| {
        let mut sum = Totals::ZERO;
        let add = &mut |key: &[KeyRef<'_>], cells: &[CellRef<'_>]| {
            let orders = match (key[0], cells[0].value) {
                (KeyRef::Integer(count), _) | (_, ValueRef::Integer(count)) => count,
                other => panic!("{other:?}"),
            };
            let Some(ValueRef::String(exact)) = cells.last().map(|cell| cell.value) else {
                panic!("{cells:?}")
            };
            let amount = sum.amount.checked_add(exact.parse::<Amount>().unwrap()).unwrap();
            sum = Totals { orders: sum.orders + orders, amount };
            ControlFlow::Continue(())
        };
        view.each_row(table, None, add).unwrap();
        sum
    })
}

/// Returns the version of the total's cells, which is the epoch.
fn epoch_of(view: &View) -> Option<i64> {
    let mut epochs = Vec::new();
    view.each_row("OrderTotalSink", None, &mut |_, cells| {
        epochs.extend(cells.iter().map(|cell| cell.version));
        ControlFlow::Continue(())
    })
    .unwrap();
    epochs.dedup();
    assert!(epochs.len() <= 1, "one row of one epoch: {epochs:?}");
    epochs.pop()
}

#[test]
fn readers_always_find_three_results_that_agree_and_never_an_older_epoch() {
    let fixture = Fixture::with_orders(config(2, 7));
    fixture.settle();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut seen) = (0, 0_u64);
            while !done.load(Ordering::SeqCst) {
                let view = fixture.store.view().unwrap();
                let [users, windows, total] = sums(&view);
                assert_eq!((users, windows), (total, total));
                if let Some(epoch) = epoch_of(&view) {
                    assert!(epoch >= last, "epoch {epoch} after {last}");
                    seen += u64::from(epoch > last);
                    last = epoch;
                }
            }
            seen
        });
        let mut random = Random(7);
        for _ in 0..400 {
            fixture.write(any_request(&mut random));
        }
        fixture.check();
        done.store(true, Ordering::SeqCst);
        assert!(reader.join().unwrap() > 1, "the reader saw results change");
    });
}
