//! Reads orders from files and streams. Every worker reads its own parts, a block at a time.

mod boundary;
mod content;
pub mod csv;
mod discover;
mod error;
mod fingerprint;
mod gzip;
mod input;
mod inputs;
pub mod jsonl;
pub mod parquet;
mod reader;
pub mod row;
mod source;
mod tail;
#[cfg(test)]
pub(crate) mod testing;

use std::sync::Arc;

use dataflows::{Diff, Epoch, Order, Upsert};
use orders::{DecimalMark, TimeForm};
use serde::Serialize;

pub use crate::format::{Compression, Format};
pub use content::Content;
pub use error::InputError;
pub use inputs::{FileFacts, Input, InputOptions, Part, Plan, SPLIT_BYTES_MIN};
pub use reader::BLOCK_BYTES;
pub use source::ZSTD_WINDOW_BYTES_MAX;
pub use tail::{TAIL_PART, Tail, TailState};

/// The number of bytes that must be readable after the valid bytes of a buffer that a [`Parser`]
/// gets.
pub const BUFFER_PADDING: usize = 64;

/// The longest text record, in bytes, its line break included (counted even if the last one is
/// missing). A longer record is set aside.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The byte order mark that some programs put before UTF-8 text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Turns complete records of one part of an input into orders.
pub trait Parser {
    /// Parses the records of `buffer[..valid]`. The buffer starts where a record starts. After a
    /// call that consumed the start of a record that is too long, it starts where that call
    /// stopped.
    ///
    /// `offset` is the position of `buffer[0]` in its input. `at_end` says that no bytes follow, so
    /// the last record may lack its line break. Appends to `block` orders at `epoch` with
    /// difference 1 ([`Envelope::Append`]) or upserts, rejects, and the number of lines. The caller
    /// counts the block's `bytes`.
    ///
    /// Returns how many bytes were consumed: up to the start of the first record that is not
    /// complete, or all of them if `at_end`. It is never 0 if `valid` is at least
    /// [`RECORD_BYTES_MAX`]. The result is the same however an input is cut into calls.
    ///
    /// Panics unless `buffer.len() >= valid + BUFFER_PADDING`.
    fn parse(
        &mut self,
        buffer: &[u8],
        valid: usize,
        offset: u64,
        at_end: bool,
        epoch: Epoch,
        block: &mut Block,
    ) -> usize;

    /// Sets the round in the positions of all records from here on.
    fn set_round(&mut self, round: u32);

    /// Counts lines of the part that are not passed to [`parse`](Parser::parse), such as a header.
    fn skip_lines(&mut self, lines: u64);
}

/// Reads the records of one part of an input.
pub trait Reader {
    /// The error if the input cannot be read.
    type Error;

    /// Reads the next block of input, about 64 KiB, and appends what it holds to `block`.
    ///
    /// Returns `false`, without having appended anything, once the part is at its end.
    fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, Self::Error>;
}

/// What a [`Parser`] must know about the part of an input that it reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParserContext {
    /// How orders are spelled.
    pub form: Arc<RowForm>,
    /// The number of the input among all inputs.
    pub input: u32,
    /// The number of the part within its input.
    pub part: u32,
    /// The round in the positions of the records.
    pub round: u32,
}

/// How the inputs of a run spell orders: one description for CSV, JSON and Parquet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RowForm {
    /// Whether lines are orders, or the latest states of orders.
    pub envelope: Envelope,
    /// The names of the columns.
    pub names: ColumnNames,
    /// How event times are spelled.
    pub time: TimeForm,
    /// What stands before the fraction of a number in text.
    pub decimal_mark: DecimalMark,
    /// What stands between two fields of CSV; `None` if a file's name tells it.
    pub delimiter: Option<u8>,
    /// The user of orders that have none; `None` sets such orders aside.
    pub guest: Option<String>,
}

/// The names of the columns (CSV, Parquet) or members (JSON) that make an order.
///
/// `Some` means exactly that name; `None` means any of the default names. In JSON, a name may be a
/// path: see [`jsonl`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ColumnNames {
    /// The user's id; by default `user_id` or `UserId`.
    pub user_id: Option<String>,
    /// The order's id; by default `order_id` or `OrderId`. Where each line is an order of its own,
    /// an input may lack it, unless its name is given.
    pub order_id: Option<String>,
    /// The price; by default `price`.
    pub price: Option<String>,
    /// The event time; by default `timestamp`.
    pub timestamp: Option<String>,
    /// The operation, `put` or `delete`; by default `op`. An input may lack it, unless its name is
    /// given.
    pub op: Option<String>,
    /// The quantity by which the price is multiplied. There is none by default.
    pub quantity: Option<String>,
}

/// Whether the lines of the inputs are orders, or the latest states of orders.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Envelope {
    /// Each line is one order.
    #[default]
    Append,
    /// The last line of a key wins; a line may delete its key.
    Upsert,
    /// Each line is a change as Debezium writes it, in JSON: `op` `c`, `r`, `u` or `d` with the row
    /// before and after.
    Debezium,
}

impl Envelope {
    /// Returns whether a line replaces earlier ones with the same key, instead of being an order of
    /// its own.
    #[inline]
    pub fn is_keyed(self) -> bool {
        self != Envelope::Append
    }
}

/// A bad row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The number of the input among all inputs.
    pub input: u32,
    /// The number of the part of the input in which the row was read.
    pub part: u32,
    /// The line of the row, counted from 0 at the start of the part. If the part is [`TAIL_PART`],
    /// it is counted from where the tail began to read the input. That is its start only if the
    /// input came later or was read anew.
    pub line: u64,
    /// The reason, a clear sentence that names the column and the value.
    pub reason: String,
    /// The bytes of the row as they were.
    pub raw: Vec<u8>,
}

/// What calls of [`Reader::read_block`] have read. The caller empties and reuses it.
#[derive(Default)]
pub struct Block {
    /// With envelope append: the orders, each at the block's epoch with difference 1.
    pub orders: Vec<(Order, Epoch, Diff)>,
    /// With envelope upsert: the lines, each at the block's epoch.
    pub upserts: Vec<Upsert>,
    /// The rows that were set aside.
    pub rejects: Vec<Reject>,
    /// The bytes of input that were consumed, counted as they are stored.
    pub bytes: u64,
    /// The lines of input that were consumed, good and bad. CSV header lines and line breaks in
    /// quotes count too.
    pub lines: u64,
    /// The roles of the members that the objects of JSON lines had, a bit each
    /// ([`Role::bit`](orders::rules::Role::bit)).
    pub members_seen: u8,
}
