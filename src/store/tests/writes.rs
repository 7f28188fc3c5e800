//! Tests writes: what is refused and with which words, what takes place, and in which order.

use std::thread;

use crate::Store;
use crate::change::{ColumnChange, Condition, Existence, Returning, RowWrite, Write};
use crate::error::{FilterTooLarge, Halt, KeyInput, KeyMismatch, NoTable, ReadError, WriteError};
use crate::filter::{Comparator, Filter};
use crate::read::Selection;
use crate::testing::{START_MS, bounds, key, memory_store, rows, schema, set, write};
use crate::value::{KeyPart, KeyType, KeyValue, NamedKey, Value};

fn store() -> Store {
    let store = memory_store();
    store.create_table(schema("T", true)).unwrap();
    store
}

fn put(columns: Vec<(String, ColumnChange)>) -> RowWrite {
    RowWrite::Put(columns)
}

fn one(store: &Store, write: Write) -> Result<(), WriteError> {
    store.write_and_wait(vec![write]).remove(0).map(drop)
}

fn versioned(name: &str, value: i64, version: i64) -> (String, ColumnChange) {
    (name.to_owned(), ColumnChange::Put { value: value.into(), version: Some(version) })
}

#[test]
fn wrong_keys_are_refused_by_column() {
    let store = store();
    let string = |value: &str| KeyPart::Value(KeyValue::String(value.to_owned()));
    let integer = || KeyPart::Value(KeyValue::Integer(1));
    let named = |user: &str, id: &str| -> NamedKey {
        vec![(user.to_owned(), string("u")), (id.to_owned(), integer())]
    };
    let table = || "T".to_owned();
    let count = |actual| KeyMismatch::Count { table: table(), expected: 2, actual };
    let name = |expected: &str, actual: &str| KeyMismatch::Name {
        table: table(),
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    };
    let kind = |column: &str, expected, actual| KeyMismatch::Type {
        table: table(),
        column: column.to_owned(),
        expected,
        actual,
    };
    let id = |actual| kind("Id", KeyType::Integer, actual);
    let cases: Vec<(NamedKey, KeyMismatch)> = vec![
        (vec![], count(0)),
        (vec![("User".to_owned(), string("u"))], count(1)),
        (named("user", "Id"), name("User", "user")),
        (named("Id", "User"), name("User", "Id")),
        (bounds(integer(), integer()), kind("User", KeyType::String, KeyInput::Value(KeyType::Integer))),
        (bounds(string("u"), KeyPart::Min), KeyMismatch::Bound(KeyInput::Min)),
        (bounds(string("u"), KeyPart::Max), KeyMismatch::Bound(KeyInput::Max)),
        (bounds(string("u"), KeyPart::AutoIncrement), id(KeyInput::AutoIncrement)),
        (
            bounds(string(&"u".repeat(1_025)), integer()),
            KeyMismatch::TooLong { column: "User".to_owned(), bytes: 1_025 },
        ),
    ];
    for (key, expected) in cases {
        let written = one(&store, write("T", key.clone(), put(vec![])));
        assert_eq!(written, Err(WriteError::Key(expected.clone())));
        let read = store.get("T", &key, &Selection::default()).map(drop);
        assert_eq!(read, Err(ReadError::Key(expected)));
    }
    one(&store, write("T", key(&"u".repeat(1_024), 1), put(vec![]))).unwrap();
}

