//! The live job from outside: orders in over the wire, results out, and what happens to tables
//! meanwhile.

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use dataflows::{Amount, Id, Order, Reference, Totals};
use serde_json::Value;

use crate::store_server::{Up, orders, refused};
use crate::support::{run, utc};

/// How long the job may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until the answer is as wanted.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(since.elapsed() < PATIENCE, "{what} never came to be");
        std::thread::yield_now();
    }
}

/// What a path answers without a signature: status and body.
pub(crate) fn get(up: &Up, path: &str) -> (u16, String) {
    let address = up.export("OTS_ENDPOINT").trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).expect("the instance listens");
    write!(connection, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers in UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// Waits until the results hold all that was written.
pub(crate) fn settle(up: &Up) {
    until("all of it", || {
        let (_, text) = get(up, "/metrics");
        let is = |line: &str| text.lines().any(|found| found == line);
        (is("orderflow_upper_lag_commits 0") && is("orderflow_job_phase{phase=\"running\"} 1")).then_some(())
    });
}

/// Rows of a result table: key to count and exact amount.
fn results(up: &Up, table: &str, key: &[&str]) -> BTreeMap<Vec<String>, (i64, String)> {
    let lines = up.ok(&["rows", table, "--limit", "1000000", "--json"]);
    let row = |line: &str| {
        let row: Value = serde_json::from_str(line).expect("each line is JSON");
        let key = key.iter().map(|name| row[*name].as_str().expect("a string").to_owned()).collect();
        let exact = row["totalPriceExact"].as_str().expect("a string").to_owned();
        let nearest: f64 = exact.parse().expect("a decimal");
        assert_eq!(row["totalPrice"].as_f64(), Some(nearest), "{line}");
        (key, (row["count"].as_i64().expect("an integer"), exact))
    };
    lines.lines().map(row).collect()
}

/// Compares the three tables with a fold of the table of orders.
fn check(up: &Up) -> Totals {
    settle(up);
    let mut reference = Reference::new(&Default::default());
    for ((user, _), (price, at_ms)) in orders(up) {
        let price = Amount::try_from(price).expect("a price");
        reference.update(&Order { user_id: Id::new(&user), at_ms, price }, 1);
    }
    let row = |totals: &Totals| (totals.orders, totals.amount.to_string());
    let users = reference.users.iter().map(|(user, totals)| (vec![user.to_string()], row(totals)));
    assert_eq!(results(up, "OrderBatchSink", &["UserId"]), users.collect());
    let total = (reference.total != Totals::ZERO).then(|| (vec![], row(&reference.total)));
    assert_eq!(results(up, "OrderTotalSink", &[]), total.into_iter().collect());
    let windows = reference
        .windows
        .iter()
        .map(|(window, totals)| (vec![utc(window.start_ms), utc(window.start_ms + 30_000)], row(totals)));
    assert_eq!(results(up, "OrderStreamSink", &["begin", "end"]), windows.collect());
    reference.total
}

fn generate(up: &Up, seed: &str) {
    let flags = ["--orders", "600", "--users", "9", "--corrections", "20", "--cancels", "10", "--quiet"];
    up.ok(&[&["generate", "--seed", seed], &flags[..]].concat());
}

#[test]
fn results_follow_the_orders_across_starts_with_any_number_of_workers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let mut last = None;
    for (workers, seed) in [("1", "1"), ("4", "2"), ("2", "3")] {
        let up = Up::start(&data, &["-w", workers]);
        if last.is_some() {
            assert_eq!(Some(check(&up)), last, "as it was");
        } else {
            up.ok(&["init"]);
        }
        generate(&up, seed);
        last = Some(check(&up));
        assert_eq!(get(&up, "/readyz").0, 200);
        assert_eq!(up.stop("TERM").code, Some(0));
    }
    let folder = data.display().to_string();
    let refused_layout =
        run(&["up", "--data", &folder, "--listen", "127.0.0.1:0", "--timezone", "Asia/Tokyo"]);
    let message =
        "the results that are there have windows of 30000 ms in the zone UTC, not of 30000 ms in Asia/Tokyo";
    refused(&refused_layout, 2, message);
}

#[test]
fn clients_cannot_write_what_the_job_writes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let keys = [
        ("OrderBatchSink", vec![("UserId", "u")]),
        ("OrderStreamSink", vec![("begin", "b"), ("end", "e")]),
        ("OrderRejects", vec![("UserId", "u"), ("OrderId", "o")]),
    ];
    for (flags, code) in [(&[][..], Some("OTSNoPermissionAccess")), (&["--no-job"][..], None)] {
        let up = Up::start(&dir.path().join("data"), flags);
        up.ok(&["init"]);
        if code.is_some() {
            settle(&up);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for (table, key) in &keys {
            let written = runtime.block_on(crate::crash::client(&up).write_row(&delete(table, key)));
            let refused = written.as_ref().is_err_and(|error| code.is_some_and(|code| error.is_code(code)));
            assert_eq!(refused, code.is_some(), "{table}: {written:?}");
            assert_eq!(written.is_err(), code.is_some(), "{table}: {written:?}");
        }
        assert_eq!(up.stop("TERM").code, Some(0));
    }
}

fn delete(table: &str, key: &[(&str, &str)]) -> store::change::Write {
    use store::change::{Condition, Returning, RowWrite, Write};
    use store::value::{KeyPart, KeyValue};
    let part = |(name, value): &(&str, &str)| {
        ((*name).to_owned(), KeyPart::Value(KeyValue::String((*value).to_owned())))
    };
    Write {
        table: table.to_owned(),
        key: key.iter().map(part).collect(),
        change: RowWrite::Delete,
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

#[test]
fn tables_and_tunnel_may_go_and_come_while_the_job_runs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut up = Up::start(&dir.path().join("data"), &["-w", "2"]);
    up.await_told("job: waiting for the table OrderSource");
    assert_eq!(get(&up, "/readyz").0, 200, "there is nothing to catch up with");
    for seed in ["1", "2"] {
        up.ok(&["init"]);
        generate(&up, seed);
        let total = check(&up);
        up.ok(&["tunnel", "delete", "OrderSource", "OrderSourceTunnel"]);
        generate(&up, "7");
        assert_ne!(check(&up), total, "the job goes on without the tunnel");
        up.ok(&["clean", "--yes"]);
        // The job makes no table where there are no orders.
        let tables = up.run(&["tables"]);
        assert_eq!((tables.code, tables.stdout.as_str()), (Some(0), ""), "{}", tables.stderr);
    }
    assert_eq!(up.stop("TERM").code, Some(0));
}
