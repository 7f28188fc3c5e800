//! Tests the log: what it says about each change, where it starts, and how it is cut.

use crate::catalog;
use crate::change::{ColumnChange, RowWrite, Write};
use crate::edit::EditRef;
use crate::engine::Space;
use crate::engine::faulty::Disk;
use crate::error::CatalogError;
use crate::key::KeyReader;
use crate::log::{self, Action, Cut, LogPosition};
use crate::schema::{StreamOptions, TableUpdate};
use crate::testing::{TestClock, key, memory_store, open, schema, set, write};
use crate::transaction::Transaction;
use crate::{CHANNELS, Durability, Store};

/// Returns the changes of all partitions, in the order of their commits, as `key action before >
/// after | edits`.
fn changes(store: &Store, table: &str) -> Vec<String> {
    let table = store.find_table(table).unwrap();
    let snapshot = store.snapshot();
    let mut changes = Vec::new();
    for partition in 0..CHANNELS {
        let Some(from) = log::first_kept(snapshot.as_ref(), &table, partition).unwrap() else { continue };
        for entry in log::scan(snapshot.as_ref(), table.id, partition, from) {
            let entry = entry.unwrap();
            let record = entry.record().unwrap();
            let mut keys = KeyReader::default();
            let key = keys.read(table.key(), record.key).unwrap().to_key();
            let before =
                record.before.map(|row| row.cells().map(|cell| show(&cell.unwrap())).collect::<Vec<_>>());
            let after = record.after().unwrap().map(|cells| cells.iter().map(show).collect::<Vec<_>>());
            let edits: Vec<String> = record.edits().map(|edit| show_edit(&edit.unwrap())).collect();
            let action = match record.action {
                Action::Put => "put",
                Action::Update => "update",
                Action::Delete => "delete",
            };
            let rows = [before, after].map(|row| row.map_or("none".to_owned(), |cells| cells.join(",")));
            let line = format!("{:?} {action} {} > {} | {}", key[1], rows[0], rows[1], edits.join(","));
            changes.push((entry.position, line));
        }
    }
    changes.sort();
    changes.into_iter().map(|(_, line)| line).collect()
}

fn show(cell: &crate::value::CellRef<'_>) -> String {
    match cell.value {
        crate::value::ValueRef::Integer(value) => format!("{}={value}", cell.name),
        other => format!("{}={other:?}", cell.name),
    }
}

fn show_edit(edit: &EditRef<'_>) -> String {
    match edit {
        EditRef::Put(cell) => show(cell),
        EditRef::DeleteVersion { name, version } => format!("-{name}@{version}"),
        EditRef::DeleteAll { name } => format!("-{name}"),
    }
}

fn run(store: &Store, writes: Vec<Write>) {
    store.write_and_wait(writes).into_iter().for_each(|answer| drop(answer.unwrap()));
}

#[test]
fn each_change_says_what_was_before_and_what_came_of_it() {
    let store = memory_store();
    store.create_table(schema("T", true)).unwrap();
    let change = |id, change| write("T", key("u", id), change);
    let update = |columns| RowWrite::Update(columns);
    run(
        &store,
        vec![
            change(1, RowWrite::Put(vec![set("b", 2), set("a", 1)])),
            change(
                1,
                update(vec![
                    ("a".to_owned(), ColumnChange::Increment(5)),
                    ("b".to_owned(), ColumnChange::DeleteAll),
                ]),
            ),
            change(2, update(vec![("x".to_owned(), ColumnChange::DeleteAll)])),
            change(2, update(vec![("x".to_owned(), ColumnChange::DeleteVersion(3)), set("n", 1)])),
            change(3, RowWrite::Delete),
        ],
    );
    run(&store, vec![change(1, RowWrite::Delete), change(1, RowWrite::Put(vec![]))]);
    assert_eq!(
        changes(&store, "T"),
        [
            "Integer(1) put none > a=1,b=2 | a=1,b=2",
            "Integer(1) update a=1,b=2 > a=6 | a=6,-b",
            "Integer(2) update none > n=1 | -x@3,n=1",
            "Integer(1) delete a=6 > none | ",
            "Integer(1) put none >  | ",
        ]
    );
    store.check().unwrap();
}

