//! `orderflow demo` and `demo recompute` as people run them: what they print, how they end, and
//! what they leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::page::get;
use crate::store_server::refused;
use crate::support::{Ended, Process, ended, orderflow};

/// A demo whose temporary folders are made in `folder`.
fn demo(folder: &Path, args: &[&str]) -> Command {
    let mut command = orderflow(&[&["demo"], args].concat());
    command.env("TMPDIR", folder);
    command
}

fn run(folder: &Path, args: &[&str]) -> Ended {
    ended(demo(folder, args).output().expect("the program starts"))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).expect("the folder is there").next().is_none()
}

/// The number that a line has before a word.
fn number_before(line: &str, word: &str) -> u64 {
    let (before, _) = line.split_once(&format!(" {word}")).expect(line);
    let (_, number) = before.rsplit_once(' ').expect(line);
    number.replace(',', "").parse().expect(line)
}

/// The rows of the table at the end: name of the result, orders, amount.
fn sums(stdout: &str) -> Vec<(String, u64, String)> {
    let is_result = |line: &&str| line.starts_with("Order");
    let sum = |line: &str| {
        let [table, _, orders, amount] = line.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}")
        };
        (table.to_owned(), orders.replace(',', "").parse().expect(line), amount.to_owned())
    };
    stdout.lines().filter(is_result).map(sum).collect()
}

/// Sees that the three results agree, and gives the number of their orders.
fn agreed(stdout: &str) -> u64 {
    let sums = sums(stdout);
    let names: Vec<&str> = sums.iter().map(|(table, ..)| table.as_str()).collect();
    assert_eq!(names, ["OrderBatchSink", "OrderTotalSink", "OrderStreamSink"], "{stdout}");
    assert!(sums.iter().all(|(_, orders, amount)| (*orders, amount) == (sums[0].1, &sums[0].2)), "{stdout}");
    assert!(stdout.contains("\nThe three results agree: "), "{stdout}");
    sums[0].1
}

/// Orders of the day that a new demo begins with.
const PAST_ORDERS: u64 = 100_000;

#[test]
fn demos_side_by_side_print_a_line_a_second_and_end_in_agreement() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = ["--for", "2s", "--rate", "600/s", "--users", "20", "-w", "2"];
    let both = [(); 2].map(|()| Process::spawn(demo(folder.path(), &args)));
    for process in both {
        let Ended { code, stdout, stderr } = process.wait();
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.starts_with("# The live page: http://127.0.0.1:"), "{stdout}");
        assert!(stdout.contains("\nexport OTS_ENDPOINT=http://127.0.0.1:"), "{stdout}");
        assert!(
            stdout.contains("\n# A day of 100,000 made-up orders is there, more come at 600/s."),
            "{stdout}"
        );
        assert!(!stdout.contains('\u{1b}'), "{stdout:?}");
        let lines: Vec<&str> = stdout.lines().filter(|line| line.contains("; epoch ")).collect();
        assert!(lines.len() >= 2, "{stdout}");
        let last = lines.last().expect("a line");
        let [placed, corrected, cancelled] =
            ["placed", "corrected", "cancelled"].map(|word| number_before(last, word));
        assert!(placed > 0 && corrected > 0 && cancelled > 0, "{last}");
        assert!(last.contains(", up to date"), "{last}");
        // What was cancelled may have been cancelled before, or be corrected again.
        let orders = agreed(&stdout);
        assert_eq!(number_before(last, "orders,"), orders);
        let ordered = PAST_ORDERS + placed;
        assert!((ordered - cancelled..=ordered).contains(&orders), "{last}");
        assert!(stdout.contains("  orderflow demo recompute "), "{stdout}");
    }
    assert!(is_empty(folder.path()));
}

/// A demo that has shown its first results.
struct Running {
    process: Process,
    stdout: BufReader<std::process::ChildStdout>,
    told: String,
}

impl Running {
    fn start(command: Command) -> Running {
        let mut process = Process::spawn(command);
        let stdout = BufReader::new(process.0.stdout.take().expect("piped"));
        let mut running = Running { process, stdout, told: String::new() };
        while !running.told.contains("; epoch ") {
            let read = running.stdout.read_line(&mut running.told).expect("the program prints UTF-8");
            assert!(read > 0, "it ended: {}", running.told);
        }
        running
    }

