//! Manners of the command line: variables, help, completions, inputs in a row, results on standard
//! output.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Ended, ended, orderflow, run};

const HEADER: &str = "user_id,order_id,price,timestamp\n";

const COMMANDS: [&str; 12] = [
    "demo",
    "run",
    "up",
    "init",
    "generate",
    "tables",
    "rows",
    "tunnel",
    "verify",
    "clean",
    "completions",
    "man",
];

/// A folder with inputs, in which the program runs.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = Folder(tempfile::tempdir().expect("a temporary folder"));
        for (name, content) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
            std::fs::write(path, content).expect("the input is written");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> Ended {
        let mut command = orderflow(&[&["run"], args].concat());
        command.current_dir(self.0.path()).envs(variables.iter().copied());
        ended(command.output().expect("the program starts"))
    }

    fn total(&self) -> String {
        std::fs::read_to_string(self.path("out/OrderTotalSink.csv")).unwrap_or_default()
    }
}

#[test]
fn switches_in_the_environment_are_what_people_write() {
    let folder = Folder::new(&[("orders.csv", &format!("{HEADER}u,o,1,1\n"))]);
    let args = ["--input", "orders.csv", "--output", "out"];
    for (value, quiet) in [
        ("1", true),
        ("true", true),
        ("yes", true),
        ("ON", true),
        ("0", false),
        ("false", false),
        ("No", false),
        ("off", false),
        ("", false),
    ] {
        let done = folder.run(&args, &[("ORDERFLOW_QUIET", value)]);
        assert_eq!((done.code, done.stdout.is_empty()), (Some(0), quiet), "{value:?}: {}", done.stderr);
    }
    // A switch that is off contradicts no other.
    let done = folder.run(&[&args[..], &["--json"]].concat(), &[("ORDERFLOW_QUIET", "no")]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
}

#[test]
fn a_bad_variable_is_named() {
    let folder = Folder::new(&[]);
    let args = ["--input", "x.csv", "--output", "out"];
    for (name, value, sentence) in [
        (
            "ORDERFLOW_QUIET",
            "maybe",
            "error: invalid value 'maybe' for 'ORDERFLOW_QUIET (--quiet)': expected 1 or 0, true or false, yes or no, \
             on or off",
        ),
        (
            "ORDERFLOW_WINDOW",
            "soon",
            "error: invalid value 'soon' for 'ORDERFLOW_WINDOW (--window <WIDTH>)': expected a whole number and a unit, \
             such as 500ms, 30s, 10m, 12h or 30d",
        ),
        (
            "ORDERFLOW_ENVELOPE",
            "letter",
            "error: invalid value 'letter' for 'ORDERFLOW_ENVELOPE (--envelope <KIND>)'",
        ),
    ] {
        let done = folder.run(&args, &[(name, value)]);
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.starts_with(sentence), "{}", done.stderr);
    }
    // What was typed is not blamed on the environment.
    let typed = folder.run(&[&args[..], &["--window", "never"]].concat(), &[("ORDERFLOW_WINDOW", "soon")]);
    assert!(
        typed.stderr.starts_with("error: invalid value 'never' for '--window <WIDTH>'"),
        "{}",
        typed.stderr
    );
}

#[test]
fn minus_h_says_where_help_is() {
    for args in [&["run", "-h"][..], &["run", "-h", "--input", "x.csv"], &["up", "-h"], &["-h"]] {
        let done = run(args);
        assert_eq!(done.code, Some(2), "{args:?}");
        assert!(done.stderr.contains("tip: help is --help\n"), "{args:?}: {}", done.stderr);
    }
}

#[test]
fn help_is_a_flag_and_a_command() {
    for args in [&["help"][..], &["--help"], &["help", "run"], &["run", "--help"]] {
        let done = run(args);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(done.stdout.contains("Usage: orderflow"), "{args:?}: {}", done.stdout);
    }
    let all = run(&["help"]).stdout;
    for name in COMMANDS {
        assert!(all.contains(&format!("\n  {name} ")), "{name} is not in {all}");
    }
}

