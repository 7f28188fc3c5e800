//! Tests how long changes are kept, and who is told that they are gone.

use super::super::testing::*;
use super::super::*;
use crate::error::ReadError;
use crate::format::CHANNELS;
use crate::schema::TableUpdate;

fn turn(fixture: &Fixture) {
    retention::turn(fixture.store()).unwrap();
}

/// Returns the number of changes in the log.
fn logged(fixture: &Fixture) -> usize {
    let table = fixture.store().find_table(TABLE).unwrap();
    let snapshot = fixture.store().snapshot();
    let scan =
        |partition| log::scan(snapshot.as_ref(), table.id, partition, log::LogPosition::default()).count();
    (0..CHANNELS).map(scan).sum()
}

fn put(fixture: &Fixture, orders: std::ops::Range<i64>) {
    orders.for_each(|order| fixture.put(order, order));
}

fn expired<T: std::fmt::Debug>(result: Result<T, TunnelError>) {
    let expired = matches!(
        result,
        Err(TunnelError::Expired { .. } | TunnelError::NotKept(_) | TunnelError::StartNotKept { .. })
    );
    assert!(expired, "{result:?}");
}

#[test]
fn old_changes_go_and_young_ones_stay() {
    let fixture = Fixture::new(Some(2), 1);
    put(&fixture, 0..10);
    fixture.pass(HOUR_US);
    put(&fixture, 10..15);
    turn(&fixture);
    assert_eq!(logged(&fixture), 15);
    let last = fixture.store().last_commit();
    turn(&fixture);
    assert_eq!(fixture.store().last_commit(), last, "nothing to do is no commit");
    // Commits of one moment are a few microseconds apart.
    fixture.pass(HOUR_US + SECOND_US);
    turn(&fixture);
    assert_eq!(logged(&fixture), 5);

    // A tunnel that would start before what is left is refused, and one that would start with it is
    // not.
    let from = |us: i64| Some(StreamRange { flag: None, start_ns: Some(us as u64 * 1_000), end_ns: None });
    expired(fixture.create("t", TunnelKind::Stream, from(fixture.now_us() - 2 * HOUR_US - 1)));
    let tunnel =
        fixture.create("t", TunnelKind::Stream, from(fixture.now_us() - HOUR_US - SECOND_US)).unwrap();
    assert_eq!(drain(&fixture, &tunnel).0.values().flatten().count(), 5);
    let earliest = StreamRange { flag: Some(StartFlag::Earliest), ..StreamRange::default() };
    let tunnel = fixture.create("u", TunnelKind::Stream, Some(earliest)).unwrap();
    assert_eq!(drain(&fixture, &tunnel).0.values().flatten().count(), 5);
    let mut reader = ChangeReader::new(fixture.store().clone(), TABLE, 1);
    assert!(matches!(reader.next_batch(1, &mut |_, _| ()), Err(ReadError::NotKept(_))));
}

#[test]
fn a_tunnel_in_use_keeps_what_it_has_not_consumed() {
    let mut fixture = Fixture::new(Some(1), 1);
    put(&fixture, 0..5);
    let tunnel = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    let client = fixture.tunnels().connect(&tunnel, Some(86_400)).unwrap();
    put(&fixture, 3..9);
    for _ in 0..6 {
        fixture.pass(HOUR_US / 2);
        turn(&fixture);
        fixture.tunnels().heartbeat(&tunnel, &client, &[]).unwrap();
        fixture.reopen();
    }
    assert_eq!(logged(&fixture), 6, "those before it was created are gone");
    fixture.tunnels().shut_down(&tunnel, &client).unwrap();
    let (records, _) = drain(&fixture, &tunnel);
    let base: Vec<i64> = records["BaseData_0"].iter().map(ReadRecord::value).collect();
    assert_eq!(base, [0, 1, 2, 3, 4]);
    assert_eq!(records.values().flatten().count(), 11);
    turn(&fixture);
    assert_eq!(logged(&fixture), 0, "all of it was consumed, and is old");
    put(&fixture, 0..2);
    assert_eq!(drain(&fixture, &tunnel).0.values().flatten().count(), 2);
}

