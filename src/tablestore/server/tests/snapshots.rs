//! Tests snapshots over the wire: what they show, how many may be open, and when they are closed.

use std::time::Duration;

use super::*;
use crate::plain_buffer::{Rows, encode_key};
use crate::snapshot;
use store::value::Row;

const OPEN: &str = "/orderflow/snapshot/open";
const READ: &str = "/orderflow/snapshot/read";
const CHANGES: &str = "/orderflow/snapshot/changes";
const CLOSE: &str = "/orderflow/snapshot/close";

/// Starts a server with an order and its results.
async fn start(limits: Limits) -> Running {
    let running = Running::start_with(limits).await;
    with_results(&running.store, vec![order("u", "o", 1.0, 0)]);
    running
}

fn range() -> table::GetRangeRequest {
    table::GetRangeRequest {
        table_name: ORDERS.to_owned(),
        max_versions: Some(1),
        inclusive_start_primary_key: encode_key(&order_key(KeyPart::Min, KeyPart::Min)).into(),
        exclusive_end_primary_key: encode_key(&order_key(KeyPart::Max, KeyPart::Max)).into(),
        ..Default::default()
    }
}

fn read(id: u64) -> snapshot::ReadRequest {
    snapshot::ReadRequest { id, range: range().encode_to_vec().into() }
}

fn changes(id: u64, commit: u64, skip: u64, limit: Option<u32>) -> snapshot::ChangesRequest {
    snapshot::ChangesRequest { id, from: snapshot::Place { commit, skip }, limit }
}

fn row(bytes: Option<&[u8]>) -> Option<Row> {
    bytes.map(|bytes| Rows::of(bytes).unwrap().only().unwrap().stored_row().unwrap())
}

