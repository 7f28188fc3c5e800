//! Orders from files and streams: every worker reads its own part, a block at a time.

mod boundary;
pub mod csv;
mod discover;
mod error;
mod inputs;
pub mod jsonl;
pub mod parquet;
mod reader;
pub mod row;
mod tail;
#[cfg(test)]
pub(crate) mod testing;

use dataflows::{Diff, Epoch, Order, Upsert};

pub use crate::format::{Compression, Format};
pub use error::InputError;
pub use inputs::{Input, InputOptions, Part, Plan, SPLIT_BYTES_MIN};
pub use reader::BLOCK_BYTES;
pub use tail::{TAIL_PART, Tail, TailState};

/// Bytes that must be readable behind the valid bytes of a buffer handed to a [`Parser`].
pub const BUFFER_PADDING: usize = 64;

/// Longest record of text, in bytes, its line break included (a missing last one counts); a longer
/// one is a reject.
pub const RECORD_BYTES_MAX: usize = 1 << 20;

/// The byte order mark that some programs put before UTF-8 text.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Turns complete records of one part of an input into orders.
pub trait Parser {
    /// Parses the records of `buffer[..valid]`, which starts where a record starts (or, after a
    /// call that consumed the start of a record that is too long, where that call stopped).
    ///
    /// `offset` is where `buffer[0]` stands in its input; `at_end` says that no bytes follow, so
    /// the last record may lack its line break. Appends to `block`: orders at `epoch` with
    /// difference 1 ([`Envelope::Append`]) or upserts, rejects, and the number of lines; the
    /// block's `bytes` are the caller's to count.
    ///
    /// Returns how many bytes were consumed: up to the start of the first record that is not
    /// complete, all of them if `at_end`, and never 0 where `valid` is at least
    /// [`RECORD_BYTES_MAX`]. However an input is cut into calls, the result is the same.
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

    /// Sets the round of the positions of all records from here on.
    fn set_round(&mut self, round: u32);

    /// Counts lines of the part that are not passed to [`parse`](Parser::parse), such as a header.
    fn skip_lines(&mut self, lines: u64);
}

/// Reads the records of one part of an input.
pub trait Reader {
    /// Why the input cannot be read.
    type Error;

    /// Reads the next block of input, some 64 KiB of it, and appends what it holds to `block`.
    ///
    /// Returns `false`, having appended nothing, once the part is at its end.
    fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, Self::Error>;
}

/// What a [`Parser`] is told about the part of an input that it reads.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct ParserContext {
    /// Whether lines are orders or latest states of orders.
    pub envelope: Envelope,
    /// Ordinal of the input.
    pub input: u32,
    /// Ordinal of the part of the input.
    pub part: u32,
    /// Round of the positions of the records.
    pub round: u32,
}

/// The names of the columns (CSV, Parquet) or members (JSON lines) that make an order.
///
/// `Some` is exactly that name; `None` is either of the default spellings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// Who ordered; by default `user_id` or `UserId`.
    pub user_id: Option<String>,
    /// Which order of theirs; by default `order_id` or `OrderId`.
    pub order_id: Option<String>,
    /// How much; by default `price`.
    pub price: Option<String>,
    /// When, in epoch milliseconds; by default `timestamp`.
    pub timestamp: Option<String>,
    /// `put` or `delete`; by default `op`. The only one that inputs may lack.
    pub op: Option<String>,
}

/// Whether the lines of the inputs are orders, or the latest states of orders.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Envelope {
    /// Each line is one order.
    Append,
    /// The last line of a key wins; a line may delete its key.
    Upsert,
}

/// A bad row, set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Ordinal of the input.
    pub input: u32,
    /// Ordinal of the part of the input that the row was read in.
    pub part: u32,
    /// Line of the row, counted from 0 at the start of the part; where the part is [`TAIL_PART`], from
    /// where the tail began to read the input, which is its start only for what came later or anew.
    pub line: u64,
    /// Why, in a clear sentence that names the column and the value.
    pub reason: String,
    /// The row as it was.
    pub raw: Vec<u8>,
}

/// What one call of [`Reader::read_block`] read. Buffers are emptied and reused by the caller.
#[derive(Default)]
pub struct Block {
    /// Envelope append: the orders, each at the block's epoch with difference 1.
    pub orders: Vec<(Order, Epoch, Diff)>,
    /// Envelope upsert: the lines, each at the block's epoch.
    pub upserts: Vec<Upsert>,
    /// What was set aside.
    pub rejects: Vec<Reject>,
    /// Bytes of input consumed (of the file as it is stored).
    pub bytes: u64,
    /// Lines of input consumed, good and bad (CSV header lines included; a quoted line break counts).
    pub lines: u64,
}