#[test]
fn a_tunnel_that_is_left_alone_expires_for_good() {
    let mut fixture = Fixture::new(Some(1), 1);
    let kinds = [TunnelKind::BaseData, TunnelKind::Stream, TunnelKind::BaseAndStream];
    let tunnels = kinds.map(|kind| fixture.create(&format!("{kind:?}"), kind, None).unwrap());
    let clients = tunnels.each_ref().map(|tunnel| fixture.tunnels().connect(tunnel, Some(86_400)).unwrap());
    put(&fixture, 0..5);
    fixture.pass(HOUR_US);
    turn(&fixture);
    assert_eq!(logged(&fixture), 5);
    assert!(fixture.tunnels().list(None).unwrap().iter().all(|tunnel| !tunnel.expired));
    fixture.pass(SECOND_US);
    // Clients are told before the expiry is stored, after it, and after a restart.
    for round in 0..3 {
        for (tunnel, client) in tunnels.iter().zip(&clients) {
            expired(fixture.tunnels().connect(tunnel, None));
            expired(fixture.tunnels().heartbeat(tunnel, client, &[]));
            expired(fixture.tunnels().checkpoint(Claim { tunnel, client, channel: "Stream_0" }));
        }
        assert!(fixture.tunnels().list(None).unwrap().iter().all(|tunnel| tunnel.expired));
        if round == 0 {
            turn(&fixture);
            assert_eq!(logged(&fixture), 0);
            // Keeping changes longer comes too late for tunnels that have expired.
            let mut stream = fixture.store().table(TABLE).unwrap().schema.stream.clone().unwrap();
            stream.hours = 100;
            let update = TableUpdate { stream: Some(Some(stream)), ..TableUpdate::default() };
            fixture.store().update_table(TABLE, update).unwrap();
        } else {
            fixture.reopen();
        }
    }
    for (tunnel, client) in tunnels.iter().zip(&clients) {
        fixture.tunnels().shut_down(tunnel, client).unwrap();
    }
    fixture.tunnels().delete(TABLE, "Stream", None).unwrap();
    let tunnel = fixture.create("Stream", TunnelKind::Stream, None).unwrap();
    put(&fixture, 0..3);
    assert_eq!(drain(&fixture, &tunnel).0.values().flatten().count(), 3);
}

#[test]
fn activity_outlives_a_restart() {
    let mut fixture = Fixture::new(Some(2), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let client = fixture.tunnels().connect(&tunnel, Some(86_400)).unwrap();
    for _ in 0..4 {
        fixture.pass(HOUR_US);
        fixture.tunnels().heartbeat(&tunnel, &client, &[]).unwrap();
        fixture.reopen();
    }
    fixture.pass(HOUR_US);
    turn(&fixture);
    assert!(!fixture.tunnels().describe(TABLE, "t", None).unwrap().tunnel.expired);
}

#[test]
fn a_place_below_what_is_kept_is_told_so() {
    let fixture = Fixture::new(Some(1), 1);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let client = fixture.tunnels().connect(&tunnel, Some(86_400)).unwrap();
    fixture.tunnels().heartbeat(&tunnel, &client, &[]).unwrap();
    let claims = ["Stream_0", "Stream_1", "Stream_2", "Stream_3"].map(|channel| Claim {
        tunnel: &tunnel,
        client: &client,
        channel,
    });
    let starts = claims.map(|claim| fixture.tunnels().checkpoint(claim).unwrap().cursor);
    put(&fixture, 0..40);
    for (claim, start) in claims.iter().zip(&starts) {
        let (records, next, _) = read_page(fixture.store(), *claim, start.clone(), 100).unwrap();
        assert!(!records.is_empty());
        fixture.tunnels().set_checkpoint(*claim, next, 1).unwrap();
    }
    fixture.pass(HOUR_US / 2);
    fixture.tunnels().heartbeat(&tunnel, &client, &[]).unwrap();
    fixture.pass(HOUR_US / 2 + SECOND_US);
    turn(&fixture);
    assert_eq!(logged(&fixture), 0);
    for (claim, start) in claims.iter().zip(&starts) {
        expired(read_page(fixture.store(), *claim, start.clone(), 100));
        expired(fixture.tunnels().set_checkpoint(*claim, start.clone(), 2));
        let stored = fixture.tunnels().checkpoint(*claim).unwrap().cursor;
        assert_eq!(read_page(fixture.store(), *claim, stored, 100).unwrap().0, []);
    }
}

#[test]
fn a_log_without_a_stream_goes() {
    let fixture = Fixture::new(Some(1), 1);
    put(&fixture, 0..9);
    let update = TableUpdate { stream: Some(None), ..TableUpdate::default() };
    fixture.store().update_table(TABLE, update).unwrap();
    turn(&fixture);
    assert_eq!(logged(&fixture), 0);
    let last = fixture.store().last_commit();
    turn(&fixture);
    assert_eq!(fixture.store().last_commit(), last);
    let tunnel = fixture.create("t", TunnelKind::Stream, None).unwrap();
    put(&fixture, 0..3);
    turn(&fixture);
    assert_eq!(drain(&fixture, &tunnel).0.values().flatten().count(), 3);
}
