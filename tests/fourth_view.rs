//! A view that somebody adds is found everywhere: `views/user_days.rs` and its line in the list are
//! all that there is of it.
//!
//! The program is built with that line (`--features fourth-view`), so these tests are a target of
//! their own.

// They share less than all of that.
#[allow(dead_code)]
mod store_server;
#[allow(dead_code)]
mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use order_tables::ORDER_SOURCE;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::value::{KeyPart, KeyValue, NamedKey, Value};
use tablestore::client::{Client, ClientConfig};

use crate::store_server::Up;
use crate::support::run;

/// How long the job may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// An order: its user, its price in cents and its time.
type Placed = (String, i64, i64);

/// Orders by id.
type Orders = BTreeMap<String, Placed>;

/// Orders of three users on both sides of midnight, of 1970 and of the length of names that are
/// held inline.
fn orders() -> Orders {
    let users = ["ann", "größe, \"XL\"", "a user whose name is not short"];
    let times = [-1, 0, DAY_MS - 1, DAY_MS, 20_000 * DAY_MS + 5, 20_000 * DAY_MS + 6];
    let order = |at: usize| {
        let (user, at_ms) = (users[at % 3], times[at / 3 % times.len()] - at as i64 % 2);
        (format!("o{at:03}"), (user.to_owned(), at as i64 * 37 - 900, at_ms))
    };
    (0..60).map(order).collect()
}

/// The rows of the view by a plain fold: the user and the day as printed, the count and the exact
/// amount.
fn days(orders: &Orders) -> Vec<[String; 4]> {
    let mut days: BTreeMap<(&str, i64), (i64, i64)> = BTreeMap::new();
    for (user, cents, at_ms) in orders.values() {
        let (count, sum) = days.entry((user, at_ms.div_euclid(DAY_MS))).or_default();
        (*count, *sum) = (*count + 1, *sum + cents);
    }
    let day = |day: i64| support::utc(day * DAY_MS)[..10].to_owned();
    let row = |((user, at), (count, cents)): ((&str, i64), (i64, i64))| {
        [user.to_owned(), day(at), count.to_string(), exact(cents)]
    };
    days.into_iter().map(row).collect()
}

