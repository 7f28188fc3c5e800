//! Orders from files and streams: every worker reads its own part of every input, a block at a time.

mod error;

use dataflows::{Diff, Epoch, Order, OrderKey, Position};

pub use error::InputError;

/// What the records of an input look like.
#[derive(Copy, Clone, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A header line, then one order a line.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
}

/// How the bytes of an input are stored.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// One or more gzip members.
    Gzip,
    /// One or more Zstandard frames.
    Zstd,
}

impl std::fmt::Display for Compression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Compression::None => "uncompressed",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        })
    }
}

/// Reads the records of one part of an input.
pub trait Reader {
    /// Reads the next block of input, some 64 KiB of it, and appends what it holds to `block`.
    ///
    /// Returns `false`, having appended nothing, once the part is at its end.
    fn read_block(&mut self, epoch: Epoch, block: &mut Block) -> Result<bool, InputError>;
}

/// Whether the lines of the inputs are orders, or the latest states of orders.
#[derive(Copy, Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Envelope {
    /// Each line is one order.
    Append,
    /// The last line of a key wins; a line may delete its key.
    Upsert,
}

/// What one line of an upsert log says of its order: the new state, or `None` to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upsert {
    /// Which order.
    pub key: OrderKey,
    /// Where the line stands: the greatest position of a key wins.
    pub position: Position,
    /// When and how much, or nothing if the line deletes the order.
    pub after: Option<Order>,
}

/// A bad row, set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Ordinal of the input.
    pub input: u32,
    /// Ordinal of the part of the input that the row was read in.
    pub part: u32,
    /// Line of the row, counted from 0 at the start of the part.
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
    /// Envelope upsert: the lines.
    pub upserts: Vec<Upsert>,
    /// What was set aside.
    pub rejects: Vec<Reject>,
    /// Bytes of input consumed (of the file as it is stored).
    pub bytes: u64,
    /// Lines of input consumed, good and bad (CSV header lines included; a quoted line break counts).
    pub lines: u64,
}
