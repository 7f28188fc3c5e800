//! Tests connecting, reading and checkpointing.

use super::super::testing::*;
use super::super::*;
use crate::change::{ColumnChange, RowWrite};
use crate::error::ReadError;
use crate::log::{Action, LogPosition};
use crate::schema::TableUpdate;

fn connect(fixture: &Fixture, tunnel: &str) -> Worker {
    let id = fixture.tunnels().connect(tunnel, None).unwrap();
    let mut worker = Worker { id, ..Worker::default() };
    worker.hear(fixture.tunnels().heartbeat(tunnel, &worker.id, &[]).unwrap());
    worker
}

fn gone<T: std::fmt::Debug>(result: Result<T, TunnelError>) {
    let gone = matches!(result, Err(TunnelError::ClientGone(_) | TunnelError::ChannelGone { .. }));
    assert!(gone, "{result:?}");
}

fn invalid<T: std::fmt::Debug>(result: Result<T, TunnelError>) {
    let invalid = matches!(result, Err(TunnelError::PlaceAhead { .. } | TunnelError::PlaceOfOtherType));
    assert!(invalid, "{result:?}");
}

#[test]
fn checkpoints_only_go_up_and_stay() {
    let mut fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let client = connect(&fixture, &tunnel).id;
    let claim = Claim { tunnel: &tunnel, client: &client, channel: "Stream_2" };
    let start = fixture.tunnels().checkpoint(claim).unwrap();
    assert_eq!((start.number, start.cursor.records), (0, 0));
    let (_, next, _) = read_page(fixture.store(), claim, start.cursor, 10).unwrap();
    let again = read_page(fixture.store(), claim, next.clone(), 10).unwrap();
    assert_eq!(again, (vec![], next.clone(), false), "the same place, where nothing is new");
    for (number, taken) in [(0, false), (1, true), (1, false), (5, true), (4, false), (i64::MAX, true)] {
        let set = fixture.tunnels().set_checkpoint(
            claim,
            Cursor { records: number as u64, ..next.clone() },
            number,
        );
        let refused = matches!(set, Err(TunnelError::CheckpointOutOfOrder { .. }));
        assert_eq!((set.is_ok(), refused), (taken, !taken), "{number}");
    }
    for _ in 0..2 {
        let stored = fixture.tunnels().checkpoint(claim).unwrap();
        assert_eq!((stored.number, stored.cursor.records), (i64::MAX, i64::MAX as u64));
        fixture.reopen();
    }
}

#[test]
fn refuses_places_that_are_not_the_channels() {
    let fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    let client = connect(&fixture, &tunnel).id;
    let claim = Claim { tunnel: &tunnel, client: &client, channel: "BaseData_0" };
    let cursor = |place| Cursor { place, records: 0, time_us: 0 };
    let of_a_stream = cursor(Place::Stream(LogPosition::start_of(1)));
    invalid(read_page(fixture.store(), claim, of_a_stream.clone(), 10));
    invalid(fixture.tunnels().set_checkpoint(claim, of_a_stream, 1));

    let tunnel = fixture.create("s", TunnelKind::Stream, None).unwrap();
    let client = connect(&fixture, &tunnel).id;
    let claim = Claim { tunnel: &tunnel, client: &client, channel: "Stream_0" };
    let last = fixture.store().last_commit();
    for place in [Place::Base(vec![]), Place::Stream(LogPosition::start_of(last + 2))] {
        invalid(read_page(fixture.store(), claim, cursor(place.clone()), 10));
        invalid(fixture.tunnels().set_checkpoint(claim, cursor(place), 1));
    }
    let (records, next, more) = read_page(fixture.store(), claim, cursor(Place::Finished), 10).unwrap();
    assert_eq!((records, next.place, more), (vec![], Place::Finished, false));
}

#[test]
fn only_the_client_that_has_a_channel_reads_it() {
    let fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    let (one, other) = (connect(&fixture, &tunnel), connect(&fixture, &tunnel));
    assert_eq!(one.channels.keys().collect::<Vec<_>>(), ["BaseData_0"]);
    assert!(other.channels.is_empty());
    let nobody = "x".to_owned();
    let claim = |client, channel| Claim { tunnel: &tunnel, client, channel };
    let start = fixture.tunnels().checkpoint(claim(&one.id, "BaseData_0")).unwrap();
    for (client, channel) in
        [(&other.id, "BaseData_0"), (&one.id, "Stream_0"), (&one.id, "x"), (&nobody, "BaseData_0")]
    {
        let claim = claim(client, channel);
        gone(fixture.tunnels().checkpoint(claim));
        gone(read_page(fixture.store(), claim, start.cursor.clone(), 1));
        gone(fixture.tunnels().set_checkpoint(claim, start.cursor.clone(), 1));
    }
    gone(fixture.tunnels().heartbeat(&tunnel, "x", &[]));
    gone(fixture.tunnels().shut_down(&tunnel, "x"));
    fixture.tunnels().shut_down(&tunnel, &one.id).unwrap();
    gone(fixture.tunnels().heartbeat(&tunnel, &one.id, &[]));
    assert_eq!(fixture.tunnels().heartbeat(&tunnel, &other.id, &[]).unwrap()[0].version, 3);
    fixture.pass(301 * SECOND_US);
    gone(fixture.tunnels().checkpoint(claim(&other.id, "BaseData_0")));
}

