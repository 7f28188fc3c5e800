//! `orderflow verify`: recounts the results from the orders and compares them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use dataflows::ViewId;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::ConnectionArgs;
use super::{Failure, say};
use crate::program::signals::{INTERRUPTED, STOP_TIME_MAX, Signals};
use driver::summary::grouped_views;
use live::verify::{DIFFERENCES_MAX, Difference, Recount, Remote, Verified, VerifyError, recount};
use order_tables::row_text::row_json;
use store::error::OpenError;
use store::read::PAGE_ROWS_MAX;
use store::value::{Cell, Row};
use store::{Store, StoreOptions};
use tablestore::client::Client;

/// The number of rows that are read at a time with `--watch`.
const WATCH_ROWS: usize = 1_000;
/// The pause after each such read.
const WATCH_ROWS_PAUSE: Duration = Duration::from_millis(10);
/// The pause between two passes with `--watch`.
const WATCH_PASS_PAUSE: Duration = Duration::from_secs(1);

/// The help text after the flags.
const AFTER_HELP: &str = "\
Recounts the three results and the rejects from OrderSource by a plain fold, which shares no code with the graph, as of
the very commit that the results are of, and compares every row: every byte but the versions of cells, and of a
reject its key and reason. Rows that are equal add up: the users to the total, and the windows to the total.

Exit codes:
  0  every row is equal
  1  rows differ: the first 10 are printed, a line each
  2  what is asked for cannot be: no such folder, or a Tablestore that is no instance of `orderflow up`
  3  nothing can be compared: no live job has written results yet, the changes of orders since the results are no
     longer kept, or the store cannot be reached or read";

/// The flags of `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Folder of a store that is not running; no row is written there. Without this flag, the
    /// instance at OTS_ENDPOINT is verified, which must be one of `orderflow up`
    // This has a variable of its own, because the variable of `up` may be set while the running
    // instance is meant.
    #[arg(long, env = "ORDERFLOW_VERIFY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Verify over and over, a few rows at a time, until a row differs or Ctrl-C is pressed; prints
    /// a line for each pass
    #[arg(long, env = "ORDERFLOW_WATCH", conflicts_with = "data")]
    pub watch: bool,
    /// Print what each pass found as one JSON object
    #[arg(long, env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Recounts the results, compares every row and prints what was found.
///
/// # Errors
/// Returns [`Failure`] with exit code 1 if rows differ, 3 if nothing can be compared, 130 if it was
/// interrupted before the first pass was done, else the code of the connection's error.
pub fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    match &args.data {
        Some(folder) => stopped(folder, args.json),
        None => running(args),
    }
}

fn stopped(folder: &Path, json: bool) -> Result<(), Failure> {
    if !Store::is_in(folder) {
        let shown = folder.display();
        return Err(Failure::new(2, format!("{shown} holds no store: name the folder of an `orderflow up`")));
    }
    let store = Store::open(folder, StoreOptions::default()).map_err(|error| match error {
        OpenError::Locked { .. } => {
            Failure::new(3, format!("{error}; or leave out --data to verify it while it runs"))
        }
        error => Failure::new(3, error),
    })?;
    let view = store.view().map_err(VerifyError::from)?;
    let found = recount(view)?.run(PAGE_ROWS_MAX, || true)?;
    store.close().map_err(|error| Failure::new(3, error))?;
    found.map_or(Ok(()), |verified| conclude(&verified, json))
}

