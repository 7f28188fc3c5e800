//! Checks what the job does at a start, for each state that it may find.

use crate::job::testing::*;
use crate::job::{Job, JobConfig, JobError, Phase, Recorded};
use dataflows::Windows;
use orders::{Layout, Zone};
use store::append::Append;
use store::change::{ColumnChange, RowWrite};
use store::schema::TableUpdate;
use store::testing::Fault;
use store::testing::write;
use store::value::{KeyPart, KeyValue, Value};
use testkit::Random;

/// Overwrites or deletes a note of the checkpoint.
fn spoil(fixture: &Fixture, key: &[u8], value: Option<&[u8]>) {
    let notes = vec![(key.to_vec(), value.map(<[u8]>::to_vec))];
    fixture.store.append(Append { notes, ..Append::default() }).unwrap();
}

fn loaded() -> Fixture {
    let mut random = Random(11);
    let fixture = Fixture::with_orders(config(2, 50));
    for _ in 0..30 {
        fixture.write(any_request(&mut random));
    }
    fixture.write(vec![put("u1", "kept", 1.0, 0)]);
    fixture.check();
    fixture
}

#[test]
fn a_start_costs_no_order_and_writes_nothing_where_all_is_well() {
    let mut fixture = loaded();
    fixture.stop();
    let commit = fixture.store.last_commit();
    // Without their log, no orders can be read.
    fixture.open();
    let before = dump(&fixture.store.view().unwrap());
    fixture.start(config(3, 50));
    fixture.settle();
    assert_eq!(fixture.store.last_commit(), commit, "nothing was written");
    assert_eq!(fixture.check(), before);
}

#[test]
fn an_unusable_checkpoint_is_made_anew() {
    let mut head = String::new();
    for (what, key, value) in [
        ("no head", &b"job"[..], None),
        ("no JSON", b"job", Some(&b"{"[..])),
        ("another version", b"job", Some(b"{\"version\":3,\"more\":[]}")),
        ("a missing total", b"job/t", None),
        ("a user too many", b"job/uX", Some(&[1; 24])),
        ("half a window", b"job/w123", Some(&[1; 24])),
        ("a short user", b"job/uuser 1", Some(&[1; 9])),
        ("another amount", b"job/uuser 1", Some(&[1; 24])),
        ("an unknown kind", b"job/x", Some(&[])),
        ("a view that there is none of", b"job/v\x04gonei\0\0\0\0\0\0\0\0", Some(&[1; 24])),
    ] {
        let mut fixture = loaded();
        fixture.stop();
        spoil(&fixture, key, value);
        let before = dump(&fixture.store.view().unwrap());
        fixture.restart(config(1, 50));
        assert_eq!(fixture.check(), before, "{what}");
        head = format!("{:?}", Recorded::of(&fixture.store.view().unwrap()).unwrap().unwrap());
        // The checkpoint is whole again: the next start writes nothing.
        let commit = fixture.store.last_commit();
        fixture.restart(config(1, 50));
        fixture.settle();
        assert_eq!(fixture.store.last_commit(), commit, "{what}");
    }
    assert!(head.contains("upper"), "{head}");
}

#[test]
fn a_checkpoint_of_fewer_views_is_made_anew() {
    let mut fixture = loaded();
    fixture.stop();
    let before = dump(&fixture.store.view().unwrap());
    // Each view has a table. With one table less, the program that wrote the checkpoint had one
    // view less.
    let (key, head) = fixture.store.view().unwrap().notes(b"job").next().unwrap().unwrap();
    let mut head: serde_json::Value = serde_json::from_slice(&head).unwrap();
    let tables = head["tables"].as_array_mut().unwrap();
    tables.remove(tables.len() - 2);
    let fewer = head["tables"].clone();
    spoil(&fixture, &key, Some(head.to_string().as_bytes()));
    fixture.restart(config(1, 50));
    assert_eq!(fixture.check(), before);
    let (_, head) = fixture.store.view().unwrap().notes(b"job").next().unwrap().unwrap();
    let head: serde_json::Value = serde_json::from_slice(&head).unwrap();
    assert_eq!(head["tables"].as_array().unwrap().len(), fewer.as_array().unwrap().len() + 1);
}

#[test]
fn what_was_written_over_while_there_was_no_job_is_written_back() {
    let mut fixture = loaded();
    let good = fixture.check();
    fixture.stop();
    let user = |name: &str| vec![("UserId".to_owned(), KeyPart::Value(KeyValue::String(name.to_owned())))];
    let column = ("count".to_owned(), ColumnChange::Put { value: Value::Integer(99), version: None });
    fixture.write(vec![
        write("OrderBatchSink", user("user 1"), RowWrite::Update(vec![column.clone()])),
        write("OrderBatchSink", user("user 2"), RowWrite::Delete),
        write("OrderBatchSink", user("nobody"), RowWrite::Put(vec![column])),
        write("OrderRejects", key("user 0", "none such"), RowWrite::Put(vec![])),
    ]);
    assert_ne!(dump(&fixture.store.view().unwrap()), good);
    fixture.restart(config(1, 50));
    assert_eq!(fixture.check(), good);
}

