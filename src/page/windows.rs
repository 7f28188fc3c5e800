//! The windows of a span of time.

use dataflows::views::WINDOWS;

use super::fields::totals_fields;
use super::rows::{Field, Rows};
use live::feed::{FeedWatch, epoch_of};
use order_tables::{ResultError, not_a_result, totals_of};
use orders::Layout;
use store::read::{Direction, RangeRead, Selection};
use store::value::{CellRef, KeyPart, KeyRef, KeyValue, NamedKey};

/// By how much the order of printed times may differ from that of instants, at most: what a zone ever turned its clock by.
const TURN_MAX_MS: i64 = 26 * 3_600_000;

/// Columns of a window's row.
pub(super) const COLUMNS: &[&str] =
    &["begin", "end", "beginMs", "count", "totalPrice", "totalPriceExact", "late"];

/// The last windows, at most so many, of those that begin in `[from, to)`, ascending; no bound where there is none.
///
/// # Errors
/// [`ResultError`]: the table cannot be read, or a row is none of a result.
pub(super) fn last_of(
    feed: &FeedWatch,
    (from, to): (Option<i64>, Option<i64>),
    limit: usize,
) -> Result<Rows, ResultError> {
    let view = feed.store().view()?;
    let layout = feed.layout();
    let mut rows = Rows { columns: COLUMNS.to_vec(), epoch: epoch_of(&view)?, rows: Vec::new() };
    if view.find_table(WINDOWS.table).is_none() || limit == 0 {
        return Ok(rows);
    }
    let mut read = RangeRead {
        table: WINDOWS.table.to_owned(),
        direction: Direction::Backward,
        start: bound(layout, to, TURN_MAX_MS, KeyPart::Max),
        end: bound(layout, from, -TURN_MAX_MS, KeyPart::Min),
        selection: Selection { versions_max: Some(1), ..Selection::default() },
        rows_max: Some(limit.min(PAGE_ROWS_MAX)),
    };
    let is_within =
        |start_ms: i64| from.is_none_or(|from| from <= start_ms) && to.is_none_or(|to| start_ms < to);
    loop {
        let mut wrong = None;
        let next = view.range(&read, &mut |key, cells| {
            match window_fields(feed, key, cells) {
                Some((start_ms, fields)) if is_within(start_ms) => rows.rows.push(fields),
                Some(_) => {}
                None => wrong = Some(not_a_result(WINDOWS.table, key)),
            }
            0
        })?;
        if let Some(error) = wrong {
            return Err(error);
        }
        match next.filter(|_| rows.rows.len() < limit) {
            Some(next) => {
                read.start = names().into_iter().zip(next.into_iter().map(KeyPart::Value)).collect()
            }
            None => break,
        }
    }
    rows.rows.truncate(limit);
    rows.rows.reverse();
    Ok(rows)
}

/// Rows that are read at a time.
const PAGE_ROWS_MAX: usize = 5_000;

/// The fields of a window, and its first instant; none if the row is none of a result.
pub(super) fn window_fields(
    feed: &FeedWatch,
    key: &[KeyRef<'_>],
    cells: &[CellRef<'_>],
) -> Option<(i64, Vec<Field>)> {
    let totals = totals_of(WINDOWS, key, cells)?;
    let Some(KeyRef::String(begin)) = key.first() else { return None };
    let layout = feed.layout();
    let start_ms = layout.start_ms(begin)?;
    let head =
        [Field::Plain((*begin).to_owned()), Field::Plain(layout.end(start_ms)), Field::Integer(start_ms)];
    let late = Field::count(feed.late_in(start_ms));
    Some((start_ms, head.into_iter().chain(totals_fields(&totals)).chain([late]).collect()))
}

fn names() -> [String; 2] {
    ["begin".to_owned(), "end".to_owned()]
}

/// A key beyond that of any window that begins at this time, by `turn_ms`.
fn bound(layout: &Layout, at_ms: Option<i64>, turn_ms: i64, open: KeyPart) -> NamedKey {
    let printed = at_ms.map(|at_ms| layout.begin(at_ms.saturating_add(turn_ms)));
    // A time that no calendar has prints as a number.
    let part = match printed.filter(|text| text.contains(':')) {
        Some(text) => KeyPart::Value(KeyValue::String(text)),
        None => open.clone(),
    };
    let [begin, end] = names();
    vec![(begin, part), (end, open)]
}
