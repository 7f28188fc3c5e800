//! `orderflow verify` from outside: what it says, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use order_tables::ORDER_SOURCE;
use serde_json::json;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, NamedKey, Value};

use crate::crash::{block_on, client};
use crate::store_server::{Up, refused};
use crate::support::{Process, ended, orderflow, run};

/// How long the job may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is said of the total once that is wrong.
const WRONG: &str = "OrderTotalSink (count 2): the row says totalPrice 0.3, totalPriceExact 0.31; \
                     the recount says totalPrice 0.3, totalPriceExact 0.30\n";

fn text(name: &str, value: &str) -> (String, KeyPart) {
    (name.to_owned(), KeyPart::Value(KeyValue::String(value.to_owned())))
}

fn order_key(user: &str, order: &str) -> NamedKey {
    vec![text("UserId", user), text("OrderId", order)]
}

fn put(table: &str, key: NamedKey, columns: &[(&str, Value)]) -> Write {
    let column = |(name, value): &(&str, Value)| {
        ((*name).to_owned(), ColumnChange::Put { value: value.clone(), version: None })
    };
    Write {
        table: table.to_owned(),
        key,
        change: RowWrite::Update(columns.iter().map(column).collect()),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// Two orders, and one that is none.
fn orders() -> Vec<Write> {
    let order = |(user, price): (&str, f64)| {
        let columns = [("price", Value::Double(price)), ("timestamp", Value::Integer(29_999))];
        put(ORDER_SOURCE, order_key(user, "o"), &columns)
    };
    [("u1", 0.1), ("u2", 0.2), ("u3", f64::NAN)].map(order).to_vec()
}

/// Another exact amount of the total.
fn spoiler() -> Write {
    let key = vec![("count".to_owned(), KeyPart::Value(KeyValue::Integer(2)))];
    put("OrderTotalSink", key, &[("totalPriceExact", Value::String("0.31".to_owned()))])
}

fn write(up: &Up, writes: Vec<Write>) {
    let client = client(up);
    block_on(async {
        for write in &writes {
            client.write_row(write).await.expect("a write");
        }
    });
}

/// What `verify --json` finds, whatever that is; nothing where there are no results yet.
fn found(up: &Up) -> Option<serde_json::Value> {
    let ended = up.run(&["verify", "--json"]);
    match ended.code {
        Some(0 | 1) => Some(serde_json::from_str(&ended.stdout).expect("JSON")),
        _ => None,
    }
}

/// Makes a folder with orders and the results that the live job has made of them, and stops it.
/// Gives their upper.
fn prepare(data: &Path) -> u64 {
    let up = Up::start(data, &[]);
    up.ok(&["init"]);
    write(&up, orders());
    let since = Instant::now();
    let upper = loop {
        if let Some(found) = found(&up) {
            assert_eq!(found["equal"], json!(true), "{found}");
            if (&found["orders"], &found["rejects"]) == (&json!(2), &json!(1)) {
                break found["upper"].as_u64().expect("a number");
            }
        }
        assert!(since.elapsed() < PATIENCE, "the job never came to its results");
    };
    assert_eq!(up.stop("INT").code, Some(0));
    upper
}

fn equal(upper: u64) -> String {
    format!("equal: 2 orders of 2 users in 1 window, 1 set aside, before commit {upper}\n")
}

/// Serves it with nobody who writes results.
fn start(data: &Path) -> Up {
    Up::start(data, &["--no-job"])
}

#[test]
fn results_are_equal_or_differ_here_and_over_the_wire() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let upper = prepare(&data);
    let equal = equal(upper);
    let folder = data.display().to_string();
    let stopped = run(&["verify", "--data", &folder]);
    assert_eq!(
        (stopped.code, stopped.stdout.as_str(), stopped.stderr.as_str()),
        (Some(0), equal.as_str(), "")
    );

    let up = start(&data);
    assert_eq!(up.ok(&["verify"]), equal);
    let locked = run(&["verify", "--data", &folder]);
    refused(&locked, 3, &format!("{folder} is in use by process {};", up.id()));
    assert!(locked.stderr.ends_with("or leave out --data to verify it while it runs\n"), "{}", locked.stderr);
    let found = up.ok(&["verify", "--json"]);
    let mut expected = json!({
        "equal": true, "upper": upper, "orders": 2, "totalPriceExact": "0.30", "users": 2, "windows": 1,
        "rejects": 1, "differing": 0, "differences": []
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&found).expect("JSON"), expected);

    write(&up, vec![spoiler()]);
    let differs = equal.replace("equal:", "orderflow: 1 row differs from the recount:");
    let found = up.run(&["verify"]);
    assert_eq!(
        (found.code, found.stdout.as_str(), found.stderr.as_str()),
        (Some(1), WRONG, differs.as_str())
    );
    let found = up.run(&["verify", "--json"]);
    expected["equal"] = json!(false);
    expected["differing"] = json!(1);
    expected["differences"] = json!([{
        "table": "OrderTotalSink",
        "key": {"count": 2},
        "found": {"totalPrice": 0.3, "totalPriceExact": "0.31"},
        "recounted": {"totalPrice": 0.3, "totalPriceExact": "0.30"}
    }]);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&found.stdout).expect("JSON"), expected);
    assert_eq!((found.code, found.stderr), (Some(1), differs.clone()));

    assert_eq!(up.stop("INT").code, Some(0));
    let found = run(&["verify", "--data", &folder]);
    assert_eq!(
        (found.code, found.stdout.as_str(), found.stderr.as_str()),
        (Some(1), WRONG, differs.as_str())
    );
}

