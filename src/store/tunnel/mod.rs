//! Tunnels.
mod assignment;
