//! Delivers the changes of a partition as records of a channel.

use super::super::Store;
use super::super::engine::Snapshot;
use super::super::error::{Damage, TunnelError};
use super::super::log::{self, LogEntry, LogPosition, Record, check_kept};
use super::super::meta::put;
use super::super::transaction::{Last, last_of};
use super::create::given;
use super::model::{Cursor, PageEnd, Place, Sequence, StreamRange};
use super::page::Page;
use super::records::{Definition, exists};

/// The place at which a page goes on.
#[derive(Clone, Copy)]
pub(super) struct Next {
    pub(super) position: LogPosition,
    /// The number of records before the place.
    pub(super) records: u64,
    /// The time of the change before the place, in microseconds since 1970.
    pub(super) time_us: i64,
}

/// The result of a scan of the log.
enum Outcome {
    /// The page is full, and the next record is there.
    Full,
    /// There are no more records as of this commit.
    Exhausted(Last),
    /// The tunnel ends here: later changes do not belong to it.
    Ended,
}

/// Passes a page of changes to the page's `emit`, and returns where it ended.
pub(super) fn page(
    store: &Store,
    definition: &Definition,
    partition: u8,
    next: Next,
    page: Page<'_>,
) -> Result<PageEnd, TunnelError> {
    let range = given(definition.range);
    let logged = page.table.info.schema.stream.is_some();
    let mut reading = Reading { partition, range, next, page };
    let mut end_shown = false;
    loop {
        // If there is nothing new, the log need not be read.
        if logged && range.end_ns.is_none() && reading.next.position.commit > store.last_commit() {
            return Ok(reading.end(false));
        }
        let last = match reading.scan(store.snapshot().as_ref())? {
            Outcome::Full => return Ok(reading.end(true)),
            Outcome::Ended => return Ok(reading.finished()),
            Outcome::Exhausted(last) => last,
        };
        if range.is_over(last.time_us) {
            return Ok(reading.finished());
        }
        // By the clock the tunnel's end has been reached, but only a commit shows that no change
        // with an earlier time can follow.
        if end_shown || !range.is_over(store.clock().now_us()) || show_time(store, definition).is_err() {
            return Ok(reading.end(false));
        }
        end_shown = true;
    }
}

/// Passes a page of the changes of a partition, of any time, to the page's `emit`, and returns where
/// it ended.
pub(super) fn page_of_log(
    store: &Store,
    partition: u8,
    next: Next,
    page: Page<'_>,
) -> Result<PageEnd, TunnelError> {
    let mut reading = Reading { partition, range: StreamRange::default(), next, page };
    let outcome = reading.scan(store.snapshot().as_ref())?;
    Ok(reading.end(matches!(outcome, Outcome::Full)))
}

/// Makes a commit, so that every later commit has a later time than now.
fn show_time(store: &Store, definition: &Definition) -> Result<(), TunnelError> {
    let definition = definition.clone();
    store.transact(move |transaction| {
        exists(transaction, definition.id)?;
        Ok(put(transaction, definition.id.key(b"d"), &definition)?)
    })
}

struct Reading<'p> {
    partition: u8,
    range: StreamRange,
    next: Next,
    page: Page<'p>,
}

impl Reading<'_> {
    fn scan(&mut self, snapshot: &dyn Snapshot) -> Result<Outcome, TunnelError> {
        let table = self.page.table;
        check_kept::<TunnelError>(snapshot, table, self.partition, self.next.position)?;
        let last = last_of(snapshot)?;
        for entry in log::scan(snapshot, table.id, self.partition, self.next.position) {
            let entry = entry?;
            let record = entry.record()?;
            let time_us = record.time_us;
            if self.range.is_over(time_us) {
                return Ok(Outcome::Ended);
            }
            if self.range.has_begun(time_us) {
                if self.page.is_full() {
                    return Ok(Outcome::Full);
                }
                self.emit(&entry, &record)?;
                self.next.records += 1;
                self.next.time_us = time_us;
            }
            self.next.position = entry.position.next();
        }
        self.next.position = self.next.position.max(LogPosition::start_of(last.commit + 1));
        Ok(Outcome::Exhausted(last))
    }

    fn emit(&mut self, entry: &LogEntry, record: &Record<'_>) -> Result<(), Damage> {
        let sequence = Sequence { time_us: record.time_us, index: entry.position.index };
        self.page.emit_change(record, sequence).ok_or_else(|| entry.damaged())
    }

    fn end(self, more: bool) -> PageEnd {
        let Next { position, records, time_us } = self.next;
        PageEnd { next: Cursor { place: Place::Stream(position), records, time_us }, more }
    }

    fn finished(self) -> PageEnd {
        let Next { records, time_us, .. } = self.next;
        PageEnd { next: Cursor { place: Place::Finished, records, time_us }, more: false }
    }
}

impl StreamRange {
    /// Returns whether changes at this time are after the end of the range.
    fn is_over(self, time_us: i64) -> bool {
        self.end_ns.is_some_and(|end_ns| i128::from(time_us) * 1_000 >= i128::from(end_ns))
    }

    /// Returns whether changes at this time are not before the start of the range.
    fn has_begun(self, time_us: i64) -> bool {
        self.start_ns.is_none_or(|start_ns| i128::from(time_us) * 1_000 >= i128::from(start_ns))
    }
}
