//! Why a tunnel, or a client of one, does not get what it asks for.

use std::fmt;

use super::{Damage, Halt, NoTable, NotKept, from_causes};

/// Why a tunnel, or a client of one, does not get what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunnelError {
    /// There is no such table.
    NoTable(NoTable),
    /// Its table has a tunnel of this name.
    Exists(String),
    /// There is no such tunnel: its id, or its name and table.
    Missing(String),
    /// No tunnel may have this name.
    Name(String),
    /// Only a tunnel of changes starts and ends at a time; this one is of another type.
    RangeOfBase {
        /// Name of the tunnel.
        tunnel: String,
    },
    /// The tunnel would end where it starts, or before. Times are nanoseconds since 1970.
    RangeEmpty {
        /// Name of the tunnel.
        tunnel: String,
        /// Where it would start.
        start_ns: u64,
        /// Where it would end.
        end_ns: u64,
    },
    /// The table has all the tunnels it may.
    TooMany {
        /// Name of the table.
        table: String,
        /// The most it may have.
        max: usize,
    },
    /// The tunnel would start with changes that are no longer kept.
    StartNotKept {
        /// Name of the table.
        table: String,
        /// Since when changes are kept, in microseconds since 1970.
        kept_from_us: i64,
        /// Where it would start, in nanoseconds since 1970.
        start_ns: u64,
    },
    /// The changes that the client would read next are no longer kept.
    NotKept(NotKept),
    /// The tunnel was left alone for longer than its table keeps changes, and delivers nothing any
    /// more.
    Expired {
        /// Name of the tunnel.
        tunnel: String,
        /// Name of its table.
        table: String,
    },
    /// The tunnel has all the clients it may.
    TooManyClients {
        /// The most it may have.
        max: usize,
    },
    /// The client of this id is not, or no longer, connected.
    ClientGone(String),
    /// The channel is not, or no longer, the client's.
    ChannelGone {
        /// Name of the channel.
        channel: String,
        /// Id of the client.
        client: String,
    },
    /// A checkpoint's number is not above that of the stored one.
    CheckpointOutOfOrder {
        /// Name of the channel.
        channel: String,
        /// The number.
        number: i64,
        /// That of the stored checkpoint.
        stored: i64,
    },
    /// A place to read from lies beyond the last commit.
    PlaceAhead {
        /// The commit that it names.
        commit: u64,
        /// The last commit.
        last: u64,
    },
    /// A place to read from is that of a channel of another type.
    PlaceOfOtherType,
    /// What is stored cannot be read.
    Damaged(Damage),
    /// The store takes no more writes.
    Halted(Halt),
}

from_causes!(TunnelError: NoTable => NoTable, NotKept => NotKept, Damage => Damaged, Halt => Halted);

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TunnelError::NoTable(cause) => cause.fmt(f),
            TunnelError::Exists(tunnel) => write!(f, "tunnel {tunnel} is there already"),
            TunnelError::Missing(tunnel) => write!(f, "there is no tunnel {tunnel}"),
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
