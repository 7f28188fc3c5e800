//! The flags of `run` as typed.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use dataflows::ViewId;
use driver::config::MaxRejects;
use files::format::Format;
use files::ingest::Envelope;
use serde::{Serialize, Serializer};

use crate::commands::time::{as_ms, parse_duration_ms};

/// The flags of `run`. Those that the processes of one run must be given alike are found by
/// serializing them, in the module `agreement`.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Input")]
pub struct RunArgs {
    /// Files, globs or folders of orders; - for standard input; store:DIR for the table OrderSource
    /// in the folder of a store that is not running; tablestore+http://HOST:PORT for that table in
    /// a running store.
    #[arg(long, required = true, num_args = 1.., env = "ORDERFLOW_INPUT", value_name = "PATH")]
    pub input: Vec<String>,
    /// Form of the inputs whose names do not tell it.
    #[arg(long, env = "ORDERFLOW_FORMAT", value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Whether each line is an order of its own, the last line with an order's key wins, or lines
    /// are changes as Debezium writes them.
    #[arg(long, env = "ORDERFLOW_ENVELOPE", default_value = "append", value_name = "KIND")]
    pub envelope: Envelope,
    /// Whether bad rows are set aside or end the run.
    #[arg(long, env = "ORDERFLOW_ON_REJECT", default_value = "keep", value_name = "WHAT")]
    pub on_reject: OnReject,
    /// Most rows that may be set aside, as a number or a share such as 0.5%; with more the run
    /// fails, and earlier results stay. A run that can use none of its rows fails in any case.
    #[arg(long, env = "ORDERFLOW_MAX_REJECTS", default_value_t = MaxRejects::ANY, value_name = "N|N%")]
    pub max_rejects: MaxRejects,
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
    /// Name of the instance at tablestore+http://HOST:PORT.
    #[arg(long, env = "OTS_INSTANCE", value_name = "NAME")]
    pub instance: Option<String>,
    /// Region of that instance; with one, requests are signed by version 4 of the signature.
    #[arg(long, env = "OTS_REGION", value_name = "REGION")]
    pub region: Option<String>,
    /// The names of the columns.
    #[command(flatten)]
    pub columns: ColumnArgs,
    /// How values are spelled.
    #[command(flatten)]
    pub spelling: SpellingArgs,
    /// Width of the windows of event time, such as 30s, 500ms, 5m or 1h.
    #[arg(long, help_heading = "Time", env = "ORDERFLOW_WINDOW", default_value = "30s", value_name = "WIDTH", value_parser = parse_duration_ms)]
    #[serde(serialize_with = "as_ms")]
    pub window: u64,
    /// Time zone that windows are printed in, and at whose midnight windows of hours and days begin.
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
    /// The result that --output - prints.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_RESULT", value_name = "NAME", value_parser = result_names())]
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
    /// Replace what is in the output folder even if it is not ours; other files there are kept.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_FORCE")]
    pub force: bool,
    /// Print the summary as one JSON object.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_JSON", conflicts_with = "quiet")]
    pub json: bool,
    /// Print neither progress nor summary.
    #[arg(long, help_heading = "Output", env = "ORDERFLOW_QUIET")]
    pub quiet: bool,
    /// Which workers and processes the graph runs on.
    #[command(flatten)]
    pub graph: GraphArgs,
}

