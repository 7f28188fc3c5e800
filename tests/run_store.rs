//! The orders of a store as a batch: the results of `run` over its table, by folder and by wire.

use std::path::Path;

use order_tables::{ORDER_SOURCE, schemas};
use store::change::{ColumnChange, Condition, Returning, RowWrite, Write};
use store::schema::TableSchema;
use store::value::{KeyPart, KeyType, KeyValue, Value};
use store::{Store, StoreOptions};

use crate::crash::{block_on, client};
use crate::live_tables::await_ready;
use crate::store_server::{Up, refused};
use crate::support::{Ended, Files, Process, ended, hosts_file, orderflow, run};

/// Orders of six hours with corrections and cancels, some of them late.
const ORDERS: [&str; 16] = [
    "--hours",
    "6",
    "--orders",
    "20000",
    "--users",
    "300",
    "--seed",
    "5",
    "--start",
    "1700000000000",
    "--corrections",
    "20",
    "--cancels",
    "10",
    "--late",
    "10",
];

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn store_input(data: &Path) -> String {
    format!("store:{}", data.display())
}

fn wire_input(up: &Up) -> String {
    format!("tablestore+{}", up.export("OTS_ENDPOINT"))
}

/// The arguments of a run over one input, beside which its results go.
fn run_args<'a>(input: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["run", "--input", input, "--output", output, "--quiet", "--force"], more].concat()
}

/// It went well, and said nothing.
fn silent(done: &Ended) {
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_same_orders_by_file_folder_and_wire_give_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let (csv, output) = (text(&dir.path().join("orders.csv")), text(&out));
    let made = run(&[&["generate", "--to", &csv], &ORDERS[..]].concat());
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    silent(&run(&run_args(&csv, &output, &["--envelope", "upsert"])));
    let expected = Files::read(&out);
    assert!(expected.users.lines().count() > 250, "{}", expected.users);

    let up = Up::start(&data, &[]);
    up.ok(&["init"]);
    up.ok(&[&["generate", "--quiet"], &ORDERS[..]].concat());
    let wire = wire_input(&up);
    for workers in ["1", "2", "4"] {
        silent(&up.run(&run_args(&wire, &output, &["-w", workers])));
        assert!(Files::read(&out) == expected, "by wire, -w {workers}: other bytes");
    }
    assert_eq!(up.stop("TERM").code, Some(0));
    let folder = store_input(&data);
    for workers in ["1", "2", "4"] {
        for more in [&["-w", workers][..], &["-w", workers, "--epoch-size", "100"]] {
            silent(&run(&run_args(&folder, &output, more)));
            assert!(Files::read(&out) == expected, "by folder, {more:?}: other bytes");
        }
    }

    // A store and a file are one input of all their orders; so are the stores of two processes.
    let more = text(&dir.path().join("more.csv"));
    std::fs::write(&more, "user_id,order_id,price,timestamp\nalone,o,1.50,0\n").expect("a file");
    silent(&run(&run_args(&folder, &output, &["--input", &more])));
    let both = Files::read(&out);
    assert_eq!(both.users.replace("alone,1,1.50\n", ""), expected.users);
    let (hosts, mine) = (hosts_file(dir.path(), 2), [&folder, &more]);
    let children = [0, 1].map(|process| {
        let (input, process) = (mine[process].as_str(), ["0", "1"][process]);
        let more = ["--local-input", "-w", "2", "-h", &hosts, "-p", process];
        Process::spawn(orderflow(&run_args(input, &output, &more)))
    });
    children.into_iter().for_each(|child| silent(&child.wait()));
    assert!(Files::read(&out) == both, "by folder and file of two processes: other bytes");
}

fn write(user: &str, order: &str, columns: &[(&str, Value)]) -> Write {
    let part = |text: &str| KeyPart::Value(KeyValue::String(text.to_owned()));
    let put = |(name, value): &(&str, Value)| {
        ((*name).to_owned(), ColumnChange::Put { value: value.clone(), version: None })
    };
    Write {
        table: ORDER_SOURCE.to_owned(),
        key: vec![("UserId".to_owned(), part(user)), ("OrderId".to_owned(), part(order))],
        change: RowWrite::Put(columns.iter().map(put).collect()),
        condition: Condition::default(),
        returning: Returning::Nothing,
    }
}

/// A store with these tables, and one good order among rows that are none where there is a table of
/// orders.
fn store(data: &Path, tables: &[TableSchema]) {
    let store = Store::open(data, StoreOptions::default()).expect("a new store");
    for table in tables {
        store.create_table(table.clone()).expect("a new table");
    }
    store.close().expect("the store closes");
}

