//! `orderflow run`: runs the graph over files, standard input, or the orders in a store.

mod agreement;
mod args;
mod config;

pub use args::RunArgs;

use files::sinks::{FileLayout, view_bytes};

use super::{Failure, say_bytes};

/// Runs the graph and prints a summary.
///
/// # Errors
/// Returns [`Failure`] with one sentence. Then no results were written, unless only the summary
/// could not be printed.
pub fn run(args: &RunArgs) -> Result<(), Failure> {
    let config = config::config(args)?;
    let printed = config::printed_view(args)?;
    let (form, layout) = (config.summary, config.layout.clone());
    // The updates, or the result, have standard output for themselves.
    let to_stderr = config.follow_tick.is_some() || printed.is_some();
    let outcome = driver::run(config).map_err(|error| Failure::new(error.exit_code(), error))?;
    let Some(outcome) = outcome else { return Ok(()) };
    if let Some(view) = printed {
        let layout = FileLayout { format: args.output_format, keys: layout };
        let bytes = view_bytes(view, &outcome.results, &layout)
            .map_err(|error| Failure::new(3, format!("cannot print: {error}")))?;
        say_bytes(&bytes)?;
    }
    let told = if to_stderr {
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
