//! One log, one digest: workers, processes, epoch sizes and forms of input make no difference to a
//! byte.

use std::collections::BTreeMap;
use std::path::Path;

use dataflows::Windows;
use dataflows::{Amount, Id, Order, OrderKey, OrderState, Position, Reference, Upsert, UpsertReference};

use crate::support::{Files, Process, hosts_file, orderflow, run};

const LINES: usize = 200_000;

/// Writes a log of `LINES` lines that come up to 30 days late; an upsert log also corrects and
/// cancels.
fn log(dir: &Path, name: &str, upserts: bool) -> String {
    let path = dir.join(name).display().to_string();
    let lines = LINES.to_string();
    let mut args =
        vec!["generate", "--to", &path, "--orders", &lines, "--users", "3000", "--seed", "20261122"];
    args.extend(["--late", "10", "--late-max", "30d"]);
    if upserts {
        args.extend(["--corrections", "20", "--cancels", "10"]);
    }
    let made = run(&args);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    path
}

/// The results of a log by the reference fold, from a reader of the test's own.
fn expected(path: &str, upserts: bool) -> Files {
    let mut reference = Reference::new(&Windows::default());
    let mut last = UpsertReference::default();
    let text = std::fs::read_to_string(path).expect("the log is there");
    for (line, row) in text.lines().skip(1).enumerate() {
        let cells: Vec<&str> = row.split(',').collect();
        let (user_id, order_id) = (Id::new(cells[0]), Id::new(cells[1]));
        let state = || OrderState {
            at_ms: cells[3].parse().expect("a timestamp"),
            price: cells[2].parse::<Amount>().expect("a price"),
        };
        let after = if upserts && cells[4] == "delete" { None } else { Some(state()) };
        if !upserts {
            let OrderState { at_ms, price } = state();
            reference.update(&Order { user_id, at_ms, price }, 1);
            continue;
        }
        let position = Position { round: 0, input: 0, offset: line as u64 };
        let key = OrderKey { user_id, order_id };
        for (order, times) in last.update(&Upsert { key, position, after, epoch: 0 }) {
            reference.update(&order, times);
        }
    }
    Files::of(&reference, 30_000)
}

/// Runs a log and gives the files.
fn results(dir: &Path, log: &str, more: &[&str], workers: usize, processes: usize) -> Files {
    let output = dir.join("results");
    let (output_text, workers) = (output.display().to_string(), workers.to_string());
    let mut args = vec!["run", "--input", log, "--output", &output_text, "--quiet", "-w", &workers];
    args.extend(more);
    if processes == 1 {
        let done = run(&args);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
    } else {
        let hosts = hosts_file(dir, processes);
        args.extend(["-h", &hosts]);
        let children: Vec<Process> = (0..processes)
            .map(|index| {
                let index = index.to_string();
                Process::spawn(orderflow(&[&args[..], &["-p", &index]].concat()))
            })
            .collect();
        for child in children {
            let done = child.wait();
            assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
        }
    }
    Files::read(&output)
}

fn every_shape(upserts: bool) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = log(dir.path(), "orders.csv", upserts);
    let expected = expected(&log, upserts);
    let envelope = if upserts { "upsert" } else { "append" };
    for workers in [1, 2, 4, 8] {
        for processes in [1, 2] {
            for epoch_size in ["1", "7", "1000", "all"] {
                let mut more = vec!["--envelope", envelope];
                if epoch_size != "all" {
                    more.extend(["--epoch-size", epoch_size]);
                }
                let files = results(dir.path(), &log, &more, workers, processes);
                assert!(
                    files == expected,
                    "-w {workers} -n {processes} --epoch-size {epoch_size}: other bytes"
                );
            }
        }
    }
}

#[test]
fn appended_orders_give_one_digest_in_every_shape() {
    every_shape(false);
}

#[test]
fn upserted_orders_give_one_digest_in_every_shape() {
    every_shape(true);
}

/// CSV, JSON lines, Parquet, gzip and zstd of the same orders, and all of them as parts of one
/// input.
#[test]
fn every_form_of_input_gives_one_digest() {
    for upserts in [false, true] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let more = ["--envelope", if upserts { "upsert" } else { "append" }];
        let csv = log(dir.path(), "orders.csv", upserts);
        let expected = expected(&csv, upserts);
        for name in ["orders.jsonl", "orders.parquet", "orders.csv.gz", "orders.csv.zst", "orders.jsonl.gz"] {
            let input = log(dir.path(), name, upserts);
            for workers in [1, 3] {
                let files = results(dir.path(), &input, &more, workers, 1);
                assert!(files == expected, "{name}, -w {workers}: other bytes");
            }
        }
    }
}