/// A page of help fits into a terminal of 80 columns, and is grouped.
#[test]
fn help_reads_well_at_80_columns() {
    let help = |name: &str| {
        let mut command = orderflow(&[name, "--help"]);
        ended(command.env("COLUMNS", "80").output().expect("the program starts")).stdout
    };
    for name in COMMANDS {
        let page = help(name);
        for line in page.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    let page = help("run");
    let headings: Vec<&str> =
        page.lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    assert_eq!(
        headings,
        ["Options:", "Input:", "Columns:", "Time:", "Output:", "Workers and processes:"],
        "{page}"
    );
    let alone = page.split("\nOptions:\n").nth(1).and_then(|rest| rest.split("\nInput:\n").next());
    let alone = alone.expect("the first group").replace("--help", "");
    assert!(!alone.contains("--"), "all flags but --help are in a group: {alone}");
    let columns = page.split("\nColumns:\n").nth(1).and_then(|rest| rest.split("\nTime:\n").next());
    let flags = columns.expect("a group").lines().filter(|line| line.trim_start().starts_with("--"));
    flags.for_each(|flag| assert!(flag.contains("--column-"), "among the columns: {flag}"));
    // Variables are told, and what they hold is nobody's business.
    let mut command = orderflow(&["run", "--help"]);
    command.env("ORDERFLOW_CLUSTER_ID", "a-secret-name").env("OTS_INSTANCE", "a-secret-name");
    let page = ended(command.output().expect("the program starts")).stdout;
    assert!(page.contains("[env: OTS_INSTANCE]") && !page.contains("a-secret-name"), "{page}");
    assert!(
        page.contains("A flag --some-flag can be given as the variable ORDERFLOW_SOME_FLAG too."),
        "{page}"
    );
}

#[test]
fn completions_and_manual_pages_are_printed() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let done = run(&["completions", shell]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{shell}");
        for word in ["generate", "max-rejects"] {
            assert!(done.stdout.contains(word), "{shell} does not complete {word}");
        }
    }
    assert_eq!(run(&["completions", "cmd"]).code, Some(2));
    let script = run(&["completions", "bash"]).stdout;
    let checked = Command::new("bash").args(["-n", "-c", &script]).output().expect("bash starts");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    let page = run(&["man"]);
    assert_eq!((page.code, page.stderr.as_str()), (Some(0), ""));
    assert!(page.stdout.contains(".TH orderflow 1 ") && page.stdout.contains("generate"), "{}", page.stdout);
    let page = run(&["man", "run"]);
    assert!(page.stdout.contains(".TH orderflow-run 1 "), "{}", page.stdout);
    assert!(page.stdout.contains("max\\-rejects"), "{}", page.stdout);
    let none = run(&["man", "nothing"]);
    assert_eq!(none.code, Some(2));
    assert!(
        none.stderr.starts_with("orderflow: \"nothing\" is no command: give one of demo, run, "),
        "{}",
        none.stderr
    );
}

#[test]
fn the_version_names_the_commit_where_git_knows_it() {
    let done = run(&["-V"]);
    assert_eq!(done.code, Some(0));
    let version = done.stdout.trim_end().strip_prefix("orderflow ").expect("the name comes first").to_owned();
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        output.is_ok_and(|output| output.status.success())
    };
    let here = env!("CARGO_PKG_VERSION");
    if !git(&["rev-parse", "HEAD"]) {
        assert_eq!(version, here);
        return;
    }
    let commit = version
        .strip_prefix(&format!("{here} ("))
        .and_then(|rest| rest.strip_suffix(')'))
        .unwrap_or_else(|| panic!("no commit in {version:?}"));
    let commit = commit.strip_suffix("-dirty").unwrap_or(commit);
    assert!(commit.len() >= 12 && git(&["cat-file", "-e", commit]), "{commit:?} is no commit");
}

