//! `orderflow demo`: shows orderflow without any preparation. The live demo runs an instance with a
//! day of made-up orders behind it and more as they come, which people watch on its page. `demo
//! recompute` shows what single changes of many orders cost.

use clap::{Args, Subcommand};

use super::Failure;
use live::LiveArgs;
use recompute::RecomputeArgs;

mod folder;
mod follow;
mod history;
mod line;
mod live;
mod load;
mod recompute;
mod results;
mod runtime;
mod written;

/// The flags of `demo`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    /// The other demo to run; `None` runs the live one.
    #[command(subcommand)]
    pub command: Option<DemoCommand>,
    /// The flags of the live demo.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// The demos besides the live one.
#[derive(Clone, Debug, Subcommand)]
pub enum DemoCommand {
    /// Change single ones of a million orders, and show which rows of the results change, and what
    /// it costs
    Recompute(RecomputeArgs),
}

/// Runs a demo.
///
/// # Errors
/// Returns [`Failure`] with exit code 1 if the results do not agree; 2 for flags that are not
/// valid; 3 if disk or port fail; 130 if it was interrupted before its end.
pub fn demo(args: &DemoArgs) -> Result<(), Failure> {
    match &args.command {
        None => live::live(&args.live),
        Some(DemoCommand::Recompute(args)) => recompute::recompute(args),
    }
}