fn exact(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

fn csv_field(text: &str) -> String {
    match text.contains([',', '"']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}

fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[test]
fn its_file_is_there_in_each_form_for_any_number_of_workers() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let input = dir.path().join("orders.csv").display().to_string();
    let lines = orders()
        .into_iter()
        .map(|(id, (user, cents, at_ms))| format!("{},{id},{},{at_ms}\n", csv_field(&user), exact(cents)));
    let text = "user_id,order_id,price,timestamp\n".to_owned() + &lines.collect::<String>();
    std::fs::write(&input, text).expect("the file is written");
    let expected = days(&orders());
    assert!(expected.len() > 9, "{expected:?}");
    for workers in ["1", "8"] {
        for format in ["csv", "jsonl", "parquet"] {
            let output = dir.path().join(format!("{format}-{workers}"));
            let shown = output.display().to_string();
            let ended = run(&[
                "run",
                "--input",
                &input,
                "--output",
                &shown,
                "-w",
                workers,
                "--output-format",
                format,
            ]);
            assert_eq!(ended.code, Some(0), "{}", ended.stderr);
            let summary = ended.stdout + &ended.stderr;
            assert!(summary.contains(&format!("days       {}\n", expected.len())), "{summary}");
            is_file_of(&output.join(format!("OrderDaySink.{format}")), format, &expected);
        }
    }
}

/// Holds a file of the view to its rows.
fn is_file_of(path: &Path, format: &str, expected: &[[String; 4]]) {
    let text = || std::fs::read_to_string(path).expect("the file is there");
    match format {
        "csv" => {
            let line = |[user, day, count, exact]: &[String; 4]| {
                format!("{},{day},{count},{exact}\n", csv_field(user))
            };
            let lines: String = expected.iter().map(line).collect();
            assert_eq!(text(), "UserId,day,count,totalPrice\n".to_owned() + &lines);
        }
        "jsonl" => {
            let line = |[user, day, count, exact]: &[String; 4]| {
                format!(
                    "{{\"UserId\":{},\"day\":\"{day}\",\"count\":{count},\"totalPrice\":{exact},\
                     \"totalPriceExact\":\"{exact}\"}}\n",
                    json(user)
                )
            };
            assert_eq!(text(), expected.iter().map(line).collect::<String>());
        }
        _ => {
            let file = std::fs::File::open(path).expect("the file is there");
            let reader = SerializedFileReader::new(file).expect("a Parquet file");
            let rows = reader.get_row_iter(None).expect("rows").map(|row| {
                let row = row.expect("a row");
                let fields: Vec<(String, String)> = row
                    .get_column_iter()
                    .map(|(name, field)| match field {
                        Field::Str(text) => (name.clone(), text.clone()),
                        number => (name.clone(), number.to_string()),
                    })
                    .collect();
                let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
                assert_eq!(names, ["UserId", "day", "count", "totalPrice", "totalPriceExact"]);
                [0, 1, 2, 4].map(|at| fields[at].1.clone())
            });
            assert_eq!(rows.collect::<Vec<_>>(), expected);
        }
    }
}

fn text(name: &str, value: &str) -> (String, KeyPart) {
    (name.to_owned(), KeyPart::Value(KeyValue::String(value.to_owned())))
}

fn write(table: &str, key: NamedKey, change: RowWrite) -> Write {
    let (condition, returning) = (Condition::default(), Returning::Nothing);
    Write { table: table.to_owned(), key, change, condition, returning }
}

/// The write of an order, or its end.
fn order(id: &str, (user, cents, at_ms): &Placed, is_there: bool) -> Write {
    let put = |name: &str, value| (name.to_owned(), ColumnChange::Put { value, version: None });
    let price = exact(*cents).parse().expect("a double");
    let columns = vec![put("price", Value::Double(price)), put("timestamp", Value::Integer(*at_ms))];
    let change = if is_there { RowWrite::Put(columns) } else { RowWrite::Delete };
    write(ORDER_SOURCE, vec![text("UserId", user), text("OrderId", id)], change)
}

fn send(up: &Up, writes: impl IntoIterator<Item = Write>) {
    let of = |name| up.export(name);
    let (endpoint, instance) = (of("OTS_ENDPOINT"), of("OTS_INSTANCE"));
    let config =
        ClientConfig::new(endpoint, instance, of("OTS_AK_ENV"), of("OTS_SK_ENV"), Some(of("OTS_REGION")));
    let client = Client::new(config).expect("what the server printed is a configuration");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for write in writes {
            client.write_row(&write).await.expect("a write");
        }
    });
}

fn get(address: &str, path: &str) -> String {
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    let answer = String::from_utf8(answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
    match head.to_lowercase().contains("transfer-encoding: chunked") {
        true => body.split("\r\n").skip(1).step_by(2).collect(),
        false => body.to_owned(),
    }
}

/// The rows of the result table, once they are these.
fn await_table(up: &Up, expected: &[[String; 4]]) {
    let since = Instant::now();
    loop {
        let found = rows(&up.ok(&["rows", "OrderDaySink", "--limit", "1000", "--json"]));
        if found == expected {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{found:?}\nis not\n{expected:?}");
    }
}

/// Rows of a table, a JSON object a line.
fn rows(lines: &str) -> Vec<[String; 4]> {
    lines.lines().map(|line| row(&serde_json::from_str(line).expect("JSON"))).collect()
}

fn row(row: &serde_json::Value) -> [String; 4] {
    let text = |name: &str| row[name].as_str().expect("a text").to_owned();
    let exact = text("totalPriceExact");
    assert_eq!(row["totalPrice"].as_f64(), exact.parse().ok(), "{row}");
    [text("UserId"), text("day"), row["count"].to_string(), exact]
}

/// Holds the page's addresses to the rows of the view, and its recount to find them right.
fn is_on_page(up: &Up, expected: &[[String; 4]]) {
    let page = up.page();
    let found: serde_json::Value = serde_json::from_str(&get(&page, "/api/days?limit=1000")).expect("JSON");
    let found: Vec<_> = found.as_array().expect("an array").iter().map(row).collect();
    assert_eq!(found, expected);
    let csv = get(&page, "/api/days.csv");
    let line = |[user, day, count, exact]: &[String; 4]| {
        let nearest: f64 = exact.parse().expect("a decimal");
        format!("{},{day},{count},{nearest},{exact}", csv_field(user))
    };
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], "epoch,UserId,day,count,totalPrice,totalPriceExact");
    let found: Vec<&str> = lines[1..].iter().map(|line| line.split_once(',').expect("an epoch").1).collect();
    assert_eq!(found, expected.iter().map(line).collect::<Vec<_>>());
    let counted = format!("\norderflow_days {}\n", expected.len());
    let since = Instant::now();
    while !get(up.export("OTS_ENDPOINT"), "/metrics").contains(&counted) {
        assert!(since.elapsed() < PATIENCE, "the metrics never say {counted:?}");
    }
}