#[test]
fn clients_outlive_a_restart() {
    let mut fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let mut worker = connect(&fixture, &tunnel);
    let before = worker.said();
    fixture.reopen();
    let claim = Claim { tunnel: &tunnel, client: &worker.id, channel: "Stream_0" };
    fixture.tunnels().checkpoint(claim).unwrap();
    worker.hear(fixture.tunnels().heartbeat(&tunnel, &worker.id, &before).unwrap());
    assert_eq!(worker.said(), before);
    fixture.pass(301 * SECOND_US);
    fixture.reopen();
    fixture.tunnels().heartbeat(&tunnel, &worker.id, &before).unwrap();
}

#[test]
fn records_say_what_changed() {
    let fixture = Fixture::new(Some(24), 2);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let now_ms = fixture.now_us() / 1_000;
    let changes = vec![
        RowWrite::Put(vec![put("a", 1), put("b", 2)]),
        RowWrite::Update(vec![
            put("a", 3),
            ("b".into(), ColumnChange::DeleteVersion(now_ms)),
            ("c".into(), ColumnChange::DeleteAll),
            ("d".into(), ColumnChange::Increment(5)),
        ]),
        RowWrite::Delete,
        RowWrite::Delete,
    ];
    for change in changes {
        fixture.write(vec![(key("u", 1), change)]);
    }
    let (records, _) = drain(&fixture, &tunnel);
    let records: Vec<ReadRecord> = records.into_values().flatten().collect();
    let cell = |name: &str, value| Edit::Put(cell(name, value, now_ms));
    let expected = [
        (Action::Put, vec![cell("a", 1), cell("b", 2)]),
        (
            Action::Update,
            vec![
                cell("a", 3),
                Edit::DeleteVersion("b".into(), now_ms),
                Edit::DeleteAll("c".into()),
                cell("d", 5),
            ],
        ),
        (Action::Delete, vec![]),
    ];
    let found: Vec<_> = records.iter().map(|record| (record.action, record.edits.clone())).collect();
    assert_eq!(found, expected);
    assert!(records.iter().all(|record| record.key == key("u", 1)));
}

#[test]
fn a_page_ends_by_records_or_bytes_and_says_whether_there_is_more() {
    let fixture = Fixture::new(Some(24), 1);
    for order in 0..10 {
        fixture.put(order, order);
    }
    for kind in [TunnelKind::BaseData, TunnelKind::Stream] {
        let range = StreamRange { flag: Some(StartFlag::Earliest), ..StreamRange::default() };
        let tunnel = fixture.create(&format!("{kind:?}"), kind, Some(range)).unwrap();
        let worker = connect(&fixture, &tunnel);
        for channel in worker.channels.keys() {
            let claim = Claim { tunnel: &tunnel, client: &worker.id, channel };
            let start = fixture.tunnels().checkpoint(claim).unwrap().cursor;
            let (all, _, more) = read_page(fixture.store(), claim, start.clone(), usize::MAX).unwrap();
            assert!(!more);
            for (records_max, bytes_max) in
                [(1, usize::MAX), (usize::MAX, 1), (3, usize::MAX), (usize::MAX, 3)]
            {
                let (mut cursor, mut found, mut more) = (start.clone(), Vec::new(), true);
                while more {
                    let max = PageMax { records: records_max, bytes: bytes_max };
                    let mut page = Vec::new();
                    let end = fixture.tunnels().read(claim, cursor, max, &mut |record| {
                        page.push(ReadRecord::new(record));
                        1
                    });
                    let end = end.unwrap();
                    assert!(page.len() <= records_max.min(bytes_max));
                    assert!(!end.more || !page.is_empty());
                    found.extend(page);
                    (cursor, more) = (end.next, end.more);
                    assert_eq!(cursor.records, found.len() as u64);
                    assert_eq!(found.len() < all.len(), more, "{kind:?} {channel}");
                }
                assert_eq!(found, all);
            }
        }
    }
}

#[test]
fn one_that_ends_a_channel_without_a_checkpoint_has_consumed_it() {
    let mut fixture = Fixture::new(Some(24), 1);
    fixture.put(1, 1);
    let tunnel = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    let mut worker = connect(&fixture, &tunnel);
    let claim = Claim { tunnel: &tunnel, client: &worker.id, channel: "BaseData_0" };
    let start = fixture.tunnels().checkpoint(claim).unwrap().cursor;
    let (records, next, _) = read_page(fixture.store(), claim, start, 10).unwrap();
    assert_eq!((records.len(), next.place), (1, Place::Finished));
    let ended = ChannelReport { channel: "BaseData_0".into(), version: 2, status: ChannelStatus::Terminated };
    worker.hear(fixture.tunnels().heartbeat(&tunnel, &worker.id, &[ended]).unwrap());
    assert_eq!(worker.channels.keys().collect::<Vec<_>>(), ["Stream_0", "Stream_1", "Stream_2", "Stream_3"]);
    fixture.reopen();
    let described = fixture.tunnels().describe(TABLE, "t", None).unwrap();
    let base = &described.channels[0];
    assert_eq!((base.status, base.consumed, base.client.as_ref()), (ChannelStatus::Terminated, 1, None));
    assert_eq!(described.tunnel.stage, Stage::Stream);
}

