//! `orderflow completions`: prints what a shell needs to complete the flags.

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Failure, say_bytes};

/// The flags of `completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints the completions of `program` for a shell.
///
/// # Errors
/// Returns [`Failure`] with exit code 3 if standard output takes nothing.
pub fn completions(args: &CompletionsArgs, mut program: Command) -> Result<(), Failure> {
    let (mut script, name) = (Vec::new(), program.get_name().to_owned());
    clap_complete::generate(args.shell, &mut program, name, &mut script);
    say_bytes(&script)
}