#[test]
fn rows_that_are_no_orders_are_set_aside_with_their_number() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let [orders, ..] = schemas();
    store(&data, &[orders]);
    let opened = Store::open(&data, StoreOptions::default()).expect("the store");
    let (price, at) = (("price", Value::Double(5.0)), ("timestamp", Value::Integer(1)));
    let rows = [
        write("a", "1", &[price.clone(), at.clone()]),
        write("a", "2", &[]),
        write("a", "3", &[("price", Value::Double(f64::NAN)), at.clone()]),
        write("b", "1", &[("price", Value::String("5\"00".into())), at.clone()]),
        write(
            "b",
            "2",
            &[price.clone(), ("timestamp", Value::Integer(i64::MAX)), ("note", Value::Binary(vec![7]))],
        ),
        write("c", "1", &[price, at]),
    ];
    assert!(opened.write_and_wait(rows.to_vec()).iter().all(Result::is_ok));
    opened.close().expect("the store closes");
    drop(opened);

    let output = text(&out);
    let check = |name: &str, done: &Ended| {
        silent(done);
        let file = |name: &str| std::fs::read_to_string(out.join(name)).expect("a result file");
        assert_eq!(file("OrderBatchSink.csv"), "UserId,count,totalPrice\na,1,5.00\nc,1,5.00\n");
        let range = "epoch milliseconds from -62000000000000 to 253000000000000";
        let rejects = format!(
            r#"{{"file":"{name}","line":2,"reason":"price is missing","raw":"{{\"UserId\":\"a\",\"OrderId\":\"2\"}}"}}
{{"file":"{name}","line":3,"reason":"price NaN is not a finite number","raw":"{{\"UserId\":\"a\",\"OrderId\":\"3\",\"price\":\"NaN\",\"timestamp\":1}}"}}
{{"file":"{name}","line":4,"reason":"price is a string, not a double","raw":"{{\"UserId\":\"b\",\"OrderId\":\"1\",\"price\":\"5\\\"00\",\"timestamp\":1}}"}}
{{"file":"{name}","line":5,"reason":"timestamp 9223372036854775807 is out of range: {range}","raw":"{{\"UserId\":\"b\",\"OrderId\":\"2\",\"note\":\"0x07\",\"price\":5.0,\"timestamp\":9223372036854775807}}"}}
"#
        );
        assert_eq!(file("rejects.jsonl"), rejects);
    };
    let folder = store_input(&data);
    for workers in ["1", "2"] {
        check(&folder, &run(&run_args(&folder, &output, &["-w", workers])));
    }
    let strict = run(&run_args(&folder, &output, &["--on-reject", "fail"]));
    let sentence = "orderflow: 4 rows were refused, the first of them: {folder} line 2: price is missing; nothing was \
                    written (--on-reject fail)\n";
    assert_eq!((strict.code, strict.stderr), (Some(2), sentence.replace("{folder}", &folder)));
    let up = Up::start(&data, &["--no-job"]);
    let wire = wire_input(&up);
    check(&wire, &up.run(&run_args(&wire, &output, &["-w", "2"])));
}

/// Orders that change while they are read: each request moves amounts between users at both ends of
/// the table.
#[test]
fn orders_that_are_written_meanwhile_are_there_as_of_one_moment() {
    const PAIRS: u64 = 6_000;
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, out) = (dir.path().join("data"), dir.path().join("out"));
    let up = Up::start(&data, &["--durability", "relaxed"]);
    up.ok(&["init"]);
    let client = client(&up);
    let both = |pair: u64, cents: u64| {
        let order = |user: &str, sign: f64| {
            let price = Value::Double(sign * cents as f64 / 100.0);
            write(
                user,
                &format!("{pair:05}"),
                &[("price", price), ("timestamp", Value::Integer(pair as i64))],
            )
        };
        [order("a", 1.0), order("z", -1.0)]
    };
    let put = async |pairs: std::ops::Range<u64>, cents: u64| {
        let writes: Vec<Write> = pairs.flat_map(|pair| both(pair % PAIRS, cents)).collect();
        let answers = client.batch_write_row(&writes).await.expect("the orders are written");
        assert!(answers.iter().all(Result::is_ok));
    };
    let fill = async {
        for from in (0..PAIRS).step_by(100) {
            put(from..from + 100, 1).await;
        }
    };
    block_on(fill);
    await_ready(&up);
    let (wire, output) = (wire_input(&up), text(&out));
    for round in 1..=3 {
        let mut running = Process::spawn(up.command(&run_args(&wire, &output, &["-w", "2"])));
        let change = async {
            let mut from = 0;
            while running.0.try_wait().expect("it can be waited for").is_none() {
                put(from..from + 100, 100 * round).await;
                from += 700;
            }
        };
        block_on(change);
        silent(&running.wait());
        assert_eq!(
            Files::read(&out).total,
            format!("count,totalPrice\n{},0.00\n", 2 * PAIRS),
            "round {round}"
        );
    }
}

/// Runs over one input must end with this code and one sentence that starts so, and leave no
/// output.
fn fails(dir: &Path, done: &Ended, code: i32, message: &str) {
    refused(done, code, message);
    assert!(!dir.join("out").exists(), "{message}: an output folder is there");
}

