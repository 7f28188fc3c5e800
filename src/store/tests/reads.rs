//! Tests reads: selections, filters, ranges and their pages.

use crate::change::{ColumnChange, RowWrite};
use crate::engine::faulty::Disk;
use crate::error::{FilterTooLarge, KeyInput, KeyMismatch, NoTable, ReadError};
use crate::filter::{Comparator, Filter};
use crate::read::{Direction, PAGE_ROWS_MAX, RangeRead, Selection};
use crate::schema::{TableOptions, TableUpdate};
use crate::testing::{
    START_MS, TestClock, all, bounds, key, memory_store, open, rows, scan, schema, set, write,
};
use crate::value::{KeyPart, KeyType, KeyValue, Row, Value};
use crate::{Durability, Store};

/// Creates a store with one row of columns `a` to `d`, each with versions 1 to 3, and one row
/// without columns.
fn store() -> Store {
    let store = memory_store();
    let mut schema = schema("T", false);
    schema.options.max_versions = 3;
    store.create_table(schema).unwrap();
    let cell = |name: &str, version: i64| {
        (name.to_owned(), ColumnChange::Put { value: version.into(), version: Some(version) })
    };
    let cells = ["d", "b", "a", "c"].iter().flat_map(|name| (1..=3).map(|version| cell(name, version)));
    let writes = vec![
        write("T", key("u", 1), RowWrite::Put(cells.collect())),
        write("T", key("u", 2), RowWrite::Put(vec![])),
    ];
    store.write_and_wait(writes).into_iter().for_each(|answer| drop(answer.unwrap()));
    store
}

/// Returns the cells as `name:version`.
fn names(row: Option<Row>) -> Option<String> {
    let name = |cell: crate::value::Cell| format!("{}:{}", cell.name, cell.version);
    row.map(|row| row.cells.into_iter().map(name).collect::<Vec<_>>().join(" "))
}

fn of(columns: &[&str]) -> Selection {
    let columns = columns.iter().map(|name| (*name).to_owned()).collect();
    Selection { columns, versions_max: Some(1), ..Selection::default() }
}

fn compare(name: &str, comparator: Comparator, value: i64, if_missing: bool, latest_only: bool) -> Filter {
    Filter::Column {
        name: name.to_owned(),
        comparator,
        value: Value::Integer(value),
        if_missing,
        latest_only,
    }
}

#[test]
fn selections_and_filters_give_these_cells() {
    let store = store();
    let filter = |filter| Selection { filter: Some(filter), ..of(&[]) };
    let equal = |name, value, if_missing, latest| compare(name, Comparator::Equal, value, if_missing, latest);
    let page = |offset, limit| Filter::Page { offset, limit };
    let versions = |from, to| Selection { versions: Some((from, to)), ..Selection::default() };
    let from_to = |start: &str, end: &str| Selection {
        start_column: Some(start.to_owned()),
        end_column: Some(end.to_owned()),
        ..of(&[])
    };
    let all_of_a = "a:3 b:3 c:3 d:3";
    let cases: Vec<(Selection, Option<&str>, Option<&str>)> = vec![
        (of(&[]), Some(all_of_a), Some("")),
        (of(&["b", "d", "x"]), Some("b:3 d:3"), None),
        (of(&["x"]), None, None),
        (of(&["x", "Id"]), Some(""), Some("")),
        (of(&["f", "e", "d", "c", "b", "x"]), Some("b:3 c:3 d:3"), None),
        (versions(1, 3), Some("a:2 a:1 b:2 b:1 c:2 c:1 d:2 d:1"), Some("")),
        (versions(4, 9), Some(""), Some("")),
        (Selection { versions: Some((4, 9)), ..of(&["a"]) }, None, None),
        (Selection { versions_max: Some(2), ..of(&["a"]) }, Some("a:3 a:2"), None),
        (Selection { versions_max: Some(9), ..of(&["a"]) }, Some("a:3 a:2 a:1"), None),
        (Selection { versions_max: Some(1), versions: Some((0, 3)), ..of(&["a"]) }, Some("a:2"), None),
        (from_to("b", "d"), Some("b:3 c:3"), Some("")),
        (from_to("x", "y"), Some(""), Some("")),
        (filter(equal("a", 3, false, true)), Some(all_of_a), None),
        (filter(equal("a", 2, false, true)), None, None),
        (filter(equal("x", 2, true, true)), Some(all_of_a), Some("")),
        (filter(compare("a", Comparator::NotEqual, 2, false, true)), Some(all_of_a), None),
        (filter(Filter::Not(Box::new(equal("a", 2, true, true)))), Some(all_of_a), None),
        // A filter sees only what is selected.
        (Selection { filter: Some(equal("a", 3, true, true)), ..of(&["b"]) }, Some("b:3"), None),
        (Selection { filter: Some(equal("a", 3, false, true)), ..of(&["b"]) }, None, None),
        (
            Selection { filter: Some(equal("a", 2, false, false)), versions_max: Some(2), ..of(&["a"]) },
            Some("a:3 a:2"),
            None,
        ),
        (filter(page(1, 2)), Some("b:3 c:3"), Some("")),
        (filter(page(9, 2)), Some(""), Some("")),
        (filter(Filter::All(vec![page(3, 9), equal("a", 3, false, true)])), Some("d:3"), None),
    ];
    for (selection, first, second) in cases {
        for (id, expected) in [(1, first), (2, second)] {
            let found = store.get("T", &key("u", id), &selection).unwrap();
            assert_eq!(names(found).as_deref(), expected, "row {id}, {selection:?}");
        }
        let expected = usize::from(first.is_some()) + usize::from(second.is_some());
        let range = RangeRead { selection, ..all(&store, "T", Direction::Backward) };
        assert_eq!(scan(&store, range.clone()).unwrap().len(), expected, "{range:?}");
    }
    assert_eq!(store.get("T", &key("u", 3), &of(&[])), Ok(None));
    assert_eq!(store.get("None", &key("u", 3), &of(&[])), Err(NoTable("None".to_owned()).into()));
}

