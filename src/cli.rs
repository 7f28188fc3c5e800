//! The command line as typed. What the flags mean together is for [`config`](driver::config) to
//! say.

use std::ffi::OsString;

use clap::builder::{Resettable, ValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory, Error, FromArgMatches, Parser, Subcommand};

use crate::commands::backup::BackupArgs;
use crate::commands::clean::CleanArgs;
use crate::commands::completions::CompletionsArgs;
use crate::commands::demo::DemoArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::init::InitArgs;
use crate::commands::man::ManArgs;
use crate::commands::restore::RestoreArgs;
use crate::commands::rows::RowsArgs;
use crate::commands::run::RunArgs;
use crate::commands::tables::TablesArgs;
use crate::commands::tunnel::TunnelArgs;
use crate::commands::up::UpArgs;
use crate::commands::verify::VerifyArgs;
use crate::commands::why::WhyArgs;
use crate::program::version::VERSION;

/// Real-time and batch totals of e-commerce orders: per user, in all, and per window of event time.
#[derive(Parser, Debug)]
#[command(name = "orderflow", version = VERSION, disable_help_flag = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Print help.
    #[arg(long, global = true, display_order = 999, action = ArgAction::Help)]
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
    /// Write a backup of a store, running or not, to a file.
    Backup(BackupArgs),
    /// Make a store of a backup.
    Restore(RestoreArgs),
    /// Delete what init made.
    Clean(CleanArgs),
    /// Print completions for a shell.
    Completions(CompletionsArgs),
    /// Print the manual page of orderflow, or of one of its commands.
    Man(ManArgs),
}

/// Reads the command line. Ends the process if it asks for help or the version, or is wrong.
pub fn parse() -> Cli {
    let line: Vec<OsString> = std::env::args_os().collect();
    let parsed =
        command().try_get_matches_from(&line).and_then(|mut found| Cli::from_arg_matches_mut(&mut found));
    parsed.unwrap_or_else(|error| explained(error, &line).exit())
}

/// Returns all commands and flags.
///
/// An environment variable that is empty counts as not set. One that stands for a switch takes
/// `1`, `true`, `yes` and `on`, or `0`, `false`, `no` and `off`. Help names only the variables that
/// are not called as their flags are, and does not show what they hold.
pub fn command() -> clap::Command {
    with_variables(Cli::command())
}

/// The variable of a flag, if it is called as usual.
fn usual_variable(arg: &clap::Arg) -> Option<String> {
    Some(format!("ORDERFLOW_{}", arg.get_long()?.to_ascii_uppercase().replace('-', "_")))
}

fn is_usual(arg: &clap::Arg) -> bool {
    arg.get_env().is_some_and(|name| usual_variable(arg).is_some_and(|usual| name == usual.as_str()))
}

fn with_variables(command: clap::Command) -> clap::Command {
    let has_usual = command.get_arguments().any(is_usual);
    let command = command.mut_args(with_variable).mut_subcommands(with_variables);
    if !has_usual {
        return command;
    }
    let note = "A flag --some-flag can be given as the variable ORDERFLOW_SOME_FLAG too.";
    // What a command says of itself stays in front of it.
    let own = command.get_after_help().map(|own| format!("{own}\n\n")).unwrap_or_default();
    command.after_help(own + note)
}

fn with_variable(arg: clap::Arg) -> clap::Arg {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let value = arg.get_env().and_then(std::env::var_os);
    let says_nothing = value.is_some_and(|value| {
        // A switch that is off must not contradict other flags, as it would if it were given.
        value.is_empty() || (is_switch && value.to_str().map(switch) == Some(Ok(false)))
    });
    let usual = is_usual(&arg);
    let arg = arg.hide_env(usual).hide_env_values(true);
    let arg = if is_switch { arg.value_parser(ValueParser::new(switch)) } else { arg };
    if says_nothing { arg.env(Resettable::Reset) } else { arg }
}

/// Returns whether the value of a variable switches its flag on.
fn switch(value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("expected 1 or 0, true or false, yes or no, on or off".to_owned()),
    }
}

/// Returns the error with what the user needs to know besides, and the parser of flags cannot tell:
/// where help is, and which variable a bad value came from. `line` is what was typed.
fn explained(mut error: Error, line: &[OsString]) -> Error {
    if asks_for_help(&error) {
        let tip = "help is --help";
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    } else if let Some((flag, variable)) = variable_at_fault(&error, line) {
        error.insert(ContextKind::InvalidArg, ContextValue::String(format!("{variable} ({flag})")));
    }
    error
}

/// Returns the flag that an error is about.
fn invalid_arg(error: &Error) -> Option<&String> {
    match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(arg) => Some(arg),
        _ => None,
    }
}

/// Returns whether somebody typed `-h` and meant help.
fn asks_for_help(error: &Error) -> bool {
    let Some(arg) = invalid_arg(error) else { return false };
    let value = error.get(ContextKind::InvalidValue);
    let lacks_value = matches!(value, Some(ContextValue::String(value)) if value.is_empty());
    match error.kind() {
        ErrorKind::UnknownArgument => arg == "-h",
        ErrorKind::InvalidValue => lacks_value && arg.starts_with("--hostfile"),
        _ => false,
    }
}

/// Returns the flag with a bad value, and the variable that holds this value; `None` if the value
/// was typed.
fn variable_at_fault(error: &Error, line: &[OsString]) -> Option<(String, String)> {
    let flag = invalid_arg(error)?;
    if !matches!(error.kind(), ErrorKind::InvalidValue | ErrorKind::ValueValidation) {
        return None;
    }
    // If the line is refused for the same flag without any variable, the value was typed.
    let typed = without_variables(command()).try_get_matches_from(line).err();
    if typed.is_some_and(|typed| typed.kind() == error.kind() && invalid_arg(&typed) == Some(flag)) {
        return None;
    }
    let mut all = command();
    // Until then, flags do not know how they are shown.
    all.build();
    let mut at = &all;
    for word in line.iter().skip(1).filter_map(|word| word.to_str()) {
        at = at.find_subcommand(word).unwrap_or(at);
    }
    let arg = at.get_arguments().find(|arg| arg.to_string() == *flag)?;
    Some((flag.clone(), arg.get_env()?.to_string_lossy().into_owned()))
}

fn without_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| arg.env(Resettable::Reset)).mut_subcommands(without_variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        command().debug_assert();
    }

    #[test]
    fn help_says_each_default_once_and_names_each_variable() {
        fn check(command: &clap::Command) {
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                let shown = !arg.get_default_values().is_empty() && arg.get_action().takes_values();
                assert!(!(shown && help.contains("default")), "{arg:?} says its default twice");
                assert!(arg.is_hide_env_set() == is_usual(arg), "{arg:?}");
            }
            command.get_subcommands().for_each(check);
        }
        check(&command());
    }

    #[test]
    fn switches_take_what_people_write() {
        for (value, on) in [
            ("1", true),
            ("true", true),
            ("YES", true),
            ("On", true),
            ("0", false),
            ("no", false),
            ("OFF", false),
        ] {
            assert_eq!(switch(value), Ok(on), "{value}");
        }
        for value in ["", "2", "maybe", " 1"] {
            switch(value).unwrap_err();
        }
    }
}
