//! Tests how tunnels are created, described and deleted, and where their streams start and end.

use super::super::testing::*;
use super::super::*;

fn spec(name: &str, kind: TunnelKind, range: Option<StreamRange>) -> TunnelSpec {
    TunnelSpec { table: TABLE.into(), name: name.into(), kind, range }
}

fn from_to(start_us: i64, end_us: i64) -> Option<StreamRange> {
    let ns = |us: i64| (us != 0).then_some(us as u64 * 1_000);
    Some(StreamRange { flag: None, start_ns: ns(start_us), end_ns: ns(end_us) })
}

/// Returns the values of `v` that a new client of a stream reads, and whether the stream came to an
/// end.
fn read_all(fixture: &Fixture, tunnel: &str) -> (Vec<i64>, bool) {
    let (records, ended) = drain(fixture, tunnel);
    let mut records: Vec<ReadRecord> = records.into_values().flatten().collect();
    records.sort_by_key(|record| record.sequence.unwrap());
    (records.iter().map(ReadRecord::value).collect(), ended)
}

#[test]
fn a_tunnel_is_created_listed_described_and_deleted() {
    let fixture = Fixture::new(None, 1);
    assert_eq!(fixture.store().table(TABLE).unwrap().stream_id, None);
    let id = fixture.create("t", TunnelKind::BaseAndStream, None).unwrap();
    let other = fixture.create("s", TunnelKind::Stream, None).unwrap();
    assert_ne!(id, other);
    let stream_id = fixture.store().table(TABLE).unwrap().stream_id.clone();
    assert!(stream_id.is_some(), "the stream is on");

    let listed = fixture.tunnels().list(Some(TABLE)).unwrap();
    assert_eq!(listed.iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["s", "t"]);
    assert_eq!(fixture.tunnels().list(None).unwrap(), listed);
    let TunnelDescription { tunnel, channels } = fixture.tunnels().describe(TABLE, "t", Some(&id)).unwrap();
    assert_eq!(tunnel, listed[1]);
    assert_eq!((tunnel.stage, tunnel.expired, Some(tunnel.stream_id)), (Stage::BaseData, false, stream_id));
    let names: Vec<_> = channels.iter().map(|channel| (channel.channel.as_str(), channel.base)).collect();
    let streams = ["Stream_0", "Stream_1", "Stream_2", "Stream_3"].map(|name| (name, false));
    assert_eq!(names, [vec![("BaseData_0", true)], streams.to_vec()].concat());
    // What can be read now is open to whoever does not connect.
    let status = |base| if base { ChannelStatus::Open } else { ChannelStatus::Wait };
    assert!(
        channels.iter().all(|channel| channel.status == status(channel.base) && channel.client.is_none())
    );

    let missing = |result: Result<(), TunnelError>| assert!(matches!(result, Err(TunnelError::Missing(_))));
    missing(fixture.tunnels().delete(TABLE, "t", Some(&other)));
    fixture.tunnels().delete(TABLE, "t", Some(&id)).unwrap();
    missing(fixture.tunnels().delete(TABLE, "t", None));
    missing(fixture.tunnels().describe(TABLE, "t", None).map(drop));
    missing(fixture.tunnels().connect(&id, None).map(drop));
    assert_eq!(fixture.tunnels().list(Some(TABLE)).unwrap().len(), 1);
}

#[test]
fn a_table_takes_its_tunnels_with_it() {
    let mut fixture = Fixture::new(None, 1);
    let id = fixture.create("t", TunnelKind::Stream, None).unwrap();
    let client = fixture.tunnels().connect(&id, None).unwrap();
    fixture.store().delete_table(TABLE).unwrap();
    fixture.create_table(None, 1);
    for _ in 0..2 {
        assert_eq!(fixture.tunnels().list(None).unwrap(), []);
        let gone = fixture.tunnels().heartbeat(&id, &client, &[]);
        assert!(matches!(gone, Err(TunnelError::Missing(_))), "{gone:?}");
        fixture.reopen();
    }
}

