//! `orderflow run`: runs the graph over files, standard input, or the orders in a store.

mod args;
mod config;

pub use args::RunArgs;

use super::Failure;

/// Runs the graph and prints a summary.
///
/// # Errors
/// Returns [`Failure`] with one sentence. Then no results were written, unless only the summary
/// could not be printed.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = config::config(args)?;
    let (form, follows) = (config.summary, config.follow_tick.is_some());
    let outcome = driver::run(config).map_err(|error| Failure::new(error.exit_code(), error))?;
    let Some(outcome) = outcome else { return Ok(()) };
    // With `--follow`, standard output carries the updates.
    let told = if follows {
        outcome.summary.write(form, &mut std::io::stderr())
    } else {
        outcome.summary.write(form, &mut std::io::stdout())
    };
    // The results are written. If the reader of the summary is gone, that changes nothing about
    // them.
    match told {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(3, format!("cannot print the summary: {error}")))
        }
        _ => Ok(()),
    }
}
