//! Tests readers that do not connect: the vendor's Spark connector, and those of shards.

use super::super::testing::*;
use super::super::*;
use crate::change::{ColumnChange, RowWrite};
use crate::log::LogPosition;
use crate::schema::{StreamOptions, TableUpdate};
use crate::value::{Value, ValueRef};

/// Returns the names of the channels that are described as open.
fn open(fixture: &Fixture) -> Vec<String> {
    let channels = fixture.tunnels().describe(TABLE, "t", None).unwrap().channels;
    let open = channels.into_iter().filter(|channel| channel.status == ChannelStatus::Open);
    open.map(|channel| channel.channel).collect()
}

/// Reads all that is there of the open channels, as the connector does, and sets checkpoints.
fn consume(fixture: &Fixture, tunnel: &str) -> Vec<ReadRecord> {
    let mut records = Vec::new();
    for channel in open(fixture) {
        let claim = Claim { tunnel, client: UNCONNECTED, channel: &channel };
        let mut cursor = fixture.tunnels().checkpoint(claim).unwrap().cursor;
        loop {
            let (page, next, more) = read_page(fixture.store(), claim, cursor, 3).unwrap();
            records.extend(page);
            cursor = next;
            if !more {
                break;
            }
        }
        fixture.tunnels().set_checkpoint(claim, cursor, 0).unwrap();
    }
    records
}

const STREAMS: [&str; 4] = ["Stream_0", "Stream_1", "Stream_2", "Stream_3"];

#[test]
fn a_reader_that_does_not_connect_reads_the_rows_and_then_the_changes_over_restarts() {
    let mut fixture = Fixture::new(Some(24), 1);
    (0..10).for_each(|order| fixture.put(order, order));
    let tunnel = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    fixture.put(0, 100);
    assert_eq!(open(&fixture), ["BaseData_0"]);
    assert_eq!(consume(&fixture, &tunnel).len(), 10);
    for round in 0..3 {
        assert_eq!(open(&fixture), STREAMS);
        let expected = if round == 0 { 1 } else { 4 };
        assert_eq!(consume(&fixture, &tunnel).len(), expected, "round {round}");
        fixture.reopen();
        (0..4).for_each(|order| fixture.put(order, round));
    }
    assert_eq!(fixture.tunnels().list(None).unwrap()[0].stage, Stage::Stream);
}

