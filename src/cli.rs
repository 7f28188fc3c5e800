//! The command line as typed. What the flags mean together is for [`config`](driver::config) to
//! say.

use clap::{Parser, Subcommand};

use crate::commands::clean::CleanArgs;
use crate::commands::demo::DemoArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::init::InitArgs;
use crate::commands::rows::RowsArgs;
use crate::commands::run::RunArgs;
use crate::commands::tables::TablesArgs;
use crate::commands::tunnel::TunnelArgs;
use crate::commands::up::UpArgs;
use crate::commands::verify::VerifyArgs;
use crate::commands::why::WhyArgs;

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
    /// Run an instance of its own with a day of made-up orders and more as they come, and watch
    /// them on its page.
    Demo(Box<DemoArgs>),
    /// Run the graph over files, standard input, or the orders in a store.
    Run(Box<RunArgs>),
    /// Run the store of a data directory, a Tablestore instance of your own, and the live job on
    /// it.
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
    /// Say why the store refused a request, by the id that an SDK's error gives.
    Why(WhyArgs),
    /// Delete what init made.
    Clean(CleanArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
