//! The command line as typed. What the flags mean together is for [`config`](driver::config) to say.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::clean::CleanArgs;
use crate::commands::demo::DemoArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::init::InitArgs;
use crate::commands::rows::RowsArgs;
use crate::commands::tables::TablesArgs;
use crate::commands::tunnel::TunnelArgs;
use crate::commands::up::UpArgs;
use crate::commands::verify::VerifyArgs;
use files::format::Format;
use files::ingest::Envelope;

/// Real-time and batch totals of e-commerce orders: per user, in all, and per window of event time.
#[derive(Parser, Debug)]
#[command(version, disable_help_flag = true, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print help.
    #[arg(long, global = true, display_order = 999, action = clap::ArgAction::Help)]
    pub help: Option<bool>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Run an instance of its own with a day of made-up orders and more as they come, and watch them on its page.
    Demo(Box<DemoArgs>),
    /// Run the graph over files, standard input, or the orders in a store.
    Run(Box<RunArgs>),
    /// Run the store of a data directory, a Tablestore instance of your own, and the live job on it.
    Up(Box<UpArgs>),
    /// Make the tables of the orders and of the results in the store, and the tunnel.
    Init(InitArgs),
    /// Write orders to the store or to a file, to try things on.
    Generate(Box<GenerateArgs>),
    /// List the tables of the store.
    Tables(TablesArgs),
    /// Show rows of a table of the store.
    Rows(RowsArgs),
    /// List, describe, make and delete tunnels of the store.
    Tunnel(TunnelArgs),
    /// Recount the results from the orders, and say whether they are right.
    Verify(VerifyArgs),
    /// Delete what init made.
    Clean(CleanArgs),
}

/// Where the graph runs: timely's letters, with timely's meaning.
#[derive(Args, Clone, Debug)]
pub struct GraphArgs {
    /// Worker threads of each process.
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Number of processes.
    #[arg(short = 'n', long, env = "ORDERFLOW_PROCESSES", value_name = "N")]
    pub processes: Option<usize>,
    /// Index of this process, from 0; found from the local addresses where the hosts file tells them apart.
    #[arg(short = 'p', long, env = "ORDERFLOW_PROCESS", value_name = "I")]
    pub process: Option<usize>,
    /// File with the `host:port` of each process, a line each; alone it implies -n.
    #[arg(short = 'h', long, env = "ORDERFLOW_HOSTFILE", value_name = "FILE")]
    pub hostfile: Option<PathBuf>,
    /// File with the secret that all processes share; required off loopback.
    #[arg(long, env = "ORDERFLOW_CLUSTER_KEY_FILE", value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,
    /// Name of the run: processes of another run are refused.
    #[arg(long, env = "ORDERFLOW_CLUSTER_ID", default_value = "orderflow", value_name = "NAME")]
    pub cluster_id: String,
}

