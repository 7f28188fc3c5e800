//! `orderflow run`: the graph over files, standard input, or the orders in a store.

mod args;
mod config;

pub use args::RunArgs;

use super::Failure;

/// Runs the graph and tells what it did.
///
/// # Errors
/// [`Failure`], in one sentence; nothing was written then.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = config::config(args)?;
    let (form, follows) = (config.summary, config.follow_tick.is_some());
    let outcome = driver::run(config).map_err(|error| Failure::new(error.exit_code(), error))?;
    let Some(outcome) = outcome else { return Ok(()) };
    // Standard output belongs to the updates while following.
    let told = if follows {
        outcome.summary.write(form, &mut std::io::stderr())
    } else {
        outcome.summary.write(form, &mut std::io::stdout())
    };
    // The results are in place; a reader of the summary that has gone away takes nothing from them.
    match told {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::new(3, format!("cannot print the summary: {error}")))
        }
        _ => Ok(()),
    }
}
