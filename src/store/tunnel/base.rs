//! Reads the rows of a table as a tunnel's own commit shows them, even long after that commit.
//!
//! A base view is a snapshot of the engine, taken when the rows are first read, and an undo. For
//! each row that changed between the tunnel's creation and the snapshot, the undo has the row
//! before the first of those changes, from the log. So a base view can be dropped and made anew at
//! any time, also after a restart, and shows the same rows. A row that is newer than the commit and
//! not in the undo would mean that the log has lost a change. Such a row is refused and never
//! delivered.
//!
//! While a snapshot is held, the engine keeps in memory what is written after it. So base views are
//! dropped soon after they were last read, and are made anew from time to time while they are read.
//!
//! The undo holds keys and positions in the log, of at most [`UNDO_ROWS_MAX`] rows. So it covers a
//! range of keys. Once reading has passed that range, the undo is made anew by another scan of the
//! log.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::Store;
use super::super::edit::EditRef;
use super::super::engine::{Bytes, Snapshot, Space};
use super::super::error::{Damage, TunnelError};
use super::super::format::{CHANNELS, TableId, after_prefix};
use super::super::log::{self, LogPosition, Record, check_kept, log_key};
use super::super::read::Direction;
use super::super::row::{Malformed, RowView};
use super::super::table::Table;
use super::super::time_to_live::Expiry;
use super::model::{Cursor, PageEnd, Place};
use super::page::Page;
use super::records::{Definition, TunnelId};

/// The most base views at a time. Each keeps the engine from freeing what it shows.
pub(super) const BASE_VIEWS_MAX: usize = 8;
/// The time in microseconds after which a base view that is not read is dropped.
const BASE_VIEW_IDLE_US: u64 = 30 * 1_000_000;
/// The time in microseconds after which a base view that is being read is made anew.
const BASE_VIEW_AGE_US: u64 = 60 * 1_000_000;
/// The most rows of an undo.
const UNDO_ROWS_MAX: usize = if cfg!(test) { 16 } else { 250_000 };

/// The base views of the tunnels whose base rows are being read.
#[derive(Default)]
pub(super) struct BaseViews {
    base_views: Mutex<Vec<Held>>,
}

struct Held {
    tunnel: TunnelId,
    taken_us: i64,
    used_us: i64,
    base_view: Arc<Mutex<BaseView>>,
}

impl BaseViews {
    /// Returns the base view of a tunnel, and creates it if there is none. If there are too many,
    /// the new one takes the place of the one that was not used for the longest time.
    pub(super) fn of(&self, store: &Store, definition: &Definition) -> Arc<Mutex<BaseView>> {
        let mut base_views = self.base_views.lock().unwrap_or_else(PoisonError::into_inner);
        let now_us = store.clock().now_us();
        // This also drops it if the clock was set back.
        base_views.retain(|held| {
            held.tunnel != definition.id || now_us.abs_diff(held.taken_us) <= BASE_VIEW_AGE_US
        });
        if let Some(held) = base_views.iter_mut().find(|held| held.tunnel == definition.id) {
            held.used_us = now_us;
            return held.base_view.clone();
        }
        if base_views.len() >= BASE_VIEWS_MAX
            && let Some(least) =
                (0..base_views.len()).min_by_key(|at| base_views.get(*at).map(|held| held.used_us))
        {
            base_views.swap_remove(least);
        }
        let base_view = Arc::new(Mutex::new(BaseView::new(store.snapshot(), definition)));
        base_views.push(Held {
            tunnel: definition.id,
            taken_us: now_us,
            used_us: now_us,
            base_view: base_view.clone(),
        });
        base_view
    }

    /// Drops the base view of a tunnel.
    pub(super) fn forget(&self, tunnel: TunnelId) {
        self.base_views.lock().unwrap_or_else(PoisonError::into_inner).retain(|held| held.tunnel != tunnel);
    }

    /// Drops the base views that were not used for longer than `BASE_VIEW_IDLE_US`.
    pub(super) fn forget_idle(&self, now_us: i64) {
        let mut base_views = self.base_views.lock().unwrap_or_else(PoisonError::into_inner);
        base_views.retain(|held| now_us.abs_diff(held.used_us) <= BASE_VIEW_IDLE_US);
    }

    /// Returns the number of base views.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.base_views.lock().unwrap().len()
    }
}

/// The rows of a table as one commit shows them.
pub(super) struct BaseView {
    snapshot: Box<dyn Snapshot>,
    table: TableId,
    /// The number of the commit.
    commit: u64,
    undo: Option<Undo>,
}

/// The partition and position of the first change of a row after the commit; `None` if the row did
/// not exist at the commit.
type FirstChange = Option<(u8, LogPosition)>;

/// The rows in a range of keys that have changed since the commit.
struct Undo {
    lower: Vec<u8>,
    /// The exclusive end of the range; `None` if it reaches to the end of the table.
    upper: Option<Vec<u8>>,
    rows: BTreeMap<Vec<u8>, FirstChange>,
}

impl Undo {
    fn covers(&self, key: &[u8]) -> bool {
        self.lower.as_slice() <= key && self.upper.as_deref().is_none_or(|upper| key < upper)
    }
}

impl BaseView {
    pub(super) fn new(snapshot: Box<dyn Snapshot>, definition: &Definition) -> BaseView {
        let Definition { id, commit, .. } = definition;
        BaseView { snapshot, table: id.table, commit: *commit, undo: None }
    }