/// What a shell makes of a glob is taken as it comes.
#[test]
fn several_inputs_may_follow_one_flag() {
    let row = |user: &str| format!("{HEADER}{user},o,1,1\n");
    let folder = Folder::new(&[
        ("a.csv", &row("a")),
        ("b.csv", &row("b")),
        ("c.csv", &row("c")),
        ("d.csv", &row("d")),
    ]);
    let done = folder
        .run(&["--input", "a.csv", "b.csv", "c.csv", "--input", "d.csv", "--output", "out", "--quiet"], &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(folder.total(), "count,totalPrice\n4,4.00\n");
}

/// What is no data by Hadoop's custom is left out, a compressed twin is refused, and an empty file
/// is no orders.
#[test]
fn folders_are_read_as_others_leave_them() {
    let one = format!("{HEADER}u,o,1,1\n");
    let folder = Folder::new(&[
        ("in/part-0.csv", &one),
        ("in/_SUCCESS", ""),
        ("in/_temporary/0/part-0.csv", &one),
        ("in/empty.csv", ""),
        ("in/empty.parquet", ""),
    ]);
    let args = ["--input", "in", "--output", "out", "--quiet"];
    let done = folder.run(&args, &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(folder.total(), "count,totalPrice\n1,1.00\n");
    std::fs::write(folder.path("in/part-0.csv.gz"), "").expect("the twin is written");
    let done = folder.run(&args, &[]);
    let sentence = "orderflow: in/part-0.csv.gz and in/part-0.csv seem to be the same orders, one of them compressed: \
                    name only one of them\n";
    assert_eq!((done.code, done.stderr.as_str()), (Some(2), sentence));
    let done = folder.run(&["--input", "-", "--output", "out", "--quiet"], &[]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "nothing on standard input is no orders");
    assert_eq!(folder.total(), "count,totalPrice\n");
}

#[test]
fn one_result_can_be_printed() {
    let folder = Folder::new(&[("orders.csv", &format!("{HEADER}b,1,2.50,1\na,2,1,60000\nb,3,x,1\n"))]);
    let run = |more: &[&str]| folder.run(&[&["--input", "orders.csv", "--output", "-"], more].concat(), &[]);
    for (result, expected) in [
        ("users", "UserId,count,totalPrice\na,1,1.00\nb,1,2.50\n"),
        ("total", "count,totalPrice\n2,3.50\n"),
        (
            "windows",
            "begin,end,count,totalPrice\n1970-01-01 00:00:00,1970-01-01 00:00:30,1,2.50\n1970-01-01 00:01:00,1970-01-01 \
             00:01:30,1,1.00\n",
        ),
    ] {
        let done = run(&["--result", result]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), expected), "{}", done.stderr);
        assert!(done.stderr.contains("set aside  1\n"), "the summary is beside it: {}", done.stderr);
    }
    let done = run(&["--result", "total", "--output-format", "jsonl", "--quiet"]);
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    serde_json::from_str::<serde_json::Value>(&done.stdout).expect("a JSON object");
    for (more, sentence) in [
        (
            &[][..],
            "--output - prints one result: say which with --result NAME, one of users, total, windows; or give a folder \
             for all",
        ),
        (
            &["--result", "total", "--follow"],
            "--follow prints changed rows on standard output: give a folder, or leave --output out",
        ),
    ] {
        let done = run(more);
        assert_eq!((done.code, done.stderr), (Some(2), format!("orderflow: {sentence}\n")));
    }
    let done = folder.run(&["--input", "orders.csv", "--output", "out", "--result", "total"], &[]);
    assert_eq!(done.code, Some(2));
    assert_eq!(done.stderr, "orderflow: --result says what --output - prints: a folder gets all results\n");
    assert!(!folder.path("-").exists() && !folder.path("out").exists());
}
