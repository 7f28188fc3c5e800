//! The reports that workers send to the first worker beside the orders: names of inputs, rows set
//! aside, and how much they have read.

use serde::{Deserialize, Serialize};

/// A report of one worker. Reports are rare, so they travel in timely's own container.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// Tells the name of an input.
    Input {
        /// The number of the input among all inputs.
        ordinal: u32,
        /// The name as it is shown.
        name: String,
    },
    /// A row was set aside.
    Reject {
        /// The number of its input among all inputs.
        input: u32,
        /// The number of its part within the input.
        part: u32,
        /// The line within the part, from 0.
        line: u64,
        /// The reason for setting it aside.
        reason: String,
        /// The bytes of the row.
        raw: Vec<u8>,
    },
    /// A part of an input was read to its end.
    PartDone {
        /// The number of the input among all inputs.
        input: u32,
        /// The number of the part within its input.
        part: u32,
        /// The lines in the part, good and bad.
        lines: u64,
        /// The good orders (or upsert lines) in it.
        good: u64,
        /// The roles of columns that none of its rows had, a bit each.
        lacking: u8,
    },
    /// This many more good orders (or upsert lines) were read.
    Read(u64),
    /// The first event times that the worker read.
    FirstTimes {
        /// How many there are.
        count: u64,
        /// The earliest, in epoch milliseconds.
        earliest_ms: i64,
        /// The latest, in epoch milliseconds.
        latest_ms: i64,
    },
}