#[test]
fn orders_written_while_there_was_no_job_are_read_from_the_log_or_else_from_the_table() {
    for log_is_kept in [true, false] {
        let mut fixture = loaded();
        fixture.stop();
        if !log_is_kept {
            let off = TableUpdate { stream: Some(None), ..Default::default() };
            fixture.store.update_table("OrderSource", off).unwrap();
        }
        let mut random = Random(12);
        for _ in 0..20 {
            fixture.write(any_request(&mut random));
        }
        fixture.restart(config(2, 50));
        fixture.check();
    }
}

#[test]
fn other_windows_are_refused_unless_their_table_is_gone() {
    let mut fixture = loaded();
    fixture.stop();
    let mut other = config(1, 50);
    other.layout.zone = Zone::parse("Asia/Shanghai").unwrap();
    let refused = Job::start(fixture.store.clone(), other.clone()).unwrap_err();
    assert!(matches!(refused, JobError::Layout(_)));
    assert_eq!(
        refused.to_string(),
        "the results that are there have windows of 30000 ms in the zone UTC, not of 30000 ms in Asia/Shanghai: say --window \
         30000ms --timezone UTC, or delete the table OrderStreamSink first, served with --no-job"
    );
    fixture.store.delete_table("OrderStreamSink").unwrap();
    fixture.start(other);
    fixture.settle();
    let dump = dump(&fixture.store.view().unwrap());
    assert!(dump.contains("1970-01-01 08:00:00"), "{dump}");
}

/// Days of Shanghai began at 08:00 in the first version, and its results said no more of it than the
/// zone and the width.
#[test]
fn results_whose_windows_began_at_other_times_are_made_anew() {
    let zone = || Zone::parse("Asia/Shanghai").unwrap();
    let days = Layout::new(zone(), 86_400_000).unwrap();
    let as_before = Layout { zone: zone(), windows: Windows::of_width(86_400_000).unwrap() };
    let on = |layout: &Layout| JobConfig { layout: layout.clone(), ..config(1, 50) };
    let begins = |fixture: &Fixture| {
        let dump = dump(&fixture.store.view().unwrap());
        let windows = dump.lines().filter(|line| line.starts_with("OrderStreamSink")).map(str::to_owned);
        windows.collect::<Vec<_>>().join("\n")
    };
    let mut fixture = Fixture::with_orders(on(&as_before));
    fixture.write(vec![
        put("u", "1", 1.0, 1_700_000_000_000),
        put("u", "2", 2.0, 1_700_000_000_000 + 7_200_000),
    ]);
    fixture.settle();
    assert!(begins(&fixture).contains("2023-11-14 08:00:00"), "{}", begins(&fixture));
    let recorded = || Recorded::of(&fixture.store.view().unwrap()).unwrap().unwrap().layout;
    assert_eq!(recorded(), as_before);

    fixture.restart(on(&days));
    fixture.settle();
    let found = begins(&fixture);
    assert!(found.contains("2023-11-15 00:00:00") && !found.contains("08:00:00"), "{found}");
    assert_eq!(Recorded::of(&fixture.store.view().unwrap()).unwrap().unwrap().layout, days);
    let commit = fixture.store.last_commit();
    fixture.restart(on(&days));
    fixture.settle();
    assert_eq!((fixture.store.last_commit(), begins(&fixture)), (commit, found), "nothing was written");
    fixture.write(vec![delete("u", "2")]);
    fixture.settle();
    assert!(begins(&fixture).contains("Integer(1)"), "{}", begins(&fixture));
}

#[test]
fn the_store_may_fail_at_any_commit() {
    let mut random = Random(5);
    let mut failed = 0;
    for fault in Fault::ALL {
        for commit in 0..7 {
            let mut fixture = loaded();
            fixture.disk.fail(commit, fault);
            let requests: Vec<_> = (0..6).map(|_| any_request(&mut random)).collect();
            for request in requests {
                fixture.store.write_and_wait(request);
            }
            failed += usize::from(fixture.disk.has_failed());
            assert!(!fixture.disk.was_ignored());
            fixture.stop();
            let _ = fixture.store.close();
            fixture.disk.restart();
            fixture.restart(config(2, 50));
            fixture.check();
        }
    }
    assert!(failed > 20, "{failed} of 35 runs saw a fault");
}

#[test]
fn a_failed_commit_of_results_ends_the_job_with_a_reason() {
    for fault in [Fault::WriteFails, Fault::WriteFailsLate, Fault::SyncFails, Fault::SyncFailsLate] {
        let mut fixture = loaded();
        // The order is committed, but its results are not.
        fixture.disk.fail(1, fault);
        fixture.write(vec![put("u1", "after", 1.0, 0)]);
        let status = fixture.until("the end", |status| matches!(status.phase, Phase::Failed(_)));
        let Phase::Failed(reason) = status.phase else { panic!("{status:?}") };
        assert!(reason.contains("takes no more of them while reads go on"), "{reason}");
        fixture.stop();
        let _ = fixture.store.close();
        fixture.disk.restart();
        fixture.restart(config(2, 50));
        assert!(fixture.check().contains("u1"));
    }
}