#[test]
fn refuses_what_cannot_be() {
    let fixture = Fixture::new(Some(1), 1);
    let tunnels = fixture.tunnels();
    fixture.create("t", TunnelKind::Stream, None).unwrap();
    let refused = |spec| tunnels.create(spec).unwrap_err();
    assert!(matches!(refused(spec("t", TunnelKind::BaseData, None)), TunnelError::Exists(_)));
    let elsewhere = TunnelSpec { table: "x".into(), ..spec("t", TunnelKind::Stream, None) };
    assert!(matches!(refused(elsewhere), TunnelError::NoTable(_)));
    let long = "n".repeat(256);
    for name in ["", "a b", "é", &long] {
        let error = refused(spec(name, TunnelKind::Stream, None));
        assert_eq!(error, TunnelError::Name(name.to_owned()));
    }
    let now = fixture.now_us();
    for (kind, range) in [
        (TunnelKind::BaseData, from_to(now, 0)),
        (TunnelKind::BaseAndStream, from_to(0, now)),
        (TunnelKind::Stream, from_to(now, now)),
    ] {
        let error = refused(spec("u", kind, range));
        assert!(matches!(error, TunnelError::RangeOfBase { .. } | TunnelError::RangeEmpty { .. }), "{error}");
    }
    for missing in [tunnels.list(Some("x")).map(drop), tunnels.describe("x", "t", None).map(drop)] {
        assert!(matches!(missing, Err(TunnelError::NoTable(_))));
    }
    for wrong in ["", "x", "00000001", "00000001-0000-0000-0000-000000000000", "é"] {
        assert!(matches!(tunnels.connect(wrong, None), Err(TunnelError::Missing(_))), "{wrong}");
    }
    for more in 1..TUNNELS_MAX {
        tunnels.create(spec(&format!("t{more}"), TunnelKind::Stream, None)).unwrap();
    }
    let error = refused(spec("u", TunnelKind::Stream, None));
    assert_eq!(error, TunnelError::TooMany { table: TABLE.to_owned(), max: 64 });
}

#[test]
fn a_stream_starts_and_ends_where_it_is_told() {
    let fixture = Fixture::new(Some(24), 1);
    let base_us = fixture.now_us();
    // Change n is at base + 10 n seconds.
    let put = |upto: i64, from: i64| {
        for change in from..upto {
            fixture.pass(10 * SECOND_US);
            fixture.put(change % 7, change + 1);
        }
    };
    put(20, 0);
    let at = |change: i64| base_us + change * 10 * SECOND_US;
    let flag = |flag| Some(StreamRange { flag: Some(flag), ..StreamRange::default() });
    let cases = [
        ("latest", flag(StartFlag::Latest), 21..=40, false),
        ("by-default", None, 21..=40, false),
        ("zeros", Some(StreamRange { flag: None, start_ns: Some(0), end_ns: Some(0) }), 21..=40, false),
        ("earliest", flag(StartFlag::Earliest), 1..=40, false),
        ("from-all", from_to(1, 0), 1..=40, false),
        ("from-a-change", from_to(at(5), 0), 5..=40, false),
        ("from-between", from_to(at(5) + 1, 0), 6..=40, false),
        ("from-the-future", from_to(at(30), 0), 30..=40, false),
        ("to-a-change", from_to(at(5), at(9)), 5..=8, true),
        ("to-between", from_to(at(5), at(9) + 1), 5..=9, true),
        ("to-the-future", from_to(at(5), at(33)), 5..=32, true),
        ("to-later", from_to(at(5), at(41)), 5..=40, false),
    ];
    let ids: Vec<String> = cases
        .iter()
        .map(|(name, range, ..)| fixture.create(name, TunnelKind::Stream, *range).unwrap())
        .collect();
    put(40, 20);
    for ((name, range, expected, ended), id) in cases.into_iter().zip(&ids) {
        assert_eq!(read_all(&fixture, id), (expected.collect(), ended), "{name}");
        let described = fixture.tunnels().describe(TABLE, name, None).unwrap();
        assert_eq!((described.tunnel.range, described.tunnel.stage), (range, Stage::Stream));
    }
    // Even without further changes, the end of the last tunnel comes with time.
    fixture.pass(10 * SECOND_US);
    assert_eq!(read_all(&fixture, &ids[11]), (vec![], true));
    let channels = fixture.tunnels().describe(TABLE, "to-later", None).unwrap().channels;
    assert_eq!(channels.iter().map(|channel| channel.consumed).sum::<u64>(), 36);
    assert!(channels.iter().all(|channel| channel.status == ChannelStatus::Terminated));
}

#[test]
fn a_start_before_what_was_ever_logged_is_too_late() {
    let fixture = Fixture::new(None, 1);
    fixture.put(1, 1);
    fixture.pass(SECOND_US);
    let error = fixture.create("t", TunnelKind::Stream, from_to(fixture.now_us() - 1, 0)).unwrap_err();
    assert!(matches!(error, TunnelError::StartNotKept { .. }), "{error}");
    assert_eq!(
        fixture.store().table(TABLE).unwrap().stream_id,
        None,
        "a refused tunnel leaves nothing behind"
    );
    fixture.create("t", TunnelKind::Stream, from_to(fixture.now_us() + SECOND_US, 0)).unwrap();
}
