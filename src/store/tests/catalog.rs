use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;

use crate::catalog;
use crate::engine::Space;
use crate::error::{AutoIncrementError, CatalogError, Halt, NoTable};
use crate::schema::{KeyColumn, StreamOptions, TableOptions, TableSchema, TableUpdate};
use crate::testing::{folder, memory_store};
use crate::transaction::Transaction;
use crate::value::KeyType;
use crate::{Store, StoreOptions};

fn schema(name: &str) -> TableSchema {
    TableSchema {
        name: name.to_owned(),
        key: vec![KeyColumn { name: "Id".to_owned(), kind: KeyType::String, auto_increment: false }],
        options: TableOptions::default(),
        stream: None,
        defined_columns: vec![],
        throughput: (0, 0),
        splits: Vec::new(),
    }
}

fn open(folder: &TempDir) -> Store {
    Store::open(folder.path(), StoreOptions::default()).unwrap()
}

#[test]
fn tables_come_change_go_and_outlive_the_process() {
    let folder = folder();
    let store = open(&folder);
    store.create_table(schema("B")).unwrap();
    store.create_table(schema("A")).unwrap();
    assert_eq!(store.create_table(schema("A")), Err(CatalogError::Exists("A".to_owned())));
    let stream = Some(Some(StreamOptions::of_hours(24)));
    let info = store.update_table("A", TableUpdate { stream, ..TableUpdate::default() }).unwrap();
    assert!(info.stream_id.as_ref().is_some_and(|id| id.starts_with("A_")));
    drop(store);

    let store = open(&folder);
    assert_eq!(store.tables(), ["A", "B"]);
    assert_eq!(store.table("A").unwrap(), info);
    store.delete_table("A").unwrap();
    assert_eq!(store.delete_table("A"), Err(NoTable("A".to_owned()).into()));
    store.create_table(schema("A")).unwrap();
    let (old, new) = (info.stream_id.clone(), store.table("A").unwrap().stream_id.clone());
    assert!(old.is_some() && new.is_none());
    store.close().unwrap();
    assert_eq!(store.create_table(schema("C")), Err(Halt::Closing.into()));
    assert_eq!(store.tables(), ["A", "B"]);
}

#[test]
fn a_failed_request_leaves_nothing_and_later_ones_see_earlier_ones() {
    let store = memory_store();
    let put = |transaction: &mut Transaction<'_>| {
        transaction.put(Space::Meta, b"ukey".to_vec(), b"1".to_vec());
        Ok::<_, Halt>(())
    };
    store.transact(put).unwrap();
    let commit = store.last_commit();
    let failed: Result<(), CatalogError> = store.transact(|transaction| {
        transaction.put(Space::Meta, b"ukey".to_vec(), b"2".to_vec());
        transaction.put(Space::Meta, b"uother".to_vec(), b"2".to_vec());
        transaction.append(Space::Log, b"log".to_vec(), b"2".to_vec());
        transaction.tables_mut().clear();
        Err(CatalogError::NoMoreIds)
    });
    assert_eq!(failed, Err(CatalogError::NoMoreIds));
    assert_eq!(store.last_commit(), commit);
    let seen = store.transact(|transaction| {
        transaction.remove(Space::Meta, b"ukey".to_vec());
        transaction.put(Space::Meta, b"uthird".to_vec(), b"3".to_vec());
        Ok::<_, CatalogError>(transaction.list(b"u")?)
    });
    let keys: Vec<Vec<u8>> = seen.unwrap().into_keys().map(|key| key.to_vec()).collect();
    assert_eq!(keys, [b"uthird".to_vec()]);
    assert_eq!(store.last_commit(), commit + 1);
    assert!(store.snapshot().get(Space::Meta, b"ukey").unwrap().is_none());
}