#[test]
fn connected_clients_come_first() {
    let fixture = Fixture::new(Some(24), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    assert_eq!(open(&fixture), STREAMS);
    let claim = Claim { tunnel: &tunnel, client: UNCONNECTED, channel: "Stream_1" };
    let start = fixture.tunnels().checkpoint(claim).unwrap();
    let client = fixture.tunnels().connect(&tunnel, Some(10)).unwrap();
    fixture.tunnels().checkpoint(claim).unwrap();
    fixture.tunnels().heartbeat(&tunnel, &client, &[]).unwrap();
    let gone = |result: Result<(), TunnelError>| {
        assert!(matches!(result, Err(TunnelError::ChannelGone { .. })), "{result:?}");
    };
    gone(fixture.tunnels().checkpoint(claim).map(drop));
    gone(fixture.tunnels().set_checkpoint(claim, start.cursor.clone(), 0));
    // The number of a client's checkpoint stays, and 0 is a number like others for a client.
    let held = Claim { client: &client, ..claim };
    fixture.tunnels().set_checkpoint(held, start.cursor.clone(), 7).unwrap();
    let refused = fixture.tunnels().set_checkpoint(held, start.cursor.clone(), 0);
    assert!(matches!(refused, Err(TunnelError::CheckpointOutOfOrder { .. })), "{refused:?}");
    fixture.pass(11 * SECOND_US);
    fixture.tunnels().set_checkpoint(claim, start.cursor.clone(), 0).unwrap();
    assert_eq!(fixture.tunnels().checkpoint(claim).unwrap().number, 7);
    let refused = fixture.tunnels().set_checkpoint(claim, start.cursor, 7);
    assert!(matches!(refused, Err(TunnelError::CheckpointOutOfOrder { .. })), "{refused:?}");
}

#[test]
fn a_tunnel_that_is_only_read_so_does_not_expire() {
    let mut fixture = Fixture::new(Some(1), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    for round in 0..5 {
        fixture.pass(50 * 60 * SECOND_US);
        fixture.put(1, round);
        assert_eq!(consume(&fixture, &tunnel).len(), 1, "round {round}");
        retention::turn(fixture.store()).unwrap();
        fixture.reopen();
        retention::turn(fixture.store()).unwrap();
    }
    // Its places are never below what is still kept.
    let claim = Claim { tunnel: &tunnel, client: UNCONNECTED, channel: "Stream_0" };
    let cursor = Cursor { place: Place::Stream(LogPosition::default()), records: 0, time_us: 0 };
    let refused = fixture.tunnels().set_checkpoint(claim, cursor, 0);
    assert!(matches!(refused, Err(TunnelError::NotKept(_))), "{refused:?}");
}

/// Returns the columns before each change, as `name=value`; `-` where there was no row.
fn before(fixture: &Fixture, stream: &str) -> Vec<String> {
    let mut found = Vec::new();
    for partition in 0..4 {
        let shard = Shard { stream, partition };
        let start = fixture.tunnels().shard_start(shard, None).unwrap();
        let read = fixture.tunnels().read_shard(shard, start, PageMax::default(), &mut |record| {
            let value = |cell: &crate::value::CellRef<'_>| match cell.value {
                ValueRef::Integer(value) => format!("{}={value}", cell.name),
                _ => panic!("{cell:?}"),
            };
            let before = record.before.map(|cells| cells.iter().map(value).collect::<Vec<_>>().join(" "));
            found.push((record.sequence, before.unwrap_or_else(|| "-".to_owned())));
            1
        });
        assert!(!read.unwrap().1);
    }
    found.sort();
    found.into_iter().map(|(_, before)| before).collect()
}

#[test]
fn changes_come_with_the_columns_that_the_table_keeps() {
    let fixture = Fixture::new(Some(24), 3);
    let keep = |columns: &[&str]| {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        let stream = Some(Some(StreamOptions { hours: 24, columns }));
        fixture.store().update_table(TABLE, TableUpdate { stream, ..TableUpdate::default() }).unwrap();
    };
    let write = |change| {
        fixture.pass(SECOND_US);
        fixture.write(vec![(key("u", 1), change)]);
    };
    let (a, b, c) = (|value| put("a", value), |value| put("b", value), |value| put("c", value));
    write(RowWrite::Put(vec![a(1), b(1), c(1)]));
    write(RowWrite::Update(vec![a(2)]));
    write(RowWrite::Update(vec![("b".to_owned(), ColumnChange::DeleteAll), c(4)]));
    write(RowWrite::Put(vec![put("d", 1)]));
    write(RowWrite::Delete);
    write(RowWrite::Put(vec![(
        "a".to_owned(),
        ColumnChange::Put { value: Value::Integer(9), version: Some(7) },
    )]));
    let stream = fixture.store().table(TABLE).unwrap().stream_id.clone().unwrap();
    for (columns, expected) in [
        (&[][..], &["-"; 6][..]),
        (&["a", "b"], &["-", "a=1 b=1", "a=2 b=1", "a=2", "", "-"]),
        (&["c"], &["-", "c=1", "c=1", "c=4", "", "-"]),
        (&["x"], &["-", "", "", "", "", "-"]),
    ] {
        keep(columns);
        assert_eq!(before(&fixture, &stream), expected, "{columns:?}");
    }
}

#[test]
fn shards_are_read_from_any_time_until_they_are_switched_off() {
    let mut fixture = Fixture::new(Some(1), 1);
    let start_us = fixture.now_us();
    let put = |fixture: &Fixture, from: i64| {
        for order in from..from + 20 {
            fixture.pass(SECOND_US);
            fixture.put(order, order);
        }
    };
    put(&fixture, 0);
    let stream = fixture.store().table(TABLE).unwrap().stream_id.clone().unwrap();
    let read = |fixture: &Fixture, from_us: Option<i64>, records| -> Result<Vec<i64>, TunnelError> {
        let mut values = Vec::new();
        for partition in 0..4 {
            let shard = Shard { stream: &stream, partition };
            let mut position = fixture.tunnels().shard_start(shard, from_us)?;
            loop {
                let max = PageMax { records, ..PageMax::default() };
                let (next, more) = fixture.tunnels().read_shard(shard, position, max, &mut |record| {
                    values.push(ReadRecord::new(record).value());
                    1
                })?;
                assert!(next > position || !more);
                position = next;
                if !more {
                    break;
                }
            }
            // At the end of a shard reading waits for more.
            let at_end = fixture.tunnels().read_shard(shard, position, PageMax::default(), &mut |_| 1)?;
            assert_eq!(at_end, (position, false));
        }
        values.sort();
        Ok(values)
    };
    for records in [1, 3, 100] {
        assert_eq!(read(&fixture, None, records), Ok((0..20).collect()));
        assert_eq!(read(&fixture, Some(start_us + 11 * SECOND_US), records), Ok((10..20).collect()));
        assert_eq!(read(&fixture, Some(0), records), Ok((0..20).collect()));
        assert_eq!(read(&fixture, Some(i64::MAX), records), Ok(vec![]));
    }
    fixture.reopen();
    assert_eq!(read(&fixture, None, 7), Ok((0..20).collect()));

    // Who comes too late is told so, and begins again with what is kept.
    let shards = (0..4).map(|partition| Shard { stream: &stream, partition });
    let starts = shards.map(|shard| (shard, fixture.tunnels().shard_start(shard, None).unwrap()));
    let is_written = |(shard, start): &(Shard<'_>, LogPosition)| {
        let mut records = 0;
        fixture
            .tunnels()
            .read_shard(*shard, *start, PageMax::default(), &mut |_| {
                records += 1;
                1
            })
            .unwrap();
        records > 0
    };
    let (shard, first) = starts.into_iter().find(is_written).unwrap();
    fixture.pass(2 * HOUR_US);
    put(&fixture, 20);
    retention::turn(fixture.store()).unwrap();
    let late = fixture.tunnels().read_shard(shard, first, PageMax::default(), &mut |_| 1);
    assert!(matches!(late, Err(TunnelError::NotKept(_))), "{late:?}");
    assert_eq!(read(&fixture, None, 100), Ok((20..40).collect()));

    let last = fixture.store().last_commit();
    let ahead =
        fixture.tunnels().read_shard(shard, LogPosition::start_of(last + 2), PageMax::default(), &mut |_| 1);
    assert!(matches!(ahead, Err(TunnelError::PlaceAhead { .. })), "{ahead:?}");
    let off = TableUpdate { stream: Some(None), ..TableUpdate::default() };
    let on = TableUpdate { stream: Some(Some(StreamOptions::of_hours(1))), ..TableUpdate::default() };
    for update in [off, on] {
        fixture.store().update_table(TABLE, update).unwrap();
        let gone = fixture.tunnels().shard_start(shard, None);
        assert_eq!(gone, Err(TunnelError::NoStream(stream.clone())));
    }
    let stream = fixture.store().table(TABLE).unwrap().stream_id.clone().unwrap();
    let no_shard = Shard { stream: &stream, partition: 4 };
    assert!(matches!(fixture.tunnels().shard_start(no_shard, None), Err(TunnelError::NoStream(_))));
}
