//! Defines why a tunnel, or a client of one, does not get what it asks for.

use std::fmt;

use super::{Damage, Halt, NoTable, NotKept, from_causes};

/// The reason why a tunnel, or a client of one, does not get what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelError {
    /// The table does not exist.
    NoTable(NoTable),
    /// The table already has a tunnel with this name.
    Exists(String),
    /// The tunnel does not exist. The text is its id, or its name and table.
    Missing(String),
    /// No table has, or no longer has, a stream with this id, or the stream has no such shard.
    NoStream(String),
    /// This name is not allowed for a tunnel.
    Name(String),
    /// The tunnel is not of changes alone, so it cannot start and end at a time.
    RangeOfBase {
        /// The name of the tunnel.
        tunnel: String,
    },
    /// The tunnel would end where it starts, or before. Times are nanoseconds since 1970.
    RangeEmpty {
        /// The name of the tunnel.
        tunnel: String,
        /// The time at which it would start.
        start_ns: u64,
        /// The time at which it would end.
        end_ns: u64,
    },
    /// The table has as many tunnels as it may have.
    TooMany {
        /// The name of the table.
        table: String,
        /// The most tunnels that it may have.
        max: usize,
    },
    /// The tunnel would start with changes that are no longer kept.
    StartNotKept {
        /// The name of the table.
        table: String,
        /// The time since which changes are kept, in microseconds since 1970.
        kept_from_us: i64,
        /// The time at which it would start, in nanoseconds since 1970.
        start_ns: u64,
    },
    /// The changes that the client would read next are no longer kept.
    NotKept(NotKept),
    /// No client used the tunnel for longer than its table keeps changes. It delivers nothing any
    /// more.
    Expired {
        /// The name of the tunnel.
        tunnel: String,
        /// The name of its table.
        table: String,
    },
    /// The tunnel has as many clients as it may have.
    TooManyClients {
        /// The most clients that it may have.
        max: usize,
    },
    /// The client with this id is not, or no longer, connected.
    ClientGone(String),
    /// The client does not, or no longer, have the channel.
    ChannelGone {
        /// The name of the channel.
        channel: String,
        /// The id of the client.
        client: String,
    },
    /// The number of a checkpoint is not above that of the stored one.
    CheckpointOutOfOrder {
        /// The name of the channel.
        channel: String,
        /// The number of the checkpoint.
        number: i64,
        /// The number of the stored checkpoint.
        stored: i64,
    },
    /// The place to read from is after the last commit.
    PlaceAhead {
        /// The number of the commit of the place.
        commit: u64,
        /// The number of the last commit.
        last: u64,
    },
    /// The place to read from belongs to a channel of another type.
    PlaceOfOtherType,
    /// Stored data cannot be read.
    Damaged(Damage),
    /// The store accepts no more writes.
    Halted(Halt),
}

from_causes!(TunnelError: NoTable => NoTable, NotKept => NotKept, Damage => Damaged, Halt => Halted);

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelError::NoTable(cause) => cause.fmt(f),
            TunnelError::Exists(tunnel) => write!(f, "tunnel {tunnel} is there already"),
            TunnelError::Missing(tunnel) => write!(f, "there is no tunnel {tunnel}"),
            TunnelError::NoStream(stream) => write!(f, "there is no stream {stream}, or no such shard of it"),
            TunnelError::Name(name) => write!(
                f,
                "the name of a tunnel has 1 to 255 letters, digits, underscores and hyphens, unlike \"{name}\""
            ),
            TunnelError::RangeOfBase { tunnel } => {
                write!(f, "tunnel {tunnel} is not of changes alone, and so has neither start nor end")
            }
            TunnelError::RangeEmpty { tunnel, start_ns, end_ns } => {
                write!(f, "tunnel {tunnel} would start at {start_ns} ns and end before, at {end_ns} ns")
            }
            TunnelError::TooMany { table, max } => write!(f, "table {table} has {max} tunnels, its most"),
            TunnelError::StartNotKept { table, kept_from_us, start_ns } => write!(
                f,
                "changes of table {table} are kept from {kept_from_us} µs since 1970 on, and the tunnel would start \
                 at {start_ns} ns"
            ),
            TunnelError::NotKept(cause) => cause.fmt(f),
            TunnelError::Expired { tunnel, table } => write!(
                f,
                "tunnel {tunnel} of table {table} was left alone for longer than the table keeps changes; create it anew"
            ),
            TunnelError::TooManyClients { max } => {
                write!(f, "a tunnel serves at most {max} clients at a time; shut some down")
            }
            TunnelError::ClientGone(client) => {
                write!(f, "client {client} is not, or no longer, connected")
            }
            TunnelError::ChannelGone { channel, client } => {
                write!(f, "channel {channel} is not, or no longer, that of client {client}")
            }
            TunnelError::CheckpointOutOfOrder { channel, number, stored } => {
                write!(f, "checkpoint {number} of channel {channel} is not above the stored one, {stored}")
            }
            TunnelError::PlaceAhead { commit, last } => {
                write!(f, "the place to read from is at commit {commit}, and the last one is {last}")
            }
            TunnelError::PlaceOfOtherType => {
                f.write_str("the place to read from is that of a channel of another type")
            }
            TunnelError::Damaged(cause) => cause.fmt(f),
            TunnelError::Halted(cause) => cause.fmt(f),
        }
    }
}
