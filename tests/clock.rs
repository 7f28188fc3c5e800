//! The live job under clocks that are wrong, fast or jump: no byte of a result changes.

use std::path::{Path, PathBuf};
use std::process::Command;

use order_tables::ORDER_SOURCE;
use store::{Store, StoreOptions};

use crate::live_tables::{LiveTables, await_ready, rows_of_view};
use crate::store_server::Up;
use crate::support::{Ended, Files, Process, ended, orderflow};

/// Orders with corrections and cancels, the same whatever the time.
const ORDERS: [&str; 16] = [
    "--orders",
    "3000",
    "--users",
    "60",
    "--hours",
    "2",
    "--start",
    "1700000000000",
    "--corrections",
    "20",
    "--cancels",
    "10",
    "--late",
    "10",
    "--late-max",
    "30d",
];

/// How the clock of a process runs.
struct Clock {
    /// The library that stands between the process and its clock.
    library: String,
    /// Holds what the library is told, and may be told anew while processes run.
    file: PathBuf,
}

impl Clock {
    /// A clock that runs as the library's own language says.
    fn new(dir: &Path, runs: &str) -> Clock {
        let shown = Command::new("faketime").args(["-m", "-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let shown = ended(shown.expect("faketime is installed, as scripts/test does"));
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        let clock = Clock { library: shown.stdout.trim().to_owned(), file: dir.join("clock") };
        clock.set(runs);
        clock
    }

    fn set(&self, runs: &str) {
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, runs)
            .and_then(|()| std::fs::rename(&beside, &self.file))
            .expect("it is told");
    }

    /// Has a command run under it. Its waits are real: a wrong clock on the wall makes no second
    /// longer.
    fn rule(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }

    fn year(&self) -> i32 {
        let shown = self.rule(Command::new("date")).env("TZ", "UTC").arg("+%Y").output();
        ended(shown.expect("date runs")).stdout.trim().parse().expect("a year")
    }

    fn up(&self, data: &Path) -> Up {
        let data = data.display().to_string();
        Up::of(self.rule(orderflow(&["up", "--data", &data, "--listen", "127.0.0.1:0", "-w", "2"])))
    }

    fn ok(&self, up: &Up, args: &[&str]) {
        done(&ended(self.rule(up.command(args)).output().expect("the program starts")));
    }
}

fn done(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}

/// What the results of a folder are, and the orders that they are of.
#[derive(PartialEq)]
struct Outcome {
    live: LiveTables,
    batch: Files,
    orders: usize,
}

impl Outcome {
    /// Reads the folder of a store that has stopped. The results must be those of a run over its
    /// orders.
    fn of(clock: &Clock, dir: &Path, data: &Path) -> Outcome {
        let (input, output) = (format!("store:{}", data.display()), dir.join("out"));
        let shown = output.display().to_string();
        let command = orderflow(&["run", "--input", &input, "--output", &shown, "--quiet", "-w", "2"]);
        done(&ended(clock.rule(command).output().expect("the program starts")));
        let batch = Files::read(&output);

        let store = Store::open(data, StoreOptions::default()).expect("the folder opens");
        let view = store.view().expect("a view");
        let live = LiveTables::of_view(&view);
        assert!(live.files() == batch, "the run's files are not the live tables");
        // Versions are numbers of commits, not times.
        let last = i64::try_from(view.last_commit()).expect("a number of commits");
        assert!(live.versions().all(|(.., version)| version <= last));
        let orders = rows_of_view(&view, ORDER_SOURCE).len();
        Outcome { live: live.results(), batch, orders }
    }
}

/// Orders in two halves; between them and behind them the server ends, well or by a kill, and
/// `between` may change the clock, as it may `within` each half.
fn outcome(runs: &str, between: [&str; 2], within: &[&str]) -> Outcome {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let clock = Clock::new(dir.path(), runs);
    let half = |seed: &str, signal: &str| {
        let up = clock.up(&data);
        if seed == "1" {
            clock.ok(&up, &["init"]);
        }
        let generate = [&["generate", "--quiet", "--seed", seed], &ORDERS[..]].concat();
        let mut generating = Process::spawn(clock.rule(up.command(&generate)));
        let mut jumps = within.iter().cycle();
        while generating.0.try_wait().expect("it can be waited for").is_none() {
            jumps.next().into_iter().for_each(|runs| clock.set(runs));
            std::thread::yield_now();
        }
        done(&generating.wait());
        up.stop(signal);
    };
    half("1", "TERM");
    clock.set(between[0]);
    half("2", "KILL");
    clock.set(between[1]);
    let up = clock.up(&data);
    await_ready(&up);
    assert_eq!(up.stop("TERM").code, Some(0));
    Outcome::of(&clock, dir.path(), &data)
}

#[test]
fn no_clock_changes_a_byte_of_a_result() {
    let expected = outcome("+0", ["+0", "+0"], &[]);
    assert!(expected.orders > 2_000 && expected.batch.users.lines().count() > 50);
    for (runs, between, within) in [
        ("+400d", ["+400d", "+400d"], &[][..]),
        ("-1000d", ["-1000d", "-1000d"], &[]),
        ("+0 x10", ["+0 x10", "+0 x10"], &[]),
        ("+0 x0.1", ["+0 x0.1", "+0 x0.1"], &[]),
        // Beyond the time that changes are kept, and back before the first of them.
        ("+0", ["+400d", "-1000d"], &[]),
        ("+400d", ["-1000d", "+0"], &[]),
        // Under a running server; requests may be some minutes from its time.
        ("+0", ["+0", "+0"], &["+0", "+600", "-100", "+300"]),
    ] {
        assert!(
            outcome(runs, between, within) == expected,
            "{runs}, then {between:?}, within {within:?}: other bytes"
        );
    }
}

/// The clocks of these tests do run as they are told.
#[test]
fn the_clock_is_what_the_program_sees() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let clock = Clock::new(dir.path(), "@1999-06-01 00:00:00");
    assert_eq!(clock.year(), 1999);
    let data = dir.path().join("data");
    let up = Up::of(clock.rule(orderflow(&[
        "up",
        "--data",
        &data.display().to_string(),
        "--listen",
        "127.0.0.1:0",
        "--no-job",
    ])));
    // Its callers' dates must be near its own.
    for command in ["tables", "generate --orders 1", "rows OrderSource", "verify"] {
        let told = up.run(&command.split(' ').collect::<Vec<_>>());
        assert_eq!(told.code, Some(3), "{}", told.stderr);
        let says = |words| told.stderr.contains(words);
        assert!(says("it is 1999-06-01T") && says("set the clock that is wrong"), "{}", told.stderr);
        assert!(!says("OTS_"), "the keys are right: {}", told.stderr);
    }
    clock.ok(&up, &["init"]);
    let rows = "generate --quiet --orders 1 --late 0 --seed 1 --start 0";
    clock.ok(&up, &rows.split(' ').collect::<Vec<_>>());
    assert_eq!(up.stop("TERM").code, Some(0));
    let store = Store::open(&data, StoreOptions::default()).expect("the folder opens");
    let rows = rows_of_view(&store.view().expect("a view"), ORDER_SOURCE);
    let in_1999 = 915_148_800_000..946_684_800_000;
    assert!(rows.iter().flat_map(|row| &row.cells).all(|cell| in_1999.contains(&cell.version)), "{rows:?}");
    assert_eq!(rows.len(), 1);
}
