//! Bad input: one clear sentence that names the thing and what to do, and nothing half written.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use crate::support::{Ended, ended, orderflow, run};

const HEADER: &str = "user_id,order_id,price,timestamp\n";

/// Runs on one input file in a folder of its own; the folder's name is cut from what is printed.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new(name: &str, content: &[u8]) -> Case {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(name), content).expect("the input is written");
        Case { dir }
    }

    fn run(&self, input: &str, more: &[&str]) -> Ended {
        let mut command =
            orderflow(&[&["run", "--input", input, "--output", "out", "--quiet"], more].concat());
        ended(command.current_dir(self.dir.path()).output().expect("the program starts"))
    }

    fn output(&self, name: &str) -> String {
        std::fs::read_to_string(self.dir.path().join("out").join(name)).unwrap_or_default()
    }
}

/// A file as a whole that cannot be taken: exit code 2, one sentence, no output folder.
#[test]
fn bad_files_are_refused() {
    let header_only = HEADER.as_bytes();
    let cases: &[(&str, &[u8], &[&str], &str)] = &[
        (
            "column.csv",
            b"user_id,order_id,price\na,b,1\n",
            &[],
            "column.csv: no column \"timestamp\" in the header user_id,order_id,price: say what it is called with \
             --column-timestamp NAME",
        ),
        (
            "delimiter.csv",
            b"user_id;order_id;price;timestamp\na;b;1;2\n",
            &[],
            "delimiter.csv: no column \"user_id\" in the header \"user_id;order_id;price;timestamp\": give \
             --delimiter ';'",
        ),
        (
            "orders.txt",
            b"x\n",
            &[],
            "orders.txt: the extension tells no format; name it with --format csv, jsonl or parquet",
        ),
        (
            "not.parquet",
            b"user_id,order_id,price,timestamp\n",
            &[],
            "not.parquet is not a Parquet file or was cut short: it does not end with PAR1",
        ),
        (
            "zone.csv",
            header_only,
            &["--timezone", "Mars"],
            "unknown time zone \"Mars\": give UTC, an offset like +08:00, or an IANA name like Europe/Berlin",
        ),
        ("window.csv", header_only, &["--window", "0s"], "--window must not be 0"),
        ("epoch.csv", header_only, &["--epoch-size", "0"], "--epoch-size must not be 0"),
        ("workers.csv", header_only, &["-w", "0"], "-w 0: a process has 1 to 1024 workers"),
    ];
    for (name, content, more, sentence) in cases {
        let case = Case::new(name, content);
        let done = case.run(name, more);
        assert_eq!(
            (done.code, done.stderr.trim_end()),
            (Some(2), &*format!("orderflow: {sentence}")),
            "{name}"
        );
        assert!(!case.dir.path().join("out").exists(), "{name}: an output folder is there");
    }
}

/// Inputs that are not there, or not what they seem.
#[test]
fn missing_inputs_are_named() {
    let case = Case::new("readme.txt", b"nothing");
    std::fs::create_dir(case.dir.path().join("folder")).expect("a folder");
    for (input, sentence) in [
        ("none.csv", "none.csv: no such file or directory"),
        ("*.csv", "no file matches \"*.csv\""),
        (
            "folder",
            "no orders files in directory \"folder\": expected .csv, .tsv, .jsonl, .ndjson, .json, .parquet, or these with \
             .gz or .zst",
        ),
    ] {
        let done = case.run(input, &[]);
        assert_eq!(
            (done.code, done.stderr.trim_end()),
            (Some(2), &*format!("orderflow: {sentence}")),
            "{input}"
        );
    }
}

/// A file that cannot be read: what the system says, with its name.
#[test]
fn an_unreadable_file_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let case = Case::new("orders.csv", HEADER.as_bytes());
    let permissions = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(case.dir.path().join("orders.csv"), permissions).expect("permissions are set");
    // Root reads everything, unless it gives that up.
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-dac_override,-dac_read_search", env!("CARGO_BIN_EXE_orderflow")]);
    if std::fs::read(case.dir.path().join("orders.csv")).is_err() {
        command = Command::new(env!("CARGO_BIN_EXE_orderflow"));
    }
    command.args(["run", "--input", "orders.csv", "--output", "out"]).current_dir(case.dir.path());
    let done = ended(command.output().expect("the program starts"));
    let sentence = "orderflow: orders.csv: cannot be opened: Permission denied (os error 13)";
    assert_eq!((done.code, done.stderr.trim_end()), (Some(2), sentence));
    assert!(!case.dir.path().join("out").exists());
}

