//! The front door: parse, dispatch, and one error exit.

use std::process::ExitCode;

use clap::Parser;
use orderflow::cli::{Cli, Command};
use orderflow::commands::{demo, generate, run};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        Command::Demo(args) => demo::demo(args),
        Command::Run(args) => run::run(args),
        Command::Generate(args) => generate::generate(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("orderflow: {failure}");
            ExitCode::from(failure.exit_code)
        }
    }
}
