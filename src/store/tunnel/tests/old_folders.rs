//! Tests tunnels in folders that earlier versions wrote, at the time at which those versions
//! stopped. The tunnels must go on where their clients were.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use super::super::testing::*;
use super::super::{TunnelInfo, retention};
use crate::change::{Condition, Returning, RowWrite, Write};
use crate::value::{KeyPart, KeyValue, Value};
use crate::{Clock, Durability, Store, StoreOptions};

#[path = "../../../../tests/fixtures/archive.rs"]
mod archive;

const ORDERS: &str = "OrderSource";

fn put_order(order: &str, price: i64) -> Write {
    let part = |name: &str, value: &str| (name.into(), KeyPart::Value(KeyValue::String(value.into())));
    Write {
        table: ORDERS.into(),
        key: vec![part("UserId", "later"), part("OrderId", order)],
        change: RowWrite::Put(vec![put("price", price), put("timestamp", 0)]),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// Returns the changes that are left to a new client of the tunnel: ids of orders, and their
/// prices.
fn left(store: &Store, tunnel: &str) -> Vec<(KeyValue, Value)> {
    let (records, ended) = drain_of(store, tunnel);
    assert!(!ended);
    let mut records: Vec<ReadRecord> = records.into_values().flatten().collect();
    records.sort_by_key(|record| record.sequence);
    let price = |record: &ReadRecord| match &record.edits[..] {
        [Edit::Put(price), _] => price.value.clone(),
        edits => panic!("{edits:?} are not those of an order"),
    };
    records.iter().map(|record| (record.key[1].clone(), price(record))).collect()
}

#[test]
fn tunnels_in_old_folders_go_on_where_their_clients_were() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    for old in archive::old_folders(&fixtures) {
        let version = &old.version;
        let ended_us = old.expected["ended_ms"].as_i64().unwrap() * 1_000;
        let now_us = Arc::new(AtomicI64::new(ended_us));
        let time = now_us.clone();
        let clock = Clock::new(move || time.fetch_add(1, Ordering::Relaxed));
        let options = StoreOptions { durability: Durability::Synced, clock };
        let mut tunnel = String::new();
        for round in 0..2 {
            let store = Store::open(old.data.path(), options.clone()).unwrap();
            if round == 0 {
                tunnel = store.tunnels().list(Some(ORDERS)).unwrap().remove(0).id;
            }
            assert_eq!(left(&store, &tunnel), [], "version {version}");
            for answer in store.write_and_wait(vec![put_order("1", round), put_order("2", 7)]) {
                answer.unwrap();
            }
            let order = |id: &str, price| (KeyValue::String(id.into()), Value::Integer(price));
            assert_eq!(left(&store, &tunnel), [order("1", round), order("2", 7)], "version {version}");
            store.close().unwrap();
        }
        // Years later the tunnel has expired, and its folder is still sound.
        now_us.fetch_add(3 * 365 * 24 * HOUR_US, Ordering::Relaxed);
        let store = Store::open(old.data.path(), options).unwrap();
        retention::turn(&store).unwrap();
        let TunnelInfo { name, expired, .. } = store.tunnels().list(Some(ORDERS)).unwrap().remove(0);
        assert!(expired, "version {version}");
        let described = store.tunnels().describe(ORDERS, &name, None).unwrap();
        let consumed: u64 = described.channels.iter().map(|channel| channel.consumed).sum();
        let before = old.expected["consumed"].as_object().unwrap().values();
        assert_eq!(consumed, before.map(|count| count.as_u64().unwrap()).sum::<u64>() + 4);
        store.check().unwrap();
    }
}