fn running(args: &VerifyArgs) -> Result<(), Failure> {
    let client = Client::new(args.connection.settings(std::env::var)?)?;
    // This thread reads and compares. The other thread sends, receives, and listens for an
    // interrupt.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let mut interrupted = interrupts(&runtime);
    // Waits for `length`, and returns false if the program was interrupted.
    let mut pause = |length| {
        let interrupt = async { interrupted.wait_for(|interrupted| *interrupted).await.is_ok() };
        runtime.block_on(async { timeout(length, interrupt).await.is_err() })
    };
    let mut is_first = true;
    loop {
        let recount = Remote::recount(client.clone(), runtime.handle().clone())?;
        let found = match args.watch {
            true => pass(recount, WATCH_ROWS, || pause(WATCH_ROWS_PAUSE)),
            false => pass(recount, PAGE_ROWS_MAX, || pause(Duration::ZERO)),
        };
        match found? {
            Some(verified) => conclude(&verified, args.json)?,
            None if is_first => {
                return Err(Failure::new(INTERRUPTED, "stopped before all rows were compared"));
            }
            None => return Ok(()),
        }
        is_first = false;
        if !args.watch || !pause(WATCH_PASS_PAUSE) {
            return Ok(());
        }
    }
}

/// Runs one pass over a snapshot, and closes the snapshot after it. Returns `None` if `pause` says
/// to give up.
fn pass(
    mut recount: Recount<Remote>,
    rows_max: usize,
    pause: impl FnMut() -> bool,
) -> Result<Option<Verified>, VerifyError> {
    let found = recount.run(rows_max, pause);
    // A snapshot that cannot be closed is closed by the server when it is idle too long.
    let _ = recount.into_source().close();
    found
}

/// Returns a value that becomes true at the first interrupt. The second interrupt ends the program
/// at once, and so does the end of [`STOP_TIME_MAX`].
fn interrupts(runtime: &Runtime) -> watch::Receiver<bool> {
    let (interrupt, interrupted) = watch::channel(false);
    let mut signals = Signals::new();
    runtime.spawn(async move {
        signals.next().await;
        interrupt.send_replace(true);
        // What is read now may be waited for in vain.
        let _ = timeout(STOP_TIME_MAX, signals.next()).await;
        terminal::tell("orderflow: interrupted");
        std::process::exit(INTERRUPTED.into());
    });
    interrupted
}

/// Prints what a pass found, and fails if rows differ.
fn conclude(verified: &Verified, as_json: bool) -> Result<(), Failure> {
    say(&match as_json {
        true => pass_json(verified),
        false => pass_text(verified),
    })?;
    verdict(verified)
}

/// Returns a failure if rows differ.
fn verdict(verified: &Verified) -> Result<(), Failure> {
    let rows = match verified.differing {
        0 => return Ok(()),
        1 => "1 row differs".to_owned(),
        rows => format!("{rows} rows differ"),
    };
    let first = match verified.differing > DIFFERENCES_MAX as u64 {
        true => format!("; the first {DIFFERENCES_MAX} are above"),
        false => String::new(),
    };
    Err(Failure::new(1, format!("{rows} from the recount: {}{first}", recounted(verified))))
}

/// Returns what the recount counted, as part of a sentence.
fn recounted(verified: &Verified) -> String {
    let Verified { upper, total, rejects, .. } = verified;
    let count = |count: i128, noun| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    let mut text = count(total.orders.into(), "order");
    for view in ViewId::all() {
        if let Some((word, noun)) = view.counted {
            text += &format!(" {word} {}", count(verified.rows(view).into(), noun));
        }
    }
    text + &format!(", {rejects} set aside, before commit {upper}")
}

fn pass_text(verified: &Verified) -> String {
    if verified.is_equal() {
        return format!("equal: {}\n", recounted(verified));
    }
    verified.differences.iter().map(|difference| format!("{difference}\n")).collect()
}

