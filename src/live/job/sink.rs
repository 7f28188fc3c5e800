//! Writes the results: the changed rows of an epoch, the checkpoint and `upper`, in one commit.

use dataflows::views::{TOTAL, VIEWS};
use dataflows::{Change, Totals};

use super::checkpoint::{Digest, Note, Rejects, head_note, keys, reject_note};
use super::failure::JobFailure;
use super::reconcile::reconcile;
use order_tables::{RESULT_TABLES, RejectRow, ResultRow};
use orders::Layout;
use store::Store;
use store::append::Append;
use store::change::Write;
use store::error::{Damage, WriteError};
use store::format::TableId;
use store::value::PrimaryKey;
use store::view::View;

/// The counts that are kept in memory. The rows themselves are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) total: Totals,
    /// The number of rows of each view, in the order of the list of views.
    pub(super) rows: [u64; VIEWS.len()],
    pub(super) rejects: u64,
}

impl Counts {
    fn apply(&mut self, change: &Change) {
        if change.key.view == TOTAL {
            self.total = change.after.unwrap_or(Totals::ZERO);
        }
        let appears = i64::from(change.after.is_some()) - i64::from(change.before.is_some());
        let rows = &mut self.rows[change.key.view.index()];
        *rows = rows.saturating_add_signed(appears);
    }
}

/// A writer of results.
#[derive(Debug)]
pub(super) struct Sink {
    store: Store,
    layout: Layout,
    /// The ids of the tables, in the order of [`schemas`](order_tables::schemas).
    tables: Vec<TableId>,
    digest: Digest,
    pub(super) counts: Counts,
}

impl Sink {
    /// Creates a sink that counts nothing yet.
    pub(super) fn new(store: Store, layout: Layout, tables: Vec<TableId>) -> Sink {
        Sink { store, layout, tables, digest: Digest::default(), counts: Counts::default() }
    }

    /// Makes the result tables and the checkpoint hold `rows` and `rejects`, and nothing else, as
    /// of all commits below `upper`. Writes only what differs from `view`; `is_kept` says that its
    /// checkpoint holds them already. Returns whether anything was written.
    pub(super) fn start(
        &mut self,
        view: &View,
        upper: u64,
        rows: &[Change],
        rejects: &Rejects,
        is_kept: bool,
    ) -> Result<bool, JobFailure> {
        let writes = reconcile(view, rows, rejects, &self.layout, upper.saturating_sub(1))?;
        self.counts.rejects = rejects.len() as u64;
        if is_kept {
            rows.iter().for_each(|change| drop(self.note(change)));
            if writes.is_empty() {
                return Ok(false);
            }
        }
        let notes = if is_kept { Vec::new() } else { self.all_notes(view, rows, rejects)? };
        self.append(upper, writes, notes)?;
        Ok(true)
    }

    /// Makes the changes of an epoch durable, as of all commits below `upper`, in one commit.
    /// Returns the number of that commit; `None` if nothing changed.
    pub(super) fn commit(
        &mut self,
        upper: u64,
        changes: &[Change],
        rejects: Vec<(PrimaryKey, Option<RejectRow>)>,
        rejects_diff: i64,
    ) -> Result<Option<u64>, WriteError> {
        if changes.is_empty() && rejects.is_empty() {
            return Ok(None);
        }
        let mut writes = Vec::with_capacity(changes.len() + rejects.len() + 1);
        let mut notes = Vec::with_capacity(changes.len() + rejects.len() + 1);
        for change in changes {
            notes.push(self.note(change));
            self.writes(change, upper.saturating_sub(1), &mut writes);
        }
        for (key, reject) in rejects {
            notes.push(reject_note(&key, reject.as_ref()));
            writes.push(match reject {
                Some(reject) => reject.put(),
                None => RejectRow::delete(key),
            });
        }
        self.counts.rejects = self.counts.rejects.saturating_add_signed(rejects_diff);
        self.append(upper, writes, notes).map(Some)
    }

    /// Returns the notes of a whole checkpoint, and those that delete what else there is of another
    /// one.
    fn all_notes(&mut self, view: &View, rows: &[Change], rejects: &Rejects) -> Result<Vec<Note>, Damage> {
        let mut notes: Vec<Note> = rows.iter().map(|change| self.note(change)).collect();
        notes.extend(rejects.iter().map(|(key, reject)| reject_note(key, Some(reject))));
        notes.sort();
        let mut gone = keys(view)?;
        gone.retain(|key| notes.binary_search_by(|(note, _)| note.cmp(key)).is_err());
        notes.extend(gone.into_iter().map(|key| (key, None)));
        Ok(notes)
    }

    fn note(&mut self, change: &Change) -> Note {
        self.counts.apply(change);
        self.digest.apply(change)
    }

    /// Adds the writes of a changed row.
    fn writes(&self, change: &Change, epoch: u64, writes: &mut Vec<Write>) {
        let Change { key, before, after } = change;
        // The key of the row of a view without groups is its count: with another count it is
        // another row.
        let stays = |before: &Totals| {
            after.is_some_and(|after| !key.view.key.is_empty() || after.orders == before.orders)
        };
        if let Some(before) = before.filter(|before| !stays(before)) {
            writes.push(ResultRow::delete(key, before.orders, &self.layout));
        }
        if let Some(after) = after {
            writes.push(ResultRow::new(key, after, &self.layout).put(epoch));
        }
    }

    fn append(&self, upper: u64, writes: Vec<Write>, mut notes: Vec<Note>) -> Result<u64, WriteError> {
        let ids = self.tables.iter().map(|id| id.0).collect();
        notes.push(head_note(upper, &self.layout, ids, self.counts.rejects, self.digest));
        // The table of orders may have been deleted since. These are still the results as of
        // `upper`.
        let results = RESULT_TABLES.iter().map(|name| (*name).to_owned());
        let tables = results.zip(self.tables.iter().skip(1).copied()).collect();
        self.store.append(Append { tables, writes, notes })
    }
}

/// Deletes all results and the checkpoint, because the table of their orders is gone.
pub(super) fn empty(store: &Store, view: &View, layout: &Layout) -> Result<(), JobFailure> {
    let writes = reconcile(view, &[], &Rejects::new(), layout, 0)?;
    let notes = keys(view)?.into_iter().map(|key| (key, None)).collect();
    let tables =
        RESULT_TABLES.iter().filter_map(|name| Some(((*name).to_owned(), view.find_table(name)?.id)));
    store.append(Append { tables: tables.collect(), writes, notes })?;
    Ok(())
}
