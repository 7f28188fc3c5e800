//! The flags of `run` as typed.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use driver::config::MaxRejects;
use files::format::Format;
use files::ingest::Envelope;
use serde::Serialize;

use crate::commands::time::{as_ms, parse_duration_ms};

/// The flags of `run`. Those that the processes of one run must be given alike are found by
/// serializing them, see [`agreed`](super::agreement::agreed).
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Input")]
pub struct RunArgs {
    /// Files, globs or folders of orders; - for standard input; store:DIR for the table OrderSource
    /// in the folder of a store that is not running; tablestore+http://HOST:PORT for that table in
    /// a running store.
    #[arg(long, required = true, num_args = 1.., env = "ORDERFLOW_INPUT", value_name = "PATH")]
    pub input: Vec<String>,
    /// The names of the columns.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// Width of the windows of event time, such as 30s, 500ms, 5m or 1h.
    #[arg(long, help_heading = "Time", env = "ORDERFLOW_WINDOW", default_value = "30s", value_name = "WIDTH", value_parser = parse_duration_ms)]
    #[serde(serialize_with = "as_ms")]
    pub window: u64,
    /// Time zone that windows are printed in.
    #[arg(
        long,
        help_heading = "Time",
        env = "ORDERFLOW_TIMEZONE",
        default_value = "UTC",
        value_name = "ZONE"
    )]
    pub timezone: String,
    /// Folder for the result files; - prints the result that --result names; may be left out with
    /// --follow.
    #[arg(
        long,
        help_heading = "Output",
        env = "ORDERFLOW_OUTPUT",
        required_unless_present = "follow",
        value_name = "DIR"
    )]
    pub output: Option<PathBuf>,
    /// The result that --output - prints: users, total or windows.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_RESULT", value_name = "NAME")]
    pub result: Option<String>,
    /// Form of the result files.
    #[arg(
        long,
        help_heading = "Output",
        env = "ORDERFLOW_OUTPUT_FORMAT",
        default_value = "csv",
        value_name = "FORMAT"
    )]
    pub output_format: Format,
    /// Form of the inputs whose names do not tell it.
    #[arg(long, env = "ORDERFLOW_FORMAT", value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Whether each line is an order of its own, or the last line with an order's key wins.
    #[arg(long, env = "ORDERFLOW_ENVELOPE", default_value = "append", value_name = "KIND")]
    pub envelope: Envelope,
    /// Whether bad rows are set aside or end the run.
    #[arg(long, env = "ORDERFLOW_ON_REJECT", default_value = "keep", value_name = "WHAT")]
    pub on_reject: OnReject,
    /// Most rows that may be set aside, as a number or a share such as 0.5%; with more the run
    /// fails, and earlier results stay. A run that can use none of its rows fails in any case.
    #[arg(long, env = "ORDERFLOW_MAX_REJECTS", default_value_t = MaxRejects::ANY, value_name = "N|N%")]
    pub max_rejects: MaxRejects,
    /// Replace what is in the output folder even if it is not ours; other files there are kept.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// Orders that a worker reads before it closes an epoch; all are one epoch by default.
    #[arg(long, env = "ORDERFLOW_EPOCH_SIZE", conflicts_with = "follow", value_name = "ORDERS")]
    pub epoch_size: Option<u64>,
    /// Keep reading as files grow or standard input gives more, and print changed rows.
    #[arg(long, env = "ORDERFLOW_FOLLOW")]
    pub follow: bool,
    /// How often an epoch is closed with --follow, such as 100ms.
    #[arg(long, env = "ORDERFLOW_TICK", default_value = "100ms", value_name = "TIME", value_parser = parse_duration_ms)]
    #[serde(serialize_with = "as_ms")]
    pub tick: u64,
    /// Give each process files of its own, instead of its share of the same files.
    #[arg(long, env = "ORDERFLOW_LOCAL_INPUT")]
    pub local_input: bool,
    /// Print the summary as one JSON object.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_JSON", conflicts_with = "quiet")]
    pub json: bool,
    /// Print neither progress nor summary.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
    /// Name of the instance at tablestore+http://HOST:PORT.
    #[arg(long, env = "OTS_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Region of that instance; with one, requests are signed by version 4 of the signature.
    #[arg(long, env = "OTS_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// Which workers and processes the graph runs on.
    #[command(flatten)]
    pub graph: GraphArgs,
}

/// The workers and processes that the graph runs on. The letters of the flags and their meaning are
/// timely's.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Workers and processes")]
pub struct GraphArgs {
    /// Worker threads of each process.
    #[arg(short = 'w', long, env = "ORDERFLOW_WORKERS", default_value_t = 1, value_name = "N")]
    pub workers: usize,
    /// Number of processes.
    #[arg(short = 'n', long, env = "ORDERFLOW_PROCESSES", value_name = "N")]
    pub processes: Option<usize>,
    /// Index of this process, from 0; may be left out if only one line of the hosts file is an
    /// address of this machine.
    #[arg(short = 'p', long, env = "ORDERFLOW_PROCESS", value_name = "I")]
    pub process: Option<usize>,
    /// File with the `host:port` of each process, one a line; -n may be left out then.
    #[arg(short = 'h', long, env = "ORDERFLOW_HOSTFILE", value_name = "FILE")]
    pub hostfile: Option<PathBuf>,
    /// File with the secret that all processes share; required off loopback.
    #[arg(long, env = "ORDERFLOW_CLUSTER_KEY_FILE", value_name = "FILE")]
    pub cluster_key_file: Option<PathBuf>,
    /// Name of the run: processes of another run are refused.
    #[arg(long, env = "ORDERFLOW_CLUSTER_ID", default_value = "orderflow", value_name = "NAME")]
    pub cluster_id: String,
    /// How long to wait until all processes have come, such as 10m.
    #[arg(long, env = "ORDERFLOW_WAIT", default_value = "10s", value_name = "TIME", value_parser = parse_duration_ms)]
    #[serde(serialize_with = "as_ms")]
    pub wait: u64,
}

/// The names of the columns that make an order, if they are not the usual ones.
#[derive(Args, Clone, Debug, Default, Serialize)]
#[command(next_help_heading = "Columns")]
pub struct ColumnArgs {
    /// Column of the user's id; by default user_id or UserId.
    #[arg(long, env = "ORDERFLOW_COLUMN_USER_ID", value_name = "NAME")]
    pub column_user_id: Option<String>,
    /// Column of the order's id; by default order_id or OrderId.
    #[arg(long, env = "ORDERFLOW_COLUMN_ORDER_ID", value_name = "NAME")]
    pub column_order_id: Option<String>,
    /// Column of the price; by default price.
    #[arg(long, env = "ORDERFLOW_COLUMN_PRICE", value_name = "NAME")]
    pub column_price: Option<String>,
    /// Column of the order's time, in epoch milliseconds; by default timestamp.
    #[arg(long, env = "ORDERFLOW_COLUMN_TIMESTAMP", value_name = "NAME")]
    pub column_timestamp: Option<String>,
    /// Column that holds put or delete; by default op. Without such a column, every line puts an
    /// order.
    #[arg(long, env = "ORDERFLOW_COLUMN_OP", value_name = "NAME")]
    pub column_op: Option<String>,
}

/// What happens to bad rows.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnReject {
    /// They are set aside in rejects.jsonl.
    Keep,
    /// The run ends and writes nothing.
    Fail,
}