    fn exports(&self) -> BTreeMap<String, String> {
        let export = |line: &str| {
            let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
            Some((name.to_owned(), value.to_owned()))
        };
        self.told.lines().filter_map(export).collect()
    }

    fn stop(mut self, signal: &str) -> Ended {
        // Twice at once, as some programs do.
        let id = self.process.0.id();
        let kill = format!("kill -{signal} {id} {id}");
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("the shell runs").success());
        self.stdout.read_to_string(&mut self.told).expect("the program prints UTF-8");
        let status = self.process.0.wait().expect("the program ends");
        let mut stderr = String::new();
        let mut rest = self.process.0.stderr.take().expect("piped");
        rest.read_to_string(&mut stderr).expect("the program prints UTF-8");
        Ended { code: status.code(), stdout: self.told, stderr }
    }
}

/// When a window of the page's API begins, in epoch milliseconds.
fn begin_ms(window: &Value) -> u128 {
    window["beginMs"].as_u64().expect("a begin").into()
}

#[test]
fn a_signal_ends_it_well_and_nothing_stays_behind() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let running = Running::start(demo(folder.path(), &[]));
        let page = running.told.lines().find_map(|line| line.strip_prefix("# The live page: "));
        let (status, at) = get(page.expect("it says where the page is"), "/api/at", "localhost");
        let at: Value = serde_json::from_str(&at).expect("JSON");
        assert!(status == 200 && at[0]["count"].as_u64().is_some_and(|count| count > 0), "{at}");
        // The trend is full from the first look on, and nothing lies after now.
        let (status, windows) = get(page.expect("a page"), "/api/windows?limit=1000", "localhost");
        let windows: Value = serde_json::from_str(&windows).expect("JSON");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_millis();
        let begins: Vec<u128> = windows.as_array().expect("windows").iter().map(begin_ms).collect();
        assert_eq!((status, begins.len()), (200, 1_000));
        assert!(begins.windows(2).all(|pair| pair[1] - pair[0] <= 60_000), "{begins:?}");
        assert!(begins.last().is_some_and(|begin| *begin <= now), "{begins:?}");
        assert!(!is_empty(folder.path()));
        let Ended { code, stdout, stderr } = running.stop(signal);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(agreed(&stdout) > 0);
        assert!(stdout.contains("The store was temporary: keep it with --data DIR."), "{stdout}");
        assert!(is_empty(folder.path()), "{signal}");
    }
}

#[test]
fn a_demo_in_a_folder_goes_on_where_it_ended() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("shop").display().to_string();
    let first = run(folder.path(), &["--data", &data, "--for", "1s", "--window", "5s", "--rate", "200/s"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let before = agreed(&first.stdout);
    assert!(before > PAST_ORDERS, "{}", first.stdout);
    assert!(first.stdout.contains(&format!("orderflow up --data {data} ")), "{}", first.stdout);

    let other = run(folder.path(), &["--data", &data, "--for", "1s"]);
    refused(&other, 2, "the results that are there have windows of 5000 ms");

    // Other commands reach it by what it printed. With the same seed, orders are other ones all the
    // same.
    let running =
        Running::start(demo(folder.path(), &["--data", &data, "--window", "5s", "--rate", "200/s"]));
    assert!(running.told.contains("\n# More made-up orders at 200/s. "), "{}", running.told);
    let line = running.told.lines().last().expect("a line");
    assert!(number_before(line, "orders,") >= before, "{line}");
    let rows = |table: &str| -> Output {
        let mut command = orderflow(&["rows", table, "--json", "--limit", "100000"]);
        command.envs(running.exports()).output().expect("the program starts")
    };
    let total = ended(rows("OrderTotalSink"));
    let row: Value = serde_json::from_str(&total.stdout).expect("one row");
    let count = row["count"].as_u64().expect("a count");
    assert!(count > before, "{count} after {before}");
    let Ended { code, stdout, .. } = running.stop("INT");
    assert_eq!(code, Some(0), "{stdout}");
    assert!(agreed(&stdout) >= count);
}

#[test]
fn the_demo_refuses_what_it_cannot_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let remote = run(folder.path(), &["--listen", "0.0.0.0:0"]);
    refused(&remote, 2, "0.0.0.0:0 can be reached from other machines: the demo is for this one");
    for args in [
        &["--users", "0"][..],
        &["--rate", "0"],
        &["--for", "soon"],
        &["recompute", "--orders", "3"],
        &["--rate", "9", "recompute"],
    ] {
        assert_eq!(run(folder.path(), args).code, Some(2), "{args:?}");
    }
    assert!(is_empty(folder.path()));

    let used = folder.path().join("used");
    fs::create_dir(&used).expect("a folder");
    fs::write(used.join("mine.txt"), "mine").expect("a file");
    let shown = used.display().to_string();
    let ended = run(folder.path(), &["recompute", "--data", &shown]);
    refused(&ended, 2, &format!("{shown} is not empty: "));
    assert_eq!(fs::read_dir(&used).expect("a folder").count(), 1);
}