#[test]
fn a_view_has_the_tables_of_its_snapshot_whenever_it_is_taken() {
    let store = memory_store();
    store.create_table(schema("A")).unwrap();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..200 {
                store.create_table(schema("B")).unwrap();
                store.delete_table("B").unwrap();
            }
            ended.store(true, Ordering::Release);
        });
        while !ended.load(Ordering::Acquire) {
            let view = store.view().unwrap();
            let stored = catalog::load(view.snapshot()).unwrap();
            for table in ["A", "B"] {
                assert_eq!(view.find_table(table), stored.get(table).cloned(), "{view:?}");
            }
        }
    });
    // The tables are neither read again nor copied if none has changed.
    let [one, other] = [(); 2].map(|()| store.view().unwrap().find_table("A").unwrap());
    assert!(Arc::ptr_eq(&one, &other));
}

#[test]
fn wrong_schemas_are_refused_by_name() {
    let store = memory_store();
    fn column(name: &str, kind: KeyType, auto_increment: bool) -> KeyColumn {
        KeyColumn { name: name.to_owned(), kind, auto_increment }
    }
    let id = || column("Id", KeyType::String, false);
    type Change = Box<dyn Fn(&mut TableSchema)>;
    let table = |name: &str| CatalogError::TableName(name.to_owned());
    let columns = |count| CatalogError::KeyColumns { table: "T".to_owned(), count };
    let chosen = |error| CatalogError::AutoIncrement { column: "n".to_owned(), error };
    let auto = || column("n", KeyType::Integer, true);
    let cases: Vec<(Change, CatalogError)> = vec![
        (Box::new(|schema| schema.name = "".to_owned()), table("")),
        (Box::new(|schema| schema.name = "1a".to_owned()), table("1a")),
        (Box::new(|schema| schema.name = "a-b".to_owned()), table("a-b")),
        (Box::new(|schema| schema.name = "a".repeat(256)), table(&"a".repeat(256))),
        (Box::new(|schema| schema.key.clear()), columns(0)),
        (
            Box::new(|schema| {
                schema.key =
                    (0..5).map(|i| KeyColumn { name: format!("k{i}"), ..schema.key[0].clone() }).collect()
            }),
            columns(5),
        ),
        (
            Box::new(move |schema| schema.key = vec![id(), id()]),
            CatalogError::KeyColumnTwice("Id".to_owned()),
        ),
        (
            Box::new(move |schema| schema.key = vec![column("a b", KeyType::String, false)]),
            CatalogError::ColumnName("a b".to_owned()),
        ),
        (Box::new(move |schema| schema.key = vec![auto()]), chosen(AutoIncrementError::First)),
        (
            Box::new(move |schema| schema.key = vec![id(), column("n", KeyType::String, true)]),
            chosen(AutoIncrementError::NotAnInteger),
        ),
        (
            Box::new(move |schema| schema.key = vec![id(), column("m", KeyType::Integer, true), auto()]),
            chosen(AutoIncrementError::Second),
        ),
        (Box::new(|schema| schema.options.max_versions = 0), CatalogError::MaxVersions(0)),
        (Box::new(|schema| schema.options.time_to_live_s = -2), CatalogError::TimeToLive(-2)),
        (Box::new(|schema| schema.options.version_deviation_s = 0), CatalogError::VersionDeviation(0)),
        (Box::new(|schema| schema.stream = Some(StreamOptions::of_hours(0))), CatalogError::StreamHours(0)),
        (
            Box::new(|schema| schema.defined_columns = vec![("Id".to_owned(), 1)]),
            CatalogError::ColumnTwice("Id".to_owned()),
        ),
    ];
    for (change, expected) in cases {
        let mut schema = schema("T");
        change(&mut schema);
        assert_eq!(store.create_table(schema), Err(expected));
    }
    assert!(store.tables().is_empty());
}

#[test]
fn the_65th_table_is_refused() {
    let store = memory_store();
    for i in 0..64 {
        store.create_table(schema(&format!("T{i}"))).unwrap();
    }
    assert_eq!(store.create_table(schema("T64")), Err(CatalogError::TooManyTables));
    store.delete_table("T0").unwrap();
    store.create_table(schema("T64")).unwrap();
}
