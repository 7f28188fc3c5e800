//! `orderflow demo`: one command, nothing to prepare. Orders are made up, written to a file and run through
//! the graph; what came out is shown, and what to try next.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use dataflows::{Id, Totals, WindowWidth};

use super::{Failure, generate, say};
use crate::cluster;
use crate::config::{OutputConfig, RunConfig};
use crate::driver::{self, Outcome};
use crate::format::Format;
use crate::generate::Spec;
use crate::ingest::{ColumnNames, Envelope, InputOptions};
use crate::sinks::{Layout, Results, Zone};
use crate::summary::{SummaryForm, Thousands, amount_for_people};

/// Users that the demo shows.
const USERS_SHOWN: usize = 10;

/// Windows that the demo shows, of the busiest and of the last.
const WINDOWS_SHOWN: usize = 5;

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// Orders to make up.
    #[arg(long, env = "ORDERFLOW_ORDERS", default_value_t = 1_000_000, value_name = "N")]
    pub orders: u64,
    /// Users who order; a few of them order most.
    #[arg(long, env = "ORDERFLOW_USERS", default_value_t = 10_000, value_name = "N")]
    pub users: u32,
    /// The same seed makes the same orders.
    #[arg(long, env = "ORDERFLOW_SEED", default_value_t = 42, value_name = "N")]
    pub seed: u64,
    /// Worker threads.
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 2, value_name = "N")]
    pub workers: usize,
    /// Folder to keep orders and results in; a temporary one, removed at the end, by default.
    #[arg(long, env = "ORDERFLOW_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Runs the demo.
///
/// # Errors
/// [`Failure`], as of `generate` and `run`.
pub fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let cannot = |what: &str, error: std::io::Error| Failure::new(3, format!("cannot {what}: {error}"));
    let temporary = match &args.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("orderflow-demo-").tempdir())
            .transpose()
            .map_err(|error| cannot("make a temporary folder", error))?,
    };
    let folder = match (&args.data, &temporary) {
        (Some(folder), _) => folder.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => PathBuf::new(),
    };
    std::fs::create_dir_all(&folder).map_err(|error| cannot(&format!("make {}", folder.display()), error))?;
    let file = folder.join("orders.csv");
    say(&format!(
        "Making up {} orders of {} users …\n",
        Thousands(args.orders),
        Thousands(args.users.into())
    ))?;
    let started = Instant::now();
    // Over what is there from the last time.
    let bytes = generate::write_file(&file, None, true, &spec(args), |_| {})
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let seconds = started.elapsed().as_secs_f64();
    say(&format!("  {} MB of CSV in {seconds:.1} s\n\n", Thousands(bytes / 1_000_000)))?;
    say(&format!("Running the graph over them with {} workers …\n", args.workers))?;
    let outcome = driver::run(config(args, &file, folder.join("results"))?)
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    let Some(outcome) = outcome else { return Ok(()) };
    say(&shown(&outcome))?;
    say(&next(args, &folder))
}

fn spec(args: &DemoArgs) -> Spec {
    Spec { orders: args.orders, users: args.users, seed: args.seed, ..Spec::default() }
}

fn config(args: &DemoArgs, file: &Path, dir: PathBuf) -> Result<RunConfig, Failure> {
    let cluster = cluster::resolve(args.workers, None, None, None, None)
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    Ok(RunConfig {
        inputs: InputOptions {
            inputs: vec![file.display().to_string()],
            format: None,
            envelope: Envelope::Append,
            names: ColumnNames::default(),
            first_input: 0,
            follow: false,
        },
        tables: Vec::new(),
        local_input: false,
        output: Some(OutputConfig { dir, force: false }),
        layout: Layout { format: Format::Csv, zone: Zone::default(), width: WindowWidth::default() },
        fail_on_reject: false,
        epoch_orders: None,
        follow_tick: None,
        summary: SummaryForm::Text,
        cluster,
    })
}

/// The results, for people.
fn shown(outcome: &Outcome) -> String {
    let mut text = format!("{}\n", outcome.summary);
    let Results { users, windows, .. } = &outcome.results;
    let mut top: Vec<(&Id, &Totals)> = users.iter().collect();
    top.sort_by(|a, b| (b.1.amount, a.0).cmp(&(a.1.amount, b.0)));
    table(
        &mut text,
        "Top users",
        top.into_iter().take(USERS_SHOWN).map(|(user, totals)| (user.to_string(), totals)),
    );
    let zone = Zone::default();
    let window = |(start_ms, totals): (&i64, _)| (zone.format(*start_ms), totals);
    let mut busiest: Vec<(&i64, &Totals)> = windows.iter().collect();
    busiest.sort_by(|a, b| (b.1.orders, a.0).cmp(&(a.1.orders, b.0)));
    table(&mut text, "Busiest windows", busiest.into_iter().take(WINDOWS_SHOWN).map(window));
    let last: Vec<_> = windows.iter().rev().take(WINDOWS_SHOWN).collect();
    table(&mut text, "Last windows", last.into_iter().rev().map(window));
    text
}

fn table<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (String, &'a Totals)>) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "{title:<22}{:>10}{:>18}", "orders", "amount");
    for (key, totals) in rows {
        let orders = Thousands(totals.orders.unsigned_abs()).to_string();
        let _ = writeln!(text, "  {key:<20}{orders:>10}{:>18}", amount_for_people(totals.amount));
    }
    text.push('\n');
}

/// What to try next.
fn next(args: &DemoArgs, folder: &Path) -> String {
    let kept = match &args.data {
        Some(_) => format!("Orders and results are in {}.\n\n", folder.display()),
        None => "Orders and results were temporary: keep them with --data DIR.\n\n".to_owned(),
    };
    format!(
        "{kept}Next:\n  \
         orderflow demo -w 8                                        eight workers, the same numbers\n  \
         orderflow demo --orders 10000000 --users 100000            ten times as many orders\n  \
         orderflow generate --to orders.csv --orders 1000000        orders of your own making\n  \
         orderflow run --input orders.csv --output results -w 2     the three results as files\n  \
         orderflow run --input orders.csv --follow                  changed rows, as the file grows\n"
    )
}
