//! `orderflow generate`: made-up orders to a file or to the store, the same for the same flags.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;

use super::connection::ConnectionArgs;
use super::{Failure, tell};
use crate::cli::parse_duration_ms;
use files::format::Format;
use files::generate::Spec;
use terminal::Thousands;

mod file;
mod live;
mod load;
mod pace;

pub use file::{FileError, write_file};
pub(super) use load::{Hear, Kind, Line, Load, write, write_of};
pub(super) use pace::Rate;

/// Lines that are written to the store where nothing else is said.
const STORE_ORDERS: u64 = 500;

/// Users that they are of.
const STORE_USERS: u32 = 5;

/// Hours of event time, up to now, that they are spread over.
const STORE_HOURS: u32 = 1;

/// The flags of `orderflow generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// File to write; its extension tells the format (.csv, .jsonl, .parquet; text also with .gz or .zst). `-` is stdout.
    /// Without it, orders go to the table OrderSource of the store
    #[arg(long, value_name = "FILE", env = "ORDERFLOW_TO")]
    pub to: Option<PathBuf>,
    /// Format of the file, where its extension does not tell
    #[arg(long, value_enum, requires = "to", env = "ORDERFLOW_FORMAT")]
    pub format: Option<Format>,
    /// Lines to write: orders placed, corrected and cancelled [default: 1000000; to the store 500]
    #[arg(long, env = "ORDERFLOW_ORDERS")]
    pub orders: Option<u64>,
    /// Users that the orders are of; a few of them order far more than the rest [default: 100000; to the store 5]
    #[arg(long, env = "ORDERFLOW_USERS")]
    pub users: Option<u32>,
    /// The same seed makes the same orders
    #[arg(long, default_value_t = 42, env = "ORDERFLOW_SEED")]
    pub seed: u64,
    /// Event time of the first order, in epoch milliseconds [default: 2026-01-01; to the store such that the last
    /// order is placed now, with --rate such that each is placed when it is written]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, env = "ORDERFLOW_START")]
    pub start: Option<i64>,
    /// Hours of event time that the orders are spread over [default: 24; to the store 1, with --rate the time it takes]
    #[arg(long, env = "ORDERFLOW_HOURS")]
    pub hours: Option<u32>,
    /// Of a hundred orders, how many are late
    #[arg(long, value_name = "PERCENT", default_value_t = 5, env = "ORDERFLOW_LATE")]
    pub late: u8,
    /// The most that a late order is late by, such as 90s, 10m, 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration_ms, env = "ORDERFLOW_LATE_MAX")]
    pub late_max: u64,
    /// Of a hundred lines, how many correct an earlier order: a file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CORRECTIONS")]
    pub corrections: u8,
    /// Of a hundred lines, how many cancel an earlier order: a file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CANCELS")]
    pub cancels: u8,
    /// Replace the file if there is one
    #[arg(long, requires = "to", env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// To the store: keep to so many orders a second (100/s), minute (6000/m) or hour
    #[arg(long, value_name = "N/s", conflicts_with = "to", env = "ORDERFLOW_RATE")]
    pub rate: Option<Rate>,
    /// To the store: batches in flight at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), env = "ORDERFLOW_CONNECTIONS")]
    pub connections: u16,
    /// To the store: print the summary as one JSON object
    #[arg(long, conflicts_with_all = ["quiet", "to"], env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// Print neither progress nor summary
    #[arg(long, env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
    /// Where the store is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl GenerateArgs {
    /// The orders that the flags describe, for a file.
    pub fn spec(&self) -> Spec {
        let default = Spec::default();
        Spec {
            orders: self.orders.unwrap_or(default.orders),
            users: self.users.unwrap_or(default.users),
            start_ms: self.start.unwrap_or(default.start_ms),
            span_ms: self.hours.map_or(default.span_ms, hours_ms),
            ..self.shape()
        }
    }

    /// The orders that the flags describe, for the store at this time. Without a start of the user's own, none of them
    /// lies after the time at which it is written.
    pub fn live_spec(&self, now_ms: i64) -> Spec {
        let orders = self.orders.unwrap_or(STORE_ORDERS);
        let takes_ms = self.rate.map(|rate| rate.time_of(orders).as_millis().try_into().unwrap_or(u64::MAX));
        let span_ms = self.hours.map(hours_ms).or(takes_ms).unwrap_or(hours_ms(STORE_HOURS));
        // Orders that keep a pace are placed as they are written, others have been placed by now.
        let placed_before_ms = match self.rate {
            Some(rate) => rate.lead_ms(self.connections),
            None => i64::try_from(span_ms).unwrap_or(i64::MAX),
        };
        Spec {
            orders,
            users: self.users.unwrap_or(STORE_USERS),
            start_ms: self.start.unwrap_or(now_ms.saturating_sub(placed_before_ms)),
            span_ms,
            keeps_to_past: self.start.is_none(),
            ..self.shape()
        }
    }

    /// What the flags say of orders wherever they go.
    fn shape(&self) -> Spec {
        Spec {
            seed: self.seed,
            late_percent: self.late,
            late_max_ms: self.late_max,
            corrections_percent: self.corrections,
            cancels_percent: self.cancels,
            ..Spec::default()
        }
    }
}

fn hours_ms(hours: u32) -> u64 {
    u64::from(hours) * 3_600_000
}

/// Writes the orders that the flags describe and says how many: of a file on standard error, as it may itself be
/// standard output.
///
/// # Errors
/// [`Failure`]: of [`FileError`], of the connection, or of orders that the store refused.
pub fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    let Some(to) = &args.to else { return live::generate(args) };
    let started = Instant::now();
    let spec = args.spec();
    let bytes = write_file(to, args.format, args.force, &spec, |_| {})
        .map_err(|error| Failure::new(error.exit_code(), error))?;
    if !args.quiet {
        let (orders, megabytes) = (Thousands(spec.orders), Thousands(bytes / 1_000_000));
        tell(&format!("{orders} lines, {megabytes} MB in {:.1} s", started.elapsed().as_secs_f64()));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
