//! Checks that right results are found right and each wrong row is found, whatever the history, the
//! step and the place.

mod always;
mod remote;
mod rolling;

use proptest::prelude::*;

use super::testing::{Results, commit, folder, log_anew, named, order, put, rows, store, write};
use super::*;
use crate::job::HEAD_KEY;
use order_tables::ORDER_REJECTS;
use store::Store;
use store::append::Append;
use store::change::{ColumnChange, RowWrite, Write};
use store::value::{Cell, KeyValue, PrimaryKey, Row, Value};

/// Recounts in steps of at most `rows_max` rows.
fn verify(store: &Store, rows_max: usize) -> Verified {
    recount(store.view().unwrap()).unwrap().run(rows_max, || true).unwrap().unwrap()
}

fn price() -> impl Strategy<Value = Option<Value>> {
    let doubles = prop::sample::select(vec![0.1, 0.2, 0.0, -0.3, 12.34, 1e12]);
    prop_oneof![
        8 => doubles.prop_map(|price| Some(Value::Double(price))),
        1 => Just(Some(Value::Integer(7))),
        1 => Just(Some(Value::Double(f64::NAN))),
        1 => Just(Some(Value::String("12.34".to_owned()))),
        1 => Just(None),
    ]
}

fn timestamp() -> impl Strategy<Value = Option<Value>> {
    let times = prop::sample::select(vec![-1, 0, 29_999, 30_000, 1_700_000_000_000]);
    prop_oneof![
        8 => times.prop_map(|at_ms| Some(Value::Integer(at_ms))),
        1 => Just(Some(Value::Double(0.5))),
        1 => Just(None),
    ]
}

/// Returns a strategy for writes of orders, valid or not.
fn order_write() -> impl Strategy<Value = Write> {
    let columns = (price(), timestamp()).prop_map(|(price, timestamp)| {
        let columns = [("price", price), ("timestamp", timestamp)];
        columns.into_iter().filter_map(|(name, value)| Some(put(name, value?))).collect()
    });
    let update = prop_oneof![
        price().prop_map(|price| match price {
            Some(price) => put("price", price),
            None => ("price".to_owned(), ColumnChange::DeleteAll),
        }),
        timestamp().prop_map(|at| put("timestamp", at.unwrap_or(Value::Boolean(true)))),
        Just(put("note", Value::String("of no account".to_owned()))),
    ];
    let change = prop_oneof![
        4 => columns.prop_map(RowWrite::Put),
        2 => update.prop_map(|change| RowWrite::Update(vec![change])),
        1 => Just(RowWrite::Delete),
    ];
    (0..3_u8, 0..3_u8, change).prop_map(|(user, order, change)| {
        let key = [format!("u{user}"), format!("o{order}")].map(KeyValue::String).to_vec();
        write(ORDER_SOURCE, &key, change)
    })
}

fn history() -> impl Strategy<Value = Vec<Vec<Write>>> {
    prop::collection::vec(prop::collection::vec(order_write(), 1..5), 1..12)
}

/// Returns another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Integer(value) => Value::Integer(value + 1),
        Value::Double(value) if value.to_bits() == 0 => Value::Double(-0.0),
        Value::Double(value) => Value::Double(f64::from_bits(value.to_bits() ^ 1)),
        Value::String(value) => Value::String(format!("{value}0")),
        Value::Boolean(value) => Value::Boolean(!value),
        value => panic!("no result holds {value:?}"),
    }
}

/// Returns a key that no result has.
fn unused_key(table: &str) -> PrimaryKey {
    let text = |text: &str| KeyValue::String(text.to_owned());
    match table {
        "OrderTotalSink" => vec![KeyValue::Integer(1_000_000)],
        "OrderBatchSink" => vec![text("nobody")],
        _ => vec![text("1970-01-01 00:00:00"), text("never")],
    }
}

