//! The commands that go over the wire, against a store in a process of its own.

use std::collections::BTreeMap;

use serde_json::Value;
use store::schema::{KeyColumn, TableOptions, TableSchema};
use store::value::KeyType;
use store::{Store, StoreOptions};
use tablestore::client::{Client, ClientConfig};

use crate::store_server::{Up, orders, refused, request_id};
use crate::support::{ended, orderflow, run};

const TABLES: &str = "\
table            key                            stream
OrderBatchSink   UserId string                  off
OrderRejects     UserId string, OrderId string  off
OrderSource      UserId string, OrderId string  168 h
OrderStreamSink  begin string, end string       off
OrderTotalSink   count integer                  off
";

/// What [`orders`] gives of the lines that `generate` writes to a file with these flags.
fn orders_of_file(flags: &[&str]) -> BTreeMap<(String, String), (f64, i64)> {
    let made = run(&[&["generate", "--to", "-", "--format", "csv", "--hours", "1"], flags].concat());
    let mut orders = BTreeMap::new();
    for line in made.stdout.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let key = (cells[0].to_owned(), cells[1].to_owned());
        if cells[2].is_empty() {
            orders.remove(&key);
        } else {
            orders.insert(key, (cells[2].parse().expect("a price"), cells[3].parse().expect("a timestamp")));
        }
    }
    orders
}

#[test]
fn init_makes_what_is_missing_and_clean_takes_it_away() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    // The live job would make tables too.
    let up = Up::start(dir.path(), &["--no-job"]);
    let made = up.ok(&["init"]);
    let (tables, tunnel) = made.rsplit_once("tunnel  OrderSourceTunnel  created, id ").expect(&made);
    assert_eq!(
        tables,
        "table   OrderSource        created\n\
         table   OrderBatchSink     created\n\
         table   OrderTotalSink     created\n\
         table   OrderStreamSink    created\n\
         table   OrderRejects       created\n"
    );
    let tunnel_id = tunnel.trim_end();
    assert!(!tunnel_id.is_empty() && !tunnel_id.contains(' '), "{tunnel_id}");
    assert_eq!(up.ok(&["init"]), made.replace("created", "already exists"));
    assert_eq!(up.ok(&["tables"]), TABLES);

    for list in [up.ok(&["tunnel", "list"]), up.ok(&["tunnel", "list", "OrderSource"])] {
        let cells: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(cells.len(), 2, "{list}");
        assert_eq!(cells[0], ["table", "tunnel", "type", "stage", "id"]);
        assert_eq!(cells[1][..3], ["OrderSource", "OrderSourceTunnel", "BaseAndStream"]);
        assert_eq!(cells[1][4], tunnel_id);
    }
    let described = up.ok(&["tunnel", "describe", "OrderSource", "OrderSourceTunnel"]);
    assert!(described.contains(&format!("\nid       {tunnel_id}\n")), "{described}");
    assert!(described.contains("\nchannel "), "{described}");
    let other = up.ok(&["tunnel", "create", "OrderSource", "Other", "--type", "stream"]);
    assert!(up.ok(&["tunnel", "list"]).contains(other.trim_end()));
    let twice = up.run(&["tunnel", "create", "OrderSource", "Other"]);
    assert_eq!(twice.code, Some(2));
    assert!(twice.stderr.contains("OTSTunnelExist"), "{}", twice.stderr);
    assert_eq!(up.ok(&["tunnel", "delete", "OrderSource", "Other"]), "tunnel Other deleted\n");

    refused(&up.run(&["clean"]), 2, "there is no terminal to ask on: say --yes");
    assert_eq!(up.ok(&["tables"]), TABLES);
    assert_eq!(
        up.ok(&["clean", "--yes"]),
        "tunnel  OrderSourceTunnel  deleted\n\
         table   OrderSource        deleted\n\
         table   OrderBatchSink     deleted\n\
         table   OrderTotalSink     deleted\n\
         table   OrderStreamSink    deleted\n\
         table   OrderRejects       deleted\n"
    );
    assert_eq!(up.ok(&["clean", "--yes"]), "nothing to delete\n");
    assert_eq!(up.ok(&["tables"]), "");
    let rows = up.run(&["rows", "OrderSource"]);
    refused(&rows, 2, "DescribeTable failed: Requested table does not exist");
    // The answer names no table. The store's log does, for this command and for whoever asks it.
    assert!(rows.stderr.trim_end().ends_with(": there is no table OrderSource"), "{}", rows.stderr);
    let told = up.ok(&["why", request_id(&rows.stderr)]);
    let (head, refusal) = told.split_once('\n').expect("two lines");
    assert!(head.starts_with("DescribeTable at 20") && head.ends_with(" UTC"), "{told}");
    let expected =
        "404 OTSObjectNotExist: Requested table does not exist.\n  there is no table OrderSource\n";
    assert_eq!(refusal, expected);
    refused(
        &up.run(&["why", "no-such-id"]),
        2,
        "orderflow/why failed: No request with this id is among the last 1024",
    );
}

