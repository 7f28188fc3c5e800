//! What callers say and hear of tunnels.

use serde::{Deserialize, Serialize};

use super::super::edit::EditRef;
use super::super::log::{Action, LogPosition};
use super::super::schema::KeyColumn;
use super::super::value::KeyRef;
use super::assignment::ChannelStatus;

/// Which rows a tunnel delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TunnelKind {
    /// Those that are there when it is created.
    BaseData,
    /// Changes.
    Stream,
    /// Those that are there when it is created, then every change since.
    BaseAndStream,
}

/// Where a tunnel of changes starts if no time is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFlag {
    /// After its creation.
    #[default]
    Latest,
    /// With the oldest change that is kept.
    Earliest,
}

/// Where a tunnel of changes starts and ends, as its creator says it. Times are nanoseconds since 1970; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRange {
    /// Where it starts without a `start_ns`.
    pub flag: Option<StartFlag>,
    /// Changes at this time are its first.
    pub start_ns: Option<u64>,
    /// Changes at this time are no longer its own.
    pub end_ns: Option<u64>,
}

/// A tunnel to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// Name of its table.
    pub table: String,
    /// Its name: 1 to 255 letters, digits, underscores and hyphens.
    pub name: String,
    /// Which rows it delivers.
    pub kind: TunnelKind,
    /// Which changes: of a [`TunnelKind::Stream`] only.
    pub range: Option<StreamRange>,
}

/// What a tunnel is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It delivers the rows that were there.
    BaseData,
    /// It delivers changes.
    Stream,
}

/// A tunnel as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelInfo {
    /// Names it for good.
    pub id: String,
    /// Name of its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Which rows it delivers.
    pub kind: TunnelKind,
    /// Which changes, as its creator said.
    pub range: Option<StreamRange>,
    /// Names the stream of its table.
    pub stream_id: String,
    /// What it is doing.
    pub stage: Stage,
    /// It was left alone for longer than its table keeps changes: it delivers nothing any more.
    pub expired: bool,
    /// When it was created, in microseconds since 1970.
    pub created_us: i64,
}

/// A channel as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// Names it within its tunnel.
    pub channel: String,
    /// It delivers rows that were there; else changes.
    pub base: bool,
    /// Who has it, in short.
    pub status: ChannelStatus,
    /// Who has it.
    pub client: Option<String>,
    /// Everything older was consumed, in microseconds since 1970.
    pub consumed_to_us: i64,
    /// Records consumed.
    pub consumed: u64,
}

/// A tunnel and its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelDescription {
    /// The tunnel.
    pub tunnel: TunnelInfo,
    /// Its channels.
    pub channels: Vec<ChannelInfo>,
}

/// A place in a channel: what is before it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The rows whose key bytes are these, or above.
    Base(Vec<u8>),
    /// The changes from this one on.
    Stream(LogPosition),
    /// There is nothing more.
    Finished,
}

/// A place in a channel, and what lies before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Where.
    pub place: Place,
    /// Records before it.
    pub records: u64,
    /// Time of the change before it, in microseconds since 1970; 0 where there is none.
    pub time_us: i64,
}

/// Orders the changes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// Time of the commit, in microseconds since 1970, above that of every earlier commit.
    pub time_us: i64,
    /// Index within the commit.
    pub index: u32,
}

/// A record of a channel.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// What happened.
    pub action: Action,
    /// The table's key columns.
    pub columns: &'a [KeyColumn],
    /// The row's key, in the same order.
    pub key: &'a [KeyRef<'a>],
    /// Its cells or changes.
    pub edits: &'a [EditRef<'a>],
    /// Its place among the changes; none for a row that was there when the tunnel was created.
    pub sequence: Option<Sequence>,
}

/// Where a page of records ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEnd {
    /// What to read next.
    pub next: Cursor,
    /// Something is there to be read now.
    pub more: bool,
}

/// A channel's checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where reading goes on.
    pub cursor: Cursor,
    /// How often it was set, as its clients count.
    pub number: i64,
}