#[test]
fn wrong_columns_are_refused_by_name() {
    let store = store();
    let long = |bytes| set("long", "x".repeat(bytes).as_str());
    let many = |count| (0..count).map(|i| set(&format!("c{i}"), i)).collect();
    let huge = |count| (0..count).map(|i| (format!("c{i}"), long(2 << 20).1)).collect();
    let update = RowWrite::Update;
    let version = |version| WriteError::Version { column: "v".to_owned(), version };
    let not_a_put = || WriteError::NotAPut("v".to_owned());
    let nine = 8 + 9 * (1 + 2 + 8 + 1 + 4 + (2 << 20));
    let cases: Vec<(RowWrite, WriteError)> = vec![
        (
            put(vec![long((2 << 20) + 1)]),
            WriteError::ValueTooLong { column: "long".to_owned(), bytes: 2_097_153 },
        ),
        (put(many(1_025)), WriteError::TooManyColumns(1_025)),
        (put(huge(9)), WriteError::RowTooLarge(nine)),
        (put(vec![set("", 1)]), WriteError::ColumnName(String::new())),
        (put(vec![set(&"n".repeat(256), 1)]), WriteError::ColumnName("n".repeat(256))),
        (put(vec![set("User", 1)]), WriteError::IsKeyColumn("User".to_owned())),
        (put(vec![versioned("v", 1, -1)]), version(-1)),
        (update(vec![versioned("v", 1, i64::MAX / 1_000)]), version(i64::MAX / 1_000)),
        (update(vec![("v".to_owned(), ColumnChange::DeleteVersion(-1))]), version(-1)),
        (update(vec![]), WriteError::NoColumns("T".to_owned())),
        (put(vec![("v".to_owned(), ColumnChange::DeleteAll)]), not_a_put()),
        (put(vec![("v".to_owned(), ColumnChange::Increment(1))]), not_a_put()),
    ];
    for (change, expected) in cases {
        assert_eq!(one(&store, write("T", key("u", 1), change)), Err(expected));
    }
    assert!(rows(&store, "T").is_empty());
    one(&store, write("T", key("u", 1), put(many(1_024)))).unwrap();
    one(&store, write("T", key("u", 2), put(vec![long(2 << 20)]))).unwrap();
    // A row may not grow beyond its limit by an update either.
    one(&store, write("T", key("u", 3), put(huge(7)))).unwrap();
    let grown = (0..3).map(|i| (format!("d{i}"), long(2 << 20).1)).collect();
    let error = one(&store, write("T", key("u", 3), RowWrite::Update(grown))).unwrap_err();
    assert!(matches!(error, WriteError::RowTooLarge(_)), "{error}");
}

#[test]
fn wrong_conditions_are_refused() {
    let store = store();
    let column = Filter::Column {
        name: "v".to_owned(),
        comparator: Comparator::Equal,
        value: Value::Integer(1),
        if_missing: true,
        latest_only: true,
    };
    let deep = (0..40).fold(column.clone(), |filter, _| Filter::Not(Box::new(filter)));
    let cases = [
        (Filter::All(vec![column.clone(); 33]), FilterTooLarge::Conditions { max: 32 }.into()),
        (deep, FilterTooLarge::Depth { max: 32 }.into()),
        (Filter::Any(vec![Filter::Page { offset: 0, limit: 1 }]), WriteError::PageAsCondition),
    ];
    for (filter, expected) in cases {
        let condition = Condition { columns: Some(filter), ..Condition::default() };
        let refused = one(&store, Write { condition, ..write("T", key("u", 1), put(vec![])) });
        assert_eq!(refused, Err(expected));
    }
    let condition = Condition { columns: Some(Filter::All(vec![column; 32])), ..Condition::default() };
    one(&store, Write { condition, ..write("T", key("u", 1), put(vec![])) }).unwrap();
}

#[test]
fn rows_of_a_request_are_answered_one_by_one_and_applied_in_order() {
    let store = store();
    let add = |by| RowWrite::Update(vec![("n".to_owned(), ColumnChange::Increment(by))]);
    let absent = Condition { existence: Existence::Absent, ..Condition::default() };
    let answers = store.write_and_wait(vec![
        write("T", key("u", 1), add(5)),
        write("None", key("u", 1), add(5)),
        Write { condition: absent, ..write("T", key("u", 1), add(1)) },
        write("T", key("u", 1), RowWrite::Update(vec![set("s", "text")])),
        write("T", key("u", 1), RowWrite::Update(vec![("s".to_owned(), ColumnChange::Increment(1))])),
        Write { returning: Returning::After(vec!["n".to_owned()]), ..write("T", key("u", 1), add(-7)) },
        write("T", key("u", 1), add(i64::MIN)),
    ]);
    let errors: Vec<Option<WriteError>> =
        answers.iter().map(|answer| answer.as_ref().err().cloned()).collect();
    assert_eq!(errors[0], None);
    assert_eq!(errors[1], Some(NoTable("None".to_owned()).into()));
    assert_eq!(errors[2], Some(WriteError::ConditionFailed));
    assert_eq!(errors[4], Some(WriteError::NotAnInteger("s".to_owned())));
    assert_eq!(errors[6], Some(WriteError::Overflow { column: "n".to_owned(), by: i64::MIN }));
    let after = answers[5].as_ref().unwrap().row.clone().unwrap();
    assert_eq!(after.cells[0].value, Value::Integer(-2));
    assert_eq!(after.cells.len(), 1);
    let found = rows(&store, "T").remove(0);
    assert_eq!(found.cells.iter().map(|cell| cell.name.as_str()).collect::<Vec<_>>(), ["n", "s"]);
}

