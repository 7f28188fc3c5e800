//! The front door: parse, dispatch, and one error exit.

use std::process::ExitCode;

use clap::Parser;
use orderflow::cli::{Cli, Command};
use orderflow::commands::{clean, demo, generate, init, rows, run, tables, tunnel, up, verify, why};
use orderflow::program::log;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Demo(args) => demo::demo(args),
        Command::Run(args) => run::run(args),
        Command::Up(args) => up::up(args),
        Command::Init(args) => init::init(args),
        Command::Generate(args) => generate::generate(args),
        Command::Tables(args) => tables::tables(args),
        Command::Rows(args) => rows::rows(args),
        Command::Tunnel(args) => tunnel::tunnel(args),
        Command::Verify(args) => verify::verify(args),
        Command::Why(args) => why::why(args),
        Command::Clean(args) => clean::clean(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::last_words(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}
