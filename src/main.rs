//! The front door: parse, dispatch, and one error exit.

use std::process::ExitCode;

use orderflow::cli::{self, Command};
use orderflow::commands::{
    backup, clean, completions, demo, generate, init, man, restore, rows, run, tables, tunnel, up, verify,
    why,
};
use orderflow::program::{log, signals};

fn main() -> ExitCode {
    if let Err(error) = signals::take_up() {
        log::last_words(&format!("cannot handle signals: {error}"));
        return ExitCode::from(3);
    }
    connections::descriptors::raise_limit();
    let cli = cli::parse();
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
        Command::Backup(args) => backup::backup(args),
        Command::Restore(args) => restore::restore(args),
        Command::Why(args) => why::why(args),
        Command::Clean(args) => clean::clean(args),
        Command::Completions(args) => completions::completions(args, cli::command()),
        Command::Man(args) => man::man(args, cli::command()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            log::last_words(&failure);
            ExitCode::from(failure.exit_code)
        }
    }
}