/// Flags of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// A file, glob or directory of orders; - for standard input; store:DIR for the table OrderSource in the folder of a
    /// store that is not running, tablestore+http://HOST:PORT in one that is; may be repeated.
    #[arg(long, required = true, env = "ORDERFLOW_INPUT", value_name = "PATH")]
    pub input: Vec<String>,
    /// Folder for the result files; may be left out with --follow.
    #[arg(long, env = "ORDERFLOW_OUTPUT", required_unless_present = "follow", value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Form of the result files.
    #[arg(long, env = "ORDERFLOW_OUTPUT_FORMAT", default_value = "csv", value_name = "FORMAT")]
    pub output_format: Format,
    /// Form of the inputs, where their names do not tell.
    #[arg(long, env = "ORDERFLOW_FORMAT", value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Width of the windows of event time, such as 30s, 500ms, 5m or 1h.
    #[arg(long, env = "ORDERFLOW_WINDOW", default_value = "30s", value_name = "WIDTH", value_parser = parse_duration_ms)]
    pub window: u64,
    /// Time zone that windows are printed in.
    #[arg(long, env = "ORDERFLOW_TIMEZONE", default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
    /// Whether each line is an order, or the last line of an order's key wins.
    #[arg(long, env = "ORDERFLOW_ENVELOPE", default_value = "append", value_name = "KIND")]
    pub envelope: Envelope,
    /// Whether bad rows are set aside, or end the run.
    #[arg(long, env = "ORDERFLOW_ON_REJECT", default_value = "keep", value_name = "WHAT")]
    pub on_reject: OnReject,
    /// Names of the columns.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Replace what is in the output folder even if it is not ours; other files there are kept.
    #[arg(long, env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// Orders that a worker reads before it closes an epoch; all are one epoch by default.
    #[arg(long, env = "ORDERFLOW_EPOCH_SIZE", conflicts_with = "follow", value_name = "ORDERS")]
    pub epoch_size: Option<u64>,
    /// Keep reading as files grow or standard input gives more, and print changed rows.
    #[arg(long, env = "ORDERFLOW_FOLLOW")]
    pub follow: bool,
    /// How often an epoch is closed with --follow, such as 100ms.
    #[arg(long, env = "ORDERFLOW_TICK", default_value = "100ms", value_name = "TIME", value_parser = parse_duration_ms)]
    pub tick: u64,
    /// Each process reads files of its own, instead of its share of the same files.
    #[arg(long, env = "ORDERFLOW_LOCAL_INPUT")]
    pub local_input: bool,
    /// Print the summary as one JSON object.
    #[arg(long, env = "ORDERFLOW_JSON", conflicts_with = "quiet")]
    pub json: bool,
    /// Print neither progress nor summary.
    #[arg(long, env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
    /// Name of the instance at tablestore+http://HOST:PORT.
    #[arg(long, env = "OTS_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Region of that instance; with one, requests are signed by version 4.
    #[arg(long, env = "OTS_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Where the graph runs.
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// Names of the columns that make an order, where they are not the usual ones.
#[derive(Args, Clone, Debug, Default)]
pub struct ColumnArgs {
    /// Who ordered; by default user_id or UserId.
    #[arg(long, env = "ORDERFLOW_COLUMN_USER_ID", value_name = "NAME")]
    pub column_user_id: Option<String>,
    /// Which order of theirs; by default order_id or OrderId.
    #[arg(long, env = "ORDERFLOW_COLUMN_ORDER_ID", value_name = "NAME")]
    pub column_order_id: Option<String>,
    /// How much; by default price.
    #[arg(long, env = "ORDERFLOW_COLUMN_PRICE", value_name = "NAME")]
    pub column_price: Option<String>,
    /// When, in epoch milliseconds; by default timestamp.
    #[arg(long, env = "ORDERFLOW_COLUMN_TIMESTAMP", value_name = "NAME")]
    pub column_timestamp: Option<String>,
    /// put or delete; by default op, and put where there is no such column.
    #[arg(long, env = "ORDERFLOW_COLUMN_OP", value_name = "NAME")]
    pub column_op: Option<String>,
}

/// What happens to bad rows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnReject {
    /// They are set aside in rejects.jsonl.
    Keep,
    /// The run ends and writes nothing.
    Fail,
}

/// A length of time as people type it, in milliseconds: a whole number of ms, s, m, h or d.
///
/// # Errors
/// What to type instead.
pub fn parse_duration_ms(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let ms =
        number.parse::<u64>().ok().zip(unit_ms).and_then(|(number, unit_ms)| number.checked_mul(unit_ms));
    ms.ok_or_else(|| "expected a whole number and a unit, such as 500ms, 30s, 10m, 12h or 30d".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (text, ms) in [("0s", 0), ("500ms", 500), ("30s", 30_000), ("5m", 300_000), ("2d", 172_800_000)] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for text in
            ["", "s", "30", "-1s", "1.5s", "30 s", "99999999999999999999s", "30w", "99999999999999999d"]
        {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