#[test]
fn a_watch_ends_with_an_interrupt_or_a_difference() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let equal = equal(prepare(dir.path()));
    let up = start(dir.path());
    let watch = || {
        let mut process = Process::spawn(up.command(&["verify", "--watch"]));
        let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
        let mut line = move || lines.next().map(|line| line.expect("the program prints UTF-8") + "\n");
        assert_eq!(line().as_deref(), Some(equal.as_str()));
        (process, line)
    };
    let (interrupted, mut line) = watch();
    assert_eq!(line().as_deref(), Some(equal.as_str()), "once more");
    interrupted.signal("INT");
    while line().is_some() {}
    let ended = interrupted.wait();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));

    let (watching, mut line) = watch();
    write(&up, vec![spoiler()]);
    let last = std::iter::from_fn(&mut line).last();
    assert_eq!(last, Some(WRONG.to_owned()));
    let ended = watching.wait();
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.starts_with("orderflow: 1 row differs"), "{}", ended.stderr);
}

#[test]
fn where_nothing_can_be_compared_one_sentence_says_why() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let folder = dir.path().display().to_string();
    let empty = run(&["verify", "--data", &folder]);
    refused(&empty, 2, &format!("{folder} holds no store"));
    assert_eq!(std::fs::read_dir(dir.path()).expect("the folder").count(), 0, "and none is made");

    let up = start(dir.path());
    up.ok(&["init"]);
    let no_results = "there are no results to verify: no live job has written any here";
    refused(&up.run(&["verify"]), 3, no_results);
    refused(&up.run(&["verify", "--watch"]), 3, no_results);
    let mut unreachable = up.command(&["verify"]);
    let endpoint = up.export("OTS_ENDPOINT").to_owned();
    assert_eq!(up.stop("INT").code, Some(0));
    refused(&run(&["verify", "--data", &folder]), 3, no_results);
    let unreachable = ended(unreachable.output().expect("the program starts"));
    refused(&unreachable, 3, &format!("cannot connect to {endpoint}"));

    let both = run(&["verify", "--watch", "--data", &folder]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let unset = orderflow(&["verify"]).env_remove("OTS_ENDPOINT").output().expect("the program starts");
    assert_eq!(unset.status.code(), Some(2));
}

#[test]
fn results_are_equal_at_every_pass_while_orders_come() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    prepare(dir.path());
    let up = Up::start(dir.path(), &["-w", "2"]);
    let mut process = Process::spawn(up.command(&["verify", "--watch", "--json"]));
    let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
    let mut pass = move || -> serde_json::Value {
        let line = lines.next().expect("it goes on").expect("the program prints UTF-8");
        serde_json::from_str(&line).expect("JSON")
    };
    let flags = ["--orders", "2000", "--users", "9", "--corrections", "20", "--cancels", "10", "--quiet"];
    let mut orders = 0;
    for seed in ["1", "2"] {
        up.ok(&[&["generate", "--seed", seed], &flags[..]].concat());
        loop {
            let found = pass();
            assert_eq!(found["equal"], json!(true), "{found}");
            let now = found["orders"].as_u64().expect("a number");
            if std::mem::replace(&mut orders, now) != now {
                break;
            }
        }
    }
    process.signal("INT");
    assert_eq!(process.wait().code, Some(0));
}
