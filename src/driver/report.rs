//! What workers tell the first worker beside orders: rows set aside, and how much they have read.

use serde::{Deserialize, Serialize};

use files::ingest::Reject;

/// One worker's word on what it read. Travels to the first worker in timely's own container: it is rare.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Report {
    /// The name of an input, by its ordinal.
    Input {
        /// Its ordinal.
        ordinal: u32,
        /// Its name, as shown.
        name: String,
    },
    /// A row set aside.
    Reject {
        /// See [`Reject::input`].
        input: u32,
        /// See [`Reject::part`].
        part: u32,
        /// See [`Reject::line`].
        line: u64,
        /// See [`Reject::reason`].
        reason: String,
        /// See [`Reject::raw`].
        raw: Vec<u8>,
    },
    /// A part was read to its end.
    PartDone {
        /// Ordinal of the input.
        input: u32,
        /// Ordinal of the part.
        part: u32,
        /// Lines in it, good and bad.
        lines: u64,
    },
    /// More was read: so many orders (or upsert lines) that were good.
    Read(u64),
}

impl Report {
    /// The report of a row set aside.
    pub fn of(reject: Reject) -> Report {
        let Reject { input, part, line, reason, raw } = reject;
        Report::Reject { input, part, line, reason, raw }
    }
}