/// Returns each way to spoil one row of a table.
fn spoilers(table: &'static str, row: Option<&Row>) -> Vec<Write> {
    let extra = vec![put("totalPrice", Value::Double(1.0)), put("reason", Value::String("none".to_owned()))];
    let mut spoilers = vec![write(table, &unused_key(table), RowWrite::Put(extra))];
    let Some(Row { key, cells }) = row else { return spoilers };
    let mut update = |column| spoilers.push(write(table, key, RowWrite::Update(vec![column])));
    for Cell { name, value, .. } in cells {
        let is_commit = table == ORDER_REJECTS && name == "commit";
        update(put(name, if is_commit { Value::Double(1.0) } else { other(value) }));
        update((name.clone(), ColumnChange::DeleteAll));
    }
    update(put("more", Value::Boolean(true)));
    spoilers.push(write(table, key, RowWrite::Delete));
    spoilers
}

/// Returns the names and values of cells.
fn columns(cells: &[Cell]) -> Vec<(String, Value)> {
    cells.iter().map(|cell| (cell.name.clone(), cell.value.clone())).collect()
}

fn is_named(difference: &Difference, table: &str, found: Option<&Row>, before: Option<&Row>) -> bool {
    let key = found.or(before).map(|row| &row.key);
    let recounted = before.map(|row| {
        let mut columns = columns(&row.cells);
        // The recount does not know the commit of a reject.
        columns.retain(|(name, _)| table != ORDER_REJECTS || name != "commit");
        columns
    });
    difference.table == table
        && Some(&difference.key) == key
        && difference.found.as_deref().map(columns) == found.map(|row| columns(&row.cells))
        && difference.recounted.as_deref().map(columns) == recounted
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn right_results_are_equal_and_each_wrong_row_is_named(
        before in history(),
        after in history(),
        pick in any::<prop::sample::Index>(),
    ) {
        let dir = folder();
        let store = store(dir.path());
        before.into_iter().for_each(|writes| commit(&store, writes));
        let results = Results::of(&store);
        let (in_time, late) = after.split_at(after.len() / 2);
        in_time.iter().for_each(|writes| commit(&store, writes.clone()));
        results.write(&store);
        late.iter().for_each(|writes| commit(&store, writes.clone()));

        let verified = verify(&store, 1_000);
        prop_assert_eq!(&verified.differences, &Vec::new());
        prop_assert_eq!(verified.upper, results.upper);
        for (table, count) in RESULT_TABLES.into_iter().zip(verified.rows.into_iter().chain([verified.rejects])) {
            prop_assert_eq!(rows(&store, table).len() as u64, count, "{}", table);
        }
        for rows_max in [1, 7] {
            prop_assert_eq!(&verify(&store, rows_max), &verified);
        }

        for table in RESULT_TABLES {
            let right = rows(&store, table);
            let row = (!right.is_empty()).then(|| pick.get(&right));
            for spoiler in spoilers(table, row) {
                commit(&store, vec![spoiler.clone()]);
                let wrong: Vec<Row> = rows(&store, table);
                let is_it = |row: &&Row| named(table, &row.key) == spoiler.key;
                let (found, before) = (wrong.iter().find(is_it), right.iter().find(is_it));
                let verified = verify(&store, 1_000);
                prop_assert_eq!(verified.differing, 1, "{:?}: {:?}", spoiler, verified);
                prop_assert!(
                    is_named(&verified.differences[0], table, found, before), "{:?}: {:?}", spoiler, verified
                );
                prop_assert_eq!(&verify(&store, 1), &verified);
                results.write(&store);
            }
        }
        prop_assert!(verify(&store, 1_000).is_equal());
    }
}

#[test]
fn of_many_differences_the_first_are_kept_and_all_are_counted() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, (0..30).map(|user| order(&format!("u{user:02}"), "o", 1.0, 0)).collect());
    Results::of(&store).write(&store);
    let all: Vec<Row> = rows(&store, "OrderBatchSink");
    let deleted = all.iter().map(|row| write("OrderBatchSink", &row.key, RowWrite::Delete)).collect();
    commit(&store, deleted);
    let verified = verify(&store, 4);
    assert_eq!((verified.differing, verified.differences.len()), (30, DIFFERENCES_MAX));
    for (difference, row) in verified.differences.iter().zip(&all) {
        assert_eq!((&difference.key, &difference.found), (&row.key, &None));
    }
}