#[test]
fn callers_at_once_lose_nothing() {
    let store = store();
    let (callers, times) = (8, 40);
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| {
                for _ in 0..times {
                    let add = RowWrite::Update(vec![("n".to_owned(), ColumnChange::Increment(1))]);
                    one(&store, write("T", key("u", 1), add)).unwrap();
                }
            });
        }
    });
    assert_eq!(rows(&store, "T")[0].cells[0].value, Value::Integer(callers * times));
    store.check().unwrap();
}

#[test]
fn the_store_chooses_ascending_keys() {
    let store = memory_store();
    let mut schema = schema("T", true);
    schema.key[1].auto_increment = true;
    store.create_table(schema).unwrap();
    let user = |name: &str| KeyPart::Value(KeyValue::String(name.to_owned()));
    let put = |name| Write {
        returning: Returning::Key,
        ..write("T", bounds(user(name), KeyPart::AutoIncrement), put(vec![set("v", 1)]))
    };
    let mut last = 0;
    for _ in 0..3 {
        for answer in store.write_and_wait(vec![put("a"), put("b")]) {
            let row = answer.unwrap().row.unwrap();
            let KeyValue::Integer(chosen) = row.key[1] else { panic!("{row:?}") };
            assert!(chosen > last && row.cells.is_empty());
            last = chosen;
        }
    }
    // An update of a row whose key the store chooses makes a row. A delete has none to delete.
    let change = |change| Write { change, ..put("a") };
    let update = change(RowWrite::Update(vec![set("v", 1)]));
    let updated = store.write_and_wait(vec![update]).remove(0).unwrap().row.unwrap();
    assert!(updated.key[1] > KeyValue::Integer(last), "{updated:?}");
    assert!(matches!(one(&store, change(RowWrite::Delete)), Err(WriteError::Key(_))));
    assert_eq!(rows(&store, "T").len(), 7);
}

#[test]
fn version_0_is_a_version_and_a_lower_one_does_not_win() {
    let store = store();
    one(&store, write("T", key("u", 1), put(vec![versioned("v", 1, 0)]))).unwrap();
    assert_eq!(rows(&store, "T")[0].cells[0].version, 0);
    one(&store, write("T", key("u", 1), RowWrite::Update(vec![set("v", 2)]))).unwrap();
    one(&store, write("T", key("u", 1), RowWrite::Update(vec![versioned("v", 3, 7)]))).unwrap();
    let found = rows(&store, "T").remove(0).cells.remove(0);
    assert_eq!((found.value, found.version), (Value::Integer(2), START_MS));
}

#[test]
fn time_never_runs_backwards_and_followers_are_woken() {
    let store = store();
    let mut commits = store.commits();
    commits.borrow_and_update();
    let before = store.last_commit();
    // The clock of the tests stands still.
    let times: Vec<i64> =
        (0..3).map(|_| store.transact(|transaction| Ok::<_, Halt>(transaction.now_us())).unwrap()).collect();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(store.last_commit(), before, "a request that writes nothing is no commit");
    assert!(!commits.has_changed().unwrap());
    one(&store, write("T", key("u", 1), put(vec![]))).unwrap();
    assert!(commits.has_changed().unwrap());
    assert_eq!(*commits.borrow_and_update(), before + 1);
    let later = store.transact(|transaction| Ok::<_, Halt>(transaction.now_us())).unwrap();
    assert!(later > times[0]);
    store.close().unwrap();
    let refused = store.write_and_wait(vec![write("T", key("u", 1), put(vec![])); 2]);
    assert_eq!(refused, [Err(Halt::Closing.into()), Err(Halt::Closing.into())]);
}