/// Returns what a pass found as a JSON object and a line feed.
fn pass_json(verified: &Verified) -> String {
    let Verified { upper, total, rejects, differing, differences, .. } = verified;
    let rows: String =
        grouped_views().map(|view| format!("\"{}\":{},", view.name, verified.rows(view))).collect();
    const NO_KEY: [&str; 0] = [];
    let cells = |cells: &Option<Vec<Cell>>| match cells {
        None => "null".to_owned(),
        Some(cells) => row_json(&NO_KEY, &Row { key: Vec::new(), cells: cells.clone() }),
    };
    let difference = |difference: &Difference| {
        let key = Row { key: difference.key.clone(), cells: Vec::new() };
        format!(
            "{{\"table\":\"{}\",\"key\":{},\"found\":{},\"recounted\":{}}}",
            difference.table,
            row_json(&difference.key_names(), &key),
            cells(&difference.found),
            cells(&difference.recounted)
        )
    };
    let differences: Vec<String> = differences.iter().map(difference).collect();
    format!(
        "{{\"equal\":{},\"upper\":{upper},\"orders\":{},\"totalPriceExact\":\"{}\",{rows}\
         \"rejects\":{rejects},\"differing\":{differing},\"differences\":[{}]}}\n",
        verified.is_equal(),
        total.orders,
        total.amount,
        differences.join(",")
    )
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Failure {
        match error {
            VerifyError::Foreign { .. } => Failure::new(2, error),
            VerifyError::Call(error) if error.is_code("OTSResourceGone") => Failure::new(3, error),
            VerifyError::Call(error) => error.into(),
            error => Failure::new(3, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use dataflows::views::{TOTAL, USERS, VIEWS, WINDOWS};
    use dataflows::{Amount, Totals};

    use super::*;
    use store::value::{KeyValue, Value};

    fn verified(differing: u64, differences: Vec<Difference>) -> Verified {
        let total = Totals { orders: 1, amount: Amount::from_decimal(125, 2).unwrap() };
        let mut rows = [0; VIEWS.len()];
        (rows[USERS.index()], rows[TOTAL.index()], rows[WINDOWS.index()]) = (1, 1, 2);
        Verified { upper: 7, total, rows, rejects: 0, differing, differences }
    }

    fn missing(user: &str) -> Difference {
        let cell = |name: &str, value| Cell { name: name.to_owned(), value, version: 0 };
        let exact = Value::String("a\n\"b\"".to_owned());
        Difference {
            table: "OrderBatchSink",
            key: vec![KeyValue::String(user.to_owned())],
            found: None,
            recounted: Some(vec![cell("count", Value::Integer(1)), cell("totalPriceExact", exact)]),
        }
    }

    #[test]
    fn what_differs_is_counted_and_the_first_are_said() {
        assert!(verdict(&verified(0, Vec::new())).is_ok());
        for (differing, message) in [
            (
                1,
                "1 row differs from the recount: 1 order of 1 user in 2 windows, 0 set aside, before commit 7",
            ),
            (
                10,
                "10 rows differ from the recount: 1 order of 1 user in 2 windows, 0 set aside, before commit 7",
            ),
            (
                11,
                "11 rows differ from the recount: 1 order of 1 user in 2 windows, 0 set aside, before commit 7; \
                 the first 10 are above",
            ),
        ] {
            let failure = verdict(&verified(differing, Vec::new())).unwrap_err();
            assert_eq!((failure.exit_code, failure.message.as_str()), (1, message));
        }
    }

    #[test]
    fn a_difference_is_a_line_whatever_the_row_holds() {
        let extra = Difference { found: Some(Vec::new()), recounted: None, ..missing("u\u{1b}") };
        let found = verified(2, vec![missing("u"), extra]);
        assert_eq!(
            pass_text(&found),
            "OrderBatchSink (UserId u): the row says absent; the recount says count 1, totalPriceExact a\\n\"b\"\n\
             OrderBatchSink (UserId u\\u{1b}): the row says no columns; the recount says absent\n"
        );
        let parsed: serde_json::Value = serde_json::from_str(&pass_json(&found)).unwrap();
        let expected = serde_json::json!({
            "equal": false, "upper": 7, "orders": 1, "totalPriceExact": "1.25", "users": 1, "windows": 2,
            "rejects": 0, "differing": 2,
            "differences": [
                {
                    "table": "OrderBatchSink", "key": {"UserId": "u"}, "found": null,
                    "recounted": {"count": 1, "totalPriceExact": "a\n\"b\""}
                },
                {"table": "OrderBatchSink", "key": {"UserId": "u\u{1b}"}, "found": {}, "recounted": null}
            ]
        });
        assert_eq!(parsed, expected);
    }
}