    /// Emits a page of the rows whose key bytes are `from` or greater, and returns where it ended.
    /// `records` rows were emitted before.
    pub(super) fn page(
        &mut self,
        mut page: Page<'_>,
        from: Vec<u8>,
        records: u64,
        now_us: i64,
    ) -> Result<PageEnd, TunnelError> {
        let undo = match self.undo.take() {
            Some(undo) if undo.covers(&from) => undo,
            _ => self.undo_from(page.table, &from)?,
        };
        let expiry = Expiry::new(page.table.options(), now_us / 1_000);
        let next = self.fill(&undo, from, expiry, &mut page)?;
        self.undo = Some(undo);
        let (place, more) = match next {
            Some(key) => (Place::Base(key), true),
            None => (Place::Finished, false),
        };
        let records = records + page.records as u64;
        Ok(PageEnd { next: Cursor { place, records, time_us: 0 }, more })
    }

    /// Emits rows up to the end of the page or of the undo. Returns the key at which to go on, or
    /// `None` at the end of the table.
    fn fill(
        &self,
        undo: &Undo,
        from: Vec<u8>,
        expiry: Option<Expiry>,
        page: &mut Page<'_>,
    ) -> Result<Option<Vec<u8>>, TunnelError> {
        let head = self.table.bytes();
        let key_of = |key: &[u8]| [head.as_slice(), key].concat();
        let upper = match &undo.upper {
            Some(upper) => key_of(upper),
            None => after_prefix(&head).unwrap_or_default(),
        };
        let mut rows = self.snapshot.scan(Space::Rows, &key_of(&from), &upper, Direction::Forward).peekable();
        let mut changed =
            undo.rows.range::<[u8], _>((Bound::Included(from.as_slice()), Bound::Unbounded)).peekable();
        loop {
            let key = match (rows.peek(), changed.peek()) {
                (None, None) => return Ok(undo.upper.clone()),
                (Some(Err(_)), _) => match rows.next() {
                    Some(Err(error)) => return Err(error.into()),
                    _ => continue,
                },
                (Some(Ok(row)), Some((changed, _))) => changed.as_slice().min(row_key(&row.key)).to_vec(),
                (Some(Ok(row)), None) => row_key(&row.key).to_vec(),
                (None, Some((changed, _))) => (*changed).clone(),
            };
            if page.is_full() {
                return Ok(Some(key));
            }
            let row =
                rows.next_if(|row| row.as_ref().is_ok_and(|row| row_key(&row.key) == key)).transpose()?;
            match changed.next_if(|(changed, _)| **changed == key) {
                Some((_, None)) => {}
                Some((_, Some((partition, position)))) => {
                    let value = self.change(*partition, *position)?;
                    let before = Record::decode(&value).map_err(|Malformed| self.lost(*position))?.before;
                    emit_row(page, &key, before.ok_or_else(|| self.lost(*position))?, expiry)?;
                }
                None => {
                    let Some(row) = row else { continue };
                    let row =
                        RowView::new(&row.value).map_err(|Malformed| self.lost(LogPosition::default()))?;
                    if row.commit > self.commit {
                        return Err(self.lost(LogPosition::start_of(row.commit)).into());
                    }
                    emit_row(page, &key, row, expiry)?;
                }
            }
        }
    }

    /// Makes the undo of as many rows from a key on as it may hold. Scans the log from the commit
    /// on.
    fn undo_from(&self, table: &Table, from: &[u8]) -> Result<Undo, TunnelError> {
        let after = LogPosition::start_of(self.commit + 1);
        let mut undo = Undo { lower: from.to_vec(), upper: None, rows: BTreeMap::new() };
        for partition in 0..CHANNELS {
            check_kept::<TunnelError>(self.snapshot.as_ref(), table, partition, after)?;
            for entry in log::scan(self.snapshot.as_ref(), self.table, partition, after) {
                let entry = entry?;
                let record = entry.record()?;
                // All changes of a row are in one partition, and the first change comes first.
                if !undo.covers(record.key) || undo.rows.contains_key(record.key) {
                    continue;
                }
                undo.rows.insert(record.key.to_vec(), record.before.map(|_| (partition, entry.position)));
                if undo.rows.len() > UNDO_ROWS_MAX {
                    undo.upper = undo.rows.pop_last().map(|(key, _)| key);
                }
            }
        }
        Ok(undo)
    }

    fn change(&self, partition: u8, position: LogPosition) -> Result<Bytes, Damage> {
        let value = self.snapshot.get(Space::Log, &log_key(self.table, partition, position))?;
        value.ok_or_else(|| self.lost(position))
    }

    fn lost(&self, position: LogPosition) -> Damage {
        Damage(format!(
            "a row as of commit {} cannot be told: its change of commit {} in the space log is missing",
            self.commit, position.commit
        ))
    }
}

/// Returns the encoded key of a row from a key of the space of rows, without the table id.
fn row_key(key: &[u8]) -> &[u8] {
    key.get(size_of::<TableId>()..).unwrap_or_default()
}

/// Emits a row, unless all its cells have expired.
fn emit_row(page: &mut Page<'_>, key: &[u8], row: RowView<'_>, expiry: Option<Expiry>) -> Result<(), Damage> {
    let name = page.table.name();
    let damaged = || Damage(format!("row {} of table \"{name}\"", key.escape_ascii()));
    let mut edits = Vec::new();
    let mut expired = false;
    for cell in row.cells() {
        let cell = cell.map_err(|Malformed| damaged())?;
        if expiry.is_some_and(|expiry| expiry.has_passed(cell.version)) {
            expired = true;
        } else {
            edits.push(EditRef::Put(cell));
        }
    }
    if edits.is_empty() && expired {
        return Ok(());
    }
    page.emit_base(key, &edits).ok_or_else(damaged)
}
