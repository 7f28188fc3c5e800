//! Defines what is kept of tunnels in the space `meta`, as JSON. All keys start with
//! [`META_TUNNEL`], the table's id and twelve random bytes that identify the tunnel:
//!
//! | rest of the key | value |
//! |---|---|
//! | `d` | the tunnel, as it was created ([`Definition`]) |
//! | `l` | when its clients were last heard of, and whether it expired ([`Life`]) |
//! | `a` | its clients and who reads what ([`Assignment`](super::assignment::Assignment)); absent before the first client |
//! | `c`, channel `u8` | the channel's checkpoint ([`Checkpoint`]); absent before the first one |
//!
//! In addition, the key `h` with twelve zero bytes for the tunnel holds the table's [`Horizon`].

use serde::{Deserialize, Serialize};

use super::super::error::{Damage, TunnelError};
use super::super::format::{CHANNELS, META_TUNNEL, TableId, meta_key};
use super::super::log::LogPosition;
use super::super::meta::{Meta, parse};
use super::super::table::Table;
use super::model::{Checkpoint, Cursor, Place, StreamRange, TunnelKind};

/// The bytes that identify a tunnel within its table.
const NAME_BYTES: usize = 12;

/// The id of a tunnel, which never changes: the id of its table and random bytes. As text it looks
/// like a UUID whose first part is the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) struct TunnelId {
    pub(super) table: TableId,
    name: [u8; NAME_BYTES],
}

impl TunnelId {
    /// Creates a new id of a tunnel of this table.
    pub(super) fn new(table: TableId) -> Result<TunnelId, Damage> {
        let mut name = [0; NAME_BYTES];
        fill_random(&mut name)?;
        Ok(TunnelId { table, name })
    }

    /// Parses an id in the one form that [`Display`](std::fmt::Display) prints. Returns `None` for
    /// any other text.
    pub(super) fn parse(text: &str) -> Option<TunnelId> {
        if !text.is_ascii() {
            return None;
        }
        let digits: String = text.split('-').collect();
        let bytes: Option<Vec<u8>> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
            .collect();
        let bytes = bytes?;
        let (table, name) = bytes.split_first_chunk()?;
        let id = TunnelId { table: TableId(u32::from_be_bytes(*table)), name: name.try_into().ok()? };
        (id.to_string() == text).then_some(id)
    }

    /// Returns a key in the space `meta` that belongs to the tunnel and ends with `rest`.
    pub(super) fn key(self, rest: &[u8]) -> Vec<u8> {
        let mut key = meta_key(META_TUNNEL, self.table);
        key.extend_from_slice(&self.name);
        key.extend_from_slice(rest);
        key
    }
}

impl std::fmt::Display for TunnelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.table.0)?;
        for (at, byte) in self.name.iter().enumerate() {
            let hyphen = if matches!(at, 0 | 2 | 4 | 6) { "-" } else { "" };
            write!(f, "{hyphen}{byte:02x}")?;
        }
        Ok(())
    }
}

/// Fills `bytes` with random bytes of the operating system.
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), Damage> {
    getrandom::fill(bytes).map_err(|error| Damage(format!("no random bytes: {error}")))
}

/// A tunnel as it was created.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Definition {
    pub(super) id: TunnelId,
    /// The name of its table.
    pub(super) table: String,
    pub(super) name: String,
    pub(super) kind: TunnelKind,
    pub(super) range: Option<StreamRange>,
    pub(super) created_us: i64,
    /// The number of the commit that created the tunnel. The base rows are as this commit shows
    /// them.
    pub(super) commit: u64,
    /// Where each partition of changes starts. A [`TunnelKind::BaseData`] does not read the
    /// changes, but keeps the log from here on.
    pub(super) starts: [LogPosition; CHANNELS as usize],
}

/// The source of a channel's records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordSource {
    /// The base rows: those that were there when the tunnel was created.
    Base,
    /// The changes of a partition of the log.
    Stream(u8),
}