#[test]
fn folders_that_hold_no_orders_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let made = |name: &str, tables: &[TableSchema]| {
        let data = dir.path().join(name);
        store(&data, tables);
        store_input(&data)
    };
    let [orders, users, ..] = schemas();
    let mut by_number = orders.clone();
    by_number.key[1].kind = KeyType::Integer;
    let mut of_users = orders.clone();
    of_users.key.truncate(1);
    std::fs::create_dir(dir.path().join("empty")).expect("a folder");
    std::fs::write(dir.path().join("file"), "").expect("a file");
    let output = text(&dir.path().join("out"));
    let wanted = "where (UserId string, OrderId string) is needed";
    for (input, rest) in [
        (store_input(&dir.path().join("none")), ": no such folder".to_owned()),
        (store_input(&dir.path().join("file")), ": no such folder".to_owned()),
        (store_input(&dir.path().join("empty")), ": no store is in this folder; name one that".to_owned()),
        (made("users", &[users]), " has no table OrderSource: `orderflow init` makes it".to_owned()),
        (
            made("number", &[by_number]),
            format!(": the table OrderSource has the key (UserId string, OrderId integer) {wanted}"),
        ),
        (made("one", &[of_users]), format!(": the table OrderSource has the key (UserId string) {wanted}")),
    ] {
        fails(dir.path(), &run(&run_args(&input, &output, &[])), 2, &format!("{input}{rest}"));
    }
    assert!(!dir.path().join("none").exists() && !dir.path().join("empty").join("engine").exists());
}

#[test]
fn flags_that_make_no_sense_for_a_store_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (folder, output) = (store_input(dir.path()), text(&dir.path().join("out")));
    for (more, message) in [
        (
            &["--follow"][..],
            "--follow reads files as they grow: what follows the orders of a store is `orderflow up`",
        ),
        (&["--envelope", "upsert"], "--envelope upsert is for logs of lines: a store holds each order once"),
        (
            &["--column-price", "amount"],
            "--column-… is for files: in a store, the columns of an order are price and",
        ),
        (
            &["-n", "2", "-p", "0"],
            "a store is read by one process: leave -n, -p and -h out, or give each process",
        ),
    ] {
        fails(dir.path(), &run(&run_args(&folder, &output, more)), 2, message);
    }
}

#[test]
fn a_store_that_is_in_use_is_named_and_so_is_a_server_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (data, output) = (dir.path().join("data"), text(&dir.path().join("out")));
    let up = Up::start(&data, &["--no-job"]);
    let (folder, wire) = (store_input(&data), wire_input(&up));
    let in_use = format!(
        "{folder} is in use by process {}; stop it, or read through it with --input tablestore+http://HOST:PORT\n",
        up.id()
    );
    fails(dir.path(), &run(&run_args(&folder, &output, &[])), 3, &in_use);
    let missing =
        format!("{wire} has no table OrderSource: `orderflow init` makes it, `generate` fills it\n");
    fails(dir.path(), &up.run(&run_args(&wire, &output, &[])), 2, &missing);
    up.ok(&["init"]);
    let twice = up.run(&run_args(&wire, &output, &["--input", &wire]));
    fails(dir.path(), &twice, 2, &format!("{wire} is given twice: name each store once\n"));
    let prefixed = format!("{wire}/orderflow");
    let path = format!(
        "the endpoint \"{}/orderflow\" must hold scheme, host and port only\n",
        up.export("OTS_ENDPOINT")
    );
    fails(dir.path(), &up.run(&run_args(&prefixed, &output, &[])), 2, &path);

    let with = |name: &str, value: Option<&str>| {
        let mut command = up.command(&run_args(&wire, &output, &[]));
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        ended(command.output().expect("the program starts"))
    };
    for (name, also) in [("OTS_INSTANCE", " (or --instance)"), ("OTS_AK_ENV", ""), ("OTS_SK_ENV", "")] {
        let missing = format!("{name}{also} is not set: paste the export lines that `orderflow up` prints");
        fails(dir.path(), &with(name, None), 2, &missing);
    }
    let denied = with("OTS_SK_ENV", Some("other"));
    fails(dir.path(), &denied, 2, "DescribeTable failed: ");
    assert!(denied.stderr.contains("OTSAuthFailed"), "{}", denied.stderr);
    let mut command = up.command(&run_args(&wire, &output, &[]));
    let endpoint = up.export("OTS_ENDPOINT").to_owned();
    assert_eq!(up.stop("TERM").code, Some(0));
    let gone = ended(command.output().expect("the program starts"));
    fails(dir.path(), &gone, 3, &format!("cannot connect to {endpoint}: "));
    assert!(gone.stderr.ends_with("; is `orderflow up` running there?\n"), "{}", gone.stderr);

    // One folder under two names.
    let again = format!("{folder}/.");
    let twice = run(&run_args(&folder, &output, &["--input", &again]));
    fails(dir.path(), &twice, 2, &format!("{again} is given twice: name each store once\n"));
}
