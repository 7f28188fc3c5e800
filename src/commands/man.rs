//! `orderflow man`: prints a manual page.

use clap::{Args, Command};
use clap_mangen::Man;

use super::{Failure, say_bytes};
use crate::program::version::VERSION;

/// The flags of `man`.
#[derive(Args, Clone, Debug)]
pub struct ManArgs {
    /// The command whose page is printed; without it, the page of orderflow
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

/// Prints the manual page of `program`, or of one of its commands.
///
/// # Errors
/// Returns [`Failure`] with exit code 2 if there is no such command, and 3 if standard output takes
/// nothing.
pub fn man(args: &ManArgs, program: Command) -> Result<(), Failure> {
    let page = match &args.command {
        None => program,
        Some(wanted) => page_of(wanted, program)?,
    };
    let mut text = Vec::new();
    Man::new(page)
        .render(&mut text)
        .map_err(|error| Failure::new(3, format!("cannot make the manual page: {error}")))?;
    say_bytes(&text)
}

/// Returns the command of this name. Its page is called `orderflow-NAME`, because it is built first.
fn page_of(wanted: &str, mut program: Command) -> Result<Command, Failure> {
    program.build();
    let Some(command) = program.find_subcommand(wanted) else {
        let names: Vec<&str> = program.get_subcommands().map(Command::get_name).collect();
        let names = names.join(", ");
        return Err(Failure::new(2, format!("{wanted:?} is no command: give one of {names}, or none")));
    };
    Ok(command.clone().version(VERSION))
}
