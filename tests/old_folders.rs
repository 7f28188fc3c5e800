//! Folders that earlier versions wrote: each opens, verifies with the totals of its time, and goes
//! on.
//!
//! `tests/fixtures/README.md` says how they were made.

use std::path::Path;
use std::time::{Duration, Instant};

use dataflows::Amount;
use order_tables::ORDER_SOURCE;
use serde_json::{Value, json};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, NamedKey, Value as Cell};

use crate::archive::old_folders;
use crate::crash::{block_on, client};
use crate::store_server::Up;
use crate::support::run;

/// How long the job may take to follow before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tunnel that `init` makes.
const TUNNEL: &str = "OrderSourceTunnel";

/// The rows of a table as `rows --json` prints them.
fn rows(up: &Up, table: &str) -> Vec<Value> {
    let lines = up.ok(&["rows", table, "--limit", "1000", "--json"]);
    lines.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}

fn key(user: &str, order: &str) -> NamedKey {
    let part =
        |name: &str, value: &str| (name.to_owned(), KeyPart::Value(KeyValue::String(value.to_owned())));
    vec![part("UserId", user), part("OrderId", order)]
}

fn write(user: &str, order: &str, change: RowWrite) -> Write {
    Write {
        table: ORDER_SOURCE.to_owned(),
        key: key(user, order),
        change,
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

fn put(user: &str, order: &str, price: f64, at_ms: i64) -> Write {
    let column = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let columns = vec![column("price", Cell::Double(price)), column("timestamp", Cell::Integer(at_ms))];
    write(user, order, RowWrite::Put(columns))
}

/// What is there is what was there when the version that wrote it ended.
fn holds(data: &Path, expected: &Value) {
    let stopped = run(&["verify", "--data", &data.display().to_string(), "--json"]);
    assert_eq!(stopped.code, Some(0), "{}", stopped.stderr);
    assert_eq!(serde_json::from_str::<Value>(&stopped.stdout).expect("JSON"), expected["verify"]);
    let up = Up::start(data, &["--no-job"]);
    for table in ["OrderBatchSink", "OrderRejects"] {
        assert_eq!(Value::from(rows(&up, table)), expected[table], "{table}");
    }
    assert_eq!(json!(rows(&up, "Padding").len()), expected["Padding"]);
    let tunnel = up.ok(&["tunnel", "describe", ORDER_SOURCE, TUNNEL]);
    for (channel, consumed) in expected["consumed"].as_object().expect("channels") {
        let line = tunnel.lines().find(|line| line.starts_with(channel)).expect(&tunnel);
        let cells: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(cells[4], consumed.to_string(), "{tunnel}");
    }
    assert_eq!(up.stop("INT").code, Some(0));
}

/// Waits until `verify` finds results for which `is` holds, and returns what it found.
fn verified(up: &Up, is: impl Fn(&Value) -> bool) -> Value {
    let since = Instant::now();
    loop {
        let ended = up.run(&["verify", "--json"]);
        assert!(matches!(ended.code, Some(0 | 3)), "{}{}", ended.stdout, ended.stderr);
        if ended.code == Some(0) {
            let found: Value = serde_json::from_str(&ended.stdout).expect("JSON");
            if is(&found) {
                return found;
            }
        }
        assert!(since.elapsed() < PATIENCE, "the results never came to what they must be: {}", ended.stdout);
    }
}

/// Writes on: a new user's order, one more, another price of the first, and the first order of old
/// goes.
fn goes_on(data: &Path, expected: &Value) {
    let up = Up::start(data, &["-w", "2"]);
    let before = expected["verify"]["orders"].as_u64().expect("a number");
    let orders = rows(&up, ORDER_SOURCE);
    let order = orders.iter().find(|order| order["price"].is_f64()).expect("an order");
    let [user, id] = ["UserId", "OrderId"].map(|name| order[name].as_str().expect("text"));
    let writes = [
        put("later", "1", 1.25, 1_767_225_600_000),
        put("later", "2", 0.1, 1_767_225_630_000),
        put("later", "1", 1.75, 1_767_225_600_000),
        write(user, id, RowWrite::Delete),
    ];
    let client = client(&up);
    block_on(async {
        for write in &writes {
            client.write_row(write).await.expect("a write");
        }
    });
    let amount =
        |text: &Value| text.as_str().and_then(|text| text.parse::<Amount>().ok()).expect("an amount");
    let total = |found: &Value| amount(&found["totalPriceExact"]);
    let gone = Amount::try_from(order["price"].as_f64().expect("a price")).expect("an amount");
    let more: Amount = "1.85".parse().expect("an amount");
    let wanted = total(&expected["verify"]).checked_add(more);
    let is_all =
        |found: &Value| found["orders"] == json!(before + 1) && total(found).checked_add(gone) == wanted;
    let found = verified(&up, is_all);
    assert_eq!(up.stop("INT").code, Some(0));

    // Once more from what this version wrote, and from its checkpoint.
    let up = Up::start(data, &[]);
    assert_eq!(verified(&up, is_all)["totalPriceExact"], found["totalPriceExact"]);
    assert_eq!(up.stop("INT").code, Some(0));
}

#[test]
fn folders_of_all_versions_open_verify_and_go_on() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    for old in old_folders(&fixtures) {
        println!("version {}", old.version);
        holds(old.data.path(), &old.expected);
        goes_on(old.data.path(), &old.expected);
    }
}
