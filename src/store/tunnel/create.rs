//! Creates tunnels.

use super::super::catalog::switch_stream_on;
use super::super::engine::Snapshot;
use super::super::error::{Damage, TunnelError};
use super::super::format::{CHANNELS, TableId};
use super::super::log::{self, LogPosition};
use super::super::meta::{Meta, put};
use super::super::schema::NAME_BYTES_MAX;
use super::super::table::Table;
use super::super::transaction::Transaction;
use super::TUNNELS_MAX;
use super::model::{StartFlag, StreamRange, TunnelKind, TunnelSpec};
use super::records::{Definition, Horizon, Life, TunnelId, definitions, horizon_key};

/// Returns an error if no table could have such a tunnel.
pub(super) fn check(spec: &TunnelSpec) -> Result<(), TunnelError> {
    let bytes = spec.name.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !(1..=NAME_BYTES_MAX).contains(&bytes.len()) || !bytes.iter().all(allowed) {
        return Err(TunnelError::Name(spec.name.clone()));
    }
    let range = given(spec.range);
    if spec.kind != TunnelKind::Stream && (range.start_ns.is_some() || range.end_ns.is_some()) {
        return Err(TunnelError::RangeOfBase { tunnel: spec.name.clone() });
    }
    match (range.start_ns, range.end_ns) {
        (Some(start_ns), Some(end_ns)) if start_ns >= end_ns => {
            Err(TunnelError::RangeEmpty { tunnel: spec.name.clone(), start_ns, end_ns })
        }
        _ => Ok(()),
    }
}

/// Returns a range without its zeros, which mean that no time is given.
pub(super) fn given(range: Option<StreamRange>) -> StreamRange {
    let range = range.unwrap_or_default();
    let given = |ns: Option<u64>| ns.filter(|ns| *ns != 0);
    StreamRange { flag: range.flag, start_ns: given(range.start_ns), end_ns: given(range.end_ns) }
}

/// Creates a tunnel. Every change after its commit is logged and kept for it.
pub(super) fn create(transaction: &mut Transaction<'_>, spec: TunnelSpec) -> Result<Definition, TunnelError> {
    let table = transaction.table(&spec.table)?;
    let others = definitions(transaction, table.id)?;
    if others.iter().any(|other| other.name == spec.name) {
        return Err(TunnelError::Exists(spec.name));
    }
    if others.len() >= TUNNELS_MAX {
        return Err(TunnelError::TooMany { table: spec.table, max: TUNNELS_MAX });
    }
    let table = switch_stream_on(transaction, table)?;
    let definition = Definition {
        id: TunnelId::new(table.id)?,
        table: spec.table,
        name: spec.name,
        kind: spec.kind,
        range: spec.range,
        created_us: transaction.now_us(),
        commit: transaction.number(),
        starts: starts(transaction, &table, spec.kind, given(spec.range))?,
    };
    put(transaction, definition.id.key(b"d"), &definition)?;
    put(transaction, definition.id.key(b"l"), &Life { active_us: definition.created_us, expired: false })?;
    Ok(definition)
}

/// Returns where the changes of the tunnel start in each partition.
fn starts(
    transaction: &Transaction<'_>,
    table: &Table,
    kind: TunnelKind,
    range: StreamRange,
) -> Result<[LogPosition; CHANNELS as usize], TunnelError> {
    let mut starts = [LogPosition::start_of(transaction.number() + 1); CHANNELS as usize];
    let earliest = match (kind, range.start_ns, range.flag) {
        (TunnelKind::Stream, Some(start_ns), _) => {
            check_kept(transaction, table, start_ns)?;
            true
        }
        (TunnelKind::Stream, None, Some(StartFlag::Earliest)) => true,
        _ => false,
    };
    if earliest {
        for (partition, start) in (0..CHANNELS).zip(&mut starts) {
            let first = first_kept(transaction, table, partition)?;
            *start = match range.start_ns {
                Some(start_ns) => {
                    let log = Log { snapshot: transaction.snapshot(), table: table.id, partition };
                    log.find_time(first, transaction.number(), i128::from(start_ns))?
                }
                None => first,
            };
        }
    }
    Ok(starts)
}

/// Returns the position of the oldest change that is kept now within the group. If nothing is kept,
/// that is the position after this commit.
fn first_kept(transaction: &Transaction<'_>, table: &Table, partition: u8) -> Result<LogPosition, Damage> {
    let first = log::first_kept(transaction, table, partition)?;
    Ok(first.unwrap_or(LogPosition::start_of(transaction.number() + 1)))
}

/// Returns an error if some changes at `start_ns` or later are no longer there.
fn check_kept(transaction: &Transaction<'_>, table: &Table, start_ns: u64) -> Result<(), TunnelError> {
    let cut: Horizon = transaction.record(&horizon_key(table.id))?.unwrap_or_default();
    let info = &table.info;
    // What was written before the stream was switched on was never logged.
    let unlogged_to_us = if info.stream_enabled_us > info.created_us { info.stream_enabled_us } else { 0 };
    let kept_from_us = cut.kept_from_us.max(unlogged_to_us);
    if i128::from(start_ns) >= i128::from(kept_from_us) * 1_000 {
        return Ok(());
    }
    Err(TunnelError::StartNotKept { table: table.name().to_owned(), kept_from_us, start_ns })
}

/// A partition of a table's log, as a snapshot shows it.
pub(super) struct Log<'s> {
    pub(super) snapshot: &'s dyn Snapshot,
    pub(super) table: TableId,
    pub(super) partition: u8,
}

impl Log<'_> {
    /// Returns the first position at which changes are at `start_ns`, in nanoseconds since 1970, or
    /// later: at least `first`, and at most the start of the commit `end`. This is a binary search
    /// over the commits: it reads about as many changes as the number of commits has bits.
    pub(super) fn find_time(
        &self,
        first: LogPosition,
        end: u64,
        start_ns: i128,
    ) -> Result<LogPosition, Damage> {
        let (mut lower, mut upper) = (first.commit, end);
        while lower < upper {
            let middle = lower + (upper - lower) / 2;
            let from = LogPosition::start_of(middle).max(first);
            let reached = match log::scan(self.snapshot, self.table, self.partition, from).next() {
                Some(entry) => i128::from(entry?.record()?.time_us) * 1_000 >= start_ns,
                None => true,
            };
            if reached {
                upper = middle;
            } else {
                lower = middle + 1;
            }
        }
        Ok(LogPosition::start_of(lower).max(first))
    }
}