/// What is the same in every run.
fn lasting(stdout: &str) -> String {
    stdout.lines().filter(|line| !line.starts_with("took ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn changes_of_single_orders_do_the_same_with_any_number_of_workers() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let args = ["recompute", "--orders", "2000", "--users", "100", "--seed", "7"];
    let [one, four] = ["1", "4"].map(|workers| run(folder.path(), &[&args[..], &["-w", workers]].concat()));
    for ended in [&one, &four] {
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        assert_eq!(ended.stdout.lines().filter(|line| line.starts_with("took ")).count(), 8);
    }
    assert_eq!(lasting(&one.stdout), lasting(&four.stdout));
    assert!(one.stdout.contains("the results hold the same, row by row"), "{}", one.stdout);
    assert!(is_empty(folder.path()));
}

#[test]
fn changed_rows_are_those_of_the_tables_exactly() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("kept").display().to_string();
    let args = ["recompute", "--orders", "2000", "--users", "100", "--json", "--data", &data];
    let ended = run(folder.path(), &args);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
    let report: Value = serde_json::from_str(&ended.stdout).expect("one JSON object");
    assert_eq!(report["recount"]["differing"], 0);
    assert_eq!(report["recount"]["orders"], 2_000);
    let changes = report["changes"].as_array().expect("the changes");
    // Tables of the changed rows, and by how much the count of each grew.
    let grown = |change: &Value| -> Vec<(String, i64)> {
        let rows = change["rows"].as_array().expect("rows");
        let count = |row: &Value| row["count"].as_i64().unwrap_or(0);
        let grown = |row: &Value| {
            (row["table"].as_str().expect("a table").to_owned(), count(&row["after"]) - count(&row["before"]))
        };
        rows.iter().map(grown).collect()
    };
    let [user, total, window] =
        ["OrderBatchSink", "OrderTotalSink", "OrderStreamSink"].map(|table| move |by| (table.to_owned(), by));
    let expected = [
        vec![user(0), total(0), window(0)],
        vec![window(-1), window(1)],
        vec![user(-1), total(-1), window(-1)],
        vec![user(1), total(1), window(1)],
        vec![user(1), total(1), window(1)],
        vec![user(-1), total(-1), window(-1)],
    ];
    assert_eq!(changes.iter().map(grown).collect::<Vec<_>>(), expected, "{}", ended.stdout);
    for change in changes {
        assert!(change["records"].as_u64().is_some_and(|records| records > 0), "{change}");
        assert!(change["in_graph_us"].is_u64() && change["durable_after_us"].is_u64(), "{change}");
    }
    let (appeared, gone) = (&changes[4]["rows"][0], &changes[5]["rows"][0]);
    assert_eq!((&appeared["before"], &gone["after"]), (&Value::Null, &Value::Null));
    assert_eq!(appeared["after"], gone["before"]);
    assert_eq!(appeared["after"]["totalPriceExact"], "42.17");

    // Each change starts from what the one before has left.
    let exact = |change: &Value, side: &str| change["rows"][1][side]["totalPriceExact"].clone();
    for (before, after) in [(0, 2), (2, 3), (3, 4), (4, 5)] {
        assert_eq!(exact(&changes[before], "after"), exact(&changes[after], "before"));
    }
    assert!(!is_empty(Path::new(&data)), "a folder that was asked for stays");
}

#[test]
fn a_recompute_that_is_interrupted_leaves_nothing_behind() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Enough for hours.
    let process = Process::spawn(demo(folder.path(), &["recompute", "--orders", "1000000000"]));
    // From then on, its signals are heard.
    while is_empty(folder.path()) {
        std::thread::sleep(Duration::from_millis(5));
    }
    process.signal("INT");
    let ended = process.wait();
    refused(&ended, 130, "stopped before its end");
    assert!(is_empty(folder.path()));
}