#[test]
fn wrong_reads_are_refused() {
    let store = store();
    let filter = Filter::Any(vec![Filter::Page { offset: 0, limit: 1 }; 33]);
    let cases = [
        (Selection { versions_max: Some(0), ..Selection::default() }, ReadError::NoVersions),
        (Selection { versions: Some((5, 5)), ..Selection::default() }, ReadError::VersionRange(5, 5)),
        (Selection { versions: Some((-1, 5)), ..Selection::default() }, ReadError::VersionRange(-1, 5)),
        (
            Selection { filter: Some(filter), ..Selection::default() },
            FilterTooLarge::Conditions { max: 32 }.into(),
        ),
    ];
    for (selection, expected) in cases {
        assert_eq!(store.get("T", &key("u", 1), &selection), Err(expected));
    }
    let range = |direction, start, end| RangeRead { start, end, ..all(&store, "T", direction) };
    let string = |value: &str| KeyPart::Value(KeyValue::String(value.to_owned()));
    let ends = |direction| ReadError::Bounds { table: "T".to_owned(), direction };
    let placeholder = KeyMismatch::Type {
        table: "T".to_owned(),
        column: "Id".to_owned(),
        expected: KeyType::Integer,
        actual: KeyInput::AutoIncrement,
    };
    let cases = [
        (range(Direction::Forward, key("u", 2), key("u", 1)), ends(Direction::Forward)),
        (range(Direction::Forward, key("u", 2), key("u", 2)), ends(Direction::Forward)),
        (range(Direction::Backward, key("u", 1), key("u", 2)), ends(Direction::Backward)),
        (range(Direction::Backward, key("u", 1), key("u", 1)), ends(Direction::Backward)),
        (
            range(Direction::Forward, key("u", 1), bounds(string("u"), KeyPart::AutoIncrement)),
            placeholder.into(),
        ),
        (RangeRead { rows_max: Some(0), ..all(&store, "T", Direction::Forward) }, ReadError::NoRows),
    ];
    for (range, expected) in cases {
        assert_eq!(scan(&store, range), Err(expected));
    }
}

