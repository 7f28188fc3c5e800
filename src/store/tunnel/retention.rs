//! Decides how long changes are kept, and lets tunnels expire.
//!
//! A change is removed once it is older than its table keeps changes and every tunnel that has not
//! expired has consumed it. A tunnel expires, for good, if no client is heard of for that long. Its
//! clients are told so.

use std::sync::PoisonError;

use super::super::Store;
use super::super::error::{Damage, TunnelError};
use super::super::format::CHANNELS;
use super::super::log::{self, Cut, LogPosition};
use super::super::meta::{Meta, put};
use super::super::table::Table;
use super::super::transaction::Transaction;
use super::model::Place;
use super::records::{Definition, Horizon, Life, RecordSource, checkpoint, definitions, horizon_key};

/// The most changes of a partition that one commit removes.
const CUT_CHANGES_MAX: usize = if cfg!(test) { 3 } else { 4_096 };
const HOUR_US: i64 = 3_600 * 1_000_000;

/// Returns how long a table's changes are kept, in microseconds; `None` if nothing is logged.
pub(super) fn kept_us(table: &Table) -> Option<i64> {
    table.info.schema.stream.as_ref().map(|stream| i64::from(stream.hours) * HOUR_US)
}

/// Lets tunnels expire, and removes the changes that are no longer needed, in commits of limited
/// size. Looks at all tables and then returns the first error.
pub(crate) fn turn(store: &Store) -> Result<(), TunnelError> {
    store.tunnel_sessions().base_views.forget_idle(store.clock().now_us());
    let mut result = Ok(());
    for name in store.tables() {
        result = result.and(turn_table(store, &name));
    }
    result
}

fn turn_table(store: &Store, name: &str) -> Result<(), TunnelError> {
    // The table was deleted in between, and everything goes with it.
    let Ok(table) = store.find_table(name) else { return Ok(()) };
    expire(store, &table)?;
    while cut(store, name)? == Cut::More {}
    Ok(())
}

fn expire(store: &Store, table: &Table) -> Result<(), TunnelError> {
    let snapshot = store.snapshot();
    for definition in definitions(snapshot.as_ref(), table.id)? {
        let now_us = store.clock().now_us();
        let session = store.tunnel_sessions().of(snapshot.as_ref(), &definition)?;
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if !session.life.expired && session.is_expired(kept_us(table), now_us) {
            match session.expire(store, &definition) {
                Ok(()) | Err(TunnelError::Missing(_)) => {}
                Err(error) => return Err(error),
            }
            store.tunnel_sessions().base_views.forget(definition.id);
        }
    }
    Ok(())
}

/// Removes a limited number of changes of a table.
fn cut(store: &Store, table: &str) -> Result<Cut, TunnelError> {
    let (name, clock) = (table.to_owned(), store.clock().clone());
    store.transact(move |transaction| {
        // The table was deleted in between, and its log goes with it.
        let Ok(table) = transaction.table(&name) else { return Ok(Cut::Done) };
        let kept_from_us = kept_us(&table).map(|kept_us| clock.now_us().saturating_sub(kept_us));
        let holds = holds(transaction, &table)?;
        let mut outcome = Cut::Done;
        let mut removed = false;
        for (partition, hold) in (0..CHANNELS).zip(holds) {
            let keep = old_up_to(transaction, &table, partition, kept_from_us, hold)?;
            if let Some(keep) = keep {
                removed = true;
                if log::cut(transaction, &table, partition, keep, CUT_CHANGES_MAX)? == Cut::More {
                    outcome = Cut::More;
                }
            }
        }
        if let (true, Some(kept_from_us)) = (removed, kept_from_us) {
            let before: Horizon = transaction.record(&horizon_key(table.id))?.unwrap_or_default();
            let kept_from_us = kept_from_us.max(before.kept_from_us);
            put(transaction, horizon_key(table.id), &Horizon { kept_from_us })?;
        }
        Ok(outcome)
    })
}

/// Returns the first change of each partition that a tunnel still needs.
fn holds(transaction: &Transaction<'_>, table: &Table) -> Result<[LogPosition; CHANNELS as usize], Damage> {
    let mut holds = [LogPosition::start_of(transaction.number()); CHANNELS as usize];
    for definition in definitions(transaction, table.id)? {
        let life: Life = transaction.record(&definition.id.key(b"l"))?.unwrap_or_default();
        if life.expired {
            continue;
        }
        for (channel, source) in definition.sources().into_iter().enumerate() {
            let place = checkpoint(transaction, &definition, channel, source)?.cursor.place;
            hold(&mut holds, &definition, source, &place);
        }
    }
    Ok(holds)
}

fn hold(holds: &mut [LogPosition], definition: &Definition, source: RecordSource, place: &Place) {
    match (source, place) {
        (RecordSource::Stream(partition), Place::Stream(position)) => {
            if let Some(hold) = holds.get_mut(usize::from(partition)) {
                *hold = (*hold).min(*position);
            }
        }
        // Base rows that have changed since are restored from the log.
        (RecordSource::Base, Place::Base(_)) => {
            for (hold, start) in holds.iter_mut().zip(definition.starts) {
                *hold = (*hold).min(start);
            }
        }
        _ => {}
    }
}

/// Returns the position below which a partition's changes are to be removed, or `None` if none are.
fn old_up_to(
    transaction: &Transaction<'_>,
    table: &Table,
    partition: u8,
    kept_from_us: Option<i64>,
    hold: LogPosition,
) -> Result<Option<LogPosition>, Damage> {
    let start = log::start(transaction, table, partition)?;
    let mut keep = None;
    // If there is one change more than a commit may remove, another cut is due.
    for entry in log::scan(transaction.snapshot(), table.id, partition, start).take(CUT_CHANGES_MAX + 1) {
        let entry = entry?;
        let old = match kept_from_us {
            // These changes belong to a stream that was switched off, and perhaps on again since.
            None => true,
            _ if entry.position.commit < table.logged_since => true,
            Some(kept_from_us) => entry.position < hold && entry.record()?.time_us < kept_from_us,
        };
        if !old {
            break;
        }
        keep = Some(entry.position.next());
    }
    Ok(keep)
}