/// Programs that read the changes get the price and time of the order before each change.
#[test]
fn the_stream_of_orders_keeps_price_and_time() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &["--no-job"]);
    up.ok(&["init"]);
    assert_eq!(up.stop("TERM").code, Some(0));
    let store = Store::open(dir.path(), StoreOptions::default()).expect("the folder opens");
    let stream = store.table("OrderSource").expect("the table").schema.stream.clone().expect("a stream");
    assert_eq!((stream.hours, stream.columns), (168, vec!["price".to_owned(), "timestamp".to_owned()]));
}

#[test]
fn init_refuses_a_table_with_another_key_before_it_makes_any() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &[]);
    let config = ClientConfig::new(
        up.export("OTS_ENDPOINT"),
        up.export("OTS_INSTANCE"),
        up.export("OTS_AK_ENV"),
        up.export("OTS_SK_ENV"),
        None,
    );
    let schema = TableSchema {
        name: "OrderTotalSink".to_owned(),
        key: vec![KeyColumn { name: "count".to_owned(), kind: KeyType::String, auto_increment: false }],
        options: TableOptions::default(),
        stream: None,
        defined_columns: Vec::new(),
        throughput: (0, 0),
        splits: Vec::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        Client::new(config).expect("settings").create_table(&schema).await.expect("a new table");
    });
    refused(
        &up.run(&["init"]),
        2,
        "table OrderTotalSink exists with the key (count string) where (count integer) is needed: delete it",
    );
    assert_eq!(up.ok(&["tables"]).lines().count(), 2);
}

#[test]
fn generated_orders_are_those_of_a_file_and_outlive_the_server() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &[]);
    let missing = up.run(&["generate"]);
    assert_eq!(missing.code, Some(2));
    assert!(
        missing.stderr.trim_end().ends_with("`orderflow init` makes the table OrderSource"),
        "{}",
        missing.stderr
    );
    up.ok(&["init"]);

    let plain = ["--orders", "500", "--users", "5", "--seed", "7", "--start", "1700000000000"];
    let told = up.ok(&[&["generate"], &plain[..]].concat());
    assert!(told.starts_with("orders     500 in ") && told.ends_with(" orders/s\n"), "{told}");
    let expected = orders_of_file(&plain);
    assert_eq!((expected.len(), orders(&up)), (500, expected));
    assert!(up.ok(&["rows", "OrderSource", "--limit", "3"]).lines().count() == 4);
    let few = up.run(&["rows", "OrderSource"]);
    assert_eq!(few.stdout.lines().count(), 21);
    assert_eq!(few.stderr, "more rows follow: --limit N shows more\n");
    assert_eq!(up.run(&["rows", "OrderSource", "--limit", "500"]).stderr, "");

    // Corrections and cancels take effect in their order, whatever goes over which connection.
    up.ok(&["clean", "--yes"]);
    up.ok(&["init"]);
    let upserts =
        ["--orders", "5000", "--users", "50", "--start", "0", "--corrections", "30", "--cancels", "10"];
    let told = up.ok(&[&["generate", "--json", "--connections", "8"], &upserts[..]].concat());
    let told: Value = serde_json::from_str(&told).expect("JSON");
    assert_eq!((&told["orders"], &told["refused"]), (&Value::from(5_000), &Value::from(0)));
    let expected = orders_of_file(&upserts);
    assert!(expected.len() > 2_000);
    assert_eq!(orders(&up), expected);

    assert_eq!(up.stop("TERM").code, Some(0));
    let up = Up::start(dir.path(), &[]);
    assert_eq!(orders(&up), expected);
}

