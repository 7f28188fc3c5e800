//! Rows that are set aside: what is said of them, and when they are too many.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::support::{Ended, Files, Process, ended, hosts_file, orderflow};

const HEADER: &str = "user_id,order_id,price,timestamp\n";

/// A folder with inputs, in which the program runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        for (name, content) in files {
            std::fs::write(folder.path(name), content).expect("the input is written");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut command = orderflow(&[&["run", "--output", "out", "--input"], args].concat());
        ended(command.current_dir(self.0.path()).output().expect("the program starts"))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the folder is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A run that can use none of its rows has failed, and what was there before stays.
#[test]
fn a_run_that_can_use_no_row_fails_and_leaves_earlier_results() {
    let folder = Folder::new(&[
        ("good.csv", &format!("{HEADER}u,o,5.00,1\n")),
        ("bad.csv", &format!("{HEADER}u,1,x,1\nu,2,,1\nu,3,y,1\nu,4,1.2.3,1\n")),
        ("one.jsonl", "{\"user_id\":\"\",\"order_id\":\"o\",\"price\":1,\"timestamp\":1}\n"),
    ]);
    assert_eq!(folder.run(&["good.csv", "--quiet"]).code, Some(0));
    for workers in ["1", "3"] {
        let done = folder.run(&["bad.csv", "-w", workers]);
        let sentence = "orderflow: none of the 4 rows can be used: 3 like bad.csv line 2: price \"x\" is not a decimal \
                        number; 1 like bad.csv line 3: price is empty; nothing was written\n";
        assert_eq!((done.code, done.stderr.as_str(), done.stdout.as_str()), (Some(2), sentence, ""));
    }
    let done = folder.run(&["one.jsonl"]);
    let sentence =
        "orderflow: the only row cannot be used: one.jsonl line 1: user_id is empty; nothing was written\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), sentence));
    assert_eq!(folder.read("out/OrderTotalSink.csv"), "count,totalPrice\n1,5.00\n");
    assert_eq!(names(&folder.path("")), ["bad.csv", "good.csv", "one.jsonl", "out"]);
}

