//! orderflow: real-time and batch totals of e-commerce orders, in one binary.
//!
//! ```text
//!  cli ─► config ─► commands ─► driver ─► dataflows (the graph)
//!                                 │ ▲
//!             ingest (orders in) ─┘ └─ sinks (results out)
//!                     cluster (the processes of one run)
//!
//!  cli ─► up ─► instance ─┬─► tablestore::server ─► store ◄─ job ─► feed ─► dashboard (the page)
//!                         └─► metrics    ▲            ▲
//!                                        │            └─ verify (the recount that is always on)
//!  cli ─► init, tables, rows, tunnel, clean, generate ─► tablestore::client
//! ```
//!
//! | here | is |
//! |---|---|
//! | [`cli`], [`config`] | flags as typed, and as meant |
//! | [`commands`] | one file a subcommand |
//! | [`driver`] | feeds blocks of orders to the graph, and its results to the sinks |
//! | [`ingest`] | files, streams and tables of orders, read in parts, a block at a time |
//! | [`sinks`] | result files, update stream, what was set aside |
//! | [`host`] | the graph on worker threads: its inputs, how far it is, and what happens when a worker panics |
//! | [`cluster`] | how processes find, check and watch each other |
//! | [`generate`] | made-up orders |
//! | [`format`](mod@format) | what files look like |
//! | [`feed`] | what followers of the results see: a board as of an epoch, and frames of what changed |
//! | [`dashboard`] | the live page and its addresses, over HTTP |
//! | [`connections`] | connections of both servers: accepted up to a number, ended in order |
//! | [`instance`] | store, live job, recount, server and page, run as one |
//! | [`metrics`], [`log`] | what an instance tells of itself: in numbers, and in lines |
//! | [`row_text`] | rows of tables as text |
//! | [`store`] | tables of orders and results, and the log of their changes, on disk |
//! | [`tablestore`] | Tablestore's wire protocol: the server in front of the store, and the client of all commands that go over the wire |
//! | [`verify`](mod@verify) | the results recounted by the plain fold, and compared |

pub mod cli;
pub mod cluster;
pub mod commands;
pub mod config;
pub mod connections;
pub mod dashboard;
pub mod driver;
pub mod feed;
pub mod format;
pub mod generate;
pub mod host;
pub mod ingest;
pub mod instance;
pub mod job;
pub mod log;
pub mod metrics;
pub mod order_tables;
pub mod parquet_write;
pub mod progress;
pub mod row_text;
pub mod sinks;
pub mod store;
pub mod summary;
pub mod tablestore;
pub mod verify;
