//! The program from outside: real processes, real files, exact bytes and exact messages.

#[path = "fixtures/archive.rs"]
mod archive;
mod backup;
mod bad_input;
mod browser;
mod clock;
mod cluster;
mod crash;
mod demo;
mod faces;
mod follow;
mod house;
mod live;
mod live_crash;
mod live_tables;
mod manners;
mod old_folders;
mod one_digest;
mod page;
mod readme;
mod rejects;
mod run_store;
mod sdk;
mod shapes;
mod signals;
mod store_commands;
mod store_crash;
mod store_server;
mod store_up;
mod strangers;
mod support;
mod tls;
mod verify;
mod windows;