#[test]
fn more_rejects_than_allowed_end_the_run() {
    let content = format!("{HEADER}u,1,1,1\nu,2,x,1\nu,3,1,1\nu,4,,1\nu,5,1,1\n");
    for (limit, allowed) in
        [("2", true), ("1", false), ("0", false), ("40%", true), ("39.999999%", false), ("100%", true)]
    {
        let folder = Folder::new(&[("orders.csv", &content)]);
        let done = folder.run(&["orders.csv", "--quiet", "--max-rejects", limit]);
        if allowed {
            assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{limit}");
            continue;
        }
        let sentence = format!(
            "orderflow: 2 of 5 rows cannot be used, and --max-rejects is {limit}: 1 like orders.csv line 3: price \"x\" \
             is not a decimal number; 1 like orders.csv line 5: price is empty; nothing was written\n"
        );
        assert_eq!((done.code, done.stderr), (Some(2), sentence));
        assert!(!folder.path("out").exists());
    }
    let done = Folder::new(&[]).run(&["x.csv", "--max-rejects", "half"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("expected a number of rows or a share of them"), "{}", done.stderr);
}

/// The summary names the commonest reasons, each with its first row.
#[test]
fn the_summary_names_the_commonest_reasons() {
    let rows = "u,1,a,1\n,2,1,1\n,3,1,1\nu,4,b,1\nu,5,c,1\nu,6\nu,7,1e-30,1\nu,8,1,1\n";
    let folder = Folder::new(&[("orders.csv", &format!("{HEADER}{rows}"))]);
    let done = folder.run(&["orders.csv"]);
    let expected = "set aside  7, see rejects.jsonl\n           \
                    3 like orders.csv line 2: price \"a\" is not a decimal number\n           \
                    2 like orders.csv line 3: user_id is empty\n           \
                    1 like orders.csv line 7: 2 fields instead of 4\n";
    assert!(done.stdout.contains(expected), "{}", done.stdout);
    let done = folder.run(&["orders.csv", "--json", "-w", "2"]);
    let summary: serde_json::Value = serde_json::from_str(&done.stdout).expect("one JSON object");
    assert_eq!(summary["rejected"], 7);
    assert_eq!(summary["reasons"].as_array().map(Vec::len), Some(3));
    assert_eq!(
        summary["reasons"][1],
        serde_json::json!({"rows": 2, "file": "orders.csv", "line": 3, "reason": "user_id is empty"})
    );
}

/// JSON lines of which no object has a member are refused, as CSV without the column is.
#[test]
fn json_lines_without_a_member_are_refused_as_csv_without_the_column() {
    let lines = |user: &str| format!("{{\"{user}\":\"u\",\"order_id\":\"o\",\"price\":1,\"timestamp\":1}}\n");
    let folder = Folder::new(&[
        ("good.csv", &format!("{HEADER}u,o,5.00,1\n")),
        ("wrong.jsonl", &lines("uid").repeat(2_000)),
        ("mixed.jsonl", &[lines("uid"), lines("user_id")].concat()),
        ("empty.jsonl", ""),
        ("deletes.jsonl", "{\"user_id\":\"u\",\"order_id\":\"o\",\"op\":\"delete\"}\n"),
    ]);
    let sentence = "orderflow: wrong.jsonl: no member \"user_id\" in any line: say what it is called with \
                    --column-user-id NAME\n";
    for inputs in [&["wrong.jsonl"][..], &["good.csv", "wrong.jsonl"], &["wrong.jsonl", "-w", "3"]] {
        let done = folder.run(inputs);
        assert_eq!((done.code, done.stderr.as_str()), (Some(2), sentence), "{inputs:?}");
    }
    assert!(!folder.path("out").exists());
    let done = folder.run(&["wrong.jsonl", "--column-user-id", "uid", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    // Rows without a user are a guest's, but not all rows of a file.
    let done = folder.run(&["wrong.jsonl", "--guest-as", "guest", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), sentence));
    let done = folder.run(&["mixed.jsonl", "--guest-as", "guest", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    let done = folder.run(&["mixed.jsonl", "empty.jsonl", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    // A log of deletes alone needs no price.
    let done = folder.run(&["deletes.jsonl", "--envelope", "upsert", "--quiet"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
}

/// Why a row is set aside does not depend on how many workers share its file.
#[test]
fn reasons_are_the_same_for_any_number_of_workers() {
    let mut content = HEADER.to_owned();
    for row in 0..6_000 {
        content += &match row % 100 {
            17 => format!("u,{row},1,\"open by mistake\n"),
            43 => format!("u,{row},\"1\"0,1\n"),
            71 => format!("\"two\nlines\",{row},1,1\n"),
            _ => format!("u,{row},1,1000\n"),
        };
    }
    let folder = Folder::new(&[("orders.csv", &content)]);
    let rejects = ["1", "2", "3", "8"].map(|workers| {
        assert_eq!(folder.run(&["orders.csv", "--quiet", "-w", workers]).code, Some(0));
        folder.read("out/rejects.jsonl")
    });
    assert!(rejects[0].lines().count() >= 120, "{}", rejects[0]);
    for other in &rejects[1..] {
        assert!(*other == rejects[0], "another reason or line");
    }
}

/// Writes orders as Parquet, whose ids are any bytes.
fn parquet(rows: &[[&[u8]; 2]]) -> Vec<u8> {
    let schema = "message orders { required binary user_id (UTF8); required binary order_id;
                  required double price; required int64 timestamp; }";
    let schema = Arc::new(parse_message_type(schema).expect("a schema"));
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::default()).expect("a writer");
    let mut group = writer.next_row_group().expect("a row group");
    for at in 0..2 {
        let ids: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row[at].to_vec())).collect();
        let mut column = group.next_column().expect("a column").expect("there is one");
        column.typed::<ByteArrayType>().write_batch(&ids, None, None).expect("it is written");
        column.close().expect("it is closed");
    }
    let mut column = group.next_column().expect("a column").expect("there is one");
    let prices = vec![1.25; rows.len()];
    column.typed::<DoubleType>().write_batch(&prices, None, None).expect("it is written");
    column.close().expect("it is closed");
    let mut column = group.next_column().expect("a column").expect("there is one");
    let times = vec![60_000; rows.len()];
    column.typed::<Int64Type>().write_batch(&times, None, None).expect("it is written");
    column.close().expect("it is closed");
    group.close().expect("it is closed");
    writer.close().expect("it is closed");
    bytes
}

/// The same orders give the same results from every form of files, whatever their ids are. A file of
/// Parquet that wrongly calls ids of orders text is believed.
#[test]
fn every_form_sets_the_same_orders_aside() {
    let long = [b'x'; 1025];
    let rows: [[&[u8]; 2]; 7] = [
        [b"u", b"1"],
        [b"u", b"caf\xe9"],
        [b"\xff\xfe", b"3"],
        [b"gr\xc3\xb6\xc3\x9fe", b"\xc3\xa9"],
        [&long, b"5"],
        [b"u", &long],
        [b"", b"7"],
    ];
    let mut csv = HEADER.as_bytes().to_vec();
    let mut json = Vec::new();
    for [user, order] in rows {
        csv.extend([user, b",", order, b",1.25,60000\n"].concat());
        let parts: [&[u8]; 5] = [
            b"{\"user_id\":\"",
            user,
            b"\",\"order_id\":\"",
            order,
            b"\",\"price\":1.25,\"timestamp\":60000}\n",
        ];
        json.extend(parts.concat());
    }
    let folder = Folder::new(&[]);
    let mut results = Vec::new();
    for (name, content) in [("a.csv", csv), ("b.jsonl", json), ("c.parquet", parquet(&rows))] {
        std::fs::write(folder.path(name), content).expect("the input is written");
        let done = folder.run(&[name]);
        assert_eq!(done.code, Some(0), "{name}: {}", done.stderr);
        assert!(done.stdout.contains("set aside  4, see rejects.jsonl\n"), "{name}: {}", done.stdout);
        results.push(Files::read(&folder.path("out")));
    }
    assert_eq!(results[0].users, "UserId,count,totalPrice\ngröße,1,1.25\nu,2,2.50\n");
    assert_eq!(results[0], results[1]);
    assert_eq!(results[0], results[2]);
}

/// In several processes the first one counts, and all of them end.
#[test]
fn processes_agree_that_a_run_has_failed() {
    let folder = Folder::new(&[("orders.csv", &format!("{HEADER}u,1,x,1\nu,2,y,1\n"))]);
    let hosts = hosts_file(folder.0.path(), 2);
    let start = |index| {
        let args = ["run", "--input", "orders.csv", "--output", "out", "-h", &hosts, "-p", index];
        let mut command = orderflow(&args);
        command.current_dir(folder.0.path());
        Process::spawn(command)
    };
    let [first, second] = [start("0"), start("1")].map(Process::wait);
    let reason = "none of the 2 rows can be used: 2 like orders.csv line 2: price \"x\" is not a decimal number; nothing \
                  was written";
    assert_eq!((first.code, first.stderr), (Some(2), format!("orderflow: {reason}\n")));
    assert_eq!((second.code, second.stderr), (Some(3), format!("orderflow: process 0 failed: {reason}\n")));
    assert!(!folder.path("out").exists());
}

/// A run that follows counts as rows come, and waits with its verdict about shares.
#[test]
fn a_run_that_follows_ends_beyond_a_number_of_rejects() {
    let content = format!("{HEADER}u,1,x,1\nu,2,1,1\nu,3,y,1\n");
    let folder = Folder::new(&[("orders.csv", &content)]);
    let done = folder.run(&["orders.csv", "--follow", "--max-rejects", "1"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr.contains("2 of 3 rows cannot be used, and --max-rejects is 1: ")
            && done.stderr.ends_with("the run ends\n"),
        "{}",
        done.stderr
    );
}
