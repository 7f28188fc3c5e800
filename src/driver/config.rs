//! A run as meant: checked where it is made, so nothing later reads flags or the environment.

use std::path::PathBuf;
use std::time::Duration;

use cluster::ClusterConfig;
use files::format::Format;
use files::ingest::InputOptions;
use orders::Layout;

use crate::summary::SummaryForm;
use crate::table::TableInput;

/// Inputs that one process may have: with local inputs, process `p` counts its own from `p` times this.
pub const INPUTS_MAX: u32 = 1 << 20;

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
    /// How the keys of windows are printed.
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
    /// The form of the result files.
    pub format: Format,
}
