//! Reads the changes of a table without a tunnel: each partition of the log is a shard, and its
//! readers remember themselves how far they are.
//!
//! Such readers keep nothing from being removed. A stream that is switched off and on again has
//! another id, so that no reader takes the new changes for what followed the old ones.

use std::sync::Arc;

use super::super::error::TunnelError;
use super::super::format::CHANNELS;
use super::super::log::{LogPosition, first_kept};
use super::super::table::Table;
use super::super::transaction::last_of;
use super::Tunnels;
use super::create::Log;
use super::model::{Cursor, PageEnd, Place};
use super::page::{Emit, Page, PageMax};
use super::stream::{Next, page_of_log};

/// A shard of a stream: a partition of the log of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard<'a> {
    /// The id of the stream.
    pub stream: &'a str,
    /// The number of the partition.
    pub partition: u8,
}

impl Tunnels<'_> {
    /// Returns the position of the first change of a shard that is kept, or of the first one at
    /// `from_us` or later, in microseconds since 1970.
    ///
    /// # Errors
    /// Returns [`TunnelError::NoStream`] if no table has this stream now, or it has no such shard.
    pub fn shard_start(&self, shard: Shard<'_>, from_us: Option<i64>) -> Result<LogPosition, TunnelError> {
        let table = self.table_of_stream(shard)?;
        let snapshot = self.store.snapshot();
        let first = first_kept(snapshot.as_ref(), &table, shard.partition)?;
        let first = first.ok_or_else(|| TunnelError::NoStream(shard.stream.to_owned()))?;
        let Some(from_us) = from_us else { return Ok(first) };
        let end = last_of(snapshot.as_ref())?.commit + 1;
        let log = Log { snapshot: snapshot.as_ref(), table: table.id, partition: shard.partition };
        Ok(log.find_time(first, end, i128::from(from_us) * 1_000)?)
    }

    /// Passes a page of the changes of a shard to `emit`, and returns where it ended and whether
    /// more are there.
    ///
    /// # Errors
    /// Returns [`TunnelError::NoStream`] as [`shard_start`](Self::shard_start) does, and
    /// [`TunnelError::NotKept`] if changes from this position on are no longer kept.
    pub fn read_shard(
        &self,
        shard: Shard<'_>,
        from: LogPosition,
        max: PageMax,
        emit: Emit<'_>,
    ) -> Result<(LogPosition, bool), TunnelError> {
        let table = self.table_of_stream(shard)?;
        let last = last_of(self.store.snapshot().as_ref())?.commit;
        if from.commit > last + 1 {
            return Err(TunnelError::PlaceAhead { commit: from.commit, last });
        }
        let next = Next { position: from, records: 0, time_us: 0 };
        match page_of_log(self.store, shard.partition, next, Page::new(&table, max, emit))? {
            PageEnd { next: Cursor { place: Place::Stream(position), .. }, more } => Ok((position, more)),
            PageEnd { .. } => Err(TunnelError::PlaceOfOtherType),
        }
    }

    fn table_of_stream(&self, shard: Shard<'_>) -> Result<Arc<Table>, TunnelError> {
        let has = |table: &Arc<Table>| table.info.stream_id.as_deref() == Some(shard.stream);
        let tables = self.store.tables().into_iter().filter_map(|name| self.store.find_table(&name).ok());
        let found = tables.filter(|_| shard.partition < CHANNELS).find(has);
        found.ok_or_else(|| TunnelError::NoStream(shard.stream.to_owned()))
    }
}