/// Files that end in the middle, at every byte.
#[test]
fn files_cut_short_are_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for name in ["orders.csv.gz", "orders.csv.zst", "orders.parquet"] {
        let whole = dir.path().join(name);
        let made = run(&["generate", "--to", &whole.display().to_string(), "--orders", "20"]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        let bytes = std::fs::read(&whole).expect("the file is there");
        for length in [bytes.len() / 4, bytes.len() / 2, bytes.len() - 9, bytes.len() - 1] {
            let case = Case::new(name, &bytes[..length]);
            let done = case.run(name, &[]);
            assert_eq!(done.code, Some(2), "{name} cut to {length} bytes: {}", done.stderr);
            assert!(done.stderr.contains("was cut short"), "{name} cut to {length} bytes: {}", done.stderr);
            assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
            assert!(!case.dir.path().join("out").exists());
        }
    }
}

/// Rows that are set aside with their reason and bytes, beside one that is good; and the same rows
/// refused.
#[test]
fn bad_rows_are_set_aside() {
    let long_id = "i".repeat(1025);
    let cases: &[(&[u8], String)] = &[
        (b"a,b,NaN,2", "price \"NaN\" is not a decimal number".into()),
        (b"a,b,1e400,2", "price \"1e400\" is beyond ±1000000000000".into()),
        (b"a,b,1e-400,2", "price \"1e-400\" has more than 18 fraction digits".into()),
        (
            b"a,b,\"12,34\",2",
            "price \"12,34\" has a comma: if that is the decimal mark give --decimal-comma, if it marks thousands \
             leave it out"
                .into(),
        ),
        (b"a,b,12,34,2", "5 fields instead of 4".into()),
        (b"a,b,1", "3 fields instead of 4".into()),
        (b"a,b,,2", "price is empty".into()),
        (b",b,1,2", "user_id is empty".into()),
        (
            b"a,b,1,yesterday",
            "timestamp \"yesterday\" is neither a number of milliseconds nor an ISO 8601 time (--timestamp-format reads \
             others)"
                .into(),
        ),
        (b"a,b,1,2.5", "timestamp \"2.5\" is not a whole number of milliseconds".into()),
        (
            b"a,b,1,99999999999999999",
            "timestamp 99999999999999999 is out of range: epoch milliseconds from -62000000000000 to 253000000000000; \
             if it counts nanoseconds, give --timestamp-unit ns"
                .into(),
        ),
        (b"\xff\xfe,b,1,2", "user_id \"\\xff\\xfe\" is not valid UTF-8".into()),
    ];
    for (row, reason) in cases {
        let content = [HEADER.as_bytes(), b"good,o1,5.00,1\n", row, b"\n"].concat();
        let case = Case::new("orders.csv", &content);
        let done = case.run("orders.csv", &[]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{reason}");
        assert_eq!(case.output("OrderTotalSink.csv"), "count,totalPrice\n1,5.00\n", "{reason}");
        let rejects: serde_json::Value = serde_json::from_str(&case.output("rejects.jsonl"))
            .unwrap_or_else(|error| panic!("{reason}: {error}"));
        assert_eq!((&rejects["file"], &rejects["line"]), (&"orders.csv".into(), &3.into()));
        assert_eq!(rejects["reason"], reason.as_str());
        assert_eq!(rejects["raw"], String::from_utf8_lossy(row).as_ref());

        let refused = Case::new("orders.csv", &content);
        let done = refused.run("orders.csv", &["--on-reject", "fail"]);
        let sentence = format!(
            "orderflow: a row was refused: orders.csv line 3: {reason}; nothing was written (--on-reject fail)"
        );
        assert_eq!((done.code, done.stderr.trim_end()), (Some(2), sentence.as_str()));
        assert!(!refused.dir.path().join("out").exists());
    }
    let content = format!("{HEADER}{long_id},b,1,2\na,b,1,2\n");
    let case = Case::new("orders.csv", content.as_bytes());
    assert_eq!(case.run("orders.csv", &[]).code, Some(0));
    assert!(case.output("rejects.jsonl").contains("1025 bytes long"), "{}", case.output("rejects.jsonl"));
}

/// A field of 10 MB is one bad row, and memory stays bounded by far less.
#[test]
fn a_field_of_ten_megabytes_is_one_bad_row() {
    let mut content = HEADER.as_bytes().to_vec();
    content.resize(content.len() + 10_000_000, b'x');
    content.extend(b",b,1.00,2\na,b,1.00,2\n");
    let case = Case::new("orders.csv", &content);
    assert_eq!(case.run("orders.csv", &["-w", "3"]).code, Some(0));
    assert_eq!(case.output("OrderBatchSink.csv"), "UserId,count,totalPrice\na,1,1.00\n");
    let rejects = case.output("rejects.jsonl");
    assert!(rejects.starts_with(
        "{\"file\":\"orders.csv\",\"line\":2,\"reason\":\"record is longer than 1048576 bytes\""
    ));
    assert_eq!(rejects.lines().count(), 1);
}

/// Input that looks odd and is good.
#[test]
fn good_input_of_any_look_is_taken() {
    for (name, content, users) in [
        ("header only", HEADER.to_owned(), ""),
        ("byte order mark", format!("\u{feff}{HEADER}a,b,1.00,2\n"), "a,1,1.00\n"),
        ("carriage returns", format!("{}a,b,1.00,2\r\n", HEADER.replace('\n', "\r\n")), "a,1,1.00\n"),
        ("no last line break", format!("{HEADER}a,b,1.00,2"), "a,1,1.00\n"),
        ("quotes", format!("{HEADER}\"a,\"\"x\"\"\ny\",b,\"1.00\",2\n"), "\"a,\"\"x\"\"\ny\",1,1.00\n"),
        (
            "refunds and nothing",
            format!("{HEADER}a,b,-5.00,2\na,c,0,2\nb,d,-0.00,3\n"),
            "a,2,-5.00\nb,1,0.00\n",
        ),
        ("the same key twice", format!("{HEADER}a,b,1,2\na,b,2,2\n"), "a,2,3.00\n"),
        ("before 1970", format!("{HEADER}a,b,1,-1\n"), "a,1,1.00\n"),
        ("other names", "timestamp,price,UserId,OrderId,note\n2,1,a,b,hi\n".to_owned(), "a,1,1.00\n"),
        ("blank lines", format!("{HEADER}\na,b,1,2\n\n"), "a,1,1.00\n"),
        ("a long name", format!("{HEADER}{},b,1,2\n", "n".repeat(1024)), ""),
    ] {
        let case = Case::new("orders.csv", content.as_bytes());
        let done = case.run("orders.csv", &[]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{name}");
        assert_eq!(case.output("rejects.jsonl"), "", "{name}");
        if !users.is_empty() {
            assert_eq!(
                case.output("OrderBatchSink.csv"),
                format!("UserId,count,totalPrice\n{users}"),
                "{name}"
            );
        }
    }
    let case = Case::new("orders.csv", format!("{HEADER}a,b,1,2\na,b,2,2\n").as_bytes());
    assert_eq!(case.run("orders.csv", &["--envelope", "upsert"]).code, Some(0));
    assert_eq!(case.output("OrderBatchSink.csv"), "UserId,count,totalPrice\na,1,2.00\n");
}

/// A delete is no order where lines are orders.
#[test]
fn a_delete_needs_the_upsert_envelope() {
    let content = b"{\"user_id\":\"a\",\"order_id\":\"b\",\"op\":\"delete\"}\n";
    let case = Case::new("orders.jsonl", content);
    let done = case.run("orders.jsonl", &[]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("op \"delete\" needs --envelope upsert"), "{}", done.stderr);
    assert_eq!(case.run("orders.jsonl", &["--envelope", "upsert"]).code, Some(0));
    assert_eq!(case.output("rejects.jsonl"), "");
}

#[test]
fn seconds_are_warned_of() {
    let case = Case::new("orders.csv", format!("{HEADER}a,b,1,1700000000\n").as_bytes());
    let done = case.run("orders.csv", &[]);
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.stderr.trim_end(),
        "warning: the first time lies in January 1970: if they count seconds, give --timestamp-unit s"
    );
}

/// Output folders that are not ours are left as they are.
#[test]
fn an_output_folder_of_others_is_refused() {
    let case = Case::new("orders.csv", format!("{HEADER}a,b,1,2\n").as_bytes());
    let out = case.dir.path().join("out");
    std::fs::create_dir(&out).expect("a folder");
    std::fs::write(out.join("mine.txt"), "mine").expect("a file");
    let done = case.run("orders.csv", &[]);
    let refused = "orderflow: output folder out is not empty and not orderflow's (it holds \"mine.txt\"); choose \
                   another, or add --force to keep what is there and write beside it";
    assert_eq!((done.code, done.stderr.trim_end()), (Some(2), refused));
    assert_eq!(case.run("orders.csv", &["--force"]).code, Some(0));
    assert_eq!(case.output("mine.txt"), "mine");
    assert_eq!(case.output("OrderTotalSink.csv"), "count,totalPrice\n1,1.00\n");
    // Now it is ours, but of one zone and one width.
    assert_eq!(case.run("orders.csv", &[]).code, Some(0));
    let done = case.run("orders.csv", &["--timezone", "Europe/Berlin"]);
    let refused = "orderflow: output folder out holds results in time zone UTC, not Europe/Berlin; choose another, or \
                   add --force to replace them";
    assert_eq!((done.code, done.stderr.trim_end()), (Some(2), refused));
    let done = case.run("orders.csv", &["--window", "1m"]);
    let refused = "orderflow: output folder out holds windows of 30s, not 60s; choose another, or add --force to replace them";
    assert_eq!((done.code, done.stderr.trim_end()), (Some(2), refused));
}

/// A disk that is full: what was there stays, and nothing is left behind.
#[test]
fn a_full_disk_changes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| dir.path().join(name).display().to_string();
    let made = run(&["generate", "--to", &path("orders.csv"), "--orders", "50000", "--users", "20000"]);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    std::fs::create_dir(dir.path().join("disk")).expect("a folder");
    // A small disk of its own, in a namespace that goes with the shell.
    let script = format!(
        "mount -t tmpfs -o size=200k none {disk} && mkdir {disk}/other && touch {disk}/other/file && \
         {program} run --input {orders} --output {disk}/out --quiet; echo \"code $?\"; find {disk} -mindepth 1 | sort",
        disk = path("disk"),
        orders = path("orders.csv"),
        program = env!("CARGO_BIN_EXE_orderflow"),
    );
    let done =
        ended(Command::new("unshare").args(["-rm", "sh", "-c", &script]).output().expect("unshare runs"));
    let expected = format!("code 3\n{0}/other\n{0}/other/file\n", path("disk"));
    assert_eq!(done.stdout, expected, "{}", done.stderr);
    assert!(done.stderr.starts_with("orderflow: cannot write "), "{}", done.stderr);
    assert!(
        done.stderr.trim_end().ends_with("no space left on device; nothing was changed"),
        "{}",
        done.stderr
    );
}

/// Standard input that is no orders at all.
#[test]
fn standard_input_that_is_no_orders_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let output = dir.path().join("out").display().to_string();
    let mut child = orderflow(&["run", "--input", "-", "--output", &output, "--quiet"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    // It may refuse before it has read all.
    let _ = child.stdin.take().expect("piped").write_all(b"hello\nworld\n");
    let done = ended(child.wait_with_output().expect("the program ends"));
    assert_eq!(done.code, Some(2), "{}", done.stderr);
    assert!(
        done.stderr.starts_with("orderflow: standard input: no columns \"user_id\", "),
        "{}",
        done.stderr
    );
    assert!(!Path::new(&output).exists());
}
