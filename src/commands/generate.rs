//! `orderflow generate`: writes made-up orders to a file or to the store. The same flags make the
//! same orders.

use std::time::Instant;

use super::Failure;
use super::interrupt::interruptible;
use terminal::Thousands;

mod args;
mod file;
mod live;
mod load;
mod pace;

pub use args::GenerateArgs;
pub use file::{FileError, FileForm, write_file};
pub(super) use load::{Hear, Kind, Line, Load, write, write_of};
pub(super) use pace::Rate;

/// Writes the orders that the flags describe and prints how many. For a file this is printed on
/// standard error, because the file may be standard output.
///
/// # Errors
/// Returns [`Failure`] for a [`FileError`], if the connection fails, or if the store refused
/// orders.
pub fn generate(args: &GenerateArgs) -> Result<(), Failure> {
    let Some(to) = &args.to else { return live::generate(args) };
    let started = Instant::now();
    let spec = args.spec();
    let (to, form, force, made) = (to.clone(), args.form(), args.force, spec.clone());
    let bytes = interruptible(move |stop| {
        write_file(&to, form, force, &made, stop).map_err(|error| Failure::new(error.exit_code(), error))
    })?;
    if !args.quiet {
        let (orders, megabytes) = (Thousands(spec.orders), Thousands(bytes / 1_000_000));
        terminal::tell(&format!(
            "{orders} lines, {megabytes} MB in {:.1} s",
            started.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
