//! `orderflow verify`: are the results those of the orders?

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use tokio::runtime::Runtime;
use tokio::signal::ctrl_c;
use tokio::sync::watch;
use tokio::time::timeout;

use super::columns::printable;
use super::connection::ConnectionArgs;
use super::rows::named_key_text;
use super::{Failure, say, tell};
use order_tables::row_text::{row_json, value_text};
use store::error::OpenError;
use store::read::PAGE_ROWS_MAX;
use store::value::{Cell, KeyPart, NamedKey, Row};
use store::{Store, StoreOptions};
use tablestore::client::Client;
use live::verify::{DIFFERENCES_MAX, Difference, Recount, Remote, Verified, VerifyError, recount};

/// Rows that are read at a time while the store is watched.
const WATCH_ROWS: usize = 1_000;
/// Pause after that.
const WATCH_ROWS_PAUSE: Duration = Duration::from_millis(10);
/// Pause between two passes.
const WATCH_PASS_PAUSE: Duration = Duration::from_secs(1);
/// The exit code of a program that was interrupted before its end.
const INTERRUPTED: u8 = 130;

/// What help says after the flags.
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

/// Flags of `verify`.
#[derive(Args, Clone, Debug)]
#[command(after_help = AFTER_HELP)]
pub struct VerifyArgs {
    /// Folder of a store that is not running; no row is written there. Without it, the instance at OTS_ENDPOINT, which
    /// must be one of `orderflow up`
    // A variable of its own: that of `up` may be set where the running instance is meant.
    #[arg(long, env = "ORDERFLOW_VERIFY_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Verify over and over, a few rows at a time, until a row differs or Ctrl-C: a line for each pass
    #[arg(long, env = "ORDERFLOW_WATCH", conflicts_with = "data")]
    pub watch: bool,
    /// Print what was found as one JSON object a pass
    #[arg(long, env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// Where the store is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

/// Recounts, compares and says what was found.
///
/// # Errors
/// [`Failure`]: 1 where rows differ, 3 where nothing can be compared, 130 if interrupted before a pass was done, else of
/// the connection.
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
    // This thread reads and compares, the other one sends, receives, and listens for an interrupt.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(3, format!("cannot start: {error}")))?;
    let mut interrupted = interrupts(&runtime);
    // Whether it is to go on.
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

/// One pass over a snapshot, which is closed after it; none if `pause` says to give up.
fn pass(
    mut recount: Recount<Remote>,
    rows_max: usize,
    pause: impl FnMut() -> bool,
) -> Result<Option<Verified>, VerifyError> {
    let found = recount.run(rows_max, pause);
    // It goes by itself where this fails.
    let _ = recount.into_source().close();
    found
}

/// True from the first interrupt on. The second one ends the program at once.
fn interrupts(runtime: &Runtime) -> watch::Receiver<bool> {
    let (interrupt, interrupted) = watch::channel(false);
    runtime.spawn(async move {
        // Where the system gives no handler, an interrupt ends the program.
        if ctrl_c().await.is_ok() {
            interrupt.send_replace(true);
            if ctrl_c().await.is_ok() {
                tell("orderflow: interrupted");
                std::process::exit(INTERRUPTED.into());
            }
        }
        // Never said, never heard.
        std::future::pending::<()>().await;
    });
    interrupted
}

/// Prints what was found.
fn conclude(verified: &Verified, as_json: bool) -> Result<(), Failure> {
    say(&match as_json {
        true => pass_json(verified),
        false => pass_text(verified),
    })?;
    verdict(verified)
}

/// A failure where rows differ.
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

/// What the recount came to.
fn recounted(verified: &Verified) -> String {
    let Verified { upper, total, users, windows, rejects, .. } = verified;
    let count = |count: i128, noun| format!("{count} {noun}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} of {} in {}, {rejects} set aside, before commit {upper}",
        count(total.orders.into(), "order"),
        count((*users).into(), "user"),
        count((*windows).into(), "window"),
    )
}

fn pass_text(verified: &Verified) -> String {
    if verified.is_equal() {
        return format!("equal: {}\n", recounted(verified));
    }
    verified.differences.iter().map(|difference| format!("{difference}\n")).collect()
}

impl fmt::Display for Difference {
    /// A line, whatever the row holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { table, key, found, recounted } = self;
        let key: NamedKey =
            self.key_names().into_iter().zip(key.iter().cloned().map(KeyPart::Value)).collect();
        let cells = |cells: &Option<Vec<Cell>>| match cells {
            None => "absent".to_owned(),
            Some(cells) if cells.is_empty() => "no columns".to_owned(),
            Some(cells) => {
                let cell = |cell: &Cell| printable(&format!("{} {}", cell.name, value_text(&cell.value)));
                cells.iter().map(cell).collect::<Vec<_>>().join(", ")
            }
        };
        let (key, found, recounted) = (named_key_text(&key), cells(found), cells(recounted));
        write!(f, "{table} ({key}): the row says {found}; the recount says {recounted}")
    }
}

/// The same as a JSON object and a line feed.
fn pass_json(verified: &Verified) -> String {
    let Verified { upper, total, users, windows, rejects, differing, differences } = verified;
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
        "{{\"equal\":{},\"upper\":{upper},\"orders\":{},\"totalPriceExact\":\"{}\",\"users\":{users},\
         \"windows\":{windows},\"rejects\":{rejects},\"differing\":{differing},\"differences\":[{}]}}\n",
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
    use dataflows::{Amount, Totals};

    use super::*;
    use store::value::{KeyValue, Value};

    fn verified(differing: u64, differences: Vec<Difference>) -> Verified {
        let total = Totals { orders: 1, amount: Amount::from_decimal(125, 2).unwrap() };
        Verified { upper: 7, total, users: 1, windows: 2, rejects: 0, differing, differences }
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
