//! Checks the recount over the wire, from a server that writers keep busy.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::*;
use tablestore::client::{Client, ClientConfig};
use tablestore::server::{Limits, MetricsReaders, Server, ServerLoad, ServiceConfig, Vitals};

/// A program that reports nothing about itself.
struct Silent;

impl Vitals for Silent {
    fn metrics(&self, _: &ServerLoad) -> String {
        String::new()
    }

    fn unready(&self) -> Option<String> {
        None
    }
}

/// A store that is served.
struct Served {
    store: Store,
    client: Client,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

impl Served {
    fn start() -> Served {
        let dir = folder();
        let store = store(dir.path());
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let config = ServiceConfig {
            store: store.clone(),
            instance: "instance".to_owned(),
            key_id: "id".to_owned(),
            secret: "secret".to_owned(),
            limits: Limits::default(),
            vitals: Arc::new(Silent),
            metrics_readers: MetricsReaders::All,
            results: Arc::new(JobResults),
        };
        runtime.spawn(Server::serve(listener, config, std::future::pending()));
        let client = Client::new(ClientConfig::new(&endpoint, "instance", "id", "secret", None)).unwrap();
        Served { store, client, runtime, _folder: dir }
    }

    fn recount(&self) -> Result<Recount<Remote>, VerifyError> {
        Remote::recount(self.client.clone(), self.runtime.handle().clone())
    }

    fn verify(&self, rows_max: usize) -> Verified {
        let mut recount = self.recount().unwrap();
        let verified = recount.run(rows_max, || true).unwrap().unwrap();
        recount.into_source().close().unwrap();
        verified
    }
}

#[test]
fn a_served_store_is_verified_as_one_of_this_process() {
    let served = Served::start();
    let store = &served.store;
    assert_eq!(served.recount().err(), Some(VerifyError::NoResults));
    let user = |n: usize| format!("u{}", n % 7);
    for n in 0..40 {
        let price = if n % 9 == 0 { f64::INFINITY } else { n as f64 / 10.0 };
        commit(store, vec![order(&user(n), &format!("o{n}"), price, n as i64 * 10_000)]);
    }
    let results = Results::of(store);
    let later: Vec<Write> = (0..60).map(|n| order(&user(n), &format!("o{}", n / 2), 5.0, 0)).collect();
    commit(store, later);
    results.write(store);
    let verified = verify(store, 1_000);
    assert!(verified.is_equal() && verified.total.orders == 35 && verified.rejects == 5, "{verified:?}");
    for rows_max in [1, 3, 1_000] {
        assert_eq!(served.verify(rows_max), verified);
    }
    for table in RESULT_TABLES {
        for spoiler in spoilers(table, rows(store, table).first()) {
            commit(store, vec![spoiler]);
            let verified = verify(store, 1_000);
            assert_eq!(verified.differing, 1);
            assert_eq!(served.verify(16), verified);
            results.write(store);
        }
    }
    store.delete_table(ORDER_SOURCE).unwrap();
    assert_eq!(served.verify(1_000), verify(store, 1_000));
}

#[test]
fn a_recount_sees_nothing_of_what_is_written_meanwhile() {
    let served = Served::start();
    let store = &served.store;
    commit(store, (0..20).map(|n| order("u", &format!("o{n}"), 1.5, n * 20_000)).collect());
    Results::of(store).write(store);
    let mut recount = served.recount().unwrap();
    let mut n = 0;
    let verified = recount.run(3, || {
        n += 1;
        commit(store, vec![order(&format!("u{n}"), "o1", 2.0, 0)]);
        if n % 2 == 0 {
            Results::of(store).write(store);
        }
        true
    });
    let verified = verified.unwrap().unwrap();
    assert!(verified.is_equal() && verified.total.orders == 20 && n > 10, "{verified:?} after {n}");
}

#[test]
fn changes_that_are_gone_and_snapshots_that_are_closed_have_their_own_error() {
    let served = Served::start();
    let store = &served.store;
    commit(store, vec![order("u", "o", 1.0, 0)]);
    let results = Results::of(store);
    results.write(store);
    let mut recount = served.recount().unwrap();
    let id = served.runtime.block_on(served.client.open_snapshot()).unwrap().unwrap().id;
    served.runtime.block_on(served.client.close_snapshot(id)).unwrap();
    served.runtime.block_on(served.client.close_snapshot(id)).unwrap();
    let gone = served.runtime.block_on(served.client.snapshot_changes(id, Default::default(), 1));
    assert!(gone.unwrap_err().is_code("OTSResourceGone"));
    assert!(recount.run(10, || true).unwrap().unwrap().is_equal());

    log_anew(store, false);
    let mut recount = served.recount().unwrap();
    assert_eq!(recount.run(10, || true), Err(VerifyError::ChangesGone(results.upper)));
}

#[test]
fn a_server_that_refuses_the_caller_is_no_foreign_one() {
    let served = Served::start();
    let config = ClientConfig::new(served.client.endpoint(), "instance", "id", "other", None);
    let stranger = Client::new(config).unwrap();
    let refused = Remote::recount(stranger, served.runtime.handle().clone()).unwrap_err();
    assert!(matches!(&refused, VerifyError::Call(error) if error.is_code("OTSAuthFailed")), "{refused:?}");
}