#[test]
fn ranges_start_inclusive_and_end_exclusive_both_ways() {
    let store = memory_store();
    store.create_table(schema("T", false)).unwrap();
    let users = ["a", "a\0", "b"];
    let writes =
        users.iter().flat_map(|user| (1..=3).map(|id| write("T", key(user, id), RowWrite::Put(vec![]))));
    store.write_and_wait(writes.collect()).into_iter().for_each(|answer| drop(answer.unwrap()));
    let user = |name: &str| KeyPart::Value(KeyValue::String(name.to_owned()));
    let part = |user: KeyPart, id: KeyPart| bounds(user, id);
    let (min, max) = (|| KeyPart::Min, || KeyPart::Max);
    let cases = vec![
        (part(min(), min()), part(max(), max()), "a1 a2 a3 a\\01 a\\02 a\\03 b1 b2 b3"),
        (part(user("a"), min()), part(user("a"), max()), "a1 a2 a3"),
        (part(user("a"), max()), part(user("b"), min()), "a\\01 a\\02 a\\03"),
        (key("a", 2), key("b", 2), "a2 a3 a\\01 a\\02 a\\03 b1"),
        (key("a", 0), key("a", 1), ""),
        (key("a", 3), part(max(), min()), "a3 a\\01 a\\02 a\\03 b1 b2 b3"),
    ];
    let shown = |rows: Vec<Row>| {
        let key = |row: Row| match (&row.key[0], &row.key[1]) {
            (KeyValue::String(user), KeyValue::Integer(id)) => format!("{}{id}", user.replace('\0', "\\0")),
            other => panic!("{other:?}"),
        };
        rows.into_iter().map(key).collect::<Vec<_>>().join(" ")
    };
    for (start, end, expected) in cases {
        for rows_max in [None, Some(1), Some(2)] {
            let range = RangeRead {
                start: start.clone(),
                end: end.clone(),
                rows_max,
                ..all(&store, "T", Direction::Forward)
            };
            assert_eq!(shown(scan(&store, range.clone()).unwrap()), expected, "{range:?}");
        }
    }
    let back =
        |start, end| RangeRead { start, end, rows_max: Some(2), ..all(&store, "T", Direction::Backward) };
    assert_eq!(shown(scan(&store, back(key("b", 2), key("a", 3))).unwrap()), "b2 b1 a\\03 a\\02 a\\01");
    assert_eq!(shown(scan(&store, back(part(user("a"), max()), part(min(), min()))).unwrap()), "a3 a2 a1");
}

#[test]
fn pages_end_by_rows_by_bytes_and_by_rows_looked_at() {
    let store = memory_store();
    store.create_table(schema("T", false)).unwrap();
    let count = 20_100;
    for from in (0..count).step_by(300) {
        let row = |id| write("T", key("u", id), RowWrite::Put(vec![set("n", id)]));
        store.write_and_wait((from..from + 300).map(row).collect());
    }
    let mut read = all(&store, "T", Direction::Forward);
    let page = |read: &RangeRead, bytes: usize| {
        let mut rows = 0;
        let next = store.range(read, &mut |_, _| {
            rows += 1;
            bytes
        });
        (rows, next.unwrap().map(|key| key[1].clone()))
    };
    let id = |id: usize| Some(KeyValue::Integer(id as i64));
    assert_eq!(page(&read, 1), (PAGE_ROWS_MAX, id(PAGE_ROWS_MAX)));
    assert_eq!(page(&read, 1 << 20), (4, id(4)));
    assert_eq!(page(&read, 9 << 20), (1, id(1)));
    read.rows_max = Some(1_000_000);
    assert_eq!(page(&read, 1), (PAGE_ROWS_MAX, id(PAGE_ROWS_MAX)));
    // No row passes the filter, and the page ends all the same.
    read.selection.filter = Some(compare("n", Comparator::Less, 0, false, true));
    assert_eq!(page(&read, 1), (0, id(20_000)));
    assert!(scan(&store, read).unwrap().is_empty());
}

#[test]
fn cells_are_gone_when_they_have_lived() {
    let (disk, clock) = (Disk::default(), TestClock::new());
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.create_table(schema("T", true)).unwrap();
    let options = TableOptions { time_to_live_s: 10, ..TableOptions::default() };
    store.update_table("T", TableUpdate { options: Some(options), ..TableUpdate::default() }).unwrap();
    let put = |id, columns| store.write_and_wait(vec![write("T", key("u", id), RowWrite::Put(columns))]);
    let old =
        ("old".to_owned(), ColumnChange::Put { value: Value::Integer(1), version: Some(START_MS - 5_000) });
    put(1, vec![old, set("new", 2)]);
    put(2, vec![]);
    let cells = || rows(&store, "T").into_iter().map(|row| row.cells.len()).collect::<Vec<_>>();
    assert_eq!(cells(), [2, 0]);
    clock.advance_ms(4_999);
    assert_eq!(cells(), [2, 0]);
    clock.advance_ms(1);
    assert_eq!(cells(), [1, 0]);
    clock.advance_ms(5_000);
    assert_eq!(cells(), [0]);
    assert_eq!(store.get("T", &key("u", 1), &Selection::default()), Ok(None));
}
