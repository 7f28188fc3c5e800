//! The command line as meant: checked once, here. Nothing later reads flags or the environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dataflows::WindowWidth;

use crate::cli::{self, OnReject, RunArgs};
use cluster::{self, ClusterConfig, ClusterError};
use crate::commands::connection::ConnectionArgs;
use files::format::Format;
use crate::table::{Place, TableInput, TableName};
use files::ingest::{ColumnNames, Envelope, InputOptions};
use orders::{Layout, Zone, ZoneError};
use crate::summary::SummaryForm;

/// Inputs that one process may have: with local inputs, process `p` counts its own from `p` times this.
pub const INPUTS_MAX: u32 = 1 << 20;

/// The widest window, for messages: 2^32 milliseconds.
const WINDOW_MAX: &str = "49d";

/// A run of the graph over files, streams or tables.
#[derive(Clone)]
pub struct RunConfig {
    /// The files and streams to read.
    pub inputs: InputOptions,
    /// The tables to read.
    pub tables: Vec<TableInput>,
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
    /// A number that must not be 0.
    Zero(&'static str),
    /// A length of time beyond what is possible.
    TooLong(&'static str, &'static str),
    /// A flag that makes no sense for an input that is a table.
    Table(&'static str),
    /// A setting of the connection that is missing; says where it comes from.
    Connection(String),
    /// See [`ZoneError`].
    Zone(ZoneError),
    /// See [`ClusterError`].
    Cluster(ClusterError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Zero(flag) => write!(f, "{flag} must not be 0"),
            ConfigError::TooLong(flag, max) => write!(f, "{flag} can be at most {max}"),
            ConfigError::Table(reason) => f.write_str(reason),
            ConfigError::Connection(message) => f.write_str(message),
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
        let layout = layout(args.output_format, args.window, &args.timezone)?;
        if args.tick == 0 {
            return Err(ConfigError::Zero("--tick"));
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
        let (tables, inputs) = inputs(args)?;
        if !tables.is_empty() {
            check_tables(args, &cluster)?;
        }
        let first_input = if args.local_input { cluster.process as u32 * INPUTS_MAX } else { 0 };
        Ok(RunConfig {
            inputs: InputOptions {
                inputs,
                format: args.format,
                envelope: args.envelope,
                names: names(&args.columns),
                first_input,
                follow: args.follow,
            },
            tables,
            local_input: args.local_input,
            output: args.output.clone().map(|dir| OutputConfig { dir, force: args.force }),
            layout,
            fail_on_reject: args.on_reject == OnReject::Fail,
            epoch_orders: args.epoch_size,
            follow_tick: args.follow.then_some(Duration::from_millis(args.tick)),
            summary: match (args.json, args.quiet) {
                (true, _) => SummaryForm::Json,
                (_, true) => SummaryForm::Quiet,
                _ => SummaryForm::Text,
            },
            cluster,
        })
    }
}

/// How results are printed, by the flags `--window`, in milliseconds, and `--timezone`.
///
/// # Errors
/// [`ConfigError`], which names the flag.
pub fn layout(format: Format, window_ms: u64, timezone: &str) -> Result<Layout, ConfigError> {
    let width = u32::try_from(window_ms).map_err(|_| ConfigError::TooLong("--window", WINDOW_MAX))?;
    let width = WindowWidth::from_ms(width).ok_or(ConfigError::Zero("--window"))?;
    Ok(Layout { format, zone: Zone::parse(timezone).map_err(ConfigError::Zone)?, width })
}

/// The tables among the inputs as typed, and the rest.
fn inputs(args: &RunArgs) -> Result<(Vec<TableInput>, Vec<String>), ConfigError> {
    let (mut tables, mut files) = (Vec::new(), Vec::new());
    for typed in &args.input {
        let place = match TableName::parse(typed) {
            None => {
                files.push(typed.clone());
                continue;
            }
            Some(TableName::Folder(folder)) => Place::Folder(folder),
            Some(TableName::Wire(endpoint)) => {
                let (endpoint, instance, region) =
                    (Some(endpoint), args.instance.clone(), args.region.clone());
                let settings = ConnectionArgs { endpoint, instance, region }.settings(std::env::var);
                Place::Wire(settings.map_err(|failure| ConfigError::Connection(failure.message))?)
            }
        };
        tables.push(TableInput { name: typed.clone(), place });
    }
    Ok((tables, files))
}

/// Refuses what makes no sense where an input is a table.
fn check_tables(args: &RunArgs, cluster: &ClusterConfig) -> Result<(), ConfigError> {
    let refused = |reason| Err(ConfigError::Table(reason));
    if args.follow {
        return refused(
            "--follow reads files as they grow: what follows the orders of a store is `orderflow up`",
        );
    }
    if args.envelope == Envelope::Upsert {
        return refused(
            "--envelope upsert is for logs of lines: a store holds each order once, as it is now",
        );
    }
    if names(&args.columns) != ColumnNames::default() {
        return refused(
            "--column-… is for files: in a store, the columns of an order are price and timestamp",
        );
    }
    if cluster.processes > 1 && !args.local_input {
        return refused(
            "a store is read by one process: leave -n, -p and -h out, or give each process a store of its own \
             with --local-input",
        );
    }
    Ok(())
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