/// What a recount of all orders says.
fn counted(orders: &Orders) -> String {
    let users: std::collections::BTreeSet<&str> = orders.values().map(|(user, ..)| user.as_str()).collect();
    let windows: std::collections::BTreeSet<i64> =
        orders.values().map(|(.., at_ms)| at_ms.div_euclid(30_000)).collect();
    format!(
        "{} orders of {} users in {} windows on {} user's days, 0 set aside, before commit ",
        orders.len(),
        users.len(),
        windows.len(),
        days(orders).len()
    )
}

#[test]
fn its_table_lives_through_kills_is_recounted_and_is_on_the_page() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let mut orders = orders();
    let up = Up::start(&data, &["-w", "1"]);
    assert!(up.ok(&["init"]).contains("table   OrderDaySink       "), "it is made with the others");
    send(&up, orders.iter().map(|(id, placed)| order(id, placed, true)));
    await_table(&up, &days(&orders));
    is_on_page(&up, &days(&orders));
    up.stop("KILL");

    // It goes on from its checkpoint, with other workers.
    let up = Up::start(&data, &["-w", "8"]);
    let mut changes = Vec::new();
    for (at, id) in orders.keys().cloned().collect::<Vec<_>>().into_iter().enumerate() {
        let placed = orders[&id].clone();
        match at % 4 {
            0 => {
                changes.push(order(&id, &placed, false));
                orders.remove(&id);
            }
            1 => {
                let moved = (placed.0.clone(), placed.1 + 1, placed.2 + DAY_MS);
                changes.push(order(&id, &moved, true));
                orders.insert(id, moved);
            }
            _ => {}
        }
    }
    send(&up, changes);
    await_table(&up, &days(&orders));
    is_on_page(&up, &days(&orders));
    let equal = up.ok(&["verify"]);
    assert!(equal.starts_with(&format!("equal: {}", counted(&orders))), "{equal}");
    let ended = up.stop("INT");
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("cannot be used"), "the checkpoint was used: {}", ended.stderr);
    assert!(!ended.stderr.contains("are not those of the orders"), "{}", ended.stderr);

    a_spoilt_row_is_found(&data, &days(&orders));

    // And mended.
    let up = Up::start(&data, &["-w", "2"]);
    await_table(&up, &days(&orders));
    let ended = up.stop("INT");
    assert!(ended.stderr.contains("result tables were not as they had been written"), "{}", ended.stderr);
}

/// Spoils one row, and has it found here and over the wire.
fn a_spoilt_row_is_found(data: &Path, expected: &[[String; 4]]) {
    let up = Up::start(data, &["--no-job"]);
    let [user, day, count, _] = &expected[0];
    let spoilt = ColumnChange::Put { value: Value::Integer(99), version: None };
    let key = vec![text("UserId", user), text("day", day)];
    send(&up, [write("OrderDaySink", key, RowWrite::Update(vec![("count".to_owned(), spoilt)]))]);
    let wrong = format!("OrderDaySink (UserId {user}, day {day}): the row says count 99, ");
    let right = format!("; the recount says count {count}, ");
    let is_found = |ended: &support::Ended| {
        assert_eq!(ended.code, Some(1), "{}", ended.stderr);
        assert!(ended.stdout.starts_with(&wrong) && ended.stdout.contains(&right), "{}", ended.stdout);
        assert_eq!(ended.stdout.lines().count(), 1, "and no other: {}", ended.stdout);
    };
    is_found(&up.run(&["verify"]));
    assert_eq!(up.stop("INT").code, Some(0));
    is_found(&run(&["verify", "--data", &data.display().to_string()]));
}
