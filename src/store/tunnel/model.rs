//! Defines what callers and tunnels tell each other.

use serde::{Deserialize, Serialize};

use super::super::edit::EditRef;
use super::super::log::{Action, LogPosition};
use super::super::schema::KeyColumn;
use super::super::value::{CellRef, KeyRef};
use super::assignment::ChannelStatus;

/// The kind of a tunnel, which says which rows or changes it delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TunnelKind {
    /// The rows that are in the table when the tunnel is created.
    BaseData,
    /// Changes of rows.
    Stream,
    /// The rows that are in the table when the tunnel is created, then every change since.
    BaseAndStream,
}

/// The start of a tunnel of changes if no time is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StartFlag {
    /// It starts with the first change after its creation.
    #[default]
    Latest,
    /// It starts with the oldest change that is kept.
    Earliest,
}

/// The start and end of a tunnel of changes, as its creator gives them. Times are nanoseconds since
/// 1970; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRange {
    /// Where it starts if there is no `start_ns`.
    pub flag: Option<StartFlag>,
    /// The time of the first changes that belong to it.
    pub start_ns: Option<u64>,
    /// The time of the first changes that no longer belong to it.
    pub end_ns: Option<u64>,
}

/// The description of a tunnel to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelSpec {
    /// The name of its table.
    pub table: String,
    /// The name of the tunnel. It has 1 to 255 letters, digits, underscores and hyphens.
    pub name: String,
    /// Which rows or changes it delivers.
    pub kind: TunnelKind,
    /// Where its changes start and end. Only a [`TunnelKind::Stream`] may start and end at a time.
    pub range: Option<StreamRange>,
}

/// The stage of a tunnel, which says what it delivers at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It delivers the rows that were there when it was created.
    BaseData,
    /// It delivers changes.
    Stream,
}

/// The description of a tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelInfo {
    /// The id of the tunnel, which never changes.
    pub id: String,
    /// The name of its table.
    pub table: String,
    /// The name of the tunnel.
    pub name: String,
    /// Which rows or changes it delivers.
    pub kind: TunnelKind,
    /// Where its changes start and end, as its creator gave it.
    pub range: Option<StreamRange>,
    /// The id of the stream of its table; empty if the stream is off.
    pub stream_id: String,
    /// What it delivers at present.
    pub stage: Stage,
    /// Whether no client used it for longer than its table keeps changes. It then delivers nothing
    /// any more.
    pub expired: bool,
    /// The time at which it was created, in microseconds since 1970.
    pub created_us: i64,
}

/// The description of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelInfo {
    /// The name of the channel, which is unique within its tunnel.
    pub channel: String,
    /// Whether it delivers the rows that were there when the tunnel was created. Otherwise it
    /// delivers changes.
    pub base: bool,
    /// The status of the channel.
    pub status: ChannelStatus,
    /// The id of the client that has the channel, if any.
    pub client: Option<String>,
    /// The time before which everything was consumed, in microseconds since 1970.
    pub consumed_to_us: i64,
    /// The number of records that were consumed.
    pub consumed: u64,
}

/// The description of a tunnel and its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelDescription {
    /// The description of the tunnel.
    pub tunnel: TunnelInfo,
    /// The descriptions of its channels.
    pub channels: Vec<ChannelInfo>,
}

/// A place in a channel. What is before it was delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// The place before the rows whose key bytes are these or greater.
    Base(Vec<u8>),
    /// The place before this change.
    Stream(LogPosition),
    /// The end of the channel. Nothing follows it.
    Finished,
}

/// A place in a channel, and what is known of the records before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The place.
    pub place: Place,
    /// The number of records before the place.
    pub records: u64,
    /// The time of the change before the place, in microseconds since 1970; 0 if there is none.
    pub time_us: i64,
}

/// A number that orders the changes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence {
    /// The time of the commit, in microseconds since 1970. It is greater than that of every earlier
    /// commit.
    pub time_us: i64,
    /// The index of the change within the commit.
    pub index: u32,
}

/// A record of a channel: a row or a change, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct RecordRef<'a> {
    /// What happened to the row.
    pub action: Action,
    /// The table's key columns.
    pub columns: &'a [KeyColumn],
    /// The row's key, in the same order.
    pub key: &'a [KeyRef<'a>],
    /// The cells of the row as puts, or the edits of the change.
    pub edits: &'a [EditRef<'a>],
    /// The newest versions, before the change, of the columns that the table keeps for this; `None`
    /// if there was no row before or the table keeps no columns.
    pub before: Option<&'a [CellRef<'a>]>,
    /// The place among the changes; `None` for a row that was there when the tunnel was created.
    pub sequence: Option<Sequence>,
}

/// The end of a page of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageEnd {
    /// The place to read next.
    pub next: Cursor,
    /// Whether something is there to be read now.
    pub more: bool,
}

/// The checkpoint of a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The place at which reading goes on.
    pub cursor: Cursor,
    /// The number of the checkpoint, which the clients count upwards.
    pub number: i64,
}
