//! `--follow`: rows as they change, files as they are, a clean end.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Files, Process, orderflow, run};

/// How long a condition may take to come about before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A run that follows, and the updates it prints.
struct Following {
    process: Process,
    updates: Receiver<Value>,
    /// The updates folded up: what each row says now.
    rows: BTreeMap<(String, String), Value>,
}

impl Following {
    fn start(args: &[&str]) -> Following {
        let mut command = orderflow(&[&["run", "--follow", "--tick", "10ms"], args].concat());
        command.stdin(Stdio::piped());
        let mut process = Process::spawn(command);
        let stdout = process.0.stdout.take().expect("piped");
        let (sender, updates) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                let line = line.expect("the update stream is UTF-8");
                let update = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(update).is_err() {
                    break;
                }
            }
        });
        Following { process, updates, rows: BTreeMap::new() }
    }

    /// Folds in one update; each must start from what the row said before.
    fn fold(&mut self, update: &Value) {
        let name = |field: &str| update[field].to_string();
        let key = (name("result"), name("key"));
        let before = self.rows.remove(&key).unwrap_or(Value::Null);
        assert_eq!(before, update["before"], "{update}");
        if !update["after"].is_null() {
            self.rows.insert(key, update["after"].clone());
        }
    }

    /// Folds in updates until the total says so many orders of so much.
    fn await_total(&mut self, count: u64, amount: &str) {
        let deadline = Instant::now() + PATIENCE;
        let wanted = serde_json::json!({ "count": count, "totalPrice": amount });
        let total = ("\"total\"".to_owned(), "{}".to_owned());
        while self.rows.get(&total) != Some(&wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.updates.recv_timeout(left) {
                Ok(update) => self.fold(&update),
                Err(_) => panic!("the total is {:?}, not {wanted}", self.rows.get(&total)),
            }
        }
    }

    /// The last updates, and how the process ended.
    fn end(mut self) -> (BTreeMap<(String, String), Value>, i32, String) {
        while let Ok(update) = self.updates.recv_timeout(PATIENCE) {
            self.fold(&update);
        }
        let Following { process, rows, .. } = self;
        let ended = process.wait();
        (rows, ended.code.expect("an exit code"), ended.stderr)
    }
}

fn append(path: &Path, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the file opens");
    file.write_all(text.as_bytes()).expect("the file grows");
}

const HEADER: &str = "user_id,order_id,price,timestamp\n";

/// The rows of result files, as updates name them.
fn rows_of(files: &Files) -> BTreeMap<(String, String), Value> {
    let totals = |count: &str, amount: &str| serde_json::json!({ "count": count.parse::<i64>().expect("a count"), "totalPrice": amount });
    let mut rows = BTreeMap::new();
    for line in files.users.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let key = serde_json::json!({ "UserId": cells[0] }).to_string();
        rows.insert(("\"users\"".to_owned(), key), totals(cells[1], cells[2]));
    }
    for line in files.total.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        rows.insert(("\"total\"".to_owned(), "{}".to_owned()), totals(cells[0], cells[1]));
    }
    for line in files.windows.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let key = serde_json::json!({ "begin": cells[0], "end": cells[1] }).to_string();
        rows.insert(("\"windows\"".to_owned(), key), totals(cells[2], cells[3]));
    }
    rows
}

