//! Tests of tunnels as their clients see them.

mod channels;
mod exactly;
mod retention;
mod tunnels;