#[test]
fn orders_keep_a_rate_and_are_placed_when_they_are_written() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &["--durability", "relaxed"]);
    up.ok(&["init"]);
    let flags = ["generate", "--orders", "30", "--rate", "100/s", "--late", "0", "--quiet"];
    let before_ms = jiff::Timestamp::now().as_millisecond();
    assert_eq!(up.ok(&flags), "");
    let after_ms = jiff::Timestamp::now().as_millisecond();
    // Of four connections each sends two orders at a time: the last leave 28 orders after the
    // first.
    assert!(after_ms - before_ms >= 280, "{before_ms} to {after_ms}");
    let placed = orders(&up);
    assert_eq!(placed.len(), 30);
    for (_, at_ms) in placed.values() {
        // Up to two seconds out of order.
        assert!((before_ms - 2_001..=after_ms + 300).contains(at_ms), "{at_ms}");
    }
    let ended = up.stop("INT");
    let told = "orderflow: durability relaxed: writes are acknowledged before they are on disk; ";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn settings_that_are_missing_or_wrong_are_named() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let up = Up::start(dir.path(), &[]);
    let with = |name: &str, value: Option<&str>| {
        let mut command = up.command(&["tables"]);
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        ended(command.output().expect("the program starts"))
    };
    for (name, also) in [
        ("OTS_ENDPOINT", " (or --endpoint)"),
        ("OTS_INSTANCE", " (or --instance)"),
        ("OTS_AK_ENV", ""),
        ("OTS_SK_ENV", ""),
    ] {
        let how = "paste the export lines that `orderflow up` prints, or set them";
        refused(&with(name, None), 2, &format!("{name}{also} is not set: {how}"));
        refused(&with(name, Some("")), 2, &format!("{name}{also} is not set: {how}"));
    }
    for name in ["OTS_SK_ENV", "OTS_AK_ENV", "OTS_INSTANCE"] {
        let ended = with(name, Some("other"));
        refused(&ended, 2, "ListTable failed: ");
        assert!(ended.stderr.contains("(OTSAuthFailed, status 403"), "{}", ended.stderr);
    }
    refused(
        &with("OTS_ENDPOINT", Some("127.0.0.1:8087")),
        2,
        "the endpoint \"127.0.0.1:8087\" must be http://",
    );
    let endpoint = up.export("OTS_ENDPOINT").to_owned();
    let mut command = up.command(&["tables"]);
    assert_eq!(up.stop("INT").code, Some(0));
    let ended = ended(command.output().expect("the program starts"));
    refused(&ended, 3, &format!("cannot connect to {endpoint}: Connection refused"));
}

#[test]
fn the_secret_is_no_flag_and_help_says_where_it_comes_from() {
    for command in ["init", "tables", "rows", "clean", "generate"] {
        let help = run(&[command, "--help"]);
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("OTS_SK_ENV") && !help.stdout.contains("--secret"), "{}", help.stdout);
    }
    let mut command = orderflow(&["tables", "--help"]);
    let help = command.env("OTS_SK_ENV", "hidden-secret").output().expect("the program starts");
    assert!(!String::from_utf8_lossy(&help.stdout).contains("hidden-secret"));
}
