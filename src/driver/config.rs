//! The configuration of a run. It is checked when it is made, so nothing later reads flags or the
//! environment.

use std::path::PathBuf;
use std::time::Duration;

use cluster::ClusterConfig;
use files::format::Format;
use files::ingest::InputOptions;
use orders::Layout;

pub use crate::reasons::{MaxRejects, REASONS_TOLD_MAX, ReasonTold};
use crate::summary::SummaryForm;
use crate::table::TableInput;

/// The most inputs of one process. With local inputs, process `p` numbers its own inputs from `p`
/// times this number.
pub const INPUTS_MAX: u32 = 1 << 20;

/// The configuration of one run of the graph over files, streams or tables.
#[derive(Clone)]
pub struct RunConfig {
    /// The files and streams to read.
    pub inputs: InputOptions,
    /// The tables to read.
    pub tables: Vec<TableInput>,
    /// Whether each process reads inputs of its own, instead of its share of the same inputs.
    pub local_input: bool,
    /// Where the results go; `None` writes no files.
    pub output: Option<OutputConfig>,
    /// How the keys of windows are printed.
    pub layout: Layout,
    /// Whether a bad row ends the run, instead of being set aside.
    pub fail_on_reject: bool,
    /// How many bad rows the run may set aside before it fails.
    pub max_rejects: MaxRejects,
    /// How many orders a worker reads before it closes an epoch; `None` reads all of them in one
    /// epoch.
    pub epoch_orders: Option<u64>,
    /// With a value, the run keeps reading as inputs grow, and closes an epoch each time this long
    /// has passed.
    pub follow_tick: Option<Duration>,
    /// The flags that all processes of the run must have been given alike, as pairs of name and
    /// value, with unique names. It may be empty if there is one process.
    pub agreed: Vec<(String, String)>,
    /// How the summary is printed.
    pub summary: SummaryForm,
    /// Which workers and processes the graph runs on.
    pub cluster: ClusterConfig,
}

/// Where the results go, and in which form.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// The folder of the result files.
    pub dir: PathBuf,
    /// Whether to write into the folder even if something else is in it.
    pub force: bool,
    /// The format of the result files.
    pub format: Format,
}