impl Wire {
    async fn open(&mut self) -> snapshot::Snapshot {
        let opened: snapshot::OpenResponse = self.call(OPEN, &snapshot::OpenRequest {}).await;
        opened.snapshot.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_shows_what_was_there_when_it_was_opened() {
    let running = start(Limits::default()).await;
    let (store, mut wire) = (&running.store, running.connect().await);
    let upper = store.last_commit();
    write_all(store, vec![order("u", "o", 2.0, 0), order("u", "p", 3.0, 0)]);
    let shown = store.last_commit();
    let snapshot = wire.open().await;
    assert_eq!((snapshot.last_commit, snapshot.upper), (shown, upper));
    assert_eq!((snapshot.zone.as_str(), snapshot.window_ms), ("Europe/Berlin", 30_000));
    let now: table::GetRangeResponse = wire.call("/GetRange", &range()).await;
    write_all(store, vec![order("u", "q", 4.0, 0)]);

    let page: table::GetRangeResponse = wire.call(READ, &read(snapshot.id)).await;
    assert_eq!(page, now);
    let mut at = snapshot::Place { commit: upper, skip: 0 };
    let mut found = Vec::new();
    loop {
        let request = changes(snapshot.id, at.commit, at.skip, Some(1));
        let page: snapshot::ChangesResponse = wire.call(CHANGES, &request).await;
        assert!(page.changes.len() <= 1);
        found.extend(page.changes);
        match page.next {
            Some(next) => at = next,
            None => break,
        }
    }
    let whole: snapshot::ChangesResponse = wire.call(CHANGES, &changes(snapshot.id, upper, 0, None)).await;
    assert_eq!((&whole.changes, whole.next), (&found, None));
    // The changes are of one commit, in the order of its rows.
    let prices = |bytes: &Option<bytes::Bytes>| {
        row(bytes.as_deref()).map(|row| format!("{:?} {:?}", row.key[1], row.cells[0].value))
    };
    let found: Vec<_> = found.iter().map(|change| (prices(&change.before), prices(&change.after))).collect();
    let price = |order: &str, price: &str| Some(format!("String({order:?}) Double({price})"));
    assert_eq!(found, [(price("o", "1.0"), price("o", "2.0")), (None, price("p", "3.0"))]);

    store.delete_table(ORDERS).unwrap();
    let page: table::GetRangeResponse = wire.call(READ, &read(snapshot.id)).await;
    assert_eq!(page, now);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn few_snapshots_are_open_at_a_time() {
    let running = start(Limits::default()).await;
    let mut wire = running.connect().await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(wire.open().await.id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    let (status, code, message) = wire.refused(OPEN, &snapshot::OpenRequest {}).await;
    assert_eq!((status, code.as_str()), (503, "OTSServerBusy"));
    assert_eq!(
        message,
        "Server is busy: 4 snapshots are open, and no more may be. One goes once it is closed, or was not used for 60 s."
    );
    let id = ids[2];
    for _ in 0..2 {
        let _: snapshot::CloseResponse = wire.call(CLOSE, &snapshot::CloseRequest { id }).await;
    }
    let gone = (404, "OTSResourceGone".to_owned());
    let told = format!("snapshot {id} is not open: it was closed, or not used for 60 s");
    for refused in
        [wire.refused(READ, &read(id)).await, wire.refused(CHANGES, &changes(id, 1, 0, None)).await]
    {
        assert_eq!(refused, (gone.0, gone.1.clone(), told.clone()));
    }
    wire.open().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_that_nobody_reads_goes() {
    let limits =
        Limits { snapshots_max: 1, snapshot_idle_time_max: Duration::from_millis(50), ..Limits::default() };
    let running = start(limits).await;
    let mut wire = running.connect().await;
    let first = wire.open().await.id;
    // No other snapshot may be opened while this one is open.
    loop {
        let told = wire.ask(&Asking::new(OPEN, &snapshot::OpenRequest {}).sign(false)).await;
        match told.status {
            200 => break,
            _ => assert_eq!(told.error().0, "OTSServerBusy"),
        }
    }
    assert_eq!(wire.refused(READ, &read(first)).await.1, "OTSResourceGone");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_results_are_nothing_is_kept() {
    let running = Running::start_with(Limits { snapshots_max: 1, ..Limits::default() }).await;
    let mut wire = running.connect().await;
    for _ in 0..3 {
        let opened: snapshot::OpenResponse = wire.call(OPEN, &snapshot::OpenRequest {}).await;
        assert_eq!(opened.snapshot, None);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_cannot_be_have_their_own_refusal() {
    let running = start(Limits::default()).await;
    let mut wire = running.connect().await;
    let id = wire.open().await.id;
    let only_id = snapshot::CloseRequest { id }.encode_to_vec();
    let no_skip = [only_id.as_slice(), &[0x12, 2, 8, 1]].concat();
    let twice = [only_id.as_slice(), only_id.as_slice()].concat();
    let no_table = table::GetRangeRequest { table_name: "No".to_owned(), ..range() };
    let of = |range: table::GetRangeRequest| {
        snapshot::ReadRequest { id, range: range.encode_to_vec().into() }.encode_to_vec()
    };
    let missing = |part: &str| format!("Parse from protobuf failed: required part '{part}' is missing.");
    for (path, body, code, message) in [
        (READ, Vec::new(), "OTSParameterInvalid", missing("id")),
        (READ, only_id.clone(), "OTSParameterInvalid", missing("range")),
        (CHANGES, only_id, "OTSParameterInvalid", missing("from")),
        (CHANGES, no_skip, "OTSParameterInvalid", missing("skip")),
        (CLOSE, Vec::new(), "OTSParameterInvalid", missing("id")),
        (CLOSE, twice, "OTSParameterInvalid", "a part that may occur once occurs twice".to_owned()),
        (
            CHANGES,
            changes(id, 1, 0, Some(0)).encode_to_vec(),
            "OTSParameterInvalid",
            "The limit must be greater than 0.".to_owned(),
        ),
        (CHANGES, changes(id, 0, 0, None).encode_to_vec(), "OTSTunnelExpired", "changes of table".to_owned()),
        (READ, of(no_table), "OTSObjectNotExist", "Requested table does not exist.".to_owned()),
        (
            READ,
            of(table::GetRangeRequest { limit: Some(0), ..range() }),
            "OTSParameterInvalid",
            "The limit must be greater than 0.".to_owned(),
        ),
        (
            READ,
            of(table::GetRangeRequest { direction: 7, ..range() }),
            "OTSParameterInvalid",
            "Invalid direction: 7.".to_owned(),
        ),
    ] {
        let told = wire.ask(&Asking::of_body(path, body).sign(false)).await;
        let error = told.error();
        assert_eq!(
            (told.status, error.0.as_str()),
            (if code == "OTSObjectNotExist" { 404 } else { 400 }, code)
        );
        assert!(error.1.starts_with(&message), "{path}: {error:?} is not {message}");
    }
    running.stop().await;
}
