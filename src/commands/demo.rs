//! `orderflow demo`: one command and nothing to prepare. It runs an instance with a day of made-up orders behind it and
//! more as they come, which people watch on its page; `demo recompute` shows what single changes of many orders cost.

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

/// Flags of `demo`.
#[derive(Args, Clone, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DemoArgs {
    /// Another demo than the live one.
    #[command(subcommand)]
    pub command: Option<DemoCommand>,
    /// Flags of the live one.
    #[command(flatten)]
    pub live: LiveArgs,
}

/// Another demo.
#[derive(Clone, Debug, Subcommand)]
pub enum DemoCommand {
    /// Change single ones of a million orders, and show which rows of the results change, and what it costs
    Recompute(RecomputeArgs),
}

/// Runs a demo.
///
/// # Errors
/// [`Failure`]: 1 where the results do not agree, 2 for flags that cannot be, 3 where disk or port fail, 130 where it was
/// interrupted before its end.
pub fn demo(args: &DemoArgs) -> Result<(), Failure> {
    match &args.command {
        None => live::live(&args.live),
        Some(DemoCommand::Recompute(args)) => recompute::recompute(args),
    }
}