/// A log cut into many files, given as a folder, a glob and one by one, is the same log.
#[test]
fn a_log_in_many_files_gives_one_digest() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = log(dir.path(), "orders.csv", true);
    let expected = expected(&log, true);
    let parts = dir.path().join("parts");
    std::fs::create_dir(&parts).expect("a folder");
    let text = std::fs::read_to_string(&log).expect("the log is there");
    let (header, rows) = text.split_once('\n').expect("a header");
    let rows: Vec<&str> = rows.lines().collect();
    for (at, rows) in rows.chunks(LINES / 23).enumerate() {
        let part = format!("{header}\n{}\n", rows.join("\n"));
        std::fs::write(parts.join(format!("part-{at:03}.csv")), part).expect("a part is written");
    }
    let glob = parts.join("part-*.csv").display().to_string();
    for input in [parts.display().to_string(), glob] {
        let files = results(dir.path(), &input, &["--envelope", "upsert"], 4, 2);
        assert!(files == expected, "{input}: other bytes");
    }
}

/// With local inputs, each process reads its own half of the log.
#[test]
fn local_inputs_add_up() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = log(dir.path(), "orders.csv", false);
    let expected = expected(&log, false);
    let text = std::fs::read_to_string(&log).expect("the log is there");
    let (header, rows) = text.split_once('\n').expect("a header");
    let rows: Vec<&str> = rows.lines().collect();
    let hosts = hosts_file(dir.path(), 2);
    let output = dir.path().join("results").display().to_string();
    let children: Vec<Process> = rows
        .chunks(LINES / 2)
        .enumerate()
        .map(|(index, rows)| {
            let half = dir.path().join(format!("half-{index}.csv"));
            std::fs::write(&half, format!("{header}\n{}\n", rows.join("\n"))).expect("a half is written");
            let (half, index) = (half.display().to_string(), index.to_string());
            let args = ["run", "--local-input", "--input", &half, "--output", &output, "--quiet", "-w", "2"];
            Process::spawn(orderflow(&[&args[..], &["-h", &hosts, "-p", &index]].concat()))
        })
        .collect();
    for child in children {
        let done = child.wait();
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    }
    assert!(Files::read(Path::new(&output)) == expected, "other bytes");
}

/// JSON lines and Parquet hold the same rows as CSV.
#[test]
fn every_form_of_output_holds_the_same_rows() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let log = log(dir.path(), "orders.csv", false);
    let expected = expected(&log, false);
    let output = dir.path().join("jsonl").display().to_string();
    let done = run(&["run", "--input", &log, "--output", &output, "--quiet", "--output-format", "jsonl"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let text =
        std::fs::read_to_string(Path::new(&output).join("OrderBatchSink.jsonl")).expect("the file is there");
    let rows: BTreeMap<String, String> = text
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
            let text = |name: &str| row[name].as_str().expect("a string").to_owned();
            (text("UserId"), format!("{},{}", row["count"], text("totalPriceExact")))
        })
        .collect();
    let users: BTreeMap<String, String> = expected
        .users
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once(','))
        .map(|(user, row)| (user.to_owned(), row.to_owned()))
        .collect();
    assert_eq!(rows, users);
    // Parquet results are orders of a kind: one a user, priced by the user's total.
    let output = dir.path().join("parquet").display().to_string();
    let done = run(&["run", "--input", &log, "--output", &output, "--quiet", "--output-format", "parquet"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let table = Path::new(&output).join("OrderBatchSink.parquet").display().to_string();
    let again = dir.path().join("again");
    let output = again.display().to_string();
    let columns =
        ["--column-order-id", "UserId", "--column-price", "totalPriceExact", "--column-timestamp", "count"];
    let done = run(&[&["run", "--input", &table, "--output", &output, "--quiet"], &columns[..]].concat());
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let total = |files: &Files| {
        files.total.lines().nth(1).and_then(|row| row.split_once(',')).map(|row| row.1.to_owned())
    };
    assert_eq!(total(&Files::read(&again)), total(&expected));
    assert_eq!(Files::read(&again).users.lines().count(), users.len() + 1);
}
