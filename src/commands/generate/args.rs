//! The flags of `orderflow generate`, and the orders that they describe.

use std::path::PathBuf;

use clap::Args;

use super::file::FileForm;
use super::pace::Rate;
use crate::commands::connection::ConnectionArgs;
use crate::commands::time::parse_duration_ms;
use files::format::Format;
use files::generate::{Shape, Spec};

/// The number of lines that are written to the store by default.
const STORE_ORDERS: u64 = 500;

/// The number of users of orders that are written to the store by default.
const STORE_USERS: u32 = 5;

/// The hours of event time, up to now, over which orders written to the store are spread by
/// default.
const STORE_HOURS: u32 = 1;

/// The flags of `orderflow generate`.
#[derive(Args, Clone, Debug)]
pub struct GenerateArgs {
    /// File to write; its extension tells the format (.csv, .jsonl, .parquet; text also with .gz or
    /// .zst). `-` is standard output. Without this flag, orders go to the table OrderSource of the
    /// store
    #[arg(long, value_name = "FILE", env = "ORDERFLOW_TO")]
    pub to: Option<PathBuf>,
    /// Format of the file, if its extension does not tell it
    #[arg(long, value_enum, requires = "to", env = "ORDERFLOW_FORMAT")]
    pub format: Option<Format>,
    /// Shape of the file, as a usual source has it; the README says which flags of run read it
    #[arg(
        long,
        value_enum,
        requires = "to",
        conflicts_with = "format",
        env = "ORDERFLOW_SHAPE",
        value_name = "SOURCE"
    )]
    pub shape: Option<Shape>,
    /// Number of lines to write, each of which places, corrects or cancels an order [default:
    /// 1000000; to the store 500]
    #[arg(long, env = "ORDERFLOW_ORDERS")]
    pub orders: Option<u64>,
    /// Number of users; a few of them order far more than the rest [default: 100000; to the store
    /// 5]
    #[arg(long, env = "ORDERFLOW_USERS")]
    pub users: Option<u32>,
    /// Seed of the random numbers; the same seed makes the same orders
    #[arg(long, default_value_t = 42, env = "ORDERFLOW_SEED")]
    pub seed: u64,
    /// Event time of the first order, in epoch milliseconds [default: 2026-01-01; to the store a
    /// time such that the last order is placed now, or with --rate the present time]
    #[arg(long, value_name = "MS", allow_negative_numbers = true, env = "ORDERFLOW_START")]
    pub start: Option<i64>,
    /// Hours of event time that the orders are spread over [default: 24; to the store 1, or with
    /// --rate the time that writing takes]
    #[arg(long, env = "ORDERFLOW_HOURS")]
    pub hours: Option<u32>,
    /// How many of a hundred orders are late
    #[arg(long, value_name = "PERCENT", default_value_t = 5, env = "ORDERFLOW_LATE")]
    pub late: u8,
    /// The most by which a late order is late, such as 90s, 10m, 12h or 30d
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = parse_duration_ms, env = "ORDERFLOW_LATE_MAX")]
    pub late_max: u64,
    /// How many of a hundred lines correct an earlier order; a file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CORRECTIONS")]
    pub corrections: u8,
    /// How many of a hundred lines cancel an earlier order; a file is then a log of upserts
    #[arg(long, value_name = "PERCENT", default_value_t = 0, env = "ORDERFLOW_CANCELS")]
    pub cancels: u8,
    /// Replace the file if there is one
    #[arg(long, requires = "to", env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// To the store: write this many orders a second (100/s), minute (6000/m) or hour (5/h)
    #[arg(long, value_name = "N/s", conflicts_with = "to", env = "ORDERFLOW_RATE")]
    pub rate: Option<Rate>,
    /// To the store: number of batches in flight at the same time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64), env = "ORDERFLOW_CONNECTIONS")]
    pub connections: u16,
    /// To the store: print the summary as one JSON object
    #[arg(long, conflicts_with_all = ["quiet", "to"], env = "ORDERFLOW_JSON")]
    pub json: bool,
    /// Print neither progress nor summary
    #[arg(long, env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
    /// The connection to the store.
    #[command(flatten)]
    pub connection: ConnectionArgs,
}

impl GenerateArgs {
    /// Returns the form of the file that the flags ask for.
    pub fn form(&self) -> FileForm {
        FileForm { format: self.format, shape: self.shape }
    }

    /// Returns the orders that the flags describe, for a file.
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

    /// Returns the orders that the flags describe, for the store. `now_ms` is the present time
    /// (epoch ms). Unless the user gives a start, none of the orders lies after the time at which
    /// it is written.
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

    /// Returns what the flags say of orders wherever they are written.
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
