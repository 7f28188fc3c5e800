//! The command line as meant: checked once, here. Nothing later reads flags or the environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dataflows::WindowWidth;

use crate::cli::{self, OnReject, RunArgs};
use crate::cluster::{self, ClusterConfig, ClusterError};
use crate::ingest::{ColumnNames, Envelope, InputOptions};
use crate::sinks::{Format, Layout, Zone, ZoneError};
use crate::summary::SummaryForm;

/// Inputs that one process may have: with local inputs, process `p` counts its own from `p` times this.
pub const INPUTS_MAX: u32 = 1 << 20;

/// The shortest tick of a run that follows.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A run of the graph over files or streams.
#[derive(Clone)]
pub struct RunConfig {
    /// What to read.
    pub inputs: InputOptions,
    /// Each process reads inputs of its own.
    pub local_input: bool,
    /// Where results go, and whether over what is there.
    pub output: Option<OutputConfig>,
    /// How results are printed.
    pub layout: Layout,
    /// A bad row ends the run.
    pub fail_on_reject: bool,
    /// Orders that a worker reads before it closes an epoch; `None` for one epoch of all.
    pub epoch_orders: Option<u64>,
    /// Keep reading, and close an epoch so often.
    pub follow_tick: Option<Duration>,
    /// How the summary is told.
    pub summary: SummaryForm,
    /// Where the graph runs.
    pub cluster: ClusterConfig,
}

/// Where results go.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// The folder.
    pub dir: PathBuf,
    /// Also if something else is in it.
    pub force: bool,
}

/// A flag that means nothing.
#[derive(Debug)]
pub enum ConfigError {
    /// A duration that is not one.
    Duration {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// A number that must be at least 1.
    Zero(&'static str),
    /// See [`ZoneError`].
    Zone(ZoneError),
    /// See [`ClusterError`].
    Cluster(ClusterError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Duration { flag, value } => {
                write!(f, "{flag} {value:?} is not a length of time: use such as 30s, 500ms, 5m or 1h")
            }
            ConfigError::Zero(flag) => write!(f, "{flag} must be at least 1"),
            ConfigError::Zone(error) => error.fmt(f),
            ConfigError::Cluster(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            ConfigError::Cluster(error) => error.exit_code(),
            _ => 2,
        }
    }
}

impl RunConfig {
    /// What the flags of `run` mean.
    ///
    /// # Errors
    /// [`ConfigError`], which names the flag. Inputs and output folder are not looked at yet.
    pub fn new(args: &RunArgs) -> Result<RunConfig, ConfigError> {
        let width = duration("--window", &args.window)?;
        let width = u32::try_from(width.as_millis()).ok().and_then(WindowWidth::from_ms);
        let width = width.ok_or_else(|| not_a_duration("--window", &args.window))?;
        let tick = duration("--tick", &args.tick)?;
        if tick < TICK_MIN {
            return Err(not_a_duration("--tick", &args.tick));
        }
        if args.epoch_size == Some(0) {
            return Err(ConfigError::Zero("--epoch-size"));
        }
        let graph = &args.graph;
        let mut cluster = cluster::resolve(
            graph.workers,
            graph.processes,
            graph.process,
            graph.hostfile.as_deref(),
            graph.cluster_key_file.as_deref(),
        )
        .map_err(ConfigError::Cluster)?;
        cluster.cluster_id.clone_from(&graph.cluster_id);
        let first_input = if args.local_input { cluster.process as u32 * INPUTS_MAX } else { 0 };
        let format = match args.output_format {
            cli::OutputFormat::Csv => Format::Csv,
            cli::OutputFormat::Jsonl => Format::Jsonl,
            cli::OutputFormat::Parquet => Format::Parquet,
        };
        Ok(RunConfig {
            inputs: InputOptions {
                inputs: args.input.clone(),
                format: args.format,
                envelope: match args.envelope {
                    cli::Envelope::Append => Envelope::Append,
                    cli::Envelope::Upsert => Envelope::Upsert,
                },
                names: names(&args.columns),
                first_input,
                follow: args.follow,
            },
            local_input: args.local_input,
            output: args.output.clone().map(|dir| OutputConfig { dir, force: args.force }),
            layout: Layout { format, zone: Zone::parse(&args.timezone).map_err(ConfigError::Zone)?, width },
            fail_on_reject: args.on_reject == OnReject::Fail,
            epoch_orders: args.epoch_size,
            follow_tick: args.follow.then_some(tick),
            summary: match (args.json, args.quiet) {
                (true, _) => SummaryForm::Json,
                (_, true) => SummaryForm::Quiet,
                _ => SummaryForm::Text,
            },
            cluster,
        })
    }
}

fn names(columns: &cli::ColumnArgs) -> ColumnNames {
    ColumnNames {
        user_id: columns.column_user_id.clone(),
        order_id: columns.column_order_id.clone(),
        price: columns.column_price.clone(),
        timestamp: columns.column_timestamp.clone(),
        op: columns.column_op.clone(),
    }
}

fn not_a_duration(flag: &'static str, value: &str) -> ConfigError {
    ConfigError::Duration { flag, value: value.to_owned() }
}

/// A length of time as people type it: digits and one of ms, s, m, h, d.
fn duration(flag: &'static str, value: &str) -> Result<Duration, ConfigError> {
    let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(not_a_duration(flag, value)),
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms));
    ms.map(Duration::from_millis).ok_or_else(|| not_a_duration(flag, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time() {
        for (value, ms) in [("30s", 30_000), ("500ms", 500), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)] {
            assert_eq!(duration("--window", value).unwrap(), Duration::from_millis(ms), "{value}");
        }
        for value in ["", "s", "30", "-1s", "1.5s", "30 s", "99999999999999999999s", "30w"] {
            let message = duration("--window", value).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("--window {value:?} is not a length of time: use such as 30s, 500ms, 5m or 1h")
            );
        }
    }
}
