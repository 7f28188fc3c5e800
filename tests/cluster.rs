//! Several processes that fail well: each ends in time, with one sentence, exit code 3 and nothing
//! half written.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{Ended, Process, hosts_file, orderflow, run};

/// In which every process of a run that cannot go on has ended.
const ENDED_WITHIN: Duration = Duration::from_secs(15);

struct Stage {
    dir: tempfile::TempDir,
    input: String,
    hosts: String,
}

impl Stage {
    fn new(processes: usize) -> Stage {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let input = dir.path().join("orders.csv").display().to_string();
        let made = run(&["generate", "--to", &input, "--orders", "50000", "--users", "500"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let hosts = hosts_file(dir.path(), processes);
        Stage { dir, input, hosts }
    }

    fn output(&self) -> PathBuf {
        self.dir.path().join("results")
    }

    fn start(&self, index: &str, more: &[&str]) -> Process {
        let output = self.output().display().to_string();
        let args =
            ["run", "--input", &self.input, "--output", &output, "--quiet", "-h", &self.hosts, "-p", index];
        Process::spawn(orderflow(&[&args[..], more].concat()))
    }

    /// Nothing of a run is left but what was there before.
    fn is_clean(&self) {
        let names: Vec<_> = std::fs::read_dir(self.dir.path())
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .filter(|name| !["orders.csv", "hosts.txt", "other"].contains(&name.as_str()))
            .collect();
        assert!(names.is_empty(), "left behind: {names:?}");
    }
}

/// Waits for processes that are to fail, in time.
fn fail_in_time(since: Instant, processes: Vec<Process>) -> Vec<Ended> {
    let ended: Vec<Ended> = processes.into_iter().map(Process::wait).collect();
    let took = since.elapsed();
    assert!(took < ENDED_WITHIN, "ended after {took:?}: {ended:?}");
    for end in &ended {
        assert_eq!(end.code, Some(3), "{ended:?}");
        assert_eq!(end.stderr.lines().count(), 1, "one sentence: {}", end.stderr);
        assert!(end.stderr.starts_with("orderflow: "), "{}", end.stderr);
    }
    ended
}

#[test]
fn a_missing_peer_is_named() {
    let stage = Stage::new(2);
    let ended = fail_in_time(Instant::now(), vec![stage.start("0", &[])]);
    assert!(ended[0].stderr.contains("process 1 at 127.0.0.1:"), "{}", ended[0].stderr);
    assert!(
        ended[0].stderr.trim_end().ends_with("did not answer within 10 s: is it started?"),
        "{}",
        ended[0].stderr
    );
    stage.is_clean();
}

#[test]
fn processes_that_disagree_say_on_what() {
    for (more, sentence) in [
        (vec!["-w", "2"], "process 1 runs with -w 2, this one with -w 1"),
        (vec!["--window", "60s"], "process 1 has --window 60000 ms, this one has 30000 ms"),
        (vec!["--column-price", "amount"], "process 1 has --column-price amount, this one has none"),
        (vec!["--on-reject", "fail"], "process 1 has --on-reject fail, this one has keep"),
        (vec!["--max-rejects", "5"], "process 1 has --max-rejects 5, this one has 100%"),
        (vec!["--timezone", "Asia/Shanghai"], "process 1 has --timezone Asia/Shanghai, this one has UTC"),
        (
            vec!["--cluster-id", "another"],
            "process 1 runs with cluster id another, this one with cluster id orderflow",
        ),
    ] {
        let stage = Stage::new(2);
        let since = Instant::now();
        let processes = vec![stage.start("0", &[]), stage.start("1", &more)];
        let ended = fail_in_time(since, processes);
        assert_eq!(ended[0].stderr.trim_end(), format!("orderflow: {sentence}"), "{ended:?}");
        assert!(ended[1].stderr.starts_with("orderflow: process 0 "), "{ended:?}");
        stage.is_clean();
    }
}

/// What comes from the environment counts as what was typed.
#[test]
fn a_variable_of_one_process_is_found_out() {
    let stage = Stage::new(2);
    let output = stage.output().display().to_string();
    let args = ["run", "--input", &stage.input, "--output", &output, "-h", &stage.hosts, "-p", "1"];
    let mut command = orderflow(&args);
    command.env("ORDERFLOW_COLUMN_PRICE", "amount");
    let since = Instant::now();
    let ended = fail_in_time(since, vec![stage.start("0", &[]), Process::spawn(command)]);
    assert_eq!(ended[0].stderr, "orderflow: process 1 has --column-price amount, this one has none\n");
    assert_eq!(ended[1].stderr, "orderflow: process 0 has --column-price none, this one has amount\n");
    stage.is_clean();
}

#[test]
fn a_wrong_number_of_processes_is_found_out() {
    let stage = Stage::new(3);
    let since = Instant::now();
    let processes = vec![stage.start("0", &["-n", "2"]), stage.start("1", &["-n", "3"])];
    let ended = fail_in_time(since, processes);
    assert_eq!(ended[0].stderr.trim_end(), "orderflow: process 1 runs with -n 3, this one with -n 2");
    assert_eq!(ended[1].stderr.trim_end(), "orderflow: process 0 runs with -n 2, this one with -n 3");
    stage.is_clean();
}

#[test]
fn two_processes_with_one_index_are_found_out() {
    let stage = Stage::new(2);
    let since = Instant::now();
    let ended = fail_in_time(since, vec![stage.start("0", &[]), stage.start("0", &[])]);
    assert!(
        ended.iter().any(|end| end.stderr.contains("is another process started with -p 0?")),
        "{ended:?}"
    );
    stage.is_clean();
}

#[test]
fn inputs_that_differ_are_found_out() {
    let stage = Stage::new(2);
    let other = stage.dir.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let other = other.join("orders.csv").display().to_string();
    assert_eq!(run(&["generate", "--to", &other, "--orders", "10"]).code, Some(0));
    let output = stage.output().display().to_string();
    let args = ["run", "--input", &other, "--output", &output, "--quiet", "-h", &stage.hosts, "-p", "1"];
    let since = Instant::now();
    let processes = vec![stage.start("0", &[]), Process::spawn(orderflow(&args))];
    let ended = fail_in_time(since, processes);
    let sentence = "orderflow: process 1 has file orders.csv (";
    assert!(ended[0].stderr.starts_with(sentence), "{}", ended[0].stderr);
    stage.is_clean();
}

/// Other bytes under the same name and size.
#[test]
fn files_of_one_name_and_size_are_compared_by_content() {
    let stage = Stage::new(2);
    let other = stage.dir.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    let other = other.join("orders.csv");
    let mut bytes = std::fs::read(&stage.input).expect("the file is there");
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    std::fs::write(&other, &bytes).expect("the file is written");
    let (output, other) = (stage.output().display().to_string(), other.display().to_string());
    let args = ["run", "--input", &other, "--output", &output, "--quiet", "-h", &stage.hosts, "-p", "1"];
    let since = Instant::now();
    let ended = fail_in_time(since, vec![stage.start("0", &[]), Process::spawn(orderflow(&args))]);
    for (end, them) in ended.iter().zip(["1", "0"]) {
        let size = bytes.len();
        let sentence = format!("orderflow: process {them} has file orders.csv ({size} bytes, content ");
        assert!(end.stderr.starts_with(&sentence), "{}", end.stderr);
        assert!(end.stderr.contains(&format!(", this one has ({size} bytes, content ")), "{}", end.stderr);
    }
    stage.is_clean();
}

/// A file that one process does not have: by name, and as one of a folder.
#[test]
fn a_file_that_is_missing_on_one_process_is_named_on_all() {
    let stage = Stage::new(2);
    let run = |input: &str, index| {
        let output = stage.output().display().to_string();
        let args = ["run", "--input", input, "--output", &output, "--quiet", "-h", &stage.hosts, "-p", index];
        Process::spawn(orderflow(&args))
    };
    let missing = stage.dir.path().join("other").join("orders.csv").display().to_string();
    let [first, second] = [stage.start("0", &[]), run(&missing, "1")].map(Process::wait);
    let reason = format!("{missing}: no such file or directory\n");
    assert_eq!((second.code, &second.stderr), (Some(2), &format!("orderflow: {reason}")));
    assert_eq!(
        (first.code, &first.stderr),
        (Some(3), &format!("orderflow: process 1 cannot begin: {reason}"))
    );

    let other = stage.dir.path().join("other");
    std::fs::create_dir(&other).expect("a folder");
    for (folder, names) in [("a", &["1.csv", "2.csv"][..]), ("b", &["1.csv"])] {
        std::fs::create_dir(other.join(folder)).expect("a folder");
        for name in names {
            std::fs::copy(&stage.input, other.join(folder).join(name)).expect("the file is copied");
        }
    }
    let folder = |name: &str| other.join(name).display().to_string();
    let since = Instant::now();
    let ended = fail_in_time(since, vec![run(&folder("a"), "0"), run(&folder("b"), "1")]);
    assert_eq!(ended[0].stderr, "orderflow: process 1 has no file 2.csv, this one has\n");
    assert_eq!(ended[1].stderr, "orderflow: process 0 has file 2.csv, this one has not\n");
    stage.is_clean();
}

/// Standard input and pipes belong to one process.
#[test]
fn a_stream_is_not_shared() {
    let stage = Stage::new(2);
    let output = stage.output().display().to_string();
    let start = |index| {
        let args = ["run", "--input", "-", "--output", &output, "--quiet", "-h", &stage.hosts, "-p", index];
        Process::spawn(orderflow(&args))
    };
    for done in [start("0"), start("1")].map(Process::wait) {
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        assert_eq!(
            done.stderr,
            "orderflow: standard input: each process would read one of its own, so several processes cannot share it; \
             give a file, or --local-input if each is to read its own\n"
        );
    }
    stage.is_clean();
}

/// A peer that is started late is waited for, if that is asked.
#[test]
fn a_late_peer_is_waited_for() {
    let stage = Stage::new(2);
    let ended = fail_in_time(Instant::now(), vec![stage.start("0", &["--wait", "300ms"])]);
    let late = "did not answer within 300 ms: is it started?";
    assert!(ended[0].stderr.trim_end().ends_with(late), "{}", ended[0].stderr);
    stage.is_clean();
    // The two need not be given the same patience.
    let first = stage.start("0", &["--wait", "10m"]);
    let second = stage.start("1", &[]);
    assert_eq!((first.wait().code, second.wait().code), (Some(0), Some(0)));
}

/// Starts two processes that wait for more input, and gives them when both are at work.
fn two_at_work(stage: &Stage) -> (Process, Process) {
    use std::io::{BufRead, BufReader};
    let follow = ["--follow", "--tick", "10ms"];
    let mut first = stage.start("0", &follow);
    let second = stage.start("1", &follow);
    // Updates are printed once the orders of both have been read.
    let mut lines = BufReader::new(first.0.stdout.take().expect("piped")).lines();
    lines.next().expect("an update").expect("UTF-8");
    // Read on, so that the process never waits for its reader.
    std::thread::spawn(move || lines.for_each(drop));
    (first, second)
}

fn output_is_whole(stage: &Stage) {
    let output = stage.output();
    if output.exists() {
        for name in ["OrderBatchSink.csv", "OrderTotalSink.csv", "OrderStreamSink.csv", "orderflow.json"] {
            assert!(output.join(name).exists(), "{name} is missing");
        }
        std::fs::remove_dir_all(&output).expect("the folder goes");
    }
    stage.is_clean();
}

#[test]
fn a_peer_that_dies_is_named() {
    for (victim, survivor) in [(0, 1), (1, 0)] {
        let stage = Stage::new(2);
        let (first, second) = two_at_work(&stage);
        let mut processes = [Some(first), Some(second)];
        let since = Instant::now();
        let killed = processes[victim].take().expect("both are there");
        killed.signal("KILL");
        let ended = fail_in_time(since, vec![processes[survivor].take().expect("both are there")]);
        let sentence = format!("orderflow: process {victim} at 127.0.0.1:");
        assert!(ended[0].stderr.starts_with(&sentence), "{}", ended[0].stderr);
        assert!(ended[0].stderr.trim_end().ends_with("ended before the run did"), "{}", ended[0].stderr);
        assert_eq!(killed.wait().code, None);
        if survivor == 0 {
            output_is_whole(&stage);
        }
    }
}

#[test]
fn a_peer_that_falls_silent_is_named() {
    let stage = Stage::new(2);
    let (first, second) = two_at_work(&stage);
    let since = Instant::now();
    second.signal("STOP");
    let ended = fail_in_time(since, vec![first]);
    assert!(ended[0].stderr.trim_end().ends_with("has been silent for 8 s"), "{}", ended[0].stderr);
    second.signal("KILL");
    output_is_whole(&stage);
}

#[test]
fn a_stop_of_one_process_stops_all_cleanly() {
    let stage = Stage::new(2);
    let (first, second) = two_at_work(&stage);
    second.signal("INT");
    assert_eq!(second.wait().code, Some(0));
    assert_eq!(first.wait().code, Some(0));
    let total =
        std::fs::read_to_string(stage.output().join("OrderTotalSink.csv")).expect("the results are there");
    assert!(total.contains("\n50000,"), "{total}");
}

#[test]
fn a_bad_input_of_one_process_ends_all() {
    let stage = Stage::new(2);
    let bad = stage.dir.path().join("other");
    std::fs::create_dir(&bad).expect("a folder");
    let bad = bad.join("orders.csv.gz");
    std::fs::write(&bad, [0x1f, 0x8b, 8, 0, 0, 0]).expect("the file is written");
    let since = Instant::now();
    let second = stage.start("1", &["--local-input"]);
    let output = stage.output().display().to_string();
    let bad = bad.display().to_string();
    let args = ["run", "--local-input", "--input", &bad, "--output", &output, "--quiet"];
    let first = Process::spawn(orderflow(&[&args[..], &["-h", &stage.hosts, "-p", "0"]].concat()));
    let first = first.wait();
    assert_eq!(first.code, Some(2), "{}", first.stderr);
    let reason = first.stderr.strip_prefix("orderflow: ").expect("a sentence of the program");
    assert!(reason.contains("was cut short"), "{reason}");
    let second = second.wait();
    assert_eq!(
        (second.code, second.stderr),
        (Some(3), format!("orderflow: process 0 cannot begin: {reason}"))
    );
    assert!(since.elapsed() < ENDED_WITHIN);
    stage.is_clean();
}

#[test]
fn off_loopback_a_key_is_needed() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let hosts = dir.path().join("hosts.txt");
    std::fs::write(&hosts, "127.0.0.1:2101\n192.0.2.1:2101\n").expect("the file is written");
    let output = dir.path().join("results").display().to_string();
    let hosts = hosts.display().to_string();
    let done = run(&["run", "--input", "x.csv", "--output", &output, "-h", &hosts, "-p", "0"]);
    assert_eq!(done.code, Some(2));
    assert_eq!(
        done.stderr.trim_end(),
        "orderflow: 192.0.2.1:2101 is not a loopback address: give every process the same --cluster-key-file; \
         make one with (umask 077; head -c 32 /dev/urandom > cluster.key)"
    );
    assert!(!Path::new(&output).exists());
}