#[test]
fn a_stream_that_was_switched_off_in_between_is_not_whole() {
    let fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let worker = connect(&fixture, &tunnel);
    let claim = Claim { tunnel: &tunnel, client: &worker.id, channel: "Stream_0" };
    let start = fixture.tunnels().checkpoint(claim).unwrap().cursor;
    let on = fixture.store().table(TABLE).unwrap().schema.stream.clone();
    for stream in [None, on] {
        let update = TableUpdate { stream: Some(stream), ..TableUpdate::default() };
        fixture.store().update_table(TABLE, update).unwrap();
        let read = read_page(fixture.store(), claim, start.clone(), 10);
        assert!(matches!(read, Err(TunnelError::NotKept(_))), "{read:?}");
        let mut reader = ChangeReader::new(fixture.store().clone(), TABLE, 1);
        assert!(matches!(reader.next_batch(10, &mut |_, _| ()), Err(ReadError::NotKept(_))));
    }
}

#[test]
fn more_starts_are_read_at_a_time_than_views_are_kept() {
    let fixture = Fixture::new(Some(24), 1);
    let tunnels: Vec<String> = (0..2 * base::BASE_VIEWS_MAX as i64)
        .map(|number| {
            (0..3).for_each(|order| fixture.put(10 * order, number));
            fixture.put(number, number);
            fixture.create(&format!("t{number}"), TunnelKind::BaseData, None).unwrap()
        })
        .collect();
    let workers: Vec<Worker> = tunnels.iter().map(|tunnel| connect(&fixture, tunnel)).collect();
    let claim = |at: usize| Claim { tunnel: &tunnels[at], client: &workers[at].id, channel: "BaseData_0" };
    let mut cursors: Vec<Cursor> =
        (0..tunnels.len()).map(|at| fixture.tunnels().checkpoint(claim(at)).unwrap().cursor).collect();
    let mut rows = vec![Vec::new(); tunnels.len()];
    while cursors.iter().any(|cursor| cursor.place != Place::Finished) {
        for (at, cursor) in cursors.iter_mut().enumerate() {
            let (records, next, _) = read_page(fixture.store(), claim(at), cursor.clone(), 1).unwrap();
            rows[at].extend(records.iter().map(|record| (record.key.clone(), record.value())));
            *cursor = next;
        }
    }
    for (number, rows) in (0..).zip(&rows) {
        let mut expected: std::collections::BTreeMap<i64, i64> =
            (0..=number).map(|order| (order, order)).collect();
        expected.extend((0..3).map(|order| (10 * order, number)));
        expected.insert(number, number);
        let expected: Vec<_> = expected.into_iter().map(|(order, value)| (key("u", order), value)).collect();
        assert_eq!(*rows, expected, "tunnel {number}");
    }
}

#[test]
fn a_view_of_the_start_is_held_while_it_is_read_and_not_for_long() {
    let fixture = Fixture::new(Some(24), 1);
    (0..9).for_each(|order| fixture.put(order, 0));
    let tunnel = fixture.create("t", TunnelKind::BaseData, None).unwrap();
    let worker = connect(&fixture, &tunnel);
    let held = || fixture.store().tunnel_sessions().base_views.count();
    assert_eq!(held(), 0, "nobody reads yet");
    let claim = Claim { tunnel: &tunnel, client: &worker.id, channel: "BaseData_0" };
    let mut cursor = fixture.tunnels().checkpoint(claim).unwrap().cursor;
    let mut rows = Vec::new();
    for turn in 0..9 {
        let (records, next, _) = read_page(fixture.store(), claim, cursor, 1).unwrap();
        rows.extend(records.iter().map(|record| (record.key.clone(), record.value())));
        cursor = next;
        assert_eq!(held(), 1);
        // The base rows do not have what changes after the start, however often the base view is
        // made anew.
        (0..9).for_each(|order| fixture.put(order, turn + 1));
        fixture.pass(20_000_000);
        retention::turn(fixture.store()).unwrap();
        assert_eq!(held(), 1, "it was read 20 s ago");
    }
    let expected: Vec<_> = (0..9).map(|order| (key("u", order), 0)).collect();
    assert_eq!(rows, expected);
    fixture.pass(31_000_000);
    retention::turn(fixture.store()).unwrap();
    assert_eq!(held(), 0, "nobody reads any more");
}