impl Definition {
    /// Returns the sources of the tunnel's channels, by index.
    pub(super) fn sources(&self) -> Vec<RecordSource> {
        let streams = (0..CHANNELS).map(RecordSource::Stream);
        match self.kind {
            TunnelKind::BaseData => vec![RecordSource::Base],
            TunnelKind::Stream => streams.collect(),
            TunnelKind::BaseAndStream => std::iter::once(RecordSource::Base).chain(streams).collect(),
        }
    }

    /// Returns the checkpoint at which a channel starts.
    pub(super) fn start(&self, source: RecordSource) -> Checkpoint {
        let place = match source {
            RecordSource::Base => Place::Base(Vec::new()),
            RecordSource::Stream(partition) => {
                Place::Stream(self.starts.get(usize::from(partition)).copied().unwrap_or_default())
            }
        };
        Checkpoint { cursor: Cursor { place, records: 0, time_us: 0 }, number: 0 }
    }
}

impl RecordSource {
    /// Returns the name of the channel. Clients take a channel whose name starts with `BaseData_`
    /// for one of base rows.
    pub(super) fn channel(self) -> String {
        match self {
            RecordSource::Base => "BaseData_0".to_owned(),
            RecordSource::Stream(partition) => format!("Stream_{partition}"),
        }
    }
}

/// A record that says whether a tunnel is still in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Life {
    /// When a client was last heard of, in microseconds since 1970. The value may lag by
    /// [`SAVE_US`](super::SAVE_US).
    pub(super) active_us: i64,
    /// Whether no client used the tunnel for too long, so that it no longer keeps the log.
    pub(super) expired: bool,
}

/// The time since which a table's log has all changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Horizon {
    /// All changes at this time or after it are kept, in microseconds since 1970.
    pub(super) kept_from_us: i64,
}

/// Returns the key of a table's [`Horizon`].
pub(super) fn horizon_key(table: TableId) -> Vec<u8> {
    TunnelId { table, name: [0; NAME_BYTES] }.key(b"h")
}

/// Returns the key of a channel's checkpoint.
pub(super) fn checkpoint_key(tunnel: TunnelId, channel: usize) -> Vec<u8> {
    // A tunnel has fewer than 256 channels, so the index fits in a byte.
    tunnel.key(&[b'c', channel as u8])
}

/// Returns whether a key is the key of a [`Definition`].
fn is_definition(key: &[u8]) -> bool {
    key.len() == 1 + 4 + NAME_BYTES + 1 && key.ends_with(b"d")
}

/// Returns an error if the tunnel does not, or no longer, exist.
pub(super) fn exists(meta: &(impl Meta + ?Sized), tunnel: TunnelId) -> Result<(), TunnelError> {
    match meta.value(&tunnel.key(b"d"))? {
        Some(_) => Ok(()),
        None => Err(TunnelError::Missing(tunnel.to_string())),
    }
}

/// Returns all tunnels of a table.
pub(super) fn definitions(meta: &(impl Meta + ?Sized), table: TableId) -> Result<Vec<Definition>, Damage> {
    let entries = meta.entries(&meta_key(META_TUNNEL, table))?;
    entries.iter().filter(|(key, _)| is_definition(key)).map(|(key, value)| parse(key, value)).collect()
}

/// Returns the tunnel with this name. If `id` is given, it must be the id of the tunnel.
pub(super) fn find(
    meta: &(impl Meta + ?Sized),
    table: &Table,
    name: &str,
    id: Option<&str>,
) -> Result<Definition, TunnelError> {
    let mut found = definitions(meta, table.id)?.into_iter().filter(|tunnel| tunnel.name == name);
    let found = found.find(|tunnel| id.is_none_or(|id| tunnel.id.to_string() == id));
    found.ok_or_else(|| TunnelError::Missing(format!("{name} of table {}", table.name())))
}

/// Returns the checkpoint of a channel. Before one is set, that is the place where the channel
/// starts.
pub(super) fn checkpoint(
    meta: &(impl Meta + ?Sized),
    definition: &Definition,
    channel: usize,
    source: RecordSource,
) -> Result<Checkpoint, Damage> {
    let stored = meta.record(&checkpoint_key(definition.id, channel))?;
    Ok(stored.unwrap_or_else(|| definition.start(source)))
}
