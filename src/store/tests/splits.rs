//! Tests the keys at which a table is divided into ranges of about equal size.

use crate::SPLIT_POINTS_MAX;
use crate::change::RowWrite;
use crate::read::{Direction, RangeRead};
use crate::testing::{all, bounds, key, memory_store, schema, set, write};
use crate::value::{KeyPart, KeyValue, PrimaryKey};

#[test]
fn ranges_between_the_points_are_of_about_the_same_size_and_hold_every_row_once() {
    let store = memory_store();
    for table in ["Before", "T", "After"] {
        store.create_table(schema(table, false)).unwrap();
        let row = |id| write(table, key("u", id), RowWrite::Put(vec![set("n", id)]));
        store
            .write_and_wait((0..2_000).map(row).collect())
            .into_iter()
            .for_each(|answer| drop(answer.unwrap()));
    }
    let id = |key: &PrimaryKey| match key[1] {
        KeyValue::Integer(id) => id,
        _ => panic!("{key:?}"),
    };
    let points = |split_bytes, points_max| -> Vec<i64> {
        store.split_points("T", split_bytes, points_max).unwrap().iter().map(id).collect()
    };
    // Every row takes the same number of bytes, which is the largest at which two rows are divided.
    store.create_table(schema("Two", false)).unwrap();
    let row = |id| write("Two", key("u", id), RowWrite::Put(vec![set("n", id)]));
    store.write_and_wait(vec![row(1), row(2)]).into_iter().for_each(|answer| drop(answer.unwrap()));
    let divides = |bytes: &u64| !store.split_points("Two", *bytes, 9).unwrap().is_empty();
    let row_bytes = (1..1_000_u64).rev().find(divides).unwrap();
    for (split_rows, points_max, range) in [
        (500, 9, 500),
        (500, 2, 1_000),
        (500, 1, 1_000),
        (500, 0, 2_000),
        (2_000, 9, 2_000),
        (3, 700, 3),
        (3, 665, 6),
        (1, SPLIT_POINTS_MAX, 2),
        (1, usize::MAX, 2),
        (100, 10, 200),
    ] {
        let found = points(split_rows * row_bytes, points_max);
        assert!(found.len() <= points_max.min(SPLIT_POINTS_MAX));
        let expected: Vec<i64> = (range..2_000).step_by(usize::try_from(range).unwrap()).collect();
        assert_eq!(found, expected, "{split_rows} rows, at most {points_max}");
    }
    let rows = |start: KeyPart, end: KeyPart| {
        let user = |id: KeyPart| match id {
            KeyPart::Value(_) => bounds(KeyPart::Value(KeyValue::String("u".to_owned())), id),
            bound => bounds(bound.clone(), bound),
        };
        let read = RangeRead { start: user(start), end: user(end), ..all(&store, "T", Direction::Forward) };
        crate::testing::scan(&store, read).unwrap().len()
    };
    let inner = points(300 * row_bytes, 99).into_iter().map(|id| KeyPart::Value(KeyValue::Integer(id)));
    let ends: Vec<KeyPart> = [KeyPart::Min].into_iter().chain(inner).chain([KeyPart::Max]).collect();
    let counts: Vec<usize> = ends.windows(2).map(|pair| rows(pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(counts, [300, 300, 300, 300, 300, 300, 200]);
}

#[test]
fn an_empty_table_is_one_range() {
    let store = memory_store();
    store.create_table(schema("T", false)).unwrap();
    assert_eq!(store.split_points("T", 1, 9), Ok(vec![]));
    store.write_and_wait(vec![write("T", key("u", 1), RowWrite::Put(vec![]))]);
    assert_eq!(store.split_points("T", 1, 9), Ok(vec![]));
    assert!(store.split_points("None", 1, 9).is_err());
}