#[test]
fn the_updates_of_standard_input_fold_up_to_the_files() {
    for workers in ["1", "4"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let log = dir.path().join("orders.csv");
        let made = run(&[
            "generate",
            "--to",
            &log.display().to_string(),
            "--orders",
            "200000",
            "--users",
            "2000",
            "--corrections",
            "20",
            "--cancels",
            "10",
            "--late",
            "10",
            "--late-max",
            "30d",
        ]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let batch = dir.path().join("batch").display().to_string();
        let log_text = log.display().to_string();
        let done = run(&["run", "--input", &log_text, "--envelope", "upsert", "--output", &batch, "--quiet"]);
        assert_eq!(done.code, Some(0), "{}", done.stderr);

        let output = dir.path().join("results").display().to_string();
        let mut following = Following::start(&[
            "--input",
            "-",
            "--format",
            "csv",
            "--envelope",
            "upsert",
            "--output",
            &output,
            "-w",
            workers,
            "--quiet",
        ]);
        let mut stdin = following.process.0.stdin.take().expect("piped");
        let text = std::fs::read(&log).expect("the log is there");
        let feeder = std::thread::spawn(move || {
            // In pieces that cut records anywhere.
            for piece in text.chunks(100_003) {
                stdin.write_all(piece).expect("the program reads its input");
            }
        });
        feeder.join().expect("the log is fed");
        // Standard input has ended, and with it the run.
        let (rows, code, stderr) = following.end();
        assert_eq!((code, stderr.as_str()), (0, ""), "-w {workers}");
        let files = Files::read(Path::new(&output));
        assert!(
            files == Files::read(Path::new(&batch)),
            "-w {workers}: following gives other bytes than a batch"
        );
        assert!(rows == rows_of(&files), "-w {workers}: the updates do not fold up to the files");
    }
}

#[test]
fn a_file_is_followed_as_it_grows_and_is_rotated() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("orders.csv");
    let (input, output) = (file.display().to_string(), dir.path().join("results").display().to_string());
    append(&file, HEADER);
    append(&file, "u1,o1,5.00,29999\nu1,o2,1.00,3");
    let mut following = Following::start(&["--input", &input, "--output", &output, "-w", "2"]);
    following.await_total(1, "5.00");
    append(&file, "0000\n");
    following.await_total(2, "6.00");
    append(&file, "u2,o3,0.10,30000\nbad line\nu2,o4,0.20,59999\n");
    following.await_total(4, "6.30");
    // Rotation: another file takes the name.
    std::fs::rename(&file, dir.path().join("orders.csv.1")).expect("the file is renamed");
    append(&file, &format!("{HEADER}u3,o5,10.00,60000\n"));
    following.await_total(5, "16.30");
    // Truncation: the file begins again.
    std::fs::write(&file, format!("{HEADER}u4,o6,1.00,1\n")).expect("the file is written anew");
    following.await_total(6, "17.30");
    following.process.signal("INT");
    let (rows, code, stderr) = following.end();
    assert_eq!(code, 0, "{stderr}");
    assert!(stderr.contains(&format!("{input} was replaced")) || stderr.contains("rotated"), "{stderr}");
    let files = Files::read(Path::new(&output));
    assert!(rows == rows_of(&files), "the updates do not fold up to the files");
    let rejects = std::fs::read_to_string(Path::new(&output).join("rejects.jsonl")).expect("a reject");
    assert!(rejects.contains("bad line"), "{rejects}");
}

#[test]
fn new_files_of_a_folder_are_noticed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let inputs = dir.path().join("in");
    std::fs::create_dir(&inputs).expect("a folder");
    append(&inputs.join("a.csv"), &format!("{HEADER}u1,o1,5.00,0\n"));
    let mut following = Following::start(&["--input", &inputs.display().to_string(), "-w", "3"]);
    following.await_total(1, "5.00");
    append(
        &inputs.join("b.jsonl"),
        "{\"user_id\":\"u2\",\"order_id\":\"o2\",\"price\":2.5,\"timestamp\":1}\n",
    );
    following.await_total(2, "7.50");
    following.process.signal("TERM");
    let (_, code, stderr) = following.end();
    assert_eq!(code, 0, "{stderr}");
}

#[test]
fn a_reader_that_goes_away_ends_the_run_cleanly() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join("orders.csv");
    append(&file, &format!("{HEADER}u1,o1,5.00,0\n"));
    let mut command =
        orderflow(&["run", "--follow", "--tick", "10ms", "--input", &file.display().to_string()]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = Process(command.spawn().expect("the program starts"));
    let mut lines = BufReader::new(process.0.stdout.take().expect("piped")).lines();
    assert!(lines.next().expect("an update").expect("UTF-8").contains("\"epoch\""));
    drop(lines);
    append(&file, "u1,o2,5.00,0\n");
    let ended = process.wait();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