fn result_names() -> PossibleValuesParser {
    PossibleValuesParser::new(ViewId::all().map(|view| view.name))
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

/// How the values of orders are spelled, if not in the usual way.
#[derive(Args, Clone, Debug, Serialize)]
#[command(next_help_heading = "Input")]
pub struct SpellingArgs {
    /// What stands between two fields of CSV: one character, or tab; by default a comma, and a tab
    /// in files named .tsv.
    #[arg(long, env = "ORDERFLOW_DELIMITER", value_name = "CHAR", value_parser = parse_delimiter)]
    #[serde(serialize_with = "as_char")]
    pub delimiter: Option<u8>,
    /// Read a comma in numbers of text as the decimal mark.
    #[arg(long, env = "ORDERFLOW_DECIMAL_COMMA")]
    pub decimal_comma: bool,
    /// What timestamps that are numbers count.
    #[arg(
        long,
        help_heading = "Time",
        env = "ORDERFLOW_TIMESTAMP_UNIT",
        default_value = "ms",
        value_name = "UNIT"
    )]
    pub timestamp_unit: UnitArg,
    /// How timestamps are written that are neither numbers nor ISO 8601, such as '%m/%d/%Y %H:%M';
    /// the letters are those of strptime.
    #[arg(long, help_heading = "Time", env = "ORDERFLOW_TIMESTAMP_FORMAT", value_name = "FORMAT")]
    pub timestamp_format: Option<String>,
    /// Time zone of timestamps that do not tell theirs.
    #[arg(
        long,
        help_heading = "Time",
        env = "ORDERFLOW_INPUT_TIMEZONE",
        default_value = "UTC",
        value_name = "ZONE"
    )]
    pub input_timezone: String,
    /// Count orders without a user under this name, instead of setting them aside.
    #[arg(long, env = "ORDERFLOW_GUEST_AS", value_name = "NAME")]
    pub guest_as: Option<String>,
    /// Memory that unpacking a .zst file may take, such as 512MiB.
    #[arg(long, env = "ORDERFLOW_ZSTD_WINDOW_MAX", value_name = "SIZE", value_parser = parse_size)]
    pub zstd_window_max: Option<u64>,
}

/// What a number counts since 1970.
#[derive(Copy, Clone, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnitArg {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    Ns,
}

/// Parses a delimiter as people type it.
fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0) => Ok(*byte),
        _ => Err("expected one ASCII character that is no quote, such as ';', or tab".to_owned()),
    }
}

/// Serializes a delimiter as the character that it is.
fn as_char<S: Serializer>(delimiter: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
    delimiter.map(char::from).serialize(serializer)
}

/// Parses a size as people type it, and returns it in bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_bytes = match unit {
        "KiB" => Some(1_u64 << 10),
        "MiB" => Some(1 << 20),
        "GiB" => Some(1 << 30),
        _ => None,
    };
    let size = number.parse::<u64>().ok().zip(unit_bytes).and_then(|(number, unit)| number.checked_mul(unit));
    size.filter(|size| *size > 0)
        .ok_or_else(|| "expected a whole number and a unit, such as 512MiB or 1GiB".to_owned())
}

/// The names of the columns that make an order, if they are not the usual ones. In JSON they may be
/// paths, such as payload.after.user_id.
#[derive(Args, Clone, Debug, Default, Serialize)]
#[command(next_help_heading = "Columns")]
pub struct ColumnArgs {
    /// Column of the user's id; by default user_id or UserId.
    #[arg(long, env = "ORDERFLOW_COLUMN_USER_ID", value_name = "NAME")]
    pub column_user_id: Option<String>,
    /// Column of the order's id; by default order_id or OrderId. Where each line is an order of its
    /// own, there need not be one.
    #[arg(long, env = "ORDERFLOW_COLUMN_ORDER_ID", value_name = "NAME")]
    pub column_order_id: Option<String>,
    /// Column of the price; by default price.
    #[arg(long, env = "ORDERFLOW_COLUMN_PRICE", value_name = "NAME")]
    pub column_price: Option<String>,
    /// Column of the order's time; by default timestamp.
    #[arg(long, env = "ORDERFLOW_COLUMN_TIMESTAMP", value_name = "NAME")]
    pub column_timestamp: Option<String>,
    /// Column that holds put or delete; by default op. Without such a column, every line puts an
    /// order.
    #[arg(long, env = "ORDERFLOW_COLUMN_OP", value_name = "NAME")]
    pub column_op: Option<String>,
    /// Column of a quantity; the amount of an order is then the quantity times the price.
    #[arg(long, env = "ORDERFLOW_COLUMN_QUANTITY", value_name = "NAME")]
    pub column_quantity: Option<String>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_are_one_byte() {
        for (text, delimiter) in [
            (",", Some(b',')),
            (";", Some(b';')),
            ("tab", Some(b'\t')),
            ("\\t", Some(b'\t')),
            ("\t", Some(b'\t')),
            ("|", Some(b'|')),
        ] {
            assert_eq!(parse_delimiter(text).ok(), delimiter, "{text}");
        }
        for text in ["", ";;", "\"", "\n", "§", "tabs"] {
            assert!(parse_delimiter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("1KiB", 1_024), ("512MiB", 512 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0MiB", "512", "512MB", "-1MiB", "99999999999999999999GiB", "1.5GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
