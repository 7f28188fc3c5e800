//! Selects the cells of a row that a read returns.

use super::error::ReadError;
use super::filter::Filter;
use super::read::Selection;
use super::row::{Cells, Malformed};
use super::table::Table;
use super::time_to_live::Expiry;
use super::value::CellRef;

/// A [`Selection`] that has been checked and prepared for a table and a moment.
pub(crate) struct Selector<'s> {
    /// The names of the selected columns, sorted; empty means all.
    columns: Vec<&'s str>,
    /// Whether a key column is selected, so that a row is found even if it has none of the other
    /// columns.
    names_key: bool,
    start_column: Option<&'s str>,
    end_column: Option<&'s str>,
    versions: Option<(i64, i64)>,
    versions_max: usize,
    filter: Option<&'s Filter>,
    page: Option<(usize, usize)>,
    expiry: Option<Expiry>,
}

impl<'s> Selector<'s> {
    /// Checks and prepares a selection. `now_ms`, in milliseconds since 1970, decides which cells
    /// have expired.
    pub(crate) fn new(
        selection: &'s Selection,
        table: &Table,
        now_ms: i64,
    ) -> Result<Selector<'s>, ReadError> {
        if selection.versions_max == Some(0) {
            return Err(ReadError::NoVersions);
        }
        if let Some((start, end)) = selection.versions
            && (start < 0 || start >= end)
        {
            return Err(ReadError::VersionRange(start, end));
        }
        if let Some(filter) = &selection.filter {
            filter.check()?;
        }
        let is_key = |name: &str| table.key().iter().any(|column| column.name == name);
        let mut columns: Vec<&str> = selection.columns.iter().map(String::as_str).collect();
        columns.sort_unstable();
        let kept = usize::try_from(table.options().max_versions).unwrap_or(1);
        Ok(Selector {
            names_key: columns.iter().any(|name| is_key(name)),
            columns,
            start_column: selection.start_column.as_deref(),
            end_column: selection.end_column.as_deref(),
            versions: selection.versions,
            versions_max: selection.versions_max.map_or(kept, |asked| asked.min(kept)),
            filter: selection.filter.as_ref(),
            page: selection.filter.as_ref().and_then(Filter::page),
            expiry: Expiry::new(table.options(), now_ms),
        })
    }

    /// Puts the selected cells of a row into `selected`, which must be empty. Returns false if this
    /// read does not find the row.
    pub(crate) fn select<'a>(
        &self,
        cells: Cells<'a>,
        selected: &mut Vec<CellRef<'a>>,
    ) -> Result<bool, Malformed> {
        let (mut stored, mut live) = (false, false);
        let (mut column, mut versions) = ("", 0);
        for cell in cells {
            let cell = cell?;
            stored = true;
            if self.expiry.is_some_and(|expiry| expiry.has_passed(cell.version)) {
                continue;
            }
            live = true;
            if !self.wants(&cell) {
                continue;
            }
            // No column has an empty name, so the first cell always starts a column.
            if column != cell.name {
                (column, versions) = (cell.name, 0);
            }
            versions += 1;
            if versions <= self.versions_max {
                selected.push(cell);
            }
        }
        // A row without any cells can be found, but a row whose cells have all expired counts as
        // deleted. A row that is there is found by its key alone if no other columns are named.
        let there = live || !stored;
        let wanted = self.names_key || self.columns.is_empty();
        let found = !selected.is_empty() || there && wanted;
        if !found || !self.filter.is_none_or(|filter| filter.matches(selected)) {
            return Ok(false);
        }
        if let Some((offset, limit)) = self.page {
            keep_columns(selected, offset, limit);
        }
        Ok(true)
    }

    fn wants(&self, cell: &CellRef<'_>) -> bool {
        let named = match self.columns.as_slice() {
            [] => true,
            // A few names are compared faster one by one than by binary search.
            few if few.len() <= 4 => few.contains(&cell.name),
            many => many.binary_search(&cell.name).is_ok(),
        };
        named
            && self.start_column.is_none_or(|start| cell.name >= start)
            && self.end_column.is_none_or(|end| cell.name < end)
            && self.versions.is_none_or(|(start, end)| (start..end).contains(&cell.version))
    }
}

/// Keeps `limit` columns from `offset` on, with all their versions, and removes the others.
fn keep_columns(cells: &mut Vec<CellRef<'_>>, offset: usize, limit: usize) {
    let (mut column, mut place) = ("", 0);
    cells.retain(|cell| {
        if column != cell.name {
            (column, place) = (cell.name, place + 1);
        }
        // `place` counts from 1.
        place > offset && place <= offset.saturating_add(limit)
    });
}
