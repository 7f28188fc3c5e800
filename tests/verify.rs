//! `orderflow verify` from outside: what it says, and how it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;

use dataflows::{Amount, Id, RowKey, Totals, WindowWidth};
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use orderflow::format::Format;
use orderflow::order_tables::{ORDER_SOURCE, ResultRow};
use orderflow::sinks::{Layout, Zone};
use orderflow::store::change::{ColumnChange, Condition, Returning, RowChange, Write};
use orderflow::store::value::{KeyPart, KeyValue, NamedKey, Value};
use orderflow::tablestore::client::{Client, ClientConfig};
use serde_json::json;

use crate::store_server::{Up, refused};
use crate::support::{Process, orderflow, run};

/// The results in the tests are of every commit there can be.
const UPPER: u64 = 1_000_000;

const EQUAL: &str = "equal: 2 orders of 2 users in 1 window, 1 set aside, before commit 1000000\n";

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
        change: RowChange::Update(columns.iter().map(column).collect()),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// Two orders, one that is none, and their results.
fn rows() -> Vec<Write> {
    let order = |user: &str, price: f64| {
        let columns = [("price", Value::Double(price)), ("timestamp", Value::Integer(29_999))];
        put(ORDER_SOURCE, order_key(user, "o"), &columns)
    };
    let layout = Layout { format: Format::Csv, zone: Zone::default(), width: WindowWidth::default() };
    let result = |key: RowKey, orders: i64, tenths: i64| {
        let amount = Amount::from_decimal(tenths, 1).expect("an amount");
        ResultRow::new(&key, &Totals { orders, amount }, &layout).put(1)
    };
    let reject = [
        ("commit", Value::Integer(1)),
        ("reason", Value::String("price NaN is not a finite number".to_owned())),
    ];
    vec![
        order("u1", 0.1),
        order("u2", 0.2),
        order("u3", f64::NAN),
        result(RowKey::User(Id::new("u1")), 1, 1),
        result(RowKey::User(Id::new("u2")), 1, 2),
        result(RowKey::Total, 2, 3),
        result(RowKey::Window(WindowWidth::default().containing(0)), 2, 3),
        put("OrderRejects", order_key("u3", "o"), &reject),
    ]
}

/// Another exact amount of the total.
fn spoiler() -> Write {
    let key = vec![("count".to_owned(), KeyPart::Value(KeyValue::Integer(2)))];
    put("OrderTotalSink", key, &[("totalPriceExact", Value::String("0.31".to_owned()))])
}

fn write(up: &Up, writes: Vec<Write>) {
    let of = |name| up.export(name);
    let config =
        ClientConfig::new(of("OTS_ENDPOINT"), of("OTS_INSTANCE"), of("OTS_AK_ENV"), of("OTS_SK_ENV"), None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = Client::new(config).expect("settings");
        for write in &writes {
            client.write_row(write).await.expect("a write");
        }
    });
}

/// Notes in the folder of a store that is stopped that there are results, as a live job does: `n job` of the space `meta`.
fn note_results(data: &Path) {
    let head = json!({
        "version": 1, "upper": UPPER, "zone": "UTC", "window_ms": 30_000, "tables": [], "rejects": 1, "digest": 0
    });
    let database = Database::builder(data.join("engine")).open().expect("the engine opens");
    let meta = database.keyspace("meta", KeyspaceCreateOptions::default).expect("the space is there");
    meta.insert(b"njob", head.to_string()).expect("it is written");
    database.persist(PersistMode::SyncAll).expect("it is synced");
}

/// A folder with orders and their results, that is not running.
fn prepare(data: &Path) {
    let up = start(data);
    up.ok(&["init"]);
    write(&up, rows());
    assert_eq!(up.stop("INT").code, Some(0));
    note_results(data);
}

fn start(data: &Path) -> Up {
    Up::start(data, &["--no-job"])
}

#[test]
fn results_are_equal_or_differ_here_and_over_the_wire() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    prepare(&data);
    let folder = data.display().to_string();
    let stopped = run(&["verify", "--data", &folder]);
    assert_eq!((stopped.code, stopped.stdout.as_str(), stopped.stderr.as_str()), (Some(0), EQUAL, ""));

    let up = start(&data);
    assert_eq!(up.ok(&["verify"]), EQUAL);
    let locked = run(&["verify", "--data", &folder]);
    refused(&locked, 3, &format!("{folder} is in use by process {};", up.id()));
    assert!(locked.stderr.ends_with("or leave out --data to verify it while it runs\n"), "{}", locked.stderr);
    let found = up.ok(&["verify", "--json"]);
    let mut expected = json!({
        "equal": true, "upper": UPPER, "orders": 2, "totalPriceExact": "0.30", "users": 2, "windows": 1,
        "rejects": 1, "differing": 0, "differences": []
    });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&found).expect("JSON"), expected);

    write(&up, vec![spoiler()]);
    let differs = "orderflow: 1 row differs from the recount: 2 orders of 2 users in 1 window, 1 set aside, \
                   before commit 1000000\n";
    let found = up.run(&["verify"]);
    assert_eq!((found.code, found.stdout.as_str(), found.stderr.as_str()), (Some(1), WRONG, differs));
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
    assert_eq!((found.code, found.stderr.as_str()), (Some(1), differs));

    assert_eq!(up.stop("INT").code, Some(0));
    let found = run(&["verify", "--data", &folder]);
    assert_eq!((found.code, found.stdout.as_str(), found.stderr.as_str()), (Some(1), WRONG, differs));
}

#[test]
fn a_watch_ends_with_an_interrupt_or_a_difference() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    prepare(dir.path());
    let up = start(dir.path());
    let watch = || {
        let mut process = Process::spawn(up.command(&["verify", "--watch"]));
        let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
        let mut line = move || lines.next().map(|line| line.expect("the program prints UTF-8") + "\n");
        assert_eq!(line().as_deref(), Some(EQUAL));
        (process, line)
    };
    let (interrupted, mut line) = watch();
    assert_eq!(line().as_deref(), Some(EQUAL), "once more");
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
    let ended = crate::support::ended(unreachable.output().expect("the program starts"));
    refused(&ended, 3, &format!("cannot connect to {endpoint}"));

    let both = run(&["verify", "--watch", "--data", &folder]);
    assert_eq!(both.code, Some(2), "{}", both.stderr);
    let unset = orderflow(&["verify"]).env_remove("OTS_ENDPOINT").output().expect("the program starts");
    assert_eq!(unset.status.code(), Some(2));
}