#[test]
fn a_stream_that_is_switched_on_starts_there() {
    let store = memory_store();
    store.create_table(schema("T", false)).unwrap();
    let put = |value| run(&store, vec![write("T", key("u", 1), RowWrite::Put(vec![set("v", value)]))]);
    let switch = |on: bool| {
        let stream = Some(on.then_some(StreamOptions::of_hours(1)));
        store.update_table("T", TableUpdate { stream, ..TableUpdate::default() }).unwrap()
    };
    let switch_stream_on = || {
        let switch = |transaction: &mut Transaction<'_>| {
            let table = transaction.table("T")?;
            Ok::<_, CatalogError>(catalog::switch_stream_on(transaction, table)?)
        };
        store.transact(switch).unwrap();
    };
    put(1);
    assert!(changes(&store, "T").is_empty());
    switch_stream_on();
    let first = store.table("T").unwrap();
    assert!(first.stream_id.is_some());
    // The stream is on already.
    switch_stream_on();
    assert_eq!(store.table("T").unwrap(), first);
    put(2);
    assert_eq!(changes(&store, "T"), ["Integer(1) put v=1 > v=2 | v=2"]);
    assert_eq!(switch(false).stream_id, None);
    put(3);
    assert!(changes(&store, "T").is_empty());
    let again = switch(true);
    assert!(again.stream_id.is_some() && again.stream_id != first.stream_id);
    put(4);
    assert_eq!(changes(&store, "T"), ["Integer(1) put v=3 > v=4 | v=4"]);
    store.check().unwrap();
}

#[test]
fn a_log_is_cut_a_bounded_part_at_a_time_and_stays_cut() {
    let (disk, clock) = (Disk::default(), TestClock::new());
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    store.create_table(schema("T", true)).unwrap();
    let row = |id| write("T", key("u", id), RowWrite::Put(vec![set("v", id)]));
    for from in (0..40).step_by(10) {
        run(&store, (from..from + 10).map(row).collect());
    }
    let table = store.find_table("T").unwrap();
    // The changes of the first two requests are removed.
    let keep = LogPosition::start_of(store.last_commit() - 1);
    let cut_some = |store: &Store, partition| {
        let table = table.clone();
        let cut = move |transaction: &mut Transaction<'_>| {
            Ok::<_, CatalogError>(log::cut(transaction, &table, partition, keep, 3)?)
        };
        store.transact(cut).unwrap()
    };
    let mut left = 40;
    for partition in 0..CHANNELS {
        while cut_some(&store, partition) == Cut::More {
            assert_eq!(disk.entries(Space::Log), left - 3);
            left = disk.entries(Space::Log);
            store.check().unwrap();
        }
        left = disk.entries(Space::Log);
        let first = log::first_kept(store.snapshot().as_ref(), &table, partition).unwrap();
        assert_eq!(first, Some(keep));
        // Cutting again, or cutting less, does nothing.
        let commit = store.last_commit();
        assert_eq!(cut_some(&store, partition), Cut::Done);
        assert_eq!(store.last_commit(), commit);
    }
    assert_eq!(left, 20);
    assert_eq!(changes(&store, "T").len(), 20);
    drop(store);
    disk.restart();
    let store = open(&disk, &clock, Durability::Synced).unwrap();
    assert_eq!(changes(&store, "T").len(), 20);
    let checked = store.check().unwrap();
    assert_eq!((checked.tables, checked.rows, checked.changes), (1, 40, 20));
}

#[test]
fn positions_are_in_order() {
    let position = LogPosition { commit: 7, index: u32::MAX };
    assert_eq!(position.next(), LogPosition::start_of(8));
    assert!(position < position.next() && LogPosition::start_of(7) < position);
}
