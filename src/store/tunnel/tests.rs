//! Tests tunnels as their clients see them.

mod channels;
mod exactly;
mod old_folders;
mod retention;
mod tunnels;
mod unconnected;