#[test]
fn a_reject_may_be_of_any_commit() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", f64::NAN, 0)]);
    Results::of(&store).write(&store);
    let key = rows(&store, ORDER_REJECTS).remove(0).key;
    let other = RowWrite::Update(vec![put("commit", Value::Integer(9))]);
    commit(&store, vec![write(ORDER_REJECTS, &key, other)]);
    let verified = verify(&store, 10);
    assert!(verified.is_equal() && verified.rejects == 1, "{verified:?}");
}

#[test]
fn without_the_orders_there_must_be_no_results() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", 1.0, 0), order("u", "bad", f64::NAN, 0)]);
    Results::of(&store).write(&store);
    store.delete_table(ORDER_SOURCE).unwrap();
    let verified = verify(&store, 10);
    assert_eq!(verified.differing, 4, "{verified:?}");
    assert!(verified.differences.iter().all(|difference| difference.recounted.is_none()), "{verified:?}");
    Results::of(&store).write(&store);
    let verified = verify(&store, 10);
    assert!(verified.is_equal() && verified.total.orders == 0, "{verified:?}");
    // A job deletes its checkpoint, too. Here this comes before the results are deleted.
    let notes = vec![(HEAD_KEY.to_vec(), None)];
    let stray = write("OrderBatchSink", &unused_key("OrderBatchSink"), RowWrite::Put(Vec::new()));
    store.append(Append { tables: Vec::new(), writes: vec![stray], notes }).unwrap();
    let view = store.view().unwrap();
    let upper = view.last_commit() + 1;
    let verified = recount(view).unwrap().run(10, || true).unwrap().unwrap();
    assert_eq!((verified.differing, verified.upper), (1, upper), "{verified:?}");
    store.delete_table("OrderBatchSink").unwrap();
    assert!(verify(&store, 10).is_equal());
    // Without any table there is nothing to verify.
    RESULT_TABLES.iter().skip(1).for_each(|table| store.delete_table(table).unwrap());
    assert_eq!(recount(store.view().unwrap()).err(), Some(VerifyError::NoResults));
}

#[test]
fn a_result_table_that_is_gone_misses_its_rows() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", 1.0, 0)]);
    Results::of(&store).write(&store);
    store.delete_table("OrderTotalSink").unwrap();
    let verified = verify(&store, 10);
    assert_eq!(verified.differing, 1);
    assert_eq!((verified.differences[0].table, &verified.differences[0].found), ("OrderTotalSink", &None));
}

#[test]
fn what_cannot_be_verified_is_said_each_time() {
    let dir = folder();
    let store = store(dir.path());
    assert_eq!(recount(store.view().unwrap()).err(), Some(VerifyError::NoResults));
    commit(&store, vec![order("u", "o", 1.0, 0)]);
    let results = Results::of(&store);
    results.write(&store);
    log_anew(&store, false);
    commit(&store, vec![order("u", "o", 2.0, 0)]);
    let mut recount = recount(store.view().unwrap()).unwrap();
    for _ in 0..2 {
        assert_eq!(recount.run(10, || true), Err(VerifyError::ChangesGone(results.upper)));
    }
}

#[test]
fn who_runs_a_recount_can_give_it_up() {
    let dir = folder();
    let store = store(dir.path());
    commit(&store, vec![order("u", "o", 1.0, 0), order("u", "p", 1.0, 0)]);
    Results::of(&store).write(&store);
    let mut pauses = 0;
    let mut recount = recount(store.view().unwrap()).unwrap();
    let given_up = recount.run(1, || {
        pauses += 1;
        pauses < 3
    });
    assert_eq!((given_up, pauses), (Ok(None), 3));
    // Another thread takes the recount up again.
    let found = std::thread::spawn(move || recount.run(1, || true).unwrap().unwrap()).join().unwrap();
    assert!(found.is_equal());
}
