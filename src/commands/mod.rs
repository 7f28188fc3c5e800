//! What each subcommand does, one file each: its flags as typed, and a function that runs it.

pub mod generate;
